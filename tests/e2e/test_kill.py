# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at any moment, then resume: the end is that of an undisturbed run, and little is redone."""
import os
import random
import sqlite3
import time

import pytest

from support import oracle
from support.migration import Migration, forget_shared_times
from support.run import hold

KILLS = int(os.environ.get("MVIMIG_KILLS", "10"))
OFTEN = 10  # of one migration; the next then begins
SEED = int(os.environ.get("MVIMIG_SEED", "1"))
# What a batch in flight may hold (section 7 of the design): per job, so four at a time.
BATCH_DOCUMENTS, BATCH_FILES, JOBS = 1000, 2000, 4
COMMITS = 60  # that wait until they are let on


def events(migration):
    """How far the journal is; 0 before it is there."""
    try:
        return migration.ask("select count(*) from event")[0][0]
    except sqlite3.OperationalError:
        return 0


def undisturbed(make_ends, mvimig):
    migration = Migration(make_ends().fill(datasets=6, files_per_dataset=60), mvimig, "whole")
    migration.plan().ok()
    migration.apply().ok()
    ends = migration.ends
    return (oracle.documents(ends.destination.db), oracle.tree(ends.destination.data_dir),
            events(migration))


def kill_when(migration, folder, seen, chance):
    """SIGKILL a little after the journal has gone on to `seen` events; whether that met the run."""
    os.mkdir(folder)
    held = [os.path.join(folder, str(n)) for n in range(1, COMMITS + 1)]
    faults = {"MVIMIG_FAULT": hold("journal-after-commit", dict(enumerate(held, 1)))}
    begun = os.path.exists(migration.journal_path)
    running = migration.start_resume(faults) if begun else migration.start_apply(env=faults)
    for file in held:
        while not os.path.exists(f"{file}.met"):
            if running.ended():
                running.wait().ok()
                return False
            time.sleep(0.002)
        enough = events(migration) >= seen
        os.unlink(file)
        if enough:
            break
    time.sleep(chance.uniform(0, 0.03))
    return running.kill9().rc == -9


def test_kill_at_random_moments(make_ends, mvimig):
    before = undisturbed(make_ends, mvimig)
    chance = random.Random(SEED)
    killed = sum(kill_often(make_ends, mvimig, before, chance, min(OFTEN, KILLS - n))
                 for n in range(0, KILLS, OFTEN))
    print(f"seed {SEED}: {killed} of {KILLS} runs were killed before their end; all ended equal")
    assert killed >= KILLS * 0.6, "the runs were over before they were killed"


def kill_often(make_ends, mvimig, before, chance, kills):
    """One migration, killed again and again; then it goes on to its end, which is the undisturbed."""
    documents, tree, total = before
    migration = Migration(make_ends().fill(datasets=6, files_per_dataset=60), mvimig, "killed")
    migration.plan().ok()
    killed = 0
    for n in range(kills):
        killed += kill_when(migration, migration.ends.path(f"held-{n}"),
                            events(migration) + chance.randint(1, 2 * total // kills), chance)
    begun = os.path.exists(migration.journal_path)
    (migration.resume() if begun else migration.apply()).ok()
    oracle.check(oracle.document_differences(documents, oracle.documents(
        migration.ends.destination.db)))
    there = oracle.tree(migration.ends.destination.data_dir)
    forget_shared_times(tree, there)
    oracle.check(oracle.tree_differences(tree, there))
    migration.verify("--checksum").ok()
    assert_told(migration)
    return killed


def assert_told(migration):
    """Every run and attempt is in the journal, and no finished step was run again."""
    assert migration.ask("select count(*) from run where ended is null") == [(0,)]
    assert migration.ask("select count(*) from attempt where state = 'running'") == [(0,)]
    assert migration.ask(
        "select step, count(*) from attempt where state = 'done' group by step "
        "having count(*) > 1") == []
    redone = migration.ask(
        "select step.name, sum(attempt.sent) - step.sent from attempt join step on "
        "step.id = attempt.step where step.kind <> 'dump' group by step.id")
    for name, again in redone:
        allowed = BATCH_FILES if name.startswith("files/") else BATCH_DOCUMENTS
        assert again <= allowed * JOBS, f"{name}: {again} sent again"


# Named moments that a random kill seldom meets (base/fault.h); each must have fired.
MOMENTS = [
    "journal-before-commit:kill:5", "journal-after-commit:kill:5", "journal-before-commit:kill:9",
    "files-before-rename:kill:1", "files-after-rename:kill:1", "files-before-receipt:kill:2",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_at_a_named_moment(ends, mvimig, moment):
    migration = Migration(ends.fill(), mvimig)
    migration.plan().ok()
    running = migration.start_apply(env={"MVIMIG_FAULT": moment})
    assert running.wait().rc == -9, "did not fire"
    assert not os.path.exists(f"/dev/shm/mongoc-{running.pid}"), "the driver's counters are left"
    begun = os.path.exists(migration.journal_path)
    (migration.resume() if begun else migration.apply()).ok()
    migration.assert_arrived()
    assert_told(migration)


def test_no_restore_begins_before_its_dump_is_in_the_journal(ends, mvimig):
    """Commits take their time; the first document that is sent finds the journal with its dump."""
    ends.source.db.DataSetFiles.insert_many({"_id": f"{n:04}", "dataset_id": "d"} for n in range(30))
    migration = Migration(ends, mvimig)
    migration.plan().ok()
    running = migration.start_apply(
        env={"MVIMIG_FAULT": "journal-after-commit:sleep=100:1+,restore.insert:kill:1"})
    assert running.wait().rc == -9, "did not fire"
    assert migration.ask("select count(*) from step where kind = 'dump' and state = 'done'")[0][0] > 0
    migration.resume().ok()
    there = oracle.documents(ends.destination.db, ["DataSetFiles"])
    assert there == oracle.documents(ends.source.db, ["DataSetFiles"])


def test_terminate_and_resume(ends, mvimig):
    migration = Migration(ends.fill(), mvimig)
    migration.plan().ok()
    running, held = migration.start_held("--jobs", "1")
    while not os.path.exists(migration.journal_path) or not events(migration):
        time.sleep(0.01)
    running.signal(15)
    os.unlink(held)
    assert running.wait().rc == 143
    assert migration.ask("select outcome, exit_status from run") == [("TERMINATED", 143)]
    assert migration.ask("select count(*) from step where state in ('running', 'failed')") == [(0,)]
    migration.resume().ok()
    migration.assert_arrived()


def test_stopped_in_a_step_is_no_failure(ends, mvimig):
    migration = Migration(ends.fill(), mvimig)
    migration.plan().ok()
    running, held = migration.start_held(at="restore.acknowledged", nth="1+")
    running.until_held(held)
    running.signal(15)
    os.unlink(held)
    assert running.wait().rc == 143
    assert migration.ask("select count(*) from step where state in ('running', 'failed')") == [(0,)]
    assert migration.ask("select count(*) from failures") == [(0,)]
    migration.mvimig.run("audit", migration.work_dir).ok()
    migration.resume().ok()
    migration.assert_arrived()
