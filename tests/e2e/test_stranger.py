# SPDX-License-Identifier: Apache-2.0
"""What surrounds the program: its version, completion, and what an installation lays down."""
import json
import os
import subprocess

from support.run import ROOT, binary

COMPLETE = """
source <("$1" completion bash)
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
compopt() { :; }
_mvimig
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words):
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", binary(), "mvimig", *words],
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_version_names_libraries(mvimig):
    text = mvimig.run("version").ok().stdout
    libraries = json.loads(mvimig.run("version", "--json").ok().stdout)["libraries"]
    assert set(libraries) == {"jansson", "libcrypto", "libyaml", "libpcre2", "libsqlite3",
                              "libarchive", "libcurl", "libbson", "libmongoc", "libzstd"}
    for name, versions in libraries.items():
        assert f"  {name}" in text
        assert set(versions) == {"built", "running"}
        assert all(v[0].isdigit() for v in versions.values()), (name, versions)


def test_bash_completes_commands_and_options():
    assert completed("pl") == ["plan"]
    assert completed("ver") == ["verify", "version"]
    assert completed("plan", "--ser") == ["--server"]
    assert completed("apply", "--ser") == []
    assert completed("apply", "--log-format", "") == ["text", "json"]
    assert completed("apply", "-") != [] and completed("apply", "--digest", "-") == []


def test_completion_of_no_such_shell(mvimig):
    assert "say bash or zsh" in mvimig.run("completion", "fish").expect(2).stderr


def test_install(tmp_path):
    build = os.path.dirname(binary())
    subprocess.run(["cmake", "--install", build, "--prefix", str(tmp_path)], check=True,
                   stdout=subprocess.DEVNULL)
    commands = os.listdir(os.path.join(ROOT, "docs", "man"))
    assert "mvimig-plan.1" in commands
    for path in ["bin/mvimig", "share/bash-completion/completions/mvimig",
                 "share/zsh/site-functions/_mvimig", "share/doc/mvimig/LICENSE",
                 "share/doc/mvimig/docs/journal.md",
                 *(f"share/man/man1/{name}" for name in commands)]:
        assert (tmp_path / path).is_file(), path
    done = subprocess.run([str(tmp_path / "bin/mvimig"), "version"], capture_output=True, check=False)
    assert done.returncode == 0


def test_what_a_killed_program_left_is_not_told():
    """The MongoDB driver's counters in shared memory, under a PID that comes again."""
    script = 'echo $$; touch "/dev/shm/mongoc-$$"; exec "$1" version'
    done = subprocess.run(["sh", "-c", script, "sh", binary()], capture_output=True, text=True,
                          check=True)
    assert done.stderr == "" and done.stdout.splitlines()[1].startswith("mvimig ")
    assert not os.path.exists("/dev/shm/mongoc-" + done.stdout.split()[0])
