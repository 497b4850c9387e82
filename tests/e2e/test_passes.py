# SPDX-License-Identifier: Apache-2.0
"""A pass behind an earlier one: base, source and destination are compared three ways."""
import os
import shutil

import pytest

from support import oracle
from support.migration import Migration


def owned_files(end, owner=None):
    """Regular files that documents' objects own, relative, sorted."""
    found = []
    for directory, _, names in os.walk(end.data_dir):
        for name in names:
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, end.data_dir)
            if "/datasets/" in relative and not os.path.islink(path) and os.path.isfile(path) \
                    and os.stat(path).st_nlink == 1 and relative.isprintable() \
                    and "\\" not in relative:
                found.append(relative)
    return sorted(found)


def write(end, path, text):
    full = os.path.join(end.data_dir, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w") as f:
        f.write(text)
    os.utime(full, ns=(1_600_000_000_000_000_000,) * 2)


def read(end, path):
    try:
        with open(os.path.join(end.data_dir, path), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def decisions(migration, object_):
    return sorted(migration.ask(
        "select object_id, class, decision from conflict c join step s on s.id = c.step"
        " where s.pass = 2 and c.object = ? and c.superseded = 0", object_))


@pytest.fixture
def first(ends, mvimig):
    migration = Migration(ends.fill(), mvimig)
    migration.plan().ok()
    migration.apply().ok()
    return migration


def documents_of(end, collection, n):
    return list(end.db[collection].find({"_id": {"$type": "string"}}).sort("_id").limit(n))


@pytest.mark.asan
def test_three_ways(first):
    source, destination = first.ends.source, first.ends.destination
    docs = documents_of(source, "DataSetFiles", 12)
    assert len(docs) == 12
    ids = [d["_id"] for d in docs]
    s, d = source.db.DataSetFiles, destination.db.DataSetFiles
    for i in ids[0:3] + ids[9:10]:                      # changed at the source only; 9: at both
        s.update_one({"_id": i}, {"$set": {"pass": "source"}})
    for i in ids[3:6] + ids[10:11]:                     # deleted at the source; 10: changed there
        s.delete_one({"_id": i})
    s.insert_one({"_id": "added-at-source", "dataset_id": docs[0]["dataset_id"]})
    for i in ids[6:7] + ids[9:11]:                      # changed at the destination
        d.update_one({"_id": i}, {"$set": {"pass": "destination"}})
    d.delete_one({"_id": ids[11]})                      # deleted at the destination only
    d.insert_one({"_id": "made-at-destination", "dataset_id": "nobody"})
    files = owned_files(source)
    assert len(files) > 12
    for f in files[0:3] + files[9:10]:
        write(source, f, "newer at the source")
    for f in files[3:6] + files[10:11]:
        os.unlink(os.path.join(source.data_dir, f))
    for f in files[6:7] + files[9:11]:
        write(destination, f, "changed at the destination")
    os.unlink(os.path.join(destination.data_dir, files[11]))
    write(destination, os.path.dirname(files[0]) + "/made-at-destination.jpg", "theirs")
    before = {i: d.find_one({"_id": i}) for i in ids}

    assert "base: [t]" in open_plan(first, "--server", "--delete")
    first.apply().expect(4)

    for i in ids[0:3]:
        assert d.find_one({"_id": i})["pass"] == "source"
    for i in ids[3:6]:
        assert d.find_one({"_id": i}) is None
    for i in ids[6:11]:
        assert d.find_one({"_id": i}) == before[i]
    for i in ("added-at-source", "made-at-destination", ids[11]):
        assert d.find_one({"_id": i}) is not None
    assert sorted(r[1:] for r in decisions(first, "DataSetFiles")) == sorted(
        [("updated", "replaced")] * 3 + [("gone-at-source", "deleted")] * 3
        + [("different", "kept")] * 2 + [("gone-at-source", "kept")])

    for f in files[0:3]:
        assert read(destination, f) == b"newer at the source"
    for f in files[3:6]:
        assert read(destination, f) is None
    for f in (files[6], files[9], files[10]):
        assert read(destination, f) == b"changed at the destination"
    assert read(destination, files[11]) == read(source, files[11]) is not None
    assert read(destination, os.path.dirname(files[0]) + "/made-at-destination.jpg") == b"theirs"
    assert sorted(r[1:] for r in decisions(first, "file")) == sorted(
        [("updated", "replaced")] * 3 + [("gone-at-source", "deleted")] * 3
        + [("file-different", "kept")] * 2 + [("gone-at-source", "kept")])
    # The bytes of what was deleted are in the journal.
    assert first.ask("select count(*) from conflict where decision = 'deleted'"
                     " and object <> 'file' and old_bytes is null") == [(0,)]


def open_plan(migration, *scope):
    migration.plan(*scope).ok()
    with open(migration.plan_path) as f:
        return f.read()


def test_nothing_is_deleted_without_delete(first):
    source, destination = first.ends.source, first.ends.destination
    gone = documents_of(source, "DataSetFiles", 2)
    source.db.DataSetFiles.delete_many({"_id": {"$in": [g["_id"] for g in gone]}})
    path = owned_files(source)[0]
    os.unlink(os.path.join(source.data_dir, path))
    assert "kind: delete" not in open_plan(first, "--server")
    first.apply().ok()
    assert destination.db.DataSetFiles.count_documents(
        {"_id": {"$in": [g["_id"] for g in gone]}}) == 2
    assert read(destination, path) is not None


def test_more_than_max_deletes_nothing(first):
    """The number is for all that the plan deletes, of each collection and of files."""
    source, destination = first.ends.source, first.ends.destination
    path = owned_files(source)[0]
    os.unlink(os.path.join(source.data_dir, path))
    gone = {c: [d["_id"] for d in documents_of(source, c, 2)]
            for c in ("DataSetFileLabels", "DataSetFiles")}
    for collection, ids in gone.items():
        source.db[collection].delete_many({"_id": {"$in": ids}})

    def there():
        return [destination.db[c].count_documents({"_id": {"$in": ids}}) for c, ids in gone.items()]
    planned = first.plan("--server", "--delete", "--max-delete", "4").ok()
    assert "Still to delete: 4 documents and 1 file." in planned.stdout
    failed = first.apply().expect(3)
    assert ("2 documents would be deleted, of 5 deletions in all, more than max: 4; nothing was"
            " deleted") in failed.stdout + failed.stderr
    assert there() == [2, 2] and read(destination, path) is not None
    first.plan("--server", "--delete", "--max-delete", "5").ok()
    first.apply().ok()
    assert there() == [0, 0] and read(destination, path) is None


def test_a_dataset_goes_with_all_it_has(first):
    source, destination = first.ends.source, first.ends.destination
    # One with a directory of its own.
    path = owned_files(source)[0]
    owner, _, dataset = path.split("/")[:3]
    source.db.DataSets.delete_one({"_id": dataset})
    children = [c for c in oracle.WORK if source.db[c].delete_many({"dataset_id": dataset})
                .deleted_count]
    shutil.rmtree(os.path.join(source.data_dir, owner, "datasets", dataset))
    first.plan("--server", "--delete").ok()
    first.apply().ok()
    first.verify().ok()
    assert destination.db.DataSets.find_one({"_id": dataset}) is None
    assert children
    for c in children:
        assert destination.db[c].find_one({"dataset_id": dataset}) is None
    assert not os.path.exists(os.path.join(destination.data_dir, owner, "datasets", dataset))
    assert os.path.isdir(os.path.join(destination.data_dir, owner, "datasets"))
    # What stays is what the source has.
    for c in ("DataSets", "DataSetFiles"):
        here = oracle.documents(source.db, [c])[c]
        assert set(here) <= set(oracle.documents(destination.db, [c])[c])


def test_what_was_there_first_is_never_ours(ends, mvimig):
    """Found identical: somebody else brought it."""
    ends.fill()
    doc = documents_of(ends.source, "DataSetFiles", 1)[0]
    path = owned_files(ends.source)[0]
    ends.destination.db.DataSetFiles.insert_one(doc)
    full = os.path.join(ends.destination.data_dir, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    shutil.copy2(os.path.join(ends.source.data_dir, path), full)
    migration = Migration(ends, mvimig)
    migration.plan().ok()
    migration.apply().ok()
    ends.source.db.DataSetFiles.delete_one({"_id": doc["_id"]})
    os.unlink(os.path.join(ends.source.data_dir, path))
    migration.plan("--server", "--delete").ok()
    migration.apply().ok()
    assert ends.destination.db.DataSetFiles.find_one({"_id": doc["_id"]}) == doc
    assert os.path.exists(full)


def test_delete_takes_only_bases_of_its_scope(first):
    plan = open_plan(Migration(first.ends, first.mvimig, "users"), "--users", "admin", "--delete")
    assert "base: []" in plan and "kind: delete" not in plan
    assert "Nothing is deleted" in plan
    plan = open_plan(Migration(first.ends, first.mvimig, "users"), "--users", "admin")
    assert "base: [t]" in plan


def test_a_delete_without_a_base_is_refused(first):
    text = open_plan(first, "--server", "--delete").replace("base: [t]", "base: []")
    with open(first.plan_path, "w") as f:
        f.write(text)
    refused = first.apply().expect(6)
    assert "names no base" in refused.stderr


def test_files_first_then_all(ends, mvimig):
    """Files long before; then 20 objects change at the source and 5 at the destination; then
    everything, with deletions."""
    ends.fill()
    source, destination = ends.source, ends.destination
    early = Migration(ends, mvimig, "early")
    early.plan("--server", "--files-only").ok()
    early.apply().ok()
    assert oracle.documents(destination.db) == early.documents_before
    files = owned_files(source)
    assert len(files) >= 30
    changed, gone, theirs, both = files[0:7], files[7:14], files[14:16], files[16:18]
    folder = os.path.dirname(files[0])
    added = [f"{folder}/added-{n}.jpg" for n in range(6)]
    for path in changed + added + both[:1]:
        write(source, path, f"newer {path}")
    for path in gone + both[1:]:
        os.unlink(os.path.join(source.data_dir, path))
    for path in theirs + both:
        write(destination, path, f"theirs {path}")
    write(destination, f"{folder}/theirs-alone.jpg", "theirs")
    late = Migration(ends, mvimig, "late")
    assert "base: [early]" in open_plan(late, "--server", "--delete")
    late.apply().expect(4)
    for path in changed + added:
        assert read(destination, path) == f"newer {path}".encode()
    for path in gone:
        assert read(destination, path) is None
    for path in theirs + both:
        assert read(destination, path) == f"theirs {path}".encode()
    assert read(destination, f"{folder}/theirs-alone.jpg") == b"theirs"
    touched = set(changed + added + gone + theirs + both + [f"{folder}/theirs-alone.jpg"])
    now, then = oracle.tree(destination.data_dir), oracle.tree(source.data_dir)
    for path, entry in then.items():
        if entry.type == "file" and os.fsdecode(path) not in touched:
            assert now[path].sha256 == entry.sha256
    rows = late.ask("select object_id, class, decision from conflict where object = 'file'")
    assert sorted(rows) == sorted(
        [(p, "updated", "replaced") for p in changed]
        + [(p, "gone-at-source", "deleted") for p in gone]
        + [(p, "file-different", "kept") for p in theirs + both[:1]]
        + [(p, "gone-at-source", "kept") for p in both[1:]])
    oracle.check(oracle.document_differences(
        oracle.migrated(oracle.documents(source.db), late.documents_before),
        oracle.documents(destination.db), id_to_front=True))
    # Once more: nothing is left to do.
    open_plan(late, "--server", "--delete")
    late.apply().expect(4)
    assert late.ask("select count(*) from conflict c join step s on s.id = c.step where"
                    " s.pass = 2 and decision <> 'kept'") == [(0,)]


def test_documents_three_ways_by_their_bytes(first):
    """20 documents changed, gone and added at the source, 5 at the destination: all of every
    collection is what an independent comparison of base, source and destination says, as raw bytes."""
    source, destination = first.ends.source, first.ends.destination
    base = oracle.documents(source.db)
    s, d = source.db.DataSetFiles, destination.db.DataSetFiles
    ids = [x["_id"] for x in documents_of(source, "DataSetFiles", 18)]
    assert len(ids) == 18
    for i in ids[0:7] + ids[16:17]:
        s.update_one({"_id": i}, {"$set": {"pass": "source"}})
    for i in ids[7:13] + ids[17:18]:
        s.delete_one({"_id": i})
    s.insert_many([{"_id": f"added-{n}", "n": n} for n in range(5)])  # 20 in all
    for i in ids[13:15] + ids[16:18]:
        d.update_one({"_id": i}, {"$set": {"pass": "destination"}})
    d.insert_one({"_id": "theirs-alone"})  # 5 in all
    before, now = oracle.documents(destination.db), oracle.documents(source.db)
    want = dict(before)
    for collection in oracle.WORK & set(before):
        there = before[collection]
        was, is_ = base.get(collection, {}), now.get(collection, {})
        laid = {k: v for k, v in was.items() if there.get(k) == v}  # stands as it was laid
        want[collection] = {k: v for k, v in there.items() if k not in laid or k in is_}
        for k, v in is_.items():
            if k not in there or k in laid:
                want[collection][k] = v
    first.plan("--server", "--delete").ok()
    first.apply().expect(4)
    oracle.check(oracle.document_differences(want, oracle.documents(destination.db),
                                             id_to_front=True))
    assert sorted(r[1:] for r in decisions(first, "DataSetFiles")) == sorted(
        [("updated", "replaced")] * 7 + [("gone-at-source", "deleted")] * 6
        + [("different", "kept")] * 3 + [("gone-at-source", "kept")])


def test_clean_takes_nothing_that_a_later_pass_compares_with(first):
    source, destination = first.ends.source, first.ends.destination
    docs = [d["_id"] for d in documents_of(source, "DataSetFiles", 3)]
    files = owned_files(source)
    first.mvimig.run("clean", first.work_dir).ok()
    source.db.DataSetFiles.update_one({"_id": docs[0]}, {"$set": {"pass": "source"}})
    source.db.DataSetFiles.delete_one({"_id": docs[1]})
    destination.db.DataSetFiles.update_one({"_id": docs[2]}, {"$set": {"pass": "destination"}})
    write(source, files[0], "newer at the source")
    os.unlink(os.path.join(source.data_dir, files[1]))
    first.plan("--server", "--delete").ok()
    first.apply().expect(4)
    assert destination.db.DataSetFiles.find_one({"_id": docs[0]})["pass"] == "source"
    assert destination.db.DataSetFiles.find_one({"_id": docs[1]}) is None
    assert destination.db.DataSetFiles.find_one({"_id": docs[2]})["pass"] == "destination"
    assert read(destination, files[0]) == b"newer at the source"
    assert read(destination, files[1]) is None


@pytest.mark.parametrize("moment", [
    "delete.intended:kill:1", "delete.deleted:kill:2", "delete.files-intended:kill:1",
    "delete.files-deleted:kill:1"])
def test_killed_while_deleting(first, moment):
    source, destination = first.ends.source, first.ends.destination
    gone = [g["_id"] for g in documents_of(source, "DataSetFiles", 4)]
    source.db.DataSetFiles.delete_many({"_id": {"$in": gone}})
    files = owned_files(source)[:3]
    for path in files:
        os.unlink(os.path.join(source.data_dir, path))
    first.plan("--server", "--delete").ok()
    assert first.start_apply(env={"MVIMIG_FAULT": moment}).wait().rc == -9, "did not fire"
    first.resume().ok()
    assert destination.db.DataSetFiles.count_documents({"_id": {"$in": gone}}) == 0
    assert [read(destination, path) for path in files] == [None] * 3
    rows = first.ask("select object, object_id from conflicts where decision = 'deleted'")
    assert len(rows) == len(set(rows)) == 7


def test_what_a_later_pass_moved_is_left_over_no_more(ends, mvimig):
    migration = Migration(ends.fill(), mvimig)
    source, destination = migration.ends.source, migration.ends.destination
    write(source, "loose.txt", "the source's")
    write(destination, "loose.txt", "somebody's")
    migration.plan().ok()
    migration.apply().expect(4)
    assert read(destination, "loose.txt") == b"somebody's"
    os.unlink(os.path.join(destination.data_dir, "loose.txt"))
    migration.plan().ok()
    migration.apply().ok()
    assert read(destination, "loose.txt") == b"the source's"
    # The first pass and what it decided stay in the journal.
    assert migration.ask("select c.decision, c.superseded, s.pass from conflict c join step s"
                         " on s.id = c.step where object_id = 'loose.txt'") == [("kept", 1, 1)]
