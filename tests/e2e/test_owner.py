# SPDX-License-Identifier: Apache-2.0
"""Two runs on one migration: one is refused, or takes over, and the other then writes no more."""
import glob
import os
import pathlib
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from support import oracle
from support.migration import Migration


@pytest.fixture
def migration(ends, mvimig):
    m = Migration(ends.fill(), mvimig)
    m.plan().ok()
    return m


def begun(migration):
    try:
        return migration.ask("select count(*) from attempt where state = 'done'")[0][0] > 2
    except sqlite3.OperationalError:
        return False


def stopped(pid):
    """SIGSTOP comes to each thread in its own time: until the last has stopped, the run goes on."""
    states = [(task / "stat").read_text().rpartition(")")[2].split()[0]
              for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return all(state == "T" for state in states)


def freeze(running):
    running.signal(signal.SIGSTOP)
    while not stopped(running.pid):
        time.sleep(0.001)


def frozen(migration, running):
    """Stops the run at a moment when it holds no lock on the database, not even to read: what a
    host that was cut off held there, its lock server gives back."""
    while not begun(migration):
        assert not running.ended()
        time.sleep(0.01)
    while True:
        freeze(running)
        db = sqlite3.connect(migration.journal_path, timeout=0, isolation_level=None)
        try:
            db.execute("begin exclusive")
            db.execute("rollback")
            return
        except sqlite3.OperationalError:
            running.signal(signal.SIGCONT)
            time.sleep(0.003)
        finally:
            db.close()


def frozen_before_an_insert(migration, *faults):
    """A run of which all is done but one restore: frozen, it has nothing of files under way, which
    whoever takes over would have to leave to it. And the file that holds it there once it is awake."""
    running, held = migration.start_held(at="restore.insert", nth="2", faults=faults)
    running.until_held(held)
    while migration.ask("select count(*) from step where state <> 'done'") != [(1,)]:
        assert not running.ended()
        time.sleep(0.02)
    frozen(migration, running)
    return running, held


def destination(migration):
    return (oracle.documents(migration.ends.destination.db),
            oracle.tree(migration.ends.destination.data_dir))


def wake(migration, running):
    """The run that was taken over from goes on: it ends with 11, and nothing is of its making."""
    before, events = destination(migration), migration.ask("select max(seq) from event")
    attempts = migration.ask("select * from attempt order by id")
    running.signal(signal.SIGCONT)
    ended = running.wait().expect(11)
    assert "taken this migration over" in ended.stderr
    assert migration.ask("select max(seq) from event") == events
    assert migration.ask("select * from attempt order by id") == attempts
    assert destination(migration) == before


def held_in_the_middle(migration):
    """A run that has done some steps and waits for the file's removal, and that file."""
    running, file = migration.start_held()
    while not begun(migration):
        assert not running.ended(), running.stderr_so_far()
        time.sleep(0.01)
    return running, file


def test_second_run_is_refused(migration):
    running, file = held_in_the_middle(migration)
    refused = migration.apply().expect(11)
    assert "mvimig apply" in refused.stderr and f"process {running.pid}" in refused.stderr
    migration.mvimig.run("unlock", migration.work_dir).expect(11)
    os.unlink(file)
    running.wait().ok()
    migration.assert_arrived()
    assert "nobody holds it" in migration.mvimig.run("unlock", migration.work_dir).ok().stdout


def test_an_edited_plan_waits_for_the_run_of_the_one_before(migration):
    """It is neither applied meanwhile, nor kept as the plan that resume would go on with."""
    running, file = held_in_the_middle(migration)
    kept = pathlib.Path(migration.work_dir, "plan.yaml").read_bytes()
    plan = pathlib.Path(migration.plan_path)
    plan.write_bytes(plan.read_bytes().replace(b"onConflict: keep", b"onConflict: replace"))
    assert plan.read_bytes() != kept
    migration.apply().expect(11)
    assert pathlib.Path(migration.work_dir, "plan.yaml").read_bytes() == kept
    os.unlink(file)
    running.wait().ok()
    assert migration.ask("select count(distinct plan_digest) from run") == [(1,)]
    migration.apply().ok()
    assert migration.ask("select count(distinct plan_digest) from run") == [(2,)]
    migration.assert_arrived()


def test_two_migrations_of_the_same_ends_at_once(migration, mvimig):
    """Each has a lock of its own. What one has brought the other finds there, whoever is first."""
    other = Migration(migration.ends, mvimig, "other")
    other.plan().ok()
    both = [m.start_held("--jobs", "4", at="files-before-rename", nth="1+")
            for m in (migration, other)]
    for running, held in both:
        running.until_held(held)
    for _, held in both:
        os.unlink(held)
    for running, _ in both:
        running.wait().ok()
    migration.assert_arrived()
    for m in (migration, other):
        mvimig.run("audit", m.work_dir).ok()
        assert m.ask("select count(*) from conflict") == [(0,)]
        m.verify().ok()
    overlap = [m.ask("select started, ended from run where id = 1")[0] for m in (migration, other)]
    assert max(o[0] for o in overlap) < min(o[1] for o in overlap), "one ended before the other began"


def staged(migration):
    """Files that wait in staging folders at the destination."""
    return glob.glob(os.path.join(migration.ends.destination.data_dir, ".mvimig-staging-*", "[0-9]*", "*"))


def test_another_migration_brings_the_same_meanwhile(migration, mvimig):
    """Files were found absent and are staged; when they are put in place, the other has brought them."""
    other = Migration(migration.ends, mvimig, "other")
    other.plan().ok()
    running, held = migration.start_held("--jobs", "4", at="files-before-rename", nth="1+")
    while not staged(migration):
        assert not running.ended()
        time.sleep(0.01)
    mvimig.run("apply", other.plan_path, "-c", other.config).ok()
    os.unlink(held)
    running.wait().ok()
    migration.assert_arrived()
    for m in (migration, other):
        mvimig.run("audit", m.work_dir).ok()
        assert m.ask("select class, count(*) from problem group by 1") == []
        assert m.ask("select count(*) from conflict") == [(0,)]
        m.verify().ok()
    assert migration.ask("select sum(present) > 10 from step where stage = 'files'") == [(1,)]


def test_unlock_takes_away_from_a_frozen_run(migration):
    running, held = frozen_before_an_insert(migration)
    migration.apply().expect(11)
    migration.mvimig.run("unlock", migration.work_dir, "--force").ok()
    migration.resume().ok()
    migration.assert_arrived()
    os.unlink(held)
    wake(migration, running)
    migration.assert_arrived()
    assert migration.ask("select count(*) from event where kind = 'unlocked'") == [(1,)]


def test_unlock_names_a_run_frozen_inside_a_transaction(migration):
    """Its locks cannot be taken from it: the wait for them ends, and nothing was changed."""
    running, held = migration.start_held(at="journal-before-commit", nth="9")
    running.until_held(held)
    freeze(running)
    with closing(sqlite3.connect(migration.journal_path, timeout=0, isolation_level=None)) as db, \
            pytest.raises(sqlite3.OperationalError, match="locked"):
        db.execute("begin immediate")
    short = {"MVIMIG_FAULT": "unlock-short-wait:fail"}
    refused = migration.mvimig.start("unlock", migration.work_dir, "--force", env=short).wait()
    told = refused.expect(11).stderr
    assert f"(process {running.pid})" in told and "since 20" in told and "kill -9" in told
    migration.apply().expect(11)  # the lock is still its own
    os.unlink(held)
    running.signal(signal.SIGCONT)
    running.wait().ok()
    migration.assert_arrived()
    assert migration.ask("select count(*) from event where kind = 'unlocked'") == [(0,)]


def test_taken_over_from_another_host(migration):
    running, held = frozen_before_an_insert(migration, "other-host:fail")
    short = {"MVIMIG_FAULT": "owner-short-watch:fail"}
    after = migration.start_resume(env=short).wait().ok()
    assert "elsewhere" in after.stderr and "watching" in after.stderr
    migration.assert_arrived()
    os.unlink(held)
    wake(migration, running)
    migration.assert_arrived()
    assert migration.ask("select count(*) from event where kind = 'taken-over'") == [(1,)]


def test_a_living_owner_elsewhere_is_left_alone(migration):
    beats = {"MVIMIG_FAULT": "journal-after-commit:sleep=150:1+,other-host:fail"}
    running = migration.start_apply(env=beats)
    while not begun(migration):
        time.sleep(0.01)
    short = {"MVIMIG_FAULT": "owner-short-watch:fail"}
    refused = migration.start_apply(env=short).wait().expect(11)
    assert "on elsewhere" in refused.stderr
    running.wait().ok()
    migration.assert_arrived()
