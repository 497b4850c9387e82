# SPDX-License-Identifier: Apache-2.0
"""What a power failure could still take, read off the system calls of a run.

A file's content is safe once it was synced after its last write; a name in a directory is safe once
that directory was synced after the name came (fsync(2): a file's sync does not bring its name).
syncfs counts for what lies below the same root only: each root may be a volume of its own.
"""
import os
import re
import subprocess

CALLS = ("write,pwrite64,writev,pwritev,copy_file_range,sendfile,fallocate,ftruncate,fsync,fdatasync,syncfs,"
         "mkdir,mkdirat,symlinkat,linkat,rename,renameat,renameat2,unlinkat")
LINE = re.compile(r"^(\d+) +(.*)$", re.S)
CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)")
UNFINISHED = re.compile(r"^(\w+)\((.*) <unfinished \.\.\.>$", re.S)
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
FD = re.compile(r"^\d+<(.*?)>(?=,|$|\))")
AT = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>, \"((?:[^\"\\]|\\.)*)\"")


def run(arguments, log, cwd=None):
    return subprocess.run(
        ["strace", "-f", "-y", "-qq", "-s", "65536", "-o", log, "-e", f"trace={CALLS}", "-e", "signal=none",
         *map(os.fspath, arguments)], capture_output=True, text=True, check=False, cwd=cwd)


def calls(log):
    """(name, arguments, result) as each call ended; a write that has only begun counts as done."""
    begun = {}
    with open(log, encoding="latin-1") as f:
        for line in f:
            pid, text = LINE.match(line.rstrip("\n")).groups()
            started = UNFINISHED.match(text)
            resumed = RESUMED.match(text)
            if started:
                begun[pid] = started.groups()
                if "write" in started[1]:
                    yield started[1], started[2], 0
                continue
            if resumed:
                name, arguments = begun.pop(pid)
                text = f"{name}({arguments}{resumed[2]}"
            done = CALL.match(text)
            if done:
                yield done[1], done[2], int(done[3])


def place(directory, name):
    return os.path.normpath(os.path.join(directory, name))


class Disk:
    """Names and contents that are not safe yet, below some roots."""

    def __init__(self, roots):
        self.roots = [os.fspath(r) for r in roots]
        self.contents, self.names = set(), set()
        self.renamed = 0
        self.wrong = []

    def root_of(self, path):
        return next((r for r in self.roots if path == r or path.startswith(r + "/")), None)

    def unsafe(self, below):
        return sorted(f"content of {p}" for p in self.contents if p.startswith(below + "/")) + \
            sorted(f"name {p}" for p in self.names if p.startswith(below + "/"))

    def named(self, path):
        if self.root_of(path):
            self.names.add(path)

    def gone(self, path):
        for pending in (self.contents, self.names):
            pending -= {p for p in pending if p == path or p.startswith(path + "/")}

    def move(self, old, new):
        if old in self.contents:
            self.wrong.append(f"{new} got its name before its content was synced")
        for pending in (self.contents, self.names):
            moved = {p for p in pending if p.startswith(old + "/")}
            pending -= moved
            pending |= {new + p[len(old):] for p in moved}
        self.gone(old)
        self.named(new)
        self.renamed += 1

    def synced(self, name, path):
        if name == "syncfs":
            root = self.root_of(path)
            for pending in (self.contents, self.names):
                pending -= {p for p in pending if self.root_of(p) == root}
            return
        self.contents.discard(path)
        self.names -= {p for p in self.names if os.path.dirname(p) == path}

    def take(self, name, arguments, result):
        if result < 0:
            return
        fd, at = FD.match(arguments), [place(*m) for m in AT.findall(arguments)]
        if name in ("fsync", "fdatasync", "syncfs"):
            self.synced(name, fd[1])
        elif name == "mkdir":
            self.named(re.match(r'"([^"]*)"', arguments)[1])
        elif name == "mkdirat":
            self.named(at[0])
        elif name == "symlinkat":
            self.named(at[-1])
        elif name == "linkat":
            self.named(at[1])
        elif name.startswith("rename"):
            self.move(*at)
        elif name == "unlinkat":
            self.gone(at[0])
        elif fd and self.root_of(fd[1]):
            self.contents.add(fd[1])
