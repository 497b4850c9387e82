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
         "mkdir,mkdirat,symlinkat,linkat,rename,renameat,renameat2,unlinkat,openat")
LINE = re.compile(r"^(\d+) +([\d.]+) +(.*)$", re.S)
CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?")
# A file without a name (O_TMPFILE of open(2)) gets one by its descriptor.
UNNAMED = re.compile(r'"/proc/self/fd/(\d+)", (?:\d+<([^>]*)>), "((?:[^"\\]|\\.)*)"')
UNFINISHED = re.compile(r"^(\w+)\((.*) <unfinished \.\.\.>$", re.S)
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
FD = re.compile(r"^\d+<(.*?)>(?:\(deleted\))?(?=,|$|\))")
AT = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>, \"((?:[^\"\\]|\\.)*)\"")


def run(arguments, log, cwd=None):
    return subprocess.run(
        ["strace", "-f", "-y", "-ttt", "-qq", "-s", "65536", "-o", log, "-e", f"trace={CALLS}", "-e", "signal=none",
         *map(os.fspath, arguments)], capture_output=True, text=True, check=False, cwd=cwd)


def calls(log):
    """(name, arguments, result, when it began) as each call ended; a write that has only begun counts
    as done. Seconds since the epoch."""
    begun = {}
    with open(log, encoding="latin-1") as f:
        for line in f:
            pid, when, text = LINE.match(line.rstrip("\n")).groups()
            started = UNFINISHED.match(text)
            resumed = RESUMED.match(text)
            if started:
                begun[pid] = (*started.groups(), when)
                if "write" in started[1]:
                    yield started[1], started[2], 0, float(when)
                continue
            if resumed:
                name, arguments, when = begun.pop(pid)
                text = f"{name}({arguments}{resumed[2]}"
            done = CALL.match(text)
            if done and done[1] != "openat":
                yield done[1], done[2], int(done[3]), float(when)
            elif done and "O_TMPFILE" in done[2] and done[4]:
                yield "unnamed", done[4], int(done[3]), float(when)


def place(directory, name):
    return os.path.normpath(os.path.join(directory, name))


class Disk:
    """Names and contents that are not safe yet, below some roots, and since when."""

    def __init__(self, roots, later=()):
        """`later`: endings of names that may come before their content is safe."""
        self.later = tuple(later)
        self.roots = [os.fspath(r) for r in roots]
        self.contents, self.names = {}, {}
        self.now = 0.0
        self.renamed = 0
        self.wrong = []
        self.unnamed = {}  # by descriptor
        self.unnamed_at_all = False

    def root_of(self, path):
        return next((r for r in self.roots if path == r or path.startswith(r + "/")), None)

    def unsafe(self, below, before=float("inf")):
        """What came before that time."""
        return sorted(f"{what} {p}" for what, pending in (("content of", self.contents), ("name", self.names))
                      for p, since in pending.items() if p.startswith(below + "/") and since < before)

    def named(self, path):
        if self.root_of(path):
            self.names[path] = self.now

    def forget(self, what):
        for pending in (self.contents, self.names):
            for p in [p for p in pending if what(p)]:
                del pending[p]

    def gone(self, path):
        self.forget(lambda p: p == path or p.startswith(path + "/"))

    def link(self, arguments):
        by_descriptor = UNNAMED.search(arguments)
        if by_descriptor:
            self.move(self.unnamed.pop(by_descriptor[1]), place(by_descriptor[2], by_descriptor[3]))
        else:
            self.named(place(*AT.findall(arguments)[1]))

    def move(self, old, new):
        content = self.contents.get(old)
        if content is not None and not new.endswith(self.later):
            self.wrong.append(f"{new} got its name before its content was synced")
        for pending in (self.contents, self.names):
            for p in [p for p in pending if p.startswith(old + "/")]:
                pending[new + p[len(old):]] = pending.pop(p)
        self.gone(old)
        self.named(new)
        if content is not None:
            self.contents[new] = content
        self.renamed += 1

    def synced(self, name, path):
        if name == "syncfs":
            root = self.root_of(path)
            self.forget(lambda p: self.root_of(p) == root)
            return
        self.contents.pop(path, None)
        for p in [p for p in self.names if os.path.dirname(p) == path]:
            del self.names[p]

    def take(self, name, arguments, result, when):
        if result < 0:
            return
        self.now = when
        fd, at = FD.match(arguments), [place(*m) for m in AT.findall(arguments)]
        if name in ("fsync", "fdatasync", "syncfs"):
            self.synced(name, fd[1])
        elif name == "mkdir":
            self.named(re.match(r'"([^"]*)"', arguments)[1])
        elif name == "mkdirat":
            self.named(at[0])
        elif name == "symlinkat":
            self.named(at[-1])
        elif name == "unnamed":
            self.unnamed[str(result)] = arguments
            self.unnamed_at_all = True
        elif name == "linkat":
            self.link(arguments)
        elif name.startswith("rename"):
            self.move(*at)
        elif name == "unlinkat":
            self.gone(at[0])
        elif fd and self.root_of(fd[1]):
            self.contents[fd[1]] = when
