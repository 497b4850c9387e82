# SPDX-License-Identifier: Apache-2.0
"""verify --live while the source is written to without a pause: it ends, and what others did there
is told apart from what went wrong."""
import json
import os
import random
import threading

import pytest

from support import oracle
from support.migration import Migration

# Long enough for the writer to meet each of the steps.
SLOW = {"MVIMIG_FAULT": "verify-step:sleep=60:1+"}


class Writer(threading.Thread):
    """Changes, adds and removes documents and files of the source until it is stopped."""

    def __init__(self, source):
        super().__init__(daemon=True)
        self.collection = source.db["DataSetFiles"]
        self.ids = [d["_id"] for d in self.collection.find({}, {"_id": 1})]
        self.dataset = self.collection.find_one()["dataset_id"]
        folders = [d for d, _, names in os.walk(os.path.join(source.data_dir))
                   if "datasets" in d and len(names) > 5]
        self.files = [os.path.join(d, n) for d in folders for n in sorted(os.listdir(d))[:5]]
        self.folder = folders[0]
        self.over = threading.Event()
        self.rounds, self.failure = 0, None
        self.start()

    def run(self):
        pick = random.Random(1)
        try:
            while not self.over.wait(0.002):
                self.rounds += 1
                self.document(pick)
                if self.rounds % 5 == 0:
                    self.file(pick)
        except Exception as e:  # told by stop()
            self.failure = e

    def document(self, pick):
        n = self.rounds
        if n % 10 == 3:
            self.collection.insert_one({"_id": f"written-{n}", "dataset_id": self.dataset})
        elif n % 10 == 7:
            self.collection.delete_one({"_id": pick.choice(self.ids)})
        else:
            self.collection.update_one({"_id": pick.choice(self.ids)}, {"$set": {"round": n}})

    def file(self, pick):
        n = self.rounds
        if n % 50 == 0:
            with open(os.path.join(self.folder, f"written-{n}"), "w") as f:
                f.write("x" * n)
            return
        with open(pick.choice(self.files), "ab") as f:
            f.write(b"more")

    def stop(self):
        self.over.set()
        self.join()
        assert self.failure is None, self.failure


@pytest.fixture
def migration(ends, mvimig):
    m = Migration(ends.fill(datasets=4, files_per_dataset=40), mvimig)
    m.plan().ok()
    m.apply().ok()
    return m


def verify_live(migration, env=None):
    return migration.mvimig.run("verify", migration.plan_path, "-c", migration.config, "--live",
                                "--json", env=env)


def told(result):
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    differences = {(d["object"], d["id"]): d["what"] for d in lines if d["type"] == "difference"}
    return differences, lines[-1]


def test_ends_and_blames_nobody_for_what_others_write(migration):
    source, destination = migration.ends.source, migration.ends.destination
    before, tree = oracle.documents(source.db), oracle.tree(source.data_dir)
    writer = Writer(source)
    try:
        for _ in range(2):
            differences, summary = told(verify_live(migration, SLOW).ok())
            assert summary["differ"] == 0
            assert set(differences.values()) == {"source changed"}
            assert summary["sourceChanged"] == len(differences) > 0
        # What did go wrong is found all the same.
        lost = source.db["DataSets"].find_one()["_id"]
        assert destination.db["DataSets"].delete_one({"_id": lost}).deleted_count == 1
        differences, summary = told(verify_live(migration, SLOW).expect(5))
        assert summary["differ"] == 1
        assert [k for k, what in differences.items() if what != "source changed"] == [
            ("DataSets", f'"{lost}"')]
    finally:
        writer.stop()
    assert writer.rounds > 100
    # With the source at rest, what is told as changed is what was changed, no more and no less.
    differences, summary = told(verify_live(migration).expect(5))
    was, now = before["DataSetFiles"], oracle.documents(source.db)["DataSetFiles"]
    changed = {k for k in set(now) | set(was) if now.get(k) != was.get(k)}
    assert len(changed) == sum(of == "DataSetFiles" for of, _ in differences)
    there = oracle.tree(source.data_dir)
    files = {p for p in set(tree) | set(there) if p not in tree or there[p].type == "file" and
             there[p].sha256 != tree[p].sha256}
    found = {os.fsencode(name): what for (of, name), what in differences.items() if of == "file"}
    assert files and files <= set(found)
    # Besides them only folders, whose time the new files changed.
    assert all(there[p].type == "directory" for p in set(found) - files)
    assert set(found.values()) == {"source changed"}
