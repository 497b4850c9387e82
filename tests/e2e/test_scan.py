# SPDX-License-Identifier: Apache-2.0
"""What `plan` sees: how much there is, what does not fit together, what would conflict."""
import json
import os
import re
import shutil
import socket

import pytest
from bson import Int64, MaxKey, MinKey, ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from support import oracle
from support.run import ROOT


class Scan:
    def __init__(self, ends, mvimig):
        self.ends, self.mvimig = ends, mvimig
        self.source, self.destination = ends.source.db, ends.destination.db

    def __call__(self, *options):
        """Plans; keeps the summary, the plan's lines and the findings."""
        options = options or ("--server",)
        report, plan = self.ends.path("findings.json"), self.ends.path("plan.yaml")
        done = self.mvimig.run("plan", "-c", self.ends.write_config(), *options, "--name", "t",
                               "-o", plan, "--report", report).ok()
        with open(report) as f:
            self.findings = [json.loads(line) for line in f]
        with open(plan) as f:
            self.plan = f.read()
        self.summary = done.stdout
        return self

    def found(self, kind, *fields):
        return sorted(tuple(f[x] for x in fields) for f in self.findings if f["finding"] == kind)

    def ids(self, kind):
        return sorted(f["id"] for f in self.findings if f["finding"] == kind)

    def expected(self, prefix, what):
        """Sum of what the plan expects of the steps whose ID begins like this."""
        lines = [x for x in self.plan.splitlines() if re.search(f'- {{id: "?{prefix}', x)]
        return sum(int(m[1]) for x in lines if (m := re.search(rf"expect: .*\b{what}: (\d+)", x)))

    def forecast(self, collection):
        """new, identical, to mend, different, clash."""
        table = self.summary.split("At the destination", 1)[1]
        for line in table.splitlines():
            words = line.split()
            if words and words[0] == collection:
                return tuple(int(w.replace(",", "")) for w in words[1:6])
        return None


@pytest.fixture
def scan(ends, mvimig):
    return Scan(ends, mvimig)


@pytest.fixture
def demo(scan):
    scan.ends.fill()
    return scan


def copy_documents(source, destination):
    """As they are: the sample holds what Python's types do not."""
    raw = CodecOptions(document_class=RawBSONDocument)
    for name in source.list_collection_names():
        destination[name].drop()
        docs = list(source.get_collection(name, raw).find())
        if docs:
            destination.get_collection(name, raw).insert_many(docs)


# --- how much there is

@pytest.mark.asan
def test_counts_are_exact(demo):
    demo("--server")
    for name in ("DataSets", "DataSetFiles", "DataSetTags", "TrainedModels", "InferenceOps"):
        assert demo.expected(f"dump/{name}/", "documents") == demo.source[name].count_documents({})
    tree = oracle.tree(demo.ends.source.data_dir)
    # Steps make the directories that lead to what they move; those are no entries of theirs.
    parents = [p for p in tree if os.fsdecode(p).count("/") == 0 or re.fullmatch(
        r"[^/]+/(datasets|trained-models|trained-models/thumbnails|dnn-scripts)", os.fsdecode(p))]
    files = demo.expected("files/", "files")
    assert len(tree) - len(parents) <= files <= len(tree)


def test_source_is_only_read(demo):
    documents = oracle.documents(demo.source)
    before = demo.ends.source.client.admin.command("serverStatus")["opcounters"]
    demo("--server")
    demo("--users", "alice")
    after = demo.ends.source.client.admin.command("serverStatus")["opcounters"]
    assert oracle.documents(demo.source) == documents
    assert [after[k] - before[k] for k in ("insert", "update", "delete")] == [0, 0, 0]


def test_the_same_server_gives_the_same_findings(scan):
    scan.ends.fill(hostile=True)
    first = scan("--server").findings
    assert scan("--server").findings == first


def test_ranges_hold_what_they_say(scan):
    """Mixed types, several ranges: every document is in one range, as many as the plan says."""
    odd = [MinKey(), MaxKey(), None, True, 7, Int64(1 << 40), 1.5, float("nan"), ObjectId(),
           b"bytes", {"a": 1}, "", "zero\0byte", "line\nbreak", "\u00e9", "\U0001f600"]
    scan.source.InferenceDetails.insert_many(
        [{"_id": i} for i in odd] + [{"_id": f"{n * 2654435761 % (1 << 32):08x}.{n}"}
                                     for n in range(130_000)])
    scan("--server")
    steps = [x for x in scan.plan.splitlines() if "- {id: dump/InferenceDetails/" in x]
    assert len(steps) > 1
    bound = r'{}: \'?"([^"]*)"'
    seen = 0
    for step in steps:
        low, high = (re.search(bound.format(k), step) for k in ("from_id", "to_id"))
        within = {"min": {"_id": low[1]}} if low else {}
        if high:
            within["max"] = {"_id": high[1]}
        n = sum(1 for _ in scan.source.InferenceDetails.find({}, {"_id": 1}, hint=[("_id", 1)],
                                                             **within))
        if low and not high:
            n += scan.source.InferenceDetails.count_documents({"_id": MaxKey()})
        assert n == int(re.search(r"documents: (\d+)", step)[1]), step
        seen += n
    assert seen == len(odd) + 130_000


def test_one_document_more_changes_one_range(scan):
    ids = [f"{n * 2654435761 % (1 << 32):08x}.{n}" for n in range(130_000)]
    scan.source.InferenceDetails.insert_many([{"_id": i} for i in ids])

    def bounds():
        scan("--server")
        return re.findall(r"dump/InferenceDetails/\d+, .*?(from_id: \S+)", scan.plan)

    before = bounds()
    scan.source.InferenceDetails.delete_one({"_id": ids[70_000]})
    assert len(set(before) ^ set(bounds())) <= 2


def test_broken_connections_change_nothing(make_ends, mvimig, mongod):
    """Every tenth find or getMore loses its connection; the plan is the same, byte by byte."""
    server = mongod("4.2", test_commands=True)
    scan = Scan(make_ends(source=server), mvimig)
    scan.ends.fill(hostile=True)
    scan("--server")
    plan, findings = scan.plan, scan.findings
    admin = scan.ends.source.client.admin
    fault = {"configureFailPoint": "failCommand",
             "data": {"failCommands": ["find", "getMore"], "closeConnection": True}}
    admin.command({**fault, "mode": {"activationProbability": 0.1}})
    try:
        scan("--server")
    finally:
        status = admin.command({**fault, "mode": "off"})
    assert status["count"] > 0
    assert (scan.plan, scan.findings) == (plan, findings)


# --- what does not fit together

@pytest.mark.asan
def test_oddities_are_found(scan):
    scan.ends.fill(hostile=True)
    scan("--server")
    odd = scan.ends.source.oddities
    assert scan.found("missing-files", "collection", "id") == sorted(
        (o["collection"], o["id"]) for o in odd("document without directory"))
    assert scan.ids("no-document") == sorted(
        o["path"] for k in ("directory without document", "file without document")
        for o in odd(k))
    assert scan.ids("missing-member") == sorted(o["id"] for o in odd("document without file"))
    assert scan.ids("special-file") == sorted(o["path"] for o in odd("special file"))
    assert scan.found("dangling-reference", "collection", "id") == sorted(
        (o["collection"], o["id"]) for o in odd("dangling reference"))
    assert len(scan.ids("unsafe-id")) == len(odd("unsafe id"))
    assert {o["id"] for o in odd("unsafe owner")} == set(scan.ids("unsafe-owner"))
    orphans = [scan.source[o["collection"]].find_one({"_id": o["id"]})["dataset_id"]
               for o in odd("orphan document")]
    assert scan.ids("orphan") == sorted(orphans)
    assert scan.found("undeclared", "collection") == [("ServiceInfo",)]


def test_unknown_owners(demo):
    with open(os.path.join(ROOT, "schema", "mvi.yaml")) as f:
        schema = re.sub(r"SysUsers: \{.*\}",
                        "SysUsers: {level: whole, class: accounts, label: username}", f.read())
    path = demo.ends.path("schema.yaml")
    with open(path, "w") as f:
        f.write(schema)
    known = {d["username"] for d in demo.destination.SysUsers.find()}
    owners = {d["owner"] for c in ("DataSets", "TrainedModels", "ProjectGroups")
              for d in demo.source[c].find()}
    demo("--server", "--schema", path)
    assert known & owners and owners - known
    assert demo.ids("unknown-owner") == sorted(owners - known)
    demo("--server", "--schema", path, "--with", "accounts")
    assert demo.ids("unknown-owner") == []


def test_members_are_checked_by_index_or_not_at_all(demo):
    dataset = demo.source.DataSetFiles.find_one()["dataset_id"]
    demo.source.DataSetFiles.insert_one({"_id": "no-such-file", "dataset_id": dataset})
    demo("--server")
    assert "no-such-file" in demo.ids("missing-member")
    demo.source.DataSetFiles.drop_indexes()
    demo("--server")
    assert demo.found("missing-member", "id", "detail") == [
        ("", "not checked: there is no index on dataset_id")]
    # Counting takes one pass then, and finds the same.
    assert demo.expected("dump/DataSetFiles/", "documents") == \
        demo.source.DataSetFiles.count_documents({})


@pytest.mark.parametrize("index", [True, False])
def test_orphans_are_told_once_for_each_parent(demo, index):
    docs = [{"_id": f"o{n}", "dataset_id": f"gone-{n % 3}"} for n in range(9)]
    docs += [{"_id": "none"}, {"_id": "null", "dataset_id": None},
             {"_id": "number", "dataset_id": 7}]
    demo.source.DataSetActiontags.insert_many(docs)
    demo.source.DataSetActiontags.drop_indexes()
    if index:
        demo.source.DataSetActiontags.create_index("dataset_id")
    demo("--server")
    found = {f["id"]: f["detail"] for f in demo.findings
             if f["finding"] == "orphan" and f["collection"] == "DataSetActiontags"}
    assert {k: v for k, v in found.items() if k.startswith("gone")} == {
        f"gone-{n}": "3 documents" for n in range(3)}
    assert found[""] == "2 documents"
    assert len(found) == 5


def test_unreadable_and_special_files(demo):
    root = demo.ends.source.data_dir
    owner, dataset = next((d["owner"], d["_id"]) for d in demo.source.DataSets.find()
                          if os.path.isdir(os.path.join(root, d["owner"], "datasets", d["_id"])))
    where = os.path.join(root, owner, "datasets", dataset)
    with socket.socket(socket.AF_UNIX) as s:
        back = os.getcwd()
        os.chdir(where)  # the address of a socket is short
        s.bind("sock")
        os.chdir(back)
    demo("--server")
    assert f"{owner}/datasets/{dataset}/sock" in demo.ids("special-file")


def test_nothing_of_other_scopes_is_told(demo):
    shutil.rmtree(os.path.join(demo.ends.source.data_dir, "admin"))
    alone = [d["_id"] for d in demo.source.DataSets.find({"owner": "admin"})]
    demo("--server")
    assert set(alone) <= set(demo.ids("missing-files"))
    demo("--users", "alice")
    assert not set(alone) & set(demo.ids("missing-files"))


# --- what would conflict

def total(demo, name):
    return demo.source[name].count_documents({})


@pytest.mark.asan
def test_forecast_of_a_fresh_destination(demo):
    demo.destination.client.drop_database(demo.destination.name)
    demo("--server")
    for name in ("DataSets", "DataSetFiles", "InferenceOps"):
        assert demo.forecast(name) == (total(demo, name), 0, 0, 0, 0)
    assert "At the destination" not in demo("--server", "--no-predict").summary


@pytest.mark.asan
def test_forecast_tells_the_classes_apart(demo):
    copy_documents(demo.source, demo.destination)
    files = demo.destination.DataSetFiles
    for d in list(files.find().limit(5)):
        files.delete_one({"_id": d["_id"]})
    for d in list(files.find().limit(3)):
        files.update_one({"_id": d["_id"]}, {"$set": {"note": "x"}})
    unfixed = demo.source.TrainedModels.count_documents({"thumbnail_path": {"$regex": "^uploads/"}})
    assert unfixed > 0
    demo("--server")
    assert demo.forecast("DataSetFiles") == (5, total(demo, "DataSetFiles") - 8, 0, 3, 0)
    models = total(demo, "TrainedModels")
    assert demo.forecast("TrainedModels") == (0, models - unfixed, unfixed, 0, 0)
    assert demo.forecast("DataSets") == (0, total(demo, "DataSets"), 0, 0, 0)


def clash(scan, index, theirs, ours, **options):
    """The forecast of documents that the source alone has, by a unique index."""
    scan.source.RegisteredApps.insert_many(ours)
    scan.destination.RegisteredApps.create_index(index, unique=True, **options)
    scan.destination.RegisteredApps.insert_many(theirs)
    new, _, _, _, clashes = scan("--server").forecast("RegisteredApps")
    assert new + clashes == len(ours)
    return clashes


@pytest.mark.parametrize("index,theirs,ours,clashes", [
    ([("k", 1)], [{"k": "x"}], [{"k": "x"}, {"k": "y"}], 1),
    ([("k", 1)], [{"k": 7}], [{"k": 7.0}, {"k": Int64(8)}], 1),
    ([("k", 1)], [{"k": None}], [{"a": 1}], 1),
    ([("k", 1)], [{"k": ["a", "b"]}], [{"k": "b"}, {"k": ["c"]}], 1),
    ([("k", 1)], [{"k": "a"}], [{"k": ["z", "a"]}, {"k": []}], 1),
    ([("k.l", 1)], [{"k": {"l": 1}}], [{"k": {"l": 1}}, {"k": {"l": 2}}], 1),
    ([("k", 1), ("l", -1)], [{"k": 1, "l": 1}], [{"k": 1, "l": 1}, {"k": 1, "l": 2}], 1),
    ([("k", 1)], [{"k": {"$x": 1}}], [{"k": {"$y": 1}}, {"k": {"a": 1}}], 0),
])
def test_forecast_looks_up_unique_indexes(scan, index, theirs, ours, clashes):
    assert clash(scan, index, theirs, [{"_id": f"s{i}", **d} for i, d in enumerate(ours)]) \
        == clashes


def test_sparse_index_holds_only_what_has_the_field(scan):
    assert clash(scan, [("k", 1)], [{"k": 1}, {"a": 1}, {"a": 2}],
                 [{"_id": "a", "b": 1}, {"_id": "b", "k": 1}], sparse=True) == 1


def test_mixed_ids_meet_their_like(scan):
    ids = ["x", 7, Int64(8), 9.5, None, True, ObjectId(), b"b", MinKey(), MaxKey(), {"a": 1}]
    scan.source.RegisteredApps.insert_many([{"_id": i, "v": 1} for i in ids])
    scan.destination.RegisteredApps.insert_many(
        [{"_id": i, "v": 1} for i in ids if i != 7 and i != 8] + [{"_id": 7.0, "v": 1}])
    # A 7.0 stands where 7 would: the same _id to the server, other content.
    assert scan("--server").forecast("RegisteredApps") == (1, len(ids) - 2, 0, 1, 0)


def test_large_documents_go_a_few_at_a_time(scan):
    docs = [{"_id": f"big{i}", "v": b"x" * (6 << 20)} for i in range(5)]
    for d in docs:
        scan.source.RegisteredApps.insert_one(d)
        scan.destination.RegisteredApps.insert_one(d)
    scan.destination.RegisteredApps.update_one({"_id": "big3"}, {"$set": {"w": 1}})
    assert scan("--server").forecast("RegisteredApps") == (0, 4, 0, 1, 0)


@pytest.mark.parametrize("index", [True, False])
def test_forecast_of_a_user_sees_that_user_alone(demo, index):
    copy_documents(demo.source, demo.destination)
    if not index:
        demo.source.DataSetFiles.drop_indexes()
    owned = [d["_id"] for d in demo.source.DataSets.find({"owner": "alice"})]
    mine = list(demo.source.DataSetFiles.find({"dataset_id": {"$in": owned}}))
    other = demo.source.DataSetFiles.find_one({"dataset_id": {"$nin": owned}})
    demo.destination.DataSetFiles.delete_many({"_id": {"$in": [mine[0]["_id"], other["_id"]]}})
    demo("--users", "alice")
    assert demo.forecast("DataSets") == (0, len(owned), 0, 0, 0)
    assert demo.forecast("DataSetFiles") == (1, len(mine) - 1, 0, 0, 0)


def test_forecast_of_a_project(demo):
    copy_documents(demo.source, demo.destination)
    group = demo.source.ProjectGroups.find_one()
    sets = [d["_id"] for d in demo.source.DataSets.find({"project_group_id": group["_id"]})]
    tags = demo.source.DataSetTags.count_documents({"dataset_id": {"$in": sets}})
    demo("--projects", group["name"])
    assert demo.forecast("ProjectGroups") == (0, 1, 0, 0, 0)
    assert demo.forecast("DataSets") == (0, len(sets), 0, 0, 0)
    assert demo.forecast("DataSetTags") == (0, tags, 0, 0, 0)
