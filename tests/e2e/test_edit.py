# SPDX-License-Identifier: Apache-2.0
"""Plans that people edit: what an edit means is done, and nothing else."""
import random
import re

import pytest

from support import oracle
from support.migration import Migration


def dataset_parts(db):
    return [c for c in db.list_collection_names() if c.startswith("DataSet") and c != "DataSets"]


class Text:
    """The lines of a plan file, written back after each edit."""

    def __init__(self, migration):
        self.path = migration.plan_path
        with open(self.path, encoding="utf-8") as f:
            self.lines = f.read().splitlines()

    def write(self):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write("\n".join(self.lines) + "\n")

    def sets(self, noun):
        """Of each set of this noun, its name and the numbers of its lines."""
        found, name = {}, None
        for n, line in enumerate(self.lines):
            head = re.match(r"  (\S+):", line)
            if head:
                name = head[1]
            elif line.startswith("    - ") and name and name.startswith(noun + "/"):
                found.setdefault(name, []).append(n)
            elif line.startswith("steps:"):
                break
        return found

    def take_out(self, noun):
        """Deletes the first line of the first set that has two; the ID and the set's name."""
        name, lines = next((s, at) for s, at in self.sets(noun).items() if len(at) > 1)
        line = self.lines.pop(lines[0])
        self.write()
        return re.match(r'    - "(.*?)"(?:  #|$)', line)[1], name

    def step(self, prefix):
        return next(n for n, s in enumerate(self.lines) if s.startswith(f"  - {{id: {prefix}"))


@pytest.fixture
def migration(ends, mvimig):
    return Migration(ends.fill(), mvimig)


def owner_of_two(ends):
    counts = {}
    for d in ends.source.db.DataSets.find({}, {"owner": 1}):
        counts[d["owner"]] = counts.get(d["owner"], 0) + 1
    return max(counts, key=counts.get)


def of_dataset(db, dataset):
    found = db.DataSets.count_documents({"_id": dataset})
    return found + sum(db[c].count_documents({"dataset_id": dataset}) for c in dataset_parts(db))


@pytest.mark.parametrize("whole", [True, False])
def test_a_line_taken_out_does_not_move(migration, whole):
    """With its files and its documents; everything else arrives as if it were there."""
    ends = migration.ends
    scope = ("--server",) if whole else ("--users", owner_of_two(ends))
    migration.plan(*scope).ok()
    dataset, _ = Text(migration).take_out("datasets")
    assert of_dataset(ends.source.db, dataset) > 1
    migration.apply().ok()
    assert of_dataset(ends.destination.db, dataset) == 0
    there = oracle.tree(ends.destination.data_dir)
    assert not [p for p in there if dataset.encode() in p.split(b"/")]
    documents = oracle.documents(ends.destination.db)
    if not whole:
        return
    for collection in dataset_parts(ends.source.db):
        ends.source.db[collection].delete_many({"dataset_id": dataset})
    ends.source.db.DataSets.delete_one({"_id": dataset})
    oracle.check(oracle.document_differences(
        oracle.migrated(oracle.documents(ends.source.db), migration.documents_before), documents,
        id_to_front=True))


def attempted(migration, run):
    return {name for name, in migration.ask(
        "select step.name from attempt join step on step.id = attempt.step where attempt.run = ?",
        run)}


def snapshot(ends):
    return oracle.documents(ends.destination.db), oracle.tree(ends.destination.data_dir)


def apply_edited(migration):
    """Applies once more; the steps that ran, and that nothing at the destination changed."""
    before = snapshot(migration.ends)
    done = migration.apply().ok()
    assert snapshot(migration.ends) == before
    last = migration.ask("select max(id) from run")[0][0]
    return attempted(migration, last), done


def test_after_a_run_a_line_taken_out_reruns_its_steps(migration):
    owner = owner_of_two(migration.ends)
    migration.plan("--users", owner).ok()
    migration.apply().ok()
    text = Text(migration)
    dataset, name = text.take_out("datasets")
    mentioned = {m[1] for m in (re.match(rf"  - {{id: ([^,]+), .*set: {re.escape(name)}[,}}]", s)
                                for s in text.lines) if m}
    froms = {m[1] for m in (re.match(r"  - {id: ([^,]+), kind: restore, from: ([^,]+),", s)
                            for s in text.lines) if m and m[2] in mentioned}
    ran, said = apply_edited(migration)
    assert ran == mentioned | froms
    assert f"1 object was taken out of the plan since it was last applied; what of it has moved " \
        f"stays at the destination: datasets/{owner} {dataset}" in said.stderr
    assert migration.ask("select detail from event where kind = 'taken-out'") == [
        (f"datasets/{owner} {dataset}",)]


def test_after_a_run_a_policy_reruns_its_step(migration):
    migration.plan().ok()
    migration.apply().ok()
    text = Text(migration)
    n = text.step("restore/DataSetFiles/")
    step = re.match(r"  - {id: ([^,]+),", text.lines[n])[1]
    text.lines[n] = text.lines[n].replace("onConflict: keep", "onConflict: fail")
    text.write()
    assert apply_edited(migration)[0] == {step}


def test_order_and_comments_mean_nothing(migration):
    migration.plan().ok()
    migration.apply().ok()
    text = Text(migration)
    first = next(n for n, s in enumerate(text.lines) if s == "steps:") + 1
    steps = text.lines[first:]
    random.Random(1).shuffle(steps)
    text.lines[first:] = ["  # approved by the line's owner", *steps, "# end"]
    text.write()
    ran, said = apply_edited(migration)
    assert ran == set() and "Nothing to do" in said.stdout


def refuse(migration, step, line, *words):
    done = migration.apply().expect(6)
    assert f":{line + 1}:" in done.stderr or f"line {line + 1}" in done.stderr, done.stderr
    for word in (step, *words):
        assert word in done.stderr, done.stderr


def test_a_restore_keeps_its_files(migration):
    """An edit that lets documents arrive before their files is refused, with line and step."""
    migration.plan().ok()
    text = Text(migration)
    n = text.step("restore/DataSetFiles/")
    step = re.match(r"  - {id: ([^,]+),", text.lines[n])[1]
    text.lines[n] = re.sub(r"needs: \[[^]]*\], ", "", text.lines[n])
    text.write()
    refuse(migration, step, n, "files")


def test_a_need_that_is_gone_is_refused(migration):
    migration.plan().ok()
    text = Text(migration)
    del text.lines[text.step("dump/TrainedModels/")]
    text.write()
    n = text.step("restore/TrainedModels/")
    refuse(migration, "restore/TrainedModels/0001", n, "dump/TrainedModels/0001")
