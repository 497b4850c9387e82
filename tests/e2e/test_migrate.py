# SPDX-License-Identifier: Apache-2.0
"""A whole server, old to new: everything arrives, twice is once, and verify sees what is wrong."""
import json
import glob
import os
import re

import pytest

from support import oracle
from support.migration import Migration
from support.servers import User


@pytest.fixture
def migration(ends, mvimig):
    return Migration(ends.fill(), mvimig)


@pytest.mark.asan
def test_whole_server(migration):
    migration.plan().ok()
    source_before = oracle.documents(migration.ends.source.db)
    migration.apply().ok()
    migration.assert_arrived()
    assert oracle.documents(migration.ends.source.db) == source_before
    migration.verify().ok()
    migration.verify("--checksum").ok()


def test_hostile_server(ends, mvimig):
    """IDs and owners that are no file names, or that no plan can hold: every document moves."""
    migration = Migration(ends.fill(hostile=True), mvimig)
    migration.plan().ok()
    migration.apply().ok()
    oracle.check(oracle.document_differences(
        oracle.migrated(oracle.documents(ends.source.db), migration.documents_before),
        oracle.documents(ends.destination.db), id_to_front=True))
    assert {"special"} == {c for c, in migration.ask("select class from problems")}
    assert sorted(os.listdir(ends.folder)) == ["destination", "network.json", "source", "t.yaml"]


@pytest.mark.asan
def test_second_apply_moves_nothing(migration):
    migration.plan().ok()
    migration.apply().ok()
    after = oracle.documents(migration.ends.destination.db), oracle.tree(
        migration.ends.destination.data_dir)
    again = migration.apply().ok()
    assert "Nothing to do" in again.stdout
    assert after == (oracle.documents(migration.ends.destination.db),
                     oracle.tree(migration.ends.destination.data_dir))
    assert migration.ask("select count(*) from attempt where run = 2") == [(0,)]


def test_next_pass_finds_everything_there(migration):
    migration.plan().ok()
    migration.apply().ok()
    assert "pass 2" in migration.plan().ok().stdout
    migration.apply().ok()
    migration.assert_arrived()
    sent, present = migration.ask(
        "select sum(sent), sum(present) from step where pass = 2 and kind <> 'dump'")[0]
    assert sent == 0 and present > 0


def test_plan_is_the_same_twice(migration):
    migration.plan().ok()
    with open(migration.plan_path, "rb") as f:
        first = f.read()
    migration.plan().ok()
    with open(migration.plan_path, "rb") as f:
        assert f.read() == first


def test_conflicts_are_kept_and_told(migration):
    ends = migration.ends
    doc = ends.source.db.DataSetFiles.find_one()
    other = dict(doc, note="another content")
    ends.destination.db.DataSetFiles.insert_one(other)
    same = ends.source.db.DataSets.find_one()
    ends.destination.db.DataSets.insert_one(same)
    migration.documents_before = oracle.documents(ends.destination.db)
    migration.plan().ok()
    done = migration.apply().expect(4)
    assert "conflicts" in done.stdout
    migration.assert_arrived()  # the destination's own content stays
    rows = migration.ask("select object, class, decision from conflicts")
    assert rows == [("DataSetFiles", "different", "kept")]
    assert migration.apply().rc == 4, "the migration still stands as it did"
    assert migration.verify().rc == 5
    listed = migration.mvimig.run("conflicts", migration.work_dir, "--json").ok()
    assert '"kept"' in listed.stdout


def spoil_document(ends):
    ends.destination.db.DataSetFiles.update_one({"_id": ends.source.db.DataSetFiles.find_one()[
        "_id"]}, {"$set": {"extra": 1}})


def spoil_missing_document(ends):
    ends.destination.db.TrainedModels.delete_one(
        {"_id": ends.source.db.TrainedModels.find_one()["_id"]})


def a_file(ends):
    root = ends.destination.data_dir
    source = oracle.tree(ends.source.data_dir)
    path = next(p for p, e in sorted(source.items()) if e.type == "file" and e.size > 100
                and b"/datasets/" in p and not e.links)
    return os.path.join(os.fsencode(root), path)


def spoil_content(ends):
    path = a_file(ends)
    st = os.stat(path)
    with open(path, "r+b") as f:
        first = f.read(1)
        f.seek(0)
        f.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def spoil_missing_file(ends):
    os.unlink(a_file(ends))


@pytest.mark.parametrize("spoil", [spoil_document, spoil_missing_document, spoil_content,
                                   spoil_missing_file])
def test_verify_sees(migration, spoil):
    migration.plan().ok()
    migration.apply().ok()
    spoil(migration.ends)
    found = migration.verify("--checksum").expect(5)
    assert "1 differ" in found.stdout or "2 differ" in found.stdout  # its directory's time, too


@pytest.mark.parametrize("live", [[], ["--live"]], ids=["", "live"])
def test_verify_that_breaks_tells_each_difference_once(migration, live):
    migration.plan().ok()
    migration.apply().ok()
    for spoil in (spoil_missing_file, spoil_document, spoil_missing_document):
        spoil(migration.ends)
    whole = migration.verify("--checksum", *live).expect(5).stdout.splitlines()
    faults = ",".join(f"verify-breaks:fail:{n}" for n in range(1, 16))
    broken = migration.mvimig.start(
        "verify", migration.plan_path, "-c", migration.config, "--checksum", *live,
        env={"MVIMIG_FAULT": faults}).wait().expect(5)
    assert sorted(broken.stdout.splitlines()) == sorted(whole)
    assert broken.stderr.count("trying again in") == 15


def test_verify_goes_on_where_it_was_killed(migration):
    migration.plan().ok()
    migration.apply().ok()
    spoil_missing_file(migration.ends)
    spoil_document(migration.ends)
    spoil_missing_document(migration.ends)
    whole = migration.verify("--jobs", "1").expect(5).stdout
    again = migration.verify("--jobs", "1").expect(5)
    assert again.stdout == whole and "going on" not in again.stderr, "that one was at its end"
    for nth in (8, 12):
        killed = migration.mvimig.start(
            "verify", migration.plan_path, "-c", migration.config, "--jobs", "1",
            env={"MVIMIG_FAULT": f"verify-step:kill:{nth}"}).wait()
        assert killed.rc == -9
    record = os.path.join(migration.work_dir, "verify.ndjson")
    with open(record, "a", encoding="utf-8") as f:
        f.write('{"type":"difference","step":"torn')
    # Other options compare other things: nothing is taken over from it.
    with open(record, encoding="utf-8") as f:
        text = f.read()
    assert "going on" not in migration.verify("--checksum").expect(5).stderr
    with open(record, "w", encoding="utf-8") as f:
        f.write(text)
    last = migration.verify("--jobs", "1").expect(5)
    assert "going on with the verify that began at 20" in last.stderr
    assert last.stdout == whole, "the differences of both, in the plan's order"


def test_verify_live_tells_the_source_from_the_destination(migration):
    ends = migration.ends
    migration.plan().ok()
    migration.apply().ok()
    assert "0 differ" in migration.verify("--live").ok().stdout
    spoil_document(ends)
    spoil_missing_document(ends)
    files = ends.source.db.DataSetFiles
    others = {"_id": {"$ne": files.find_one()["_id"]}}  # than the one that was spoilt
    first, second, third = [d["_id"] for d in files.find(others).sort("_id", 1).limit(3)]
    files.update_one({"_id": first}, {"$set": {"edited": "since"}})
    files.delete_one({"_id": second})
    files.insert_one({"_id": "new-since", "dataset_id": files.find_one({"_id": third})["dataset_id"]})
    path = os.path.join(os.fsencode(ends.source.data_dir), os.path.relpath(
        a_file(ends), os.fsencode(ends.destination.data_dir)))
    with open(path, "ab") as f:
        f.write(b"more")
    found = migration.verify("--live", "--json").expect(5)
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    told = {(d["id"], d["what"]) for d in lines if d["type"] == "difference"}
    changed = {i for i, what in told if what == "source changed"}
    assert {f'"{first}"', f'"{second}"', '"new-since"'} <= changed
    assert os.fsdecode(os.path.relpath(path, os.fsencode(ends.source.data_dir))) in changed
    assert sorted(what for _, what in told if what != "source changed") == ["differs", "missing"]
    summary = lines[-1]
    assert (summary["differ"], summary["sourceChanged"]) == (2, len(changed))
    # Against what was read, only what was done at the destination differs.
    assert "2 differ" in migration.verify().expect(5).stdout


def test_every_reader_while_it_is_done(migration):
    migration.plan().ok()
    shown = migration.mvimig.run("show", migration.plan_path).ok()
    assert "DataSetFiles" in shown.stdout
    assert migration.mvimig.run("show", "--json", migration.plan_path).ok().json()["steps"]
    assert "digraph" in migration.mvimig.run("show", "--graph", migration.plan_path).ok().stdout
    same = migration.mvimig.run("show", "--diff", migration.plan_path, migration.plan_path).ok()
    assert "both plans do the same" in same.stdout
    migration.apply().ok()
    status = migration.mvimig.run("status", migration.work_dir, "--json").ok().json()
    assert status["finished"] and not status["held"]
    assert "finished" in migration.mvimig.run("status", "-c", migration.config).ok().stdout


def test_no_secret_is_left(make_ends, mvimig, mongod):
    secret = "c4n4ry-p4ssw0rd"
    user = User("mvi", secret)
    ends = make_ends(mongod("4.2", users=[user]), mongod("6.0", users=[user]))
    mvimig.secrets.add(secret)
    migration = Migration(ends.fill(), mvimig)
    migration.plan("--server", "--log-level", "debug").ok()
    migration.apply("--log-level", "debug").ok()
    migration.assert_arrived()
    os.unlink(migration.config)
    mvimig.assert_no_secret_below(ends.folder)


def test_explain_a_step(migration):
    """Why it is there, what it does, how it stands; before, after, and when it has failed."""
    ends = migration.ends

    def explain(step, *options):
        return migration.mvimig.run("show", migration.plan_path, "--explain", step, *options)

    migration.plan().ok()
    dataset = ends.source.db.DataSets.find_one()
    step = "restore/DataSets/0001"
    before = explain(step).ok().stdout
    for line in ("asked for  by the scope --server", "reads      the file that dump/DataSets/0001",
                 f"in collection DataSets of database {ends.destination.database} at mongodb at",
                 "what is there stays (onConflict: keep)", f"{dataset['_id']}", "not begun",
                 "waits for  dump/DataSets/0001, files/ (all of them)"):
        assert line in before, before
    assert "did you mean restore/DataSets/0001?" in explain("restore/DataSet/0001").expect(2).stderr
    migration.apply().ok()
    assert "done after 1 attempt" in explain(step).ok().stdout
    migration.plan("--server", "--on-conflict", "fail").ok()
    assert "journal    not begun" in explain(step).ok().stdout  # in this pass
    clash = ends.source.db.ProjectGroups.find_one()
    ends.destination.db.ProjectGroups.update_one({"_id": clash["_id"]}, {"$set": {"name": "x"}})
    migration.apply().expect(3)
    failed = explain("restore/ProjectGroups/0001", "-c", migration.config).ok().stdout
    assert "failed after" in failed and "last error" in failed, failed
    migration.plan("--server", "--delete", "--max-delete", "3").ok()
    deletes = explain("delete/documents/DataSets").ok().stdout
    for line in ("asked for  by the scope --server --delete",
                 "because    --delete: laid here by t, as it was laid", "at most    3 deletions of all steps"):
        assert line in deletes, deletes
    with open(migration.plan_path) as f:
        undocumented = re.search(r"id: (files/undocumented/[^,]+)", f.read())[1]
    assert "because    no document names these" in explain(undocumented).ok().stdout


def test_what_was_planned_is_what_is_handled(migration):
    """Each step comes to as many files, documents and bytes as the scan saw."""
    migration.plan().ok()
    migration.apply()
    off = migration.ask("SELECT name, expected_files, files, expected_documents, documents FROM step"
                        " WHERE coalesce(expected_files, 0) <> files OR coalesce(expected_documents, 0) <> documents")
    assert off == []


def test_content_that_was_there_before(migration, mvimig):
    """Found there by size and time, it was never read: verify says so, and how it can be compared."""
    migration.plan().ok()
    migration.apply().ok()
    other = Migration(migration.ends, mvimig, "other")
    other.plan().ok()
    other.apply().ok()
    assert "by size and time alone" not in other.verify().ok().stderr
    assert "by size and time alone" not in migration.verify("--checksum").ok().stderr
    path = next(p for p in glob.glob(os.path.join(migration.ends.destination.data_dir, "*", "datasets", "*", "*.jpg")))
    times = os.stat(path)
    with open(path, "r+b") as f:
        f.seek(100)
        byte = f.read(1)[0]
        f.seek(100)
        f.write(bytes([byte ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    migration.verify("--checksum").expect(5)
    assert "by size and time alone; verify --live --checksum" in other.verify("--checksum").ok().stderr
    other.verify("--live", "--checksum").expect(5)
