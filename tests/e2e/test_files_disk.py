# SPDX-License-Identifier: Apache-2.0
"""A destination that is full at each point of a small run, calls that fail or write less than they
say, too few descriptors: the run says so and ends, leaves no staging, and resume completes."""
import os
import re
import shutil
import subprocess
import time

import pytest

from support import files
from support.files import FilesMigration, fill

PAGE = 4096
# MVIMIG_DISK=long: every level and every call instead of samples.
LONG = os.environ.get("MVIMIG_DISK") == "long"
# 0 done; 3 failed steps; 10 the journal; 13 given up after retries; 143 stopped while it tried
# again; 1, 2 before anything began; 127 the program itself could not be read.
ENDS = (0, 1, 2, 3, 10, 13, 127, 143)


def completes(m, ignore=()):
    """After room was made, or the disk works again."""
    m.assert_nothing_left()
    m.apply().ok()
    m.assert_arrived(ignore)
    m.assert_nothing_left()
    m.verify("--checksum").ok()
    m.mvimig.run("audit", m.work_dir).ok()


def small_source(m):
    """A few pages of files, one of several pages, links, and an empty directory."""
    paths = fill(m.source, 8, users=1, size=6000)
    top = os.path.dirname(os.path.dirname(paths[0]))
    with open(os.path.join(top, "large.bin"), "wb") as f:
        f.write(os.urandom(9 * PAGE + 17))
    os.symlink("large.bin", os.path.join(top, "link"))
    os.link(paths[1], os.path.join(top, "hard"))
    os.mkdir(os.path.join(top, "empty"))


def left_over(m):
    path = os.path.join(m.work_dir, "left.ndjson")
    return open(path, encoding="utf-8").read() if os.path.exists(path) else ""


class Ballast:
    """Leaves a file system with so many bytes free."""

    def __init__(self, place):
        self.path = os.path.join(place, "ballast")
        self.place = place

    def leave(self, free):
        with open(self.path, "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 1024):
                    pass
            except OSError:
                pass  # it is full
            f.truncate(max(0, os.fstat(f.fileno()).st_size - free))
            os.fsync(f.fileno())

    def give_way(self):
        os.unlink(self.path)


def at_each_level(tmp_path, mvimig, place, levels):
    ballast = Ballast(place)
    met, completed = 0, 0
    for free in levels:
        folder = tmp_path / f"at-{free}"
        folder.mkdir()
        m = FilesMigration(folder, mvimig, destination=os.path.join(place, f"to-{free}"))
        small_source(m)
        ballast.leave(free)
        done = m.apply()
        assert done.rc in ENDS, done
        if done.rc != 0:
            met += 1
            assert "No space left" in done.stderr, f"{free}: {done}\n{left_over(m)}"
        else:
            completed += 1
        ballast.give_way()
        completes(m)
        shutil.rmtree(m.destination)
    print(f"{met} levels were too low, {completed} high enough")
    assert met > 3 and completed > 0


def test_full_tmpfs_at_each_level(tmp_path, mvimig):
    files.private_mounts()
    place = tmp_path / "tmpfs"
    place.mkdir()
    files.mount("-t", "tmpfs", "-o", "size=2m", "none", place)
    # From nothing to more than all of it needs.
    at_each_level(tmp_path, mvimig, place,
                  [n * PAGE for n in range(0, 45, 1 if LONG else 4)])
    files.unmount(place)


def test_full_loop_file_system_at_each_level(tmp_path, mvimig):
    files.private_mounts()
    place = files.mount_image(tmp_path, "ext4", 8, "-b", "1024", "-O", "^has_journal")
    at_each_level(tmp_path, mvimig, place,
                  [n * 1024 for n in range(0, 140, 2 if LONG else 14)])
    files.unmount(place)


def test_no_inodes_left(tmp_path, mvimig):
    files.private_mounts()
    place = tmp_path / "tmpfs"
    place.mkdir()
    files.mount("-t", "tmpfs", "-o", "size=2m,nr_inodes=100", "none", place)
    met = 0
    for free in range(1, 45, 1 if LONG else 5):
        folder = tmp_path / f"at-{free}"
        folder.mkdir()
        m = FilesMigration(folder, mvimig, destination=os.path.join(place, "data"))
        small_source(m)
        hoard = place / "hoard"
        hoard.mkdir()
        for n in range(os.statvfs(place).f_ffree - free):
            (hoard / str(n)).touch()
        done = m.apply()
        assert done.rc in ENDS, done
        met += done.rc != 0
        shutil.rmtree(hoard)
        completes(m)
        shutil.rmtree(m.destination)
    assert met > 3
    files.unmount(place)


# --- calls that fail

CALLS = [(call, error) for call, errors in (
    ("openat", "EMFILE ENFILE"), ("mkdirat", "EIO ENOSPC"), ("pwrite64", "EIO ENOSPC EDQUOT"),
    ("pread64", "EIO"), ("ftruncate", "EIO"), ("syncfs", "EIO ENOSPC EDQUOT"), ("fsync", "EIO"),
    ("renameat2", "EIO ENOSPC EROFS"), ("fchmod", "EIO EROFS"), ("utimensat", "EIO EROFS"),
    ("linkat", "EIO EMLINK"), ("unlinkat", "EIO"),
    ("getdents64", "EIO"), ("newfstatat", "EIO"), ("fchown", "EIO EDQUOT"), ("flock", "ENOLCK"),
    ("socketpair", "EMFILE"), ("clone3", "EAGAIN")) for error in errors.split()]
# What a destination says of itself, not of its disk: then it is told that it keeps none.
NOT_KEPT = {("linkat", "EMLINK"): ("links",)}
INJECTED = re.compile(r"\(INJECTED\)")


def injected(m, tmp_path, call, what, **env):
    """apply under strace; how often it fired."""
    log = str(tmp_path / "strace.log")
    m.write()
    done = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:{what}",
         m.mvimig.path, "apply", m.plan, "-c", m.config, "--work-dir", m.work_dir,
         "--max-duration", "3s"],  # each new thread of a new attempt meets it again
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, env={**os.environ, **env})
    assert done.returncode in ENDS, (call, what, done)
    with open(log, encoding="utf-8", errors="replace") as f:
        return done, len(INJECTED.findall(f.read()))


def traced(request_folder, mvimig):
    m = FilesMigration(request_folder, mvimig)
    small_source(m)
    os.chown(os.path.join(m.source, "user0"), 1234, 1234)
    return m


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("env", [{}, {"MVIMIG_FAULT": "unnamed-open:fail=EOPNOTSUPP"}], ids=["unnamed", "named"])
def test_a_call_fails_once(tmp_path, mvimig, env):
    """Also where files cannot wait without a name, as on NFS: other calls, other points."""
    fired = tried = 0
    every = [(c, e, n) for c, e in CALLS for n in (1, 2, 3, 5, 8, 13, 21, 34, 55)]
    for call, error, nth in every[len(env):: 1 if LONG else 13]:
        folder = tmp_path / f"{call}-{error}-{nth}"
        folder.mkdir()
        m = traced(folder, mvimig)
        done, hits = injected(m, folder, call, f"error={error}:when={nth}", **env)
        tried += 1
        fired += hits > 0
        assert done.returncode != 0 or m.ask(
            "select count(*) from step where state <> 'done'") == [(0,)]
        ignore = NOT_KEPT.get((call, error), ())
        if done.returncode == 3 and left_over(m):  # the source could not be read: told, left out
            m = FilesMigration(folder, mvimig)
            ignore = (*ignore, "links")  # names that come in different runs are files of their own
        try:
            m.apply().ok()  # where it was the removal of staging that failed, this one does it
            completes(m, ignore)
        except AssertionError as failed:
            raise AssertionError(f"{call} {error} {nth}: {done}\n{left_over(m)}") from failed
        shutil.rmtree(folder)
    print(f"{tried} calls, {fired} of them met")
    assert fired > tried // 4


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("nth", range(1, 6))
def test_a_thread_cannot_be_started(tmp_path, mvimig, nth):
    """Fewer workers do the same; where there is none, or no writer of the journal, it says so and ends."""
    m = traced(tmp_path, mvimig)
    done, hits = injected(m, tmp_path, "clone3", f"error=EAGAIN:when={nth}")
    if hits == 0:
        pytest.skip("threads are not started by clone3 here")
    assert "internal error" not in done.stderr
    completes(m)


@pytest.mark.parametrize("limit", range(8, 80, 1 if LONG else 9))
def test_too_few_descriptors(tmp_path, mvimig, limit):
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    m = FilesMigration(tmp_path, mvimig, prefix=["prlimit", f"--nofile={limit}"])
    fill(m.source, 40, users=4)
    running = m.start()
    until = time.monotonic() + 8  # it waits for others to give descriptors back, and tries again
    while not running.ended() and time.monotonic() < until \
            and running.stderr_so_far().count("trying again") < 4:
        time.sleep(0.02)
    running.signal(15)
    done = running.wait()
    assert done.rc in ENDS, done
    m.prefix = []
    completes(m)


def test_parents_that_cannot_be_looked_at(tmp_path, mvimig):
    """Where descriptors run out just as the sender asks how the directories above a dataset are,
    the receiver must not make them with a mode of its own: nobody would mend it."""
    m = FilesMigration(tmp_path, mvimig)
    fill(m.source, 20, users=2)
    m.apply(env={"MVIMIG_FAULT": "files-parents:fail=EMFILE:1"}).ok()
    m.assert_arrived()
