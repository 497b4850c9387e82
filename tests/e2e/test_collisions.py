# SPDX-License-Identifier: Apache-2.0
"""Two servers into one: what both would bring is named before anything moves, nothing of either is
lost, and a later pass of one does not reach what the other brought."""
import json
import os

import pytest

from support import oracle
from support.ends import Ends
from support.migration import Migration


class Pair:
    """Two sources with IDs in common, and one destination."""

    def __init__(self, make_ends, mvimig):
        self.a = make_ends()
        b = make_ends()
        self.b = Ends(b.source, self.a.destination, b.folder)
        self.a.fill(seed=1)
        self.b.source.fill(seed=2)
        self.same, self.other = self._overlap()
        self.first = Migration(self.a, mvimig, "first")
        self.second = Migration(self.b, mvimig, "second")
        self.mvimig = mvimig

    def _overlap(self):
        """Documents and files of A laid into B: some as they are, some with other content."""
        a, b = self.a.source, self.b.source
        docs = list(a.db.DataSetFiles.find({"_id": {"$type": "string"}}).sort("_id").limit(6))
        for i, doc in enumerate(docs):
            b.db.DataSetFiles.replace_one(
                {"_id": doc["_id"]}, doc if i < 3 else {**doc, "of": "second"}, upsert=True)
        for name, content in (("same.bin", b"same"), ("size.bin", b"first"), ("bytes.bin", b"one")):
            for end in (a, b):
                folder = os.path.join(end.data_dir, "alice", "notes")
                os.makedirs(folder, exist_ok=True)
                with open(os.path.join(folder, name), "wb") as f:
                    f.write(content)
        for name, content in (("size.bin", b"second"), ("bytes.bin", b"two")):
            with open(os.path.join(b.data_dir, "alice", "notes", name), "wb") as f:
                f.write(content)
        return [d["_id"] for d in docs[:3]], [d["_id"] for d in docs[3:]]

    def collisions(self, *options):
        return self.mvimig.run("collisions", self.first.plan_path, self.second.plan_path,
                               "--plan-config", self.first.config,
                               "--plan-config", self.second.config, *options)


@pytest.fixture
def pair(make_ends, mvimig):
    return Pair(make_ends, mvimig)


def expected_collisions(pair):
    """What both have, found by reading both ends here."""
    found = {}
    ignored = oracle.ACCOUNTS | oracle.TRANSIENT
    a, b = (oracle.documents(e.source.db) for e in (pair.a, pair.b))
    for collection in (set(a) & set(b) & oracle.DECLARED) - ignored:
        for key in set(a[collection]) & set(b[collection]):
            found[collection, key] = a[collection][key] == b[collection][key]
    return found


@pytest.mark.asan
def test_collisions_are_named_before(pair):
    pair.first.plan().ok()
    pair.second.plan().ok()
    before = oracle.documents(pair.a.destination.db)
    lines = [json.loads(line)
             for line in pair.collisions("--json").expect(4).stdout.splitlines()]
    told = {(line["object"], line["id"]): line["what"] for line in lines[:-1]}
    documents = {k: v for k, v in told.items() if k[0] != "file"}
    expected = expected_collisions(pair)
    assert len(documents) == len(expected)
    for i in pair.same:
        assert told["DataSetFiles", f'"{i}"'] == "identical"
    for i in pair.other:
        assert told["DataSetFiles", f'"{i}"'] == "different"
    assert sum(1 for same in expected.values() if same) == sum(
        1 for what in documents.values() if what == "identical")
    assert told["file", "alice/notes/same.bin"] == "identical"
    assert told["file", "alice/notes/size.bin"] == "different"
    assert told["file", "alice/notes/bytes.bin"] == "different"
    trees = [oracle.tree(e.source.data_dir) for e in (pair.a, pair.b)]
    common = {p.decode() for p in set(trees[0]) & set(trees[1])
              if trees[0][p].type != "directory" and not p.startswith(b"logs/migration")}
    assert {k[1] for k in told if k[0] == "file"} == common
    assert lines[-1]["type"] == "summary"
    assert oracle.documents(pair.a.destination.db) == before
    assert "different  DataSetFiles" in pair.collisions().expect(4).stdout


def test_three_plans(pair, make_ends, mvimig):
    """Each two of them that bring the same thing are told."""
    c = make_ends()
    third = Migration(Ends(c.source, pair.a.destination, c.folder), mvimig, "third")
    ours = pair.b.source.db.DataSetFiles.find_one({"_id": pair.other[0]})
    c.source.db.DataSetFiles.insert_many([ours, {"_id": "of the third alone"}])
    for migration in (pair.first, pair.second, third):
        migration.plan().ok()
    done = mvimig.run("collisions", pair.first.plan_path, third.plan_path, pair.second.plan_path,
                      "--plan-config", pair.first.config, "--plan-config", third.config,
                      "--plan-config", pair.second.config, "--json").expect(4)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(t["what"], *map(os.path.basename, t["plans"])) for t in told[:-1]
            if t["id"] == f'"{pair.other[0]}"'} == {
        ("different", "first.yaml", "third.yaml"), ("different", "first.yaml", "second.yaml"),
        ("identical", "third.yaml", "second.yaml")}
    assert told[-1]["plans"] == 3
    assert not [t for t in told if t.get("id") == '"of the third alone"']


def test_one_server_with_itself_is_all_identical(pair):
    pair.first.plan("--users", "admin").ok()
    again = pair.mvimig.run("collisions", pair.first.plan_path, pair.first.plan_path, "-c",
                            pair.first.config).ok()
    assert "0 different" in again.stdout


def test_plans_need_their_configurations(pair):
    pair.first.plan().ok()
    pair.second.plan().ok()
    pair.mvimig.run("collisions", pair.first.plan_path, pair.second.plan_path, "-c",
                    pair.first.config).expect(6)
    pair.mvimig.run("collisions", pair.first.plan_path, "-c", pair.first.config).expect(2)
    pair.mvimig.run("collisions", pair.first.plan_path, pair.second.plan_path, "--plan-config",
                    pair.first.config).expect(2)


def test_merge_then_second_pass_of_the_first(pair):
    destination = pair.a.destination
    pair.first.plan().ok()
    pair.first.apply()
    after_first = oracle.documents(destination.db)
    pair.second.plan().ok()
    pair.second.apply().expect(4)
    merged = oracle.documents(destination.db)
    a, b = (oracle.migrated(oracle.documents(e.source.db), {}) for e in (pair.a, pair.b))
    # Nothing of the first is lost, and of the second what the first has not.
    for collection, docs in a.items():
        for key in docs:
            assert merged[collection][key] == after_first[collection][key]
    clashes = {(object_, id_) for object_, id_ in pair.second.ask(
        "select object, object_id from conflict where class = 'unique-clash'")}
    for collection, docs in b.items():
        for key in set(docs) - set(merged[collection]):
            assert (collection, f'"{key[5:-1].decode()}"') in clashes
    # The second pass of the first, which has lost half of its datasets.
    datasets = [d["_id"] for d in pair.a.source.db.DataSets.find(
        {"_id": {"$type": "string"}}).sort("_id")]
    gone = datasets[::2]
    pair.a.source.db.DataSets.delete_many({"_id": {"$in": gone}})
    for collection in oracle.WORK - {"DataSets"}:
        pair.a.source.db[collection].delete_many({"dataset_id": {"$in": gone}})
    tree_before = oracle.tree(destination.data_dir)
    pair.first.plan("--server", "--delete").ok()
    pair.first.apply()
    now = oracle.documents(destination.db)
    left = oracle.documents(pair.a.source.db)
    for collection, docs in merged.items():
        for key, raw in docs.items():
            of_first = key in a.get(collection, {})
            of_second = key in b.get(collection, {})
            kept = key in now[collection] and now[collection][key] == raw
            if not of_first or key in left.get(collection, {}):
                assert kept, (collection, key, of_second)
            elif of_first and raw == after_first[collection][key]:
                assert key not in now[collection], (collection, key)
    assert any(k not in now["DataSets"] for k in merged["DataSets"])
    b_tree = {p for p in oracle.tree(pair.b.source.data_dir) if not p.startswith(b"logs/migr")}
    assert {p for p in tree_before if p in b_tree} <= set(oracle.tree(destination.data_dir))
