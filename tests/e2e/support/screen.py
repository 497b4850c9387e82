# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of a given size, and what stands on its screen.

Strict: a line that wraps, a screen that is cleared before it is drawn (it would flicker), and an
escape it does not know are errors of the program."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

TOKEN = re.compile(rb"\x1b\[(\??[0-9;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")
TIMEOUT_SECONDS = 600
STOPPED = "the program was stopped"  # as a shell says it


class Screen:
    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.alternate = False
        self.cursor_shown = True
        self.printed = ""  # on the ordinary screen
        self.pictures = []  # of the alternate one, each as it stood when it was complete
        self._lines = [""] * rows
        self._row = self._column = 0
        self._rest = b""

    def feed(self, data):
        data = self._rest + data
        # An escape, or a character of several bytes, may be cut by the end of what was read.
        cut = data.rfind(b"\x1b")
        whole = cut < 0 or re.match(rb"\x1b\[\??[0-9;]*[A-Za-z]", data[cut:])
        self._rest = b"" if whole else data[cut:]
        data = data if whole else data[:cut]
        at = 0
        while at < len(data):
            token = TOKEN.match(data, at)
            assert token, f"neither text nor a known escape: {data[at:at + 40]!r}"
            self._take(token)
            at = token.end()

    def _take(self, token):
        if token[2]:
            self._escape(token[1].decode(), token[2].decode())
        elif not self.alternate:
            self.printed += token[0].decode().replace("\r", "")
        elif token[0] == b"\r":
            self._column = 0
        elif token[0] == b"\n":
            assert self._row < self.rows - 1, "the picture is higher than the screen"
            self._row += 1
        else:
            self._put(token[0].decode())

    def _put(self, text):
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[:self._column] + text + line[self._column + len(text):]
        self._column += len(text)
        assert self._column <= self.columns, f"wraps: {self._lines[self._row]!r}"

    def _escape(self, number, letter):
        if number + letter in ("?1049h", "?1049l"):
            self.alternate = letter == "h"
        elif number + letter in ("?25h", "?25l"):
            self.cursor_shown = letter == "h"
        elif number + letter == "H":
            self._row = self._column = 0
        elif number + letter == "K":
            self._lines[self._row] = self._lines[self._row][:self._column]
        elif number + letter == "J":
            assert self._row > 0 or self._column > 0, "cleared before it is drawn"
            self._lines[self._row] = self._lines[self._row][:self._column]
            self._lines[self._row + 1:] = [""] * (self.rows - self._row - 1)
            self.pictures.append("\n".join(l.rstrip() for l in self._lines).rstrip("\n"))
        else:
            raise AssertionError(f"an unknown escape: {number}{letter}")

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self._lines = [l[:columns] for l in self._lines[:rows]]
        self._lines += [""] * (rows - len(self._lines))


def shell(arguments, environment):
    """What a shell with job control does: the program in the foreground in a group of its own; when
    it stops, this says so and has it go on. The program's exit status."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execve(arguments[0], arguments, environment)
    while True:
        status = os.waitpid(pid, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        os.write(1, f"{STOPPED}\n".encode())
        os.tcsetpgrp(0, pid)
        os.killpg(pid, signal.SIGCONT)


class Terminal:
    """Runs a program on a pseudo-terminal, as a shell does."""

    def __init__(self, arguments, columns, rows, **env):
        self.screen = Screen(columns, rows)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self._set_size(0, columns, rows)
            os._exit(shell([os.fspath(a) for a in arguments],
                           {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **env}) & 255)
        self.status = None

    @staticmethod
    def _set_size(fd, columns, rows):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.1):
        """False when the program has gone."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            data = b""
        self.screen.feed(data)
        return bool(data)

    def until(self, what):
        end = time.monotonic() + TIMEOUT_SECONDS
        while not what(self.screen):
            assert self.read(), f"it has ended: {self.screen.printed}"
            assert time.monotonic() < end, "\n====\n".join(self.screen.pictures[-2:])

    def type(self, data):
        os.write(self.fd, data)

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        self._set_size(self.fd, columns, rows)

    def wait(self):
        """Its exit status, once all it says is read."""
        end = time.monotonic() + TIMEOUT_SECONDS
        while self.read():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status
