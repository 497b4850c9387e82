# SPDX-License-Identifier: Apache-2.0
"""Migrations of files alone: two folders, a plan written by hand, and no server.

    m = FilesMigration(tmp_path, mvimig)
    fill(m.source, 30)
    m.apply().ok()
    m.assert_arrived()
"""
import ctypes
import itertools
import json
import os
import pathlib
import random
import sqlite3
import subprocess

import pytest

from . import oracle

_numbers = itertools.count(1)
CLONE_NEWNS = 0x20000


def fill(root, files, users=2, size=9000, seed=1):
    """Returns the paths of the files, below folders as datasets have them."""
    chance = random.Random(seed)
    out = []
    for n in range(files):
        path = os.path.join(root, f"user{n % users}", "datasets", f"{n % 7:04x}", f"{n:06x}.jpg")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(chance.randbytes(chance.randrange(size)))
        out.append(path)
    return out


def beside(mvimig, name):
    path = os.path.join(os.path.dirname(mvimig.path), name)
    if not os.access(path, os.X_OK):
        pytest.skip(f"{name} is not built beside {mvimig.path}")
    return path


def skip_unless_open_to_others(path):
    """Another user has to get to the program: from a clone in root's own folder nobody else does."""
    for folder in pathlib.Path(path).resolve().parents:
        if folder.stat().st_mode & 0o001 == 0:
            pytest.skip(f"{folder} is closed to other users; clone into a folder that is open")


class FilesMigration:
    """From one folder to another, a step for each of what stands at the top of the source."""

    def __init__(self, folder, mvimig, source=None, destination=None, command=None, prefix=(),
                 receiver=None):
        self.mvimig, self.prefix, self.command = mvimig, list(prefix), command
        self.way = ["--receiver", receiver] if receiver else []
        self.name = f"f{next(_numbers)}"
        self.folder = str(folder)
        self.source = self._folder(source, "source")
        self.destination = self._folder(destination, "destination")
        self.work_dir = os.path.join(self.folder, f"work-{self.name}")
        self.config = os.path.join(self.folder, f"{self.name}.json")
        self.plan = os.path.join(self.folder, f"{self.name}.yaml")

    def _folder(self, given, name):
        path = str(given or os.path.join(self.folder, name))
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, policy="replace"):
        to = {"dataDir": self.destination}
        if self.command:
            to["filesCommand"] = list(self.command)
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump({"source": {"dataDir": self.source}, "destination": to}, f)
        with open(self.plan, "w", encoding="utf-8") as f:
            f.write(f"mvimig: 1\nname: {self.name}\npass: 1\nbase: []\nscope: \"server\"\n"
                    f"source: {{server: \"a\", database: DLAAS, root: {self.source}}}\n"
                    "destination: {server: \"b\", database: DLAAS}\nsteps:\n")
            for top in sorted(os.listdir(self.source)):
                f.write(f"  - {{id: files/{top}, kind: file-batch, under: {top}, "
                        f"onConflict: {policy}}}\n")

    def start(self, *options, env=None):
        """apply where nothing was begun, else resume."""
        what = (["resume", self.work_dir, *self.way] if self.begun() else
                ["apply", self.plan, "-c", self.config, "--work-dir", self.work_dir, *self.way,
                 *options])
        if not self.begun():
            self.write()
        program = _Prefixed(self.mvimig, self.prefix) if self.prefix else self.mvimig
        return program.start(*what, env=env)

    def apply(self, *options, env=None):
        return self.start(*options, env=env).wait()

    def verify(self, *options):
        program = _Prefixed(self.mvimig, self.prefix) if self.prefix else self.mvimig
        return program.start("verify", self.plan, "-c", self.config, "--work-dir", self.work_dir,
                             *self.way, *options).wait()

    def begun(self):
        """A run was recorded: before that, not even the configuration's path is known."""
        try:
            return self.ask("select count(*) from run")[0][0] > 0
        except sqlite3.OperationalError:
            return False

    def ask(self, query):
        db = sqlite3.connect(f"file:{self.work_dir}/journal.db?mode=ro", uri=True, timeout=30)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()

    def sent(self):
        """(entries, bytes of content), as batches and as steps have them."""
        batches, steps = (self.ask(
            f"select coalesce(sum(sent), 0), coalesce(sum(sent_bytes), 0) from {table}")[0]
            for table in ("batch", "step"))
        assert batches == steps
        return steps

    def assert_arrived(self, ignore=()):
        want, there = oracle.tree(self.source), oracle.tree(self.destination)
        for path in want.keys() & there.keys():
            if b"/" not in path:  # other steps write into what stands at the top: its time is nobody's
                want[path].mtime_ns = there[path].mtime_ns
        oracle.check(oracle.tree_differences(want, there, ignore=ignore))

    def assert_nothing_left(self):
        left = [n for n in os.listdir(self.destination) if n.startswith(".mvimig")]
        assert left == []


class _Prefixed:
    """The program run by another command, such as setpriv."""

    def __init__(self, mvimig, prefix):
        self.mvimig, self.prefix = mvimig, prefix

    def start(self, *arguments, env=None):
        kept = self.mvimig.path
        try:
            self.mvimig.path = self.prefix[0]
            return self.mvimig.start(*self.prefix[1:], kept, *arguments, env=env)
        finally:
            self.mvimig.path = kept


def private_mounts():
    """From here on mounts of this process (and of its children) end with it, seen by nobody else."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        pytest.skip("no mount namespace of our own is allowed here")
    mount("--make-rprivate", "/")


def mount(*arguments):
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mount {' '.join(map(str, arguments))}: {done.stderr.strip()}")


def unmount(path):
    subprocess.run(["umount", str(path)], check=True)


def mount_image(folder, kind, megabytes, *options):
    """A file system of its own in a file. Returns where it is mounted."""
    image, place = os.path.join(folder, f"{kind}.img"), os.path.join(folder, f"{kind}-mounted")
    with open(image, "wb") as f:
        f.truncate(megabytes << 20)
    made = subprocess.run(["mke2fs", "-q", "-F", "-t", kind, "-m", "0", *options, image],
                          capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"mke2fs: {made.stderr.strip()}")
    os.mkdir(place)
    mount("-o", "loop", image, place)
    return place
