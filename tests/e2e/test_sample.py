# SPDX-License-Identifier: Apache-2.0
"""examples/sample-server: the same seed gives the same server, and nothing of MVI is missing."""
import os
import subprocess
import sys

import pytest

from support import oracle, rawbson
from support.ends import sample
from support.run import ROOT

sys.path.insert(0, os.path.join(ROOT, "examples"))
from sample import chance, content, documents, oddtypes, shape, world  # noqa: E402


def differences(a, b):
    return (oracle.document_differences(oracle.documents(a.db), oracle.documents(b.db))
            + oracle.tree_differences(oracle.tree(a.data_dir), oracle.tree(b.data_dir)))


def test_one_seed_one_server(make_ends):
    a, b, other = make_ends().source, make_ends().source, make_ends().source
    made = a.fill(seed=7)
    again = b.fill(seed=7)
    other.fill(seed=8)
    assert {**made, "database": ""} == {**again, "database": ""}
    oracle.check(differences(a, b))
    assert oracle.indexes(a.db) == oracle.indexes(b.db)
    different = {d.where for d in differences(a, other)}
    assert oracle.WORK <= different


def test_both_servers_store_the_same_bytes(make_ends, destination_server):
    """So that a difference after a migration is the migration's."""
    old, new = make_ends().source, make_ends(source=destination_server).source
    old.fill()
    new.fill()
    oracle.check(differences(old, new))


def test_every_collection_is_filled(ends):
    made = ends.source.fill(scale="demo")
    empty = [n for n, count in made["documents"].items() if not count]
    assert not empty
    assert set(made["documents"]) == oracle.DECLARED | {"ServiceInfo"}
    for name, count in made["documents"].items():
        assert ends.source.db[name].count_documents({}) == count, name
    assert 18_000 <= sum(made["documents"].values()) <= 22_000
    assert 1_800 <= made["files"] <= 2_200
    assert len(made["users"]) == 5 and len(made["projects"]) == 12


def test_documents_arrive_as_they_were_made(ends):
    """Neither the driver nor the server changed them; an _id goes to the front, no more."""
    ends.source.fill()
    w = world.build(shape.SMALL, chance.Chance("1"))
    there = oracle.documents(ends.source.db)
    for collection, raw in documents.everything(w):
        assert there[collection][rawbson.identity(raw)] == rawbson.id_to_front(raw)


def test_every_bson_type_occurs(ends):
    ends.source.fill()
    kinds = set()
    for docs in oracle.documents(ends.source.db).values():
        for raw in docs.values():
            kinds |= {e.kind for e in rawbson.elements(raw)}
    assert kinds == {*range(0x01, 0x14), 0x7F, 0xFF}
    assert {bytes([e[0]]) for _, e in oddtypes.odd_ids()} >= {b"\x01", b"\x05", b"\x07", b"\x10"}


def test_documents_and_files_belong_together(ends):
    made = ends.source.fill()
    db, root = ends.source.db, ends.source.data_dir
    owners = {d["_id"]: d["owner"] for d in db.DataSets.find()}
    missing = {o["path"] for o in ends.source.oddities("document without file")}
    for f in db.DataSetFiles.find({}, {"dataset_id": 1, "file_type": 1}):
        suffix = ".mp4" if f["file_type"] == "video" else ".jpg"
        path = os.path.join(owners[f["dataset_id"]], "datasets", f["dataset_id"], f["_id"] + suffix)
        assert os.path.exists(os.path.join(root, path)) == (path not in missing), path
    for m in db.TrainedModels.find():
        home = os.path.join(root, m["owner"], "trained-models")
        assert os.path.exists(os.path.join(home, m["_id"] + ".zip"))
        if m["thumbnail_path"]:
            assert os.path.exists(os.path.join(home, "thumbnails", m["_id"] + ".jpg"))
    for s in db.DnnScripts.find():
        assert os.path.exists(os.path.join(root, s["owner"], "dnn-scripts", s["_id"] + ".zip"))
    # IDs of which one begins with the other.
    ids = [m["id"] for m in made["models"]]
    assert any(a != b and b.startswith(a) for a in ids for b in ids)


def test_listed_oddities_are_there(ends):
    ends.source.fill()
    tree = oracle.tree(ends.source.data_dir)

    def entry(o, key="path"):
        return tree[_bytes(o[key])]

    odd = ends.source.oddities
    assert entry(odd("empty directory")[0]).type == "directory"
    assert {entry(o).target.decode() for o in odd("symlink")} == {o["target"]
                                                                 for o in odd("symlink")}
    assert entry(odd("hard links")[0]).links == entry(odd("hard links")[0], "other").links != ()
    sparse = entry(odd("sparse")[0])
    assert sparse.size == 8 << 20 and sparse.blocks * 512 < 1 << 20
    for o in odd("mode") + odd("directory mode"):
        assert entry(o).mode == int(o["mode"], 8)
    assert len(odd("name")) > 5 and all(entry(o).type == "file" for o in odd("name"))
    for o in odd("mtime"):
        assert entry(o).mtime_ns == o["ns"]
    lost = odd("document without directory")[0]
    doc = ends.source.db.DataSets.find_one({"_id": lost["id"]})
    assert f"{doc['owner']}/datasets/{doc['_id']}".encode() not in tree
    assert ends.source.db.DataSets.find_one(
        {"_id": os.path.basename(odd("directory without document")[0]["path"])}) is None
    zero = odd("zero timestamp")[0]
    assert ends.source.db[zero["collection"]].find_one({"_id": zero["id"]})["zero"].time == 0


def _bytes(printable):
    """Reverses the percent-coding of the list."""
    from urllib.parse import unquote_to_bytes
    return unquote_to_bytes(printable) if "%" in printable else printable.encode()


def test_destination_is_an_instance_in_use(ends):
    ends.fill()
    source, destination = oracle.documents(ends.source.db), oracle.documents(ends.destination.db)
    assert destination["ServiceInfo"] and destination["ServiceInfo"] != source["ServiceInfo"]
    assert len(destination["DataSets"]) == 1
    for name in oracle.WORK:
        assert not source[name].keys() & destination[name].keys(), name
    files = [{p for p, e in oracle.tree(e.data_dir).items() if e.type != "directory"}
             for e in (ends.source, ends.destination)]
    assert files[0] and files[1] and not files[0] & files[1]
    assert oracle.indexes(ends.source.db) == oracle.indexes(ends.destination.db)


def test_hostile_names_come_only_on_request(ends, make_ends):
    ends.source.fill()
    assert not ends.source.oddities("unsafe id") + ends.source.oddities("special file")
    other = make_ends().source
    other.fill(hostile=True)
    assert ".." in [o["id"] for o in other.oddities("unsafe id")]
    assert len(other.oddities("special file")) == 2


def test_refuses_what_is_not_empty(ends):
    ends.source.fill()
    before = oracle.tree(ends.source.data_dir)
    for options in ({"no_documents": True}, {"no_files": True}):
        with pytest.raises(AssertionError, match="not empty|already has"):
            sample(ends.source.server.uri(), ends.source.data_dir, ends.source.database,
                   scale="small", **options)
    oracle.check(oracle.tree_differences(before, oracle.tree(ends.source.data_dir)))


@pytest.mark.parametrize("arguments", [["--scale", "large"], [], ["--mongo", "mongodb://x"],
                                       ["--no-documents", "--data", "d", "--users", "0"]])
def test_bad_arguments(arguments, tmp_path):
    done = subprocess.run([sys.executable, os.path.join(ROOT, "examples", "sample-server"),
                           *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "error:" in done.stderr
    assert not os.listdir(tmp_path)


def test_scale_is_linear():
    def files(s):
        return s.datasets * s.files_per_dataset

    for scale in (5_000, 200_000, 1_000_000):
        s = shape.of_scale(scale)
        assert abs(files(s) / files(shape.DEMO) / (scale / 20_000) - 1) < 0.2
        assert abs(s.inferences / shape.DEMO.inferences / (scale / 20_000) - 1) < 0.05


def test_pictures_have_the_size_that_was_asked_for():
    rng = chance.Chance(1).stream("picture")
    for size in (2_000, 40_000):
        data = content.jpeg(rng, size)
        assert len(data) == size and data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")
