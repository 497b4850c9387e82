# SPDX-License-Identifier: Apache-2.0
"""Writes below one directory, with every time and mode decided here: a tree made twice is the
same tree."""
import os

TREE_NS = 1_582_916_039_000_000_000


class Tree:
    def __init__(self, root):
        self.root = os.fsencode(root)
        self.files = 0
        self.bytes = 0
        self._directories = {}  # path below the root -> mode
        os.makedirs(self.root, exist_ok=True)

    def directory(self, path, mode=0o755):
        path = os.fsencode(path)
        if self._directories.get(path) == mode:
            return
        parent = os.path.dirname(path)
        if parent and parent not in self._directories:
            self.directory(parent)
        if path not in self._directories:
            os.mkdir(self._at(path))
        self._directories[path] = mode

    def file(self, path, data, mode=0o644, mtime_ns=None, owner=None):
        path = self._enter(path)
        fd = os.open(self._at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, data)
            if owner:
                os.fchown(fd, *owner)
            os.fchmod(fd, mode)
            ns = self._time(path) if mtime_ns is None else mtime_ns
            os.utime(fd, ns=(ns, ns))
        finally:
            os.close(fd)
        self._count(len(data))

    def sparse(self, path, size, offset, data):
        path = self._enter(path)
        with open(self._at(path), "wb") as f:
            f.seek(offset)
            f.write(data)
            f.truncate(size)
        os.chmod(self._at(path), 0o644)
        self._set_time(path)
        self._count(size)

    def symlink(self, path, target):
        path = self._enter(path)
        os.symlink(os.fsencode(target), self._at(path))
        self._set_time(path)
        self._count(0)

    def hard_link(self, existing, path):
        path = self._enter(path)
        os.link(self._at(os.fsencode(existing)), self._at(path))
        self._count(0)

    def node(self, path, mode):
        path = self._enter(path)
        os.mknod(self._at(path), mode)
        self._set_time(path)

    def attribute(self, path, name, value):
        """False where the file system keeps none."""
        try:
            os.setxattr(self._at(os.fsencode(path)), name, value)
            return True
        except OSError:
            return False

    def finish(self):
        """Modes and times of directories: writing into one changes both, so they come last and
        from the bottom up."""
        for path in sorted(self._directories, reverse=True):
            os.chmod(self._at(path), self._directories[path])
            self._set_time(path)
        os.chmod(self.root, 0o755)
        os.utime(self.root, ns=(TREE_NS, TREE_NS))

    def _at(self, path):
        return os.path.join(self.root, path)

    def _enter(self, path):
        path = os.fsencode(path)
        parent = os.path.dirname(path)
        if parent and parent not in self._directories:
            self.directory(parent)
        return path

    @staticmethod
    def _time(path):
        # Some spread, with nanoseconds; no random stream, so that order does not matter.
        return TREE_NS + sum(path) * 1_000_000_007 + len(path)

    def _set_time(self, path):
        ns = self._time(path)
        os.utime(self._at(path), ns=(ns, ns), follow_symlinks=False)

    def _count(self, size):
        self.files += 1
        self.bytes += size
