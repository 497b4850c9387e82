# SPDX-License-Identifier: Apache-2.0
"""Auditors read the journal while it is written, with nothing but sqlite3, and hurt nobody."""
import os
import sqlite3
import subprocess
import time

from support.migration import Migration


def test_summary_while_it_runs(ends, mvimig):
    migration = Migration(ends.fill(), mvimig)
    migration.plan().ok()
    running, held = migration.start_held(faults=["journal-after-commit:sleep=40:1+"])
    running.until_held(held)
    answers = 0
    while not running.ended():
        done = subprocess.run(
            ["sqlite3", "-cmd", ".timeout 30000", migration.journal_path, "select * from summary"],
            capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "files" in done.stdout, done.stderr
        status = mvimig.run("status", migration.work_dir, "--json").ok().json()
        assert status["name"] == "t"
        answers += 1
        if answers == 3:
            os.unlink(held)
    assert answers >= 3
    running.wait().ok()
    migration.assert_arrived()


def test_reader_holds_a_select_open(ends, mvimig):
    """The journal waits for as long as it takes, and loses nothing."""
    migration = Migration(ends.fill(), mvimig)
    migration.plan().ok()
    running, held = migration.start_held()
    running.until_held(held)
    reader = sqlite3.connect(f"file:{migration.journal_path}?mode=ro", uri=True, timeout=30,
                             isolation_level=None)
    rows = reader.execute("select * from step, step as other")
    rows.fetchone()
    os.unlink(held)
    before = os.stat(migration.journal_path).st_mtime_ns
    time.sleep(3)
    assert os.stat(migration.journal_path).st_mtime_ns == before, "it took writes under a reader"
    assert not running.ended()
    rows.close()
    reader.close()
    running.wait().ok()
    migration.assert_arrived()
    assert migration.ask("select count(*) from failures") == [(0,)]
