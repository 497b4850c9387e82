# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at every mutating system call of a small migration, by strace's fault injection.

A point is (system call, N): the process dies as one of its threads enters its Nth call of that
kind, before the call takes effect. Threads count apart, so that the Nth of each kind is met by the
thread that comes to it first. After the kill the same command is given again, and everything must
be as after an undisturbed run: documents by their raw bytes, files with all they carry, a journal
that an audit finds whole."""
import os
import re
import shutil
import subprocess

from . import oracle
from .migration import Migration, forget_shared_times

FILES, DOCUMENTS = 30, 1000
# Whatever changes a file, a directory, or what a server or child is told.
CALLS = ("write pwrite64 writev pwritev sendto sendmsg ftruncate fallocate copy_file_range fsync "
         "fdatasync syncfs rename renameat renameat2 link linkat symlinkat unlink unlinkat mkdir "
         "mkdirat rmdir chmod fchmod fchmodat fchown fchownat utimensat fsetxattr").split()
WHERE = re.compile(r"^(\d+) +(\w+)\(")
TIMEOUT = 600


def fill(ends):
    """30 files, 2 collections, 1,000 documents."""
    folder = os.path.join(ends.source.data_dir, "alice", "datasets", "d1", "files")
    os.makedirs(folder)
    for i in range(FILES):
        with open(os.path.join(folder, f"{i:02d}.jpg"), "wb") as f:
            f.write(bytes([i]) * (1000 + 977 * i))
    ends.source.db["DataSets"].insert_one({"_id": "d1", "name": "one", "owner": "alice"})
    ends.source.db["DataSetFiles"].insert_many(
        {"_id": f"f{i:04d}", "dataset_id": "d1", "n": i, "text": "x" * (i % 200)}
        for i in range(DOCUMENTS - 1))
    ends.source.db["DataSetFiles"].create_index("dataset_id")
    return ends


class Crash:
    def __init__(self, ends, mvimig):
        self.ends, self.mvimig = ends, mvimig
        self.log = ends.path("strace.log")
        self.most = {}  # calls by points()
        self.migration = Migration(fill(ends), mvimig, "crash")
        self.migration.plan().ok()
        self.forget()
        self.migration.apply("--jobs", "1").ok()
        self.documents = oracle.documents(ends.destination.db)
        self.tree = oracle.tree(ends.destination.data_dir)
        assert sum(len(v) for v in self.documents.values()) == DOCUMENTS

    def forget(self):
        """As before the first run."""
        self.ends.destination.client.drop_database(self.ends.destination.database)
        for folder in (self.ends.destination.data_dir, os.path.dirname(self.migration.work_dir)):
            shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(self.ends.destination.data_dir)

    def trace(self, *options):
        """The exit status of apply under strace."""
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", self.log, *options, self.mvimig.path, "apply",
             self.migration.plan_path, "-c", self.migration.config, "--jobs", "1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            timeout=TIMEOUT)
        return done.returncode

    def calls(self):
        """The most calls of each kind that one thread made, by the log."""
        counts, most = {}, {}
        with open(self.log, encoding="utf-8", errors="replace") as f:
            for line in f:
                found = WHERE.match(line)
                if found:
                    key = (found[2], found[1])
                    counts[key] = counts.get(key, 0) + 1
        for (call, _thread), n in counts.items():
            most[call] = max(most.get(call, 0), n)
        return most

    def points(self):
        """All of them, from an undisturbed run: up to the most calls that one thread made."""
        self.forget()
        assert self.trace("-e", "trace=" + ",".join("?" + c for c in CALLS)) == 0
        self.most = self.calls()
        return [(call, n) for call in CALLS for n in range(1, self.most.get(call, 0) + 1)]

    def kill_at(self, call, nth):
        """A run under load commits more often than one that has the machine for itself: one that is
        over before it comes to that call is done again, and killed as far on in what it made. False
        when that fails, too. Everything else is an assertion."""
        for _ in range(3):
            self.forget()
            self.trace("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={nth}")
            with open(self.log, encoding="utf-8", errors="replace") as f:
                fired = "killed by SIGKILL" in f.read()
            made = self.calls().get(call, 0)
            self.migration.apply("--jobs", "1").ok()
            self.check()
            if fired or made == 0:
                return fired
            nth = max(1, nth * made // self.most[call])
        return False

    def check(self):
        oracle.check(oracle.document_differences(
            self.documents, oracle.documents(self.ends.destination.db)))
        there = oracle.tree(self.ends.destination.data_dir)
        expected = dict(self.tree)
        forget_shared_times(expected, there)
        oracle.check(oracle.tree_differences(expected, there))
        self.mvimig.run("audit", self.migration.work_dir).ok()
        left = [n for _, _, names in os.walk(self.ends.destination.data_dir) for n in names
                if n.startswith(".")]
        assert not left, f"temporary files are left: {left}"
