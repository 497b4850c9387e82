# SPDX-License-Identifier: Apache-2.0
"""The oracles find what they are there for: each row spoils one thing and names it."""
import os

import pytest
from bson.int64 import Int64

from support import oracle, rawbson

OWNER_CHANGE = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def spoil_missing(db):
    db.DataSetFiles.delete_one({"_id": "f1"})


def spoil_extra(db):
    db.DataSetFiles.insert_one({"_id": "f3", "dataset_id": "d"})


def spoil_value(db):
    db.DataSetFiles.update_one({"_id": "f1"}, {"$set": {"n": 2}})


def spoil_type(db):
    db.DataSetFiles.update_one({"_id": "f1"}, {"$set": {"n": Int64(1)}})


def spoil_order(db):
    db.DataSetFiles.replace_one({"_id": "f1"}, {"n": 1, "dataset_id": "d"})


@pytest.mark.parametrize("spoil, what", [
    (spoil_missing, "missing"), (spoil_extra, "extra"), (spoil_value, "different"),
    (spoil_type, "different"), (spoil_order, "different")])
def test_documents(ends, spoil, what):
    for end in (ends.source, ends.destination):
        end.db.DataSets.insert_one({"_id": "d", "owner": "alice"})
        end.db.DataSetFiles.insert_many([
            {"_id": "f1", "dataset_id": "d", "n": 1}, {"_id": "f2", "dataset_id": "d"}])

    def differences():
        return oracle.document_differences(
            oracle.migrated(oracle.documents(ends.source.db)),
            {**dict.fromkeys(oracle.WORK, {}), **oracle.documents(ends.destination.db)})

    oracle.check(differences())
    spoil(ends.destination.db)
    found = differences()
    assert [(d.where, d.what, d.owner) for d in found] == [("DataSetFiles", what, "alice")]
    with pytest.raises(AssertionError, match="f[13]"):
        oracle.check(found)


def test_id_type_is_part_of_the_document(ends):
    ends.source.db.InferenceOps.insert_one({"_id": 1})
    ends.destination.db.InferenceOps.insert_one({"_id": 1.0})
    found = oracle.document_differences(oracle.documents(ends.source.db),
                                        oracle.documents(ends.destination.db))
    assert sorted(d.what for d in found) == ["extra", "missing"]


def test_id_moves_to_the_front_only_when_asked():
    a, b = rawbson_string("a", "x"), rawbson_string("_id", "y")
    want, have = rawbson.assemble([a, b]), rawbson.assemble([b, a])
    expected, actual = ({"C": {rawbson.identity(d): d}} for d in (want, have))
    assert not oracle.document_differences(expected, actual, id_to_front=True)
    assert [d.what for d in oracle.document_differences(expected, actual)] == ["different"]


def rawbson_string(name, value):
    return (b"\x02" + name.encode() + b"\0" + (len(value) + 1).to_bytes(4, "little")
            + value.encode() + b"\0")


def test_fixup_changes_one_field_and_nothing_else():
    doc = rawbson.assemble([rawbson_string("_id", "m"),
                            rawbson_string("thumbnail_path", "uploads/a/uploads/b"),
                            rawbson_string("other", "uploads/c")])
    assert oracle.fixup("TrainedModels", doc) == rawbson.assemble([
        rawbson_string("_id", "m"),
        rawbson_string("thumbnail_path", "/opt/powerai-vision/data/a/uploads/b"),
        rawbson_string("other", "uploads/c")])
    assert oracle.fixup("WebAPIs", doc) == doc


def make_tree(root):
    os.makedirs(root / "a" / "empty")
    (root / "a" / "f").write_bytes(b"one")
    os.link(root / "a" / "f", root / "a" / "g")
    (root / "a" / os.fsdecode(b"\xff\n")).write_bytes(b"two")
    os.symlink("f", root / "a" / "l")
    with open(root / "a" / "sparse", "wb") as f:
        f.truncate(4 << 20)
    for directory, names, files in os.walk(root):
        for name in names + files:
            os.utime(os.path.join(directory, name), ns=(1, 1_000_000_001), follow_symlinks=False)


def break_link(root):
    os.unlink(root / "g")
    (root / "g").write_bytes(b"one")
    os.utime(root / "g", ns=(1, 1_000_000_001))


def fill_hole(root):
    (root / "sparse").write_bytes(b"\0" * (4 << 20))
    os.utime(root / "sparse", ns=(1, 1_000_000_001))


def change_content(root):
    (root / os.fsdecode(b"\xff\n")).write_bytes(b"2wo")
    os.utime(root / os.fsdecode(b"\xff\n"), ns=(1, 1_000_000_001))


def retarget(root):
    os.unlink(root / "l")
    os.symlink("g", root / "l")
    os.utime(root / "l", ns=(1, 1_000_000_001), follow_symlinks=False)


@pytest.mark.parametrize("spoil, expected", [
    (lambda r: os.rmdir(r / "empty"), {"a/empty missing"}),
    (lambda r: (r / "new").write_bytes(b""), {"a/new extra"}),
    (lambda r: os.chmod(r / "f", 0o600), {"a/f mode", "a/g mode"}),
    (lambda r: os.utime(r / "sparse", ns=(1, 1_000_000_002)), {"a/sparse mtime"}),
    (break_link, {"a/f links", "a/g links"}),
    (fill_hole, {"a/sparse sparse"}),
    (change_content, {"a/\\xff\\n content"}),
    (retarget, {"a/l target"}),
    pytest.param(lambda r: os.chown(r / "sparse", 5, 6), {"a/sparse owner"}, marks=OWNER_CHANGE),
])
def test_trees(tmp_path, spoil, expected):
    for name in ("want", "have"):
        make_tree(tmp_path / name)

    def differences():
        return oracle.tree_differences(oracle.tree(tmp_path / "want"),
                                       oracle.tree(tmp_path / "have"),
                                       ignore=("directory mtime",))

    oracle.check(differences())
    spoil(tmp_path / "have" / "a")
    assert {f"{d.where[1:-1]} {d.what}" for d in differences()} == expected


def test_directory_times_count_unless_files_were_put_there(tmp_path):
    for name in ("want", "have"):
        make_tree(tmp_path / name)
    before = oracle.tree(tmp_path / "have")
    os.utime(tmp_path / "have" / "a" / "empty", ns=(1, 5))
    want, have = oracle.tree(tmp_path / "want"), oracle.tree(tmp_path / "have")
    assert [d.what for d in oracle.tree_differences(want, have)] == ["mtime"]
    assert not oracle.tree_differences(want, have, before=before)
