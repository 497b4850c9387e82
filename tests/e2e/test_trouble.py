# SPDX-License-Identifier: Apache-2.0
"""What befalls a machine: clocks that jump, a full or failing disk below the journal, signals."""
import glob
import os
import shutil
import signal
import subprocess
import time

import pytest

from support.migration import Migration
from support.run import hold

FAKETIME = sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))
DAY = 86400


@pytest.fixture
def migration(ends, mvimig):
    m = Migration(ends.fill(), mvimig)
    m.plan().ok()
    return m


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not installed")
@pytest.mark.parametrize("jumps", [(40 * DAY, -40 * DAY, 3 * DAY), (-400 * DAY, 400 * DAY, -1)])
def test_clock_jumps(migration, jumps):
    path = migration.ends.path("clock")

    def set_clock(offset):
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(f"{offset:+d}\n")
        os.rename(path + ".new", path)

    set_clock(0)
    held = [migration.ends.path(f"held-{n}") for n in range(len(jumps))]
    running = migration.start_apply(env={
        "MVIMIG_FAULT": hold("attempt", {f"{5 * n + 5}+": file for n, file in enumerate(held)}),
        "LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": path,
        "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
        "FAKE_UTIME": "0"})
    for file, jump in zip(held, jumps):
        running.until_held(file)
        set_clock(jump)
        os.unlink(file)
    running.wait().ok()
    migration.assert_arrived()
    migration.mvimig.run("audit", migration.work_dir).ok()
    years = migration.ask("select count(distinct substr(at, 1, 10)) from event")[0][0]
    assert years >= 3, "the clock did not jump"
    # Order is that of the chain, and how long things took goes by a clock that does not jump.
    assert migration.ask("select min(milliseconds) >= 0, max(milliseconds) < 60000 from attempt "
                         "where state = 'done'") == [(1, 1)]
    migration.mvimig.run("status", migration.work_dir).ok()
    migration.mvimig.run("status", migration.work_dir, "--json").ok().json()
    migration.verify().ok()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("call,nth", [("pwrite64", 40), ("pwrite64", 90), ("fdatasync", 12)])
def test_disk_below_the_journal(migration, call, error, nth):
    """From the Nth call on, until the run ends: the disk does not get better by itself."""
    journal, log = migration.journal_path, migration.ends.path("strace.log")
    migration.apply("--only", "dump/").ok()
    run = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "-P", journal, "-P", journal + "-journal", "-e",
         f"trace={call}", "-e", f"inject={call}:error={error}:when={nth}+",
         migration.mvimig.path, "apply", migration.plan_path, "-c", migration.config],
        capture_output=True, text=True, stdin=subprocess.DEVNULL)
    with open(log, encoding="utf-8", errors="replace") as f:
        fired = "(INJECTED)" in f.read()
    if not fired:
        pytest.skip(f"this journal is not written with so many of {call}")
    assert run.returncode == 10, run.stderr
    assert "journal.db" in run.stderr
    assert ("full" in run.stderr or "I/O" in run.stderr or "disk" in run.stderr), run.stderr
    # What was said to be done is done, and the rest goes on when there is room again.
    migration.resume().ok()
    migration.assert_arrived()
    migration.mvimig.run("audit", migration.work_dir).ok()


def test_full_disk_at_the_start(migration):
    full = {"MVIMIG_FAULT": "journal-before-commit:fail=ENOSPC:1"}
    failed = migration.start_apply(env=full).wait().expect(10)
    assert "journal" in failed.stderr
    migration.apply().ok()
    migration.assert_arrived()


def test_manifests_that_cannot_be_synced(migration):
    """Their steps are not told done: the journal ends with it, and they are run again."""
    failed = migration.start_apply(env={"MVIMIG_FAULT": "unsynced-sync:fail=EIO:1"}).wait().expect(10)
    assert "work directory cannot be synced" in failed.stderr
    migration.resume().ok()
    migration.assert_arrived()
    migration.mvimig.run("audit", migration.work_dir).ok()


@pytest.mark.parametrize("number,status,name", [(signal.SIGTERM, 143, "TERMINATED"),
                                                (signal.SIGINT, 130, "INTERRUPTED")])
def test_first_signal_ends_in_good_order(migration, number, status, name):
    running, held = migration.start_held()
    running.until_held(held)
    running.signal(number)
    os.unlink(held)
    ended = running.wait().expect(status)
    assert "mvimig resume" in ended.stderr
    assert migration.ask("select outcome, exit_status from run") == [(name, status)]
    assert migration.ask("select count(*) from step where state in ('running', 'failed')") == [(0,)]
    assert os.path.exists(os.path.join(migration.work_dir, "journal-sealed.db"))
    migration.mvimig.run("audit", migration.work_dir).ok()
    migration.resume().ok()
    migration.assert_arrived()


def test_second_signal_ends_at_once(migration):
    running, held = migration.start_held()  # to the end of the test: nothing gets on in good order
    running.until_held(held)
    running.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert not running.ended()
    running.signal(signal.SIGTERM)
    running.wait().expect(143)
    migration.resume().ok()
    migration.assert_arrived()
    migration.mvimig.run("audit", migration.work_dir).ok()


def test_usr1_asks_for_a_line(migration):
    running, held = migration.start_held()
    running.until_held(held)
    running.signal(signal.SIGUSR1)
    while "apply " not in running.stderr_so_far():
        assert not running.ended()
        time.sleep(0.02)
    os.unlink(held)
    running.wait().ok()


def test_a_step_that_gets_further_is_not_given_up(ends, mvimig):
    """Twice as often as is tried in vain, the connection breaks; each time after a batch."""
    migration = Migration(ends.fill(), mvimig)
    dataset = ends.source.db.DataSets.find_one()["_id"]
    ends.source.db.DataSetFileLabels.insert_many(
        [{"_id": f"label-{n:05}", "dataset_id": dataset} for n in range(30000)])
    migration.plan().ok()
    breaks = ",".join(f"restore.insert:fail:{n}" for n in range(2, 2 * 16, 2))
    told = migration.start_apply("--jobs", "1", env={"MVIMIG_FAULT": breaks}).wait().ok().stderr
    assert told.count("trying again") == 15
    migration.assert_arrived()
