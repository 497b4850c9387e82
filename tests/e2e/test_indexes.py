# SPDX-License-Identifier: Apache-2.0
"""Indexes: told when the destination lacks them, made when asked for, never dropped."""
import os
import time

import pytest
from bson import SON

from support.migration import Migration
from support.servers import Mongod

PLACE = "InferenceOps"


def make(end, key, name, **options):
    end.db.command(SON([("createIndexes", PLACE), ("indexes", [
        SON([("key", SON(key)), ("name", name), *options.items()])])]))


def there(end):
    """What a driver tells of them, less what each server writes in its own way."""
    return {i["name"]: {k: v for k, v in i.items() if k not in ("v", "ns", "background", "name")}
            for i in end.db[PLACE].list_indexes() if i["name"] != "_id_"}


@pytest.fixture(scope="module")
def failing_server():
    with Mongod("6.0", test_commands=True) as server:
        yield server


@pytest.fixture
def migration(ends, mvimig):
    ends.source.db[PLACE].insert_many(
        {"_id": f"{n:04d}", "name": f"n{n}", "x": n} for n in range(50))
    m = Migration(ends, mvimig)
    make(ends.source, [("name", 1)], "by name", unique=True)
    return m


def test_missing_ones_are_told_and_not_made(migration):
    told = migration.plan().ok().stdout
    assert "1  indexes that the destination lacks; --create-indexes makes them" in told, told
    assert f"{PLACE} by name" in told
    migration.apply().ok()
    assert there(migration.ends.destination) == {}


def test_all_kinds_are_made(migration):
    source, destination = migration.ends.source, migration.ends.destination
    make(source, [("legacy", 1), ("x", -1.0)], "legacy", v=1)
    make(source, [("when", 1)], "when", expireAfterSeconds=86400, background=True)
    make(source, [("a.b", 1)], "part", partialFilterExpression={"x": {"$gt": 5}}, sparse=False)
    make(source, [("name", 1), ("x", 1)], "german", collation={"locale": "de", "strength": 1})
    make(source, [("name", "text")], "words", default_language="german")
    make(source, [("x", "hashed")], "hashed")
    told = migration.plan("--server", "--create-indexes").ok().stdout
    assert "Indexes made at the destination:" in told and "converted: at the source" in told, told
    plan = open(migration.plan_path, encoding="utf-8").read()
    assert plan.count("kind: index") == 7 and "--create-indexes" in plan
    shown = migration.mvimig.run("show", migration.plan_path, "--explain",
                                 f"indexes/{PLACE}/0001").ok().stdout
    assert '"by name"' in shown and f"restore/{PLACE}/" in shown, shown
    migration.apply().ok()
    expected = there(source)
    for specs in (expected, made := there(destination)):
        for spec in specs.values():
            spec.pop("sparse", None)
    assert made == expected
    assert "0 differ" in migration.verify().ok().stdout
    assert "Nothing to do" in migration.apply().ok().stdout
    destination.db[PLACE].drop_index("german")
    told = migration.verify("--json").expect(5).stdout
    assert '"german"' in told and '"missing"' in told
    migration.mvimig.run("apply", migration.plan_path, "-c", migration.config,
                         f"--rerun=indexes/{PLACE}/").ok()
    migration.verify().ok()
    assert "Indexes made" not in migration.plan("--server", "--create-indexes").ok().stdout


def test_documents_that_break_a_unique_one_are_named(migration):
    destination = migration.ends.destination
    destination.db[PLACE].insert_many([{"_id": "own", "name": "n7"}, {"_id": 9, "name": "n8"}])
    migration.plan("--server", "--create-indexes").ok()
    done = migration.apply().expect(3)
    assert "unique index by name" in done.stderr, done.stderr
    assert ('"0007", "own"' in done.stderr or '"own", "0007"' in done.stderr
            or '"0008"' in done.stderr), done.stderr
    assert there(destination) == {}
    assert destination.db[PLACE].count_documents({}) == 52
    destination.db[PLACE].delete_many({"_id": {"$in": ["own", 9]}})
    migration.resume().ok()
    assert there(destination) == there(migration.ends.source)


def test_one_with_other_options_stays(migration):
    destination = migration.ends.destination
    migration.plan("--server", "--create-indexes").ok()
    make(destination, [("name", 1)], "by name")
    migration.apply().expect(4)
    assert there(destination) == {"by name": {"key": {"name": 1}}}
    assert migration.ask("select object_id, class, decision from conflicts") == [
        ("by name", "index-different", "kept")]
    assert "differs" in migration.verify("--json").expect(5).stdout
    told = migration.plan("--server", "--create-indexes").ok().stdout
    assert "1  indexes that the destination has with other options; they stay" in told, told


def test_files_only_has_none(migration):
    migration.plan("--server", "--files-only", "--create-indexes").expect(2)


@pytest.mark.parametrize("failure", [
    {"errorCode": 91}, {"closeConnection": True},
    {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
], ids=str)
def test_making_one_fails_for_a_while(make_ends, failing_server, mvimig, failure):
    ends = make_ends(destination=failing_server)
    ends.source.db[PLACE].insert_many({"_id": f"{n:04d}", "name": f"n{n}"} for n in range(50))
    make(ends.source, [("name", 1)], "by name", unique=True)
    m = Migration(ends, mvimig)
    m.plan("--server", "--create-indexes").ok()
    failing_server.fail_command(["createIndexes"], times=1, appName="mvimig", **failure)
    m.apply().ok()
    assert there(ends.destination) == there(ends.source)
    assert m.ask("select attempts, state from step where kind = 'index'") == [(2, "done")]
    m.verify().ok()


def test_killed_while_it_is_made(make_ends, failing_server, mvimig):
    """The server goes on by itself; the next run finds what it made."""
    ends = make_ends(destination=failing_server)
    ends.source.db[PLACE].insert_many({"_id": f"{n:04d}", "name": f"n{n}"} for n in range(50))
    make(ends.source, [("name", 1)], "by name", unique=True)
    m = Migration(ends, mvimig)
    m.plan("--server", "--create-indexes").ok()
    failing_server.fail_command(["createIndexes"], times=1, appName="mvimig",
                                blockConnection=True, blockTimeMS=5000)
    run = m.start_apply()
    while not os.path.exists(m.journal_path) or m.ask(
            "select count(*) from step where kind = 'index' and state = 'running'") != [(1,)]:
        assert not run.ended()
        time.sleep(0.02)
    run.kill9()
    while there(ends.destination) != there(ends.source):
        time.sleep(0.02)
    m.resume().ok()
    assert there(ends.destination) == there(ends.source)
