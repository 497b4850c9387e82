# SPDX-License-Identifier: Apache-2.0
"""Auditors read the journal while it is written, with nothing but sqlite3, and hurt nobody."""
import os
import sqlite3
import subprocess
import time

from support.migration import Migration

SLOW = {"MVIMIG_FAULT": "journal-after-commit:sleep=40:1+"}


def start_slowly(migration):
    running = migration.start_apply(env=SLOW)
    while not os.path.exists(migration.journal_path) or not tables(migration):
        assert not running.ended(), running.stderr_so_far()
        time.sleep(0.02)
    return running


def tables(migration):
    try:
        return migration.ask("select count(*) from sqlite_schema where name = 'summary'") != [(0,)]
    except sqlite3.OperationalError:
        return False  # its first transaction is under way


def test_summary_while_it_runs(ends, mvimig):
    migration = Migration(ends.fill(), mvimig)
    migration.plan().ok()
    running = start_slowly(migration)
    answers = 0
    while not running.ended():
        done = subprocess.run(
            ["sqlite3", "-cmd", ".timeout 30000", migration.journal_path, "select * from summary"],
            capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "files" in done.stdout, done.stderr
        answers += 1
        status = mvimig.run("status", migration.work_dir, "--json").ok().json()
        assert status["name"] == "t"
    assert answers > 0
    running.wait().ok()
    migration.assert_arrived()


def test_reader_holds_a_select_open(ends, mvimig):
    """The journal waits for as long as it takes, and loses nothing."""
    migration = Migration(ends.fill(), mvimig)
    migration.plan().ok()
    running = start_slowly(migration)
    reader = sqlite3.connect(f"file:{migration.journal_path}?mode=ro", uri=True, timeout=30,
                             isolation_level=None)
    rows = reader.execute("select * from step, step as other")
    rows.fetchone()
    before = os.stat(migration.journal_path).st_mtime_ns
    time.sleep(3)
    assert os.stat(migration.journal_path).st_mtime_ns == before, "it took writes under a reader"
    assert not running.ended()
    rows.close()
    reader.close()
    running.wait().ok()
    migration.assert_arrived()
    assert migration.ask("select count(*) from failures") == [(0,)]
