# SPDX-License-Identifier: Apache-2.0
"""A journal that is lost, damaged or altered: named, never silently started over; audit finds the
first bad row; --rebuild-journal begins anew by looking at what is there; clean removes dumps."""
import glob
import os
import shutil
import sqlite3
import time

import pytest

from support.migration import Migration


@pytest.fixture
def migration(ends, mvimig):
    m = Migration(ends.fill(), mvimig)
    m.plan().ok()
    m.apply().ok()
    return m


def audit(migration):
    return migration.mvimig.run("audit", migration.work_dir)


def edit(migration, *statements):
    db = sqlite3.connect(migration.journal_path)
    for s in statements:
        assert db.execute(s).rowcount != 0, s
    db.commit()
    db.close()


def overwrite(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


def foreign(path):
    os.unlink(path)
    db = sqlite3.connect(path)
    db.execute("create table t (a)")
    db.commit()
    db.close()


def newer(path):
    db = sqlite3.connect(path)
    db.execute("pragma user_version = 99")
    db.close()


def flip(path):
    for page in range(3, os.path.getsize(path) // 4096, 3):
        overwrite(path, page * 4096 + 3000, bytes([0xA5]) * 900)


# What was done to the journal, and what both a reader and a run must name.
DAMAGES = [
    (os.unlink, ["missing", "no journal"]),
    (lambda path: os.truncate(path, 0), ["empty"]),
    (foreign, ["not a journal of mvimig's"]),
    (newer, ["newer mvimig"]),
    (flip, ["malformed", "damaged", "altered", "changed", "not a database", "does not follow"]),
    (lambda path: os.truncate(path, os.path.getsize(path) // 2 // 4096 * 4096),
     ["malformed", "damaged"]),
    (lambda path: overwrite(path, 0, b"something else, not a database"), ["not a database"]),
]


@pytest.mark.parametrize("n", range(len(DAMAGES)))
def test_damage_is_named(migration, n):
    damage, words = DAMAGES[n]
    damage(migration.journal_path)
    before = (open(migration.journal_path, "rb").read()
              if os.path.exists(migration.journal_path) else None)
    for result in (migration.apply(), migration.resume(), audit(migration)):
        assert result.rc in (2, 10), str(result)
        assert any(w in result.stderr for w in words), str(result)
        assert "journal" in result.stderr
        assert "journal.db: " + migration.work_dir not in result.stderr, "its path is told twice"
        assert migration.work_dir + ": " + migration.work_dir not in result.stderr, str(result)
    after = (open(migration.journal_path, "rb").read()
             if os.path.exists(migration.journal_path) else None)
    assert before == after, "the damaged journal was touched"
    migration.apply("--rebuild-journal").ok()
    migration.assert_arrived()
    assert audit(migration).ok()
    assert migration.ask("select count(*) from event where kind = 'rebuilt'") == [(1,)]
    # What was there was found there: nothing is written twice.
    assert migration.ask("select sum(sent) from step where kind <> 'dump'") == [(0,)]


def test_hot_journal_without_its_database(migration):
    rollback = migration.journal_path + "-journal"
    with open(rollback, "wb") as f:
        f.write(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))
    os.unlink(migration.journal_path)
    for name in ("journal-sealed.db", "pass-1"):
        path = os.path.join(migration.work_dir, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    refused = migration.apply().expect(10)
    assert "journal.db-journal of a killed run is there" in refused.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes what is read-only")
def test_read_only(migration):
    os.chmod(migration.journal_path, 0o400)
    assert "cannot be written" in migration.apply().expect(10).stderr
    os.chmod(migration.journal_path, 0o600)


def test_locked_by_another_program_is_waited_for(migration):
    db = sqlite3.connect(migration.journal_path, isolation_level=None)
    db.execute("begin exclusive")
    running = migration.start_apply()
    while "held by another program" not in running.stderr_so_far():
        assert not running.ended()
        time.sleep(0.05)
    db.execute("rollback")
    db.close()
    running.wait().ok()


EDITS = [
    ("update step set sent = sent + 1 where kind = 'restore'", "table step: row", "other counts"),
    ("update step set digest = printf('%064d', 7) where id = 2", "table step: row 2", "digest"),
    ("update step set state = 'pending', done_at = null where id = 3", "table step: row 3",
     "says pending"),
    ("update attempt set number = 5 where id = 4", "table attempt: row 4", "event"),
    ("update attempt set state = 'failed', error = 'x' where id = 2", "table attempt: row 2",
     "says failed"),
    ("update run set exit_status = 4 where id = 1", "table run: row 1", "events"),
    ("update event set at = '2020-01-01T00:00:00.000Z' where seq = 9", "event 9", "changed"),
    ("update event set detail = detail || ' ' where seq = 20", "event 20", "changed"),
    ("delete from event where seq = 12", "event 12", "missing"),
    ("delete from event where seq = (select max(seq) from event)", "table run: row 1", "events"),
    ("update migration set name = 'other'", "migration row", "event 0"),
]


@pytest.mark.parametrize("n", range(len(EDITS)))
def test_edited_rows(migration, n):
    statement, where, what = EDITS[n]
    assert audit(migration).ok().stdout.startswith("journal: 13 of 13 checks hold")
    db = sqlite3.connect(migration.journal_path)
    db.execute("pragma foreign_keys = off")
    assert db.execute(statement).rowcount > 0
    db.commit()
    db.close()
    told = audit(migration).expect(10)
    bad = [line for line in told.stdout.splitlines() if line.startswith("BAD")]
    assert any(where in line and what in line for line in bad), told


# What stands beside the steps: each table, changed, added to and taken from.
FINDINGS = [
    ("update batch set position_end = position_end + 1 where id = 3", "batch"),
    ("update batch set documents = documents + 1 where step = (select max(step) from batch)", "batch"),
    ("delete from batch where id = (select max(id) from batch)", "batch"),
    ("update conflict set decision = 'replaced'", "conflict"),
    ("update conflict set source_digest = printf('%064d', 7)", "conflict"),
    ("insert into conflict (step, attempt, last_attempt, recorded, object, object_id, class, decision,"
     " source_digest, destination_digest, detail) select step, attempt, last_attempt, recorded,"
     " object, 'another', class, decision, '', '', '' from conflict", "conflict"),
    ("update problem set class = 'changed'", "problem"),
    ("update problem set detail = 'nothing to see here'", "problem"),
    ("update problem set object_id = 'another'", "problem"),
]


@pytest.fixture
def findings(ends, mvimig):
    """A migration with a conflict and a rejected document."""
    m = Migration(ends.fill(), mvimig)
    m.plan().ok()
    source, destination = ends.source.db, ends.destination.db
    there = source["DataSets"].find_one()
    destination["DataSets"].insert_one({**there, "name": "somebody else's"})
    refused = source["DnnScripts"].find_one()["_id"]
    destination.command("collMod", "DnnScripts", validator={"_id": {"$ne": refused}})
    m.apply().expect(3)
    return m


def test_edited_findings(findings):
    path = findings.journal_path
    audit(findings).ok()
    with open(path, "rb") as f:
        whole = f.read()
    for statement, table in FINDINGS:
        edit(findings, statement)
        told = audit(findings).expect(10)
        assert f"BAD  table {table}: a row of step " in told.stdout, f"{statement}\n{told}"
        assert "taken out since event " in told.stdout
        with open(path, "wb") as f:
            f.write(whole)
    audit(findings).ok()
    # What later passes do to the rows is no edit.
    findings.apply("--rerun=db").expect(3)
    audit(findings).ok()
    findings.ends.destination.db.command("collMod", "DnnScripts", validator={})
    findings.plan().ok()
    findings.apply().expect(4)
    audit(findings).ok()


def test_removed_rows(migration):
    db = sqlite3.connect(migration.journal_path)
    step, hash_ = db.execute("select id, hash from step where kind = 'restore' limit 1").fetchone()
    db.execute("delete from batch where step = ?", (step,))
    db.execute("delete from attempt where step = ?", (step,))
    db.execute("delete from step where id = ?", (step,))
    db.commit()
    db.close()
    told = audit(migration).expect(10).stdout
    assert "table step: the row of restore/" in told and "is missing" in told
    assert "table attempt: the row that begins with event" in told


def test_altered_dump(migration):
    dump = max(glob.glob(migration.work_dir + "/pass-1/db/*/*.bson.zst"), key=os.path.getsize)
    overwrite(dump, os.path.getsize(dump) // 2, b"\x00\xff\x00\xff")
    told = audit(migration).expect(5)
    assert f"BAD  dump file {os.path.relpath(dump, migration.work_dir)}" in told.stdout


def test_clean(migration):
    dumps = glob.glob(migration.work_dir + "/pass-1/db/*/*.bson.zst")
    assert dumps
    told = migration.mvimig.run("clean", migration.work_dir).ok().stdout
    assert f"{len(dumps)} dump file(s) removed" in told
    assert not glob.glob(migration.work_dir + "/pass-1/db/*/*.bson.zst")
    assert f"0 differ, {len(dumps)} no longer there" in audit(migration).ok().stdout
    migration.apply().ok()
    assert migration.ask("select max(attempts) from step") == [(1,)]
    assert "`mvimig apply PLAN --rerun=db` reads" in migration.verify().expect(1).stderr
    migration.apply("--rerun=db").ok()
    migration.verify().ok()


def test_audit_after_kills_and_failures(ends, mvimig):
    m = Migration(ends.fill(), mvimig)
    m.plan().ok()
    m.start_apply(env={"MVIMIG_FAULT": "journal-after-commit:kill:20"}).wait()
    assert audit(m).ok()
    m.resume().ok()
    m.apply("--rerun=db").ok()
    assert audit(m).ok()
