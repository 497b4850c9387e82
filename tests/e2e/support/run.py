# SPDX-License-Identifier: Apache-2.0
"""Runs mvimig, and holds every run to two rules: no secret in what it prints, and no report of a
sanitizer."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time

from .process import die_with_parent

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
TIMEOUT_SECONDS = 600  # it hangs, however slow the machine
# No exit code of the program itself.
SANITIZER_EXIT = 66
SANITIZER_WORDS = re.compile(
    r"(ERROR: (Address|Leak|UndefinedBehavior)Sanitizer|runtime error: |LeakSanitizer:)")


def binary():
    return os.path.abspath(os.environ.get("MVIMIG_BIN")
                           or os.path.join(ROOT, "build", "dev", "mvimig"))


class Result:
    def __init__(self, arguments, rc, stdout, stderr, seconds):
        self.arguments = arguments
        self.rc = rc
        self.stdout_bytes, self.stderr_bytes = stdout, stderr
        self.stdout = stdout.decode(errors="replace")
        self.stderr = stderr.decode(errors="replace")
        self.seconds = seconds

    def __str__(self):
        return (f"mvimig {' '.join(map(str, self.arguments))}: exit {self.rc} "
                f"after {self.seconds:.1f} s\n--- stdout\n{self.stdout[-8000:]}\n"
                f"--- stderr\n{self.stderr[-8000:]}")

    def expect(self, rc):
        assert self.rc == rc, f"expected exit {rc}\n{self}"
        return self

    def ok(self):
        return self.expect(0)

    def json(self):
        return json.loads(self.stdout)


class Running:
    """A run that has not ended. Its output goes to files: a full pipe would stop it."""

    def __init__(self, program, arguments, environment, cwd):
        self._program = program
        self.arguments = arguments
        self._out = tempfile.TemporaryFile()
        self._err = tempfile.TemporaryFile()
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            [program.path, *map(os.fspath, arguments)], env=environment, cwd=cwd,
            stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err,
            preexec_fn=die_with_parent)

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def kill9(self):
        """Result of a run that was killed (or had ended before)."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def stdout_so_far(self):
        return os.pread(self._out.fileno(), 1 << 24, 0).decode(errors="replace")

    def ended(self):
        return self.process.poll() is not None

    def until_held(self, path):
        """Until it waits for the removal of that file at a fault point (base/fault.h)."""
        while not os.path.exists(f"{path}.met"):
            assert not self.ended(), self._result()
            time.sleep(0.01)

    def stderr_so_far(self):
        return os.pread(self._err.fileno(), 1 << 24, 0).decode(errors="replace")

    def wait(self, timeout=TIMEOUT_SECONDS):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"not done after {timeout} s\n{self._result()}") from None
        result = self._result()
        self._out.close()
        self._err.close()
        self._program.check(result)
        return result

    def _result(self):
        out, err = (os.pread(f.fileno(), os.fstat(f.fileno()).st_size, 0)
                    for f in (self._out, self._err))
        return Result(self.arguments, self.process.returncode, out, err,
                      time.monotonic() - self._started)


def hold(at, files):
    """For MVIMIG_FAULT (base/fault.h): at its Nth time at that point a run waits as long as the file
    is there that is given for N, or "N+". The files are made."""
    for path in files.values():
        with open(path, "w", encoding="utf-8"):
            pass
    return ",".join(f"{at}:hold={path}:{nth}" for nth, path in files.items())


class Program:
    """mvimig, with the secrets it must not tell."""

    def __init__(self, cwd, path=None):
        self.path = path or binary()
        self.cwd = str(cwd)
        self.secrets = set()

    def start(self, *arguments, env=None, cwd=None):
        return Running(self, [str(a) if not isinstance(a, (str, bytes)) else a
                              for a in arguments], self._environment(env), cwd or self.cwd)

    def run(self, *arguments, env=None, cwd=None, timeout=TIMEOUT_SECONDS):
        return self.start(*arguments, env=env, cwd=cwd).wait(timeout)

    def check(self, result):
        for stream in (result.stdout_bytes, result.stderr_bytes):
            for secret in self.secrets:
                assert secret.encode() not in stream, f"told the secret {secret!r}\n{result}"
        assert result.rc != SANITIZER_EXIT and not SANITIZER_WORDS.search(result.stderr), \
            f"a sanitizer reports\n{result}"
        self._note_messages(result)

    @staticmethod
    def _note_messages(result):
        """For script/messages: what a user was told on the way to an exit status, and what check
        finds, which is its result."""
        path = os.environ.get("MVIMIG_MESSAGES")
        if path and result.arguments:
            found = [line for line in result.stdout.splitlines() if line.startswith("BAD ")]
            with open(path, "a", encoding="utf-8") as f:
                for line in result.stderr.splitlines() + found:
                    f.write(f"{result.rc}\t{result.arguments[0]}\t{line}\n")

    def assert_no_secret_below(self, *folders):
        """Plan, journal, dumps' index, logs: whatever a run leaves behind."""
        for folder in folders:
            for directory, _, names in os.walk(os.fsencode(folder)):
                for name in names:
                    path = os.path.join(directory, name)
                    if os.path.isfile(path) and not os.path.islink(path):
                        self._assert_no_secret_in(path)

    def _assert_no_secret_in(self, path):
        with open(path, "rb") as f:
            data = f.read()
        for secret in self.secrets:
            assert secret.encode() not in data, f"{path!r} holds the secret {secret!r}"

    @staticmethod
    def _environment(changes):
        env = dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1")
        for name in ("MVI_MIG_CONFIG", "MIGMGR_MOUNTPOINT"):
            env.pop(name, None)
        env["ASAN_OPTIONS"] = f"exitcode={SANITIZER_EXIT}:detect_leaks=1"
        env["UBSAN_OPTIONS"] = f"halt_on_error=1:print_stacktrace=1:exitcode={SANITIZER_EXIT}"
        for name, value in (changes or {}).items():
            env.pop(name, None)
            if value is not None:
                env[name] = str(value)
        return env
