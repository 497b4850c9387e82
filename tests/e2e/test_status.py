# SPDX-License-Identifier: Apache-2.0
"""What another process learns of a run: status, --watch, --json, and status.json."""
import json
import os
import signal
import sqlite3
import time

import pytest

from support.migration import Migration

@pytest.fixture
def migration(ends, mvimig):
    m = Migration(ends.fill(datasets=6, files_per_dataset=60), mvimig)
    m.plan().ok()
    return m


@pytest.fixture
def held(migration):
    """A run in the middle: some steps are done, two are running; and the file that holds it there."""
    running, file = migration.start_held("--jobs", "2")
    while not middle(migration):
        assert not running.ended(), running.stderr_so_far()
        time.sleep(0.02)
    yield running, file
    if not running.ended():
        running.kill9()


def middle(migration):
    try:
        done, now = migration.ask("select sum(state = 'done'), sum(state = 'running') from attempt")[0]
    except sqlite3.OperationalError:
        return False
    return done == 6 and now == 2  # a step that begins is told with the next record, or sign of life


def test_nothing_was_applied_yet(migration):
    for command in ("status", "resume", "audit", "conflicts", "unlock", "clean"):
        told = migration.mvimig.run(command, migration.work_dir).expect(10)
        assert f"no work directory {migration.work_dir}: nothing was applied there yet" in told.stderr


def status(migration, *options):
    return migration.mvimig.run("status", migration.work_dir, *options).ok()


def test_while_it_runs_after_a_kill_and_at_the_end(migration, held):
    running, file = held
    told = status(migration, "--json").json()
    assert (told["state"], told["held"], told["generation"]) == ("running", True, 1)
    assert 0 <= told["percent"] < 100 and told["items"] <= told["expectedItems"]
    assert f"process {running.pid}" in told["holder"]
    assert told["lastSignOfLife"] >= told["started"][:10]
    text = status(migration).stdout
    assert text.startswith("t: running, ") and "  beat     " in text
    assert "running now" in text
    running.kill9()
    os.unlink(file)
    stale = status(migration, "--json").json()
    assert (stale["state"], stale["held"]) == ("stale", False)
    assert stale["staleSince"] == migration.ask("select beat_at from owner")[0][0]
    text = status(migration).stdout
    assert "that run was killed" in text and f"Next: mvimig resume {migration.work_dir}" in text
    migration.resume().ok()
    done = status(migration, "--json").json()
    assert (done["state"], done["percent"], done["timeLeft"]) == ("finished", 100, None)
    files, documents = migration.ask("select sum(files), sum(documents) from step")[0]
    assert (done["files"], done["documents"]) == (files, documents)
    assert done["items"] == files + documents
    with open(os.path.join(migration.work_dir, "status.json"), encoding="utf-8") as f:
        kept = json.load(f)
    assert (kept["state"], kept["percent"], kept["outcome"]) == ("finished", 100, "done")
    # By the run itself, which held the lock until a moment later.
    assert (kept["held"], kept["holder"]) == (False, "")
    assert os.stat(os.path.join(migration.work_dir, "status.json")).st_mode & 0o777 == 0o600


def watch(migration):
    """status --watch that has told something."""
    running = migration.mvimig.start("status", migration.work_dir, "--watch")
    while "\n" not in running.stdout_so_far():
        assert not running.ended(), running.wait()
        time.sleep(0.02)
    return running


def test_watch_without_a_terminal_is_lines(migration, held):
    running, file = held
    watching = watch(migration)
    os.unlink(file)
    running.wait().ok()
    lines = watching.wait().ok().stdout.splitlines()
    assert len(lines) >= 2 and all(line.startswith("t: ") for line in lines)
    assert lines[0].startswith("t: running, ") and lines[-1].startswith("t: finished, 100.0 %")


def test_watch_ends_by_a_signal(migration, held):
    watching = watch(migration)
    watching.signal(signal.SIGINT)
    watching.wait().ok()
    assert not held[0].ended()
