# SPDX-License-Identifier: Apache-2.0
"""Dumps, manifests and bases with flipped bits, or exchanged for one another: refused, or harmless.

The long version is script/flips."""
import os
import random
import shutil
import subprocess

import pytest
from bson import Binary

from support import oracle
from support.migration import Migration, forget_shared_times
from test_documents import arrived, assert_documents_arrived, dump_files, numbered, put
from test_passes import documents_of, owned_files

FLIPS = int(os.environ.get("MVIMIG_FLIPS", "10"))
SEED = int(os.environ.get("MVIMIG_SEED", "1"))
KILL9 = -9


class Moment:
    """Work directory and destination as they are now, to come back to."""

    def __init__(self, migration, folder):
        self.migration, self.folder = migration, str(folder)
        destination = migration.ends.destination
        self.documents = oracle.documents(destination.db)
        self._copy(migration.work_dir, "work")
        self._copy(destination.data_dir, "data")

    def _copy(self, path, name):
        subprocess.run(["cp", "-a", path, os.path.join(self.folder, name)], check=True)

    def come_back(self):
        destination = self.migration.ends.destination
        for path, name in ((self.migration.work_dir, "work"), (destination.data_dir, "data")):
            shutil.rmtree(path)
            subprocess.run(["cp", "-a", os.path.join(self.folder, name), path], check=True)
        for name in destination.db.list_collection_names():
            destination.db[name].delete_many({})
        for name, docs in self.documents.items():
            put(destination.db, name, list(docs.values()))


def files_below(folder):
    return sorted(os.path.join(d, n) for d, _, names in os.walk(folder) for n in names)


def flip(path, chance):
    with open(path, "r+b") as f:
        data = bytearray(f.read())
        bit = chance.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        f.seek(0)
        f.write(data)
    return f"bit {bit} of {path}"


def result(migration):
    destination = migration.ends.destination
    tree = oracle.tree(destination.data_dir)
    return oracle.documents(destination.db), tree


def assert_nothing_wrong(what, migration, allowed):
    """Each document and file is as it is in one of the allowed results, or is not there where one
    of them does not have it."""
    documents, tree = result(migration)
    for name in set(documents).union(*(d for d, _ in allowed)):
        have = documents.get(name, {})
        wants = [d.get(name, {}) for d, _ in allowed]
        for key in set(have).union(*wants):
            assert have.get(key) in [w.get(key) for w in wants], f"{what}: {name} {key}"
    for path in set(tree).union(*(t for _, t in allowed)):
        have, wants = tree.get(path), [t.get(path) for _, t in allowed]
        if have is not None and have.type == "directory":
            assert any(w is not None and w.type == "directory" for w in wants), f"{what}: {path}"
        else:
            assert have in wants, f"{what}: {path}"


def assert_equal(what, migration, whole):
    documents, tree = whole
    assert oracle.document_differences(documents, oracle.documents(
        migration.ends.destination.db)) == [], what
    there = oracle.tree(migration.ends.destination.data_dir)
    forget_shared_times(tree, there)
    assert oracle.tree_differences(tree, there) == [], what


def test_flipped_bits_of_dumps_and_manifests(ends, mvimig, tmp_path):
    """Stopped when all files and dumps are there and no document is: the next run reads them."""
    m = Migration(ends.fill(), mvimig)
    m.plan().ok()
    assert m.start_apply("--jobs", "1", env={"MVIMIG_FAULT": "restore.insert:kill"}) \
        .wait().rc == KILL9
    before = result(m)
    moment = Moment(m, tmp_path)
    m.resume().ok()
    whole = result(m)
    chance = random.Random(SEED)
    refused = 0
    for _ in range(FLIPS):
        moment.come_back()
        kind = chance.choice(("db", "db", "files", "laid"))
        path = chance.choice(files_below(os.path.join(m.work_dir, "pass-1", kind)))
        what = flip(path, chance)
        done = m.resume()
        if done.rc == 0:
            assert kind != "db", f"{what} was not refused"
        else:
            assert done.rc == 3 and os.path.basename(path) in done.stderr, f"{what}: {done.stderr}"
            assert_nothing_wrong(what, m, (before, whole))
            if kind == "db":
                assert arrived(m, os.path.basename(os.path.dirname(path))) == before[0].get(
                    os.path.basename(os.path.dirname(path)), {}), f"{what}: inserted"
            refused += 1
            os.unlink(path)
            m.resume().ok()
        assert_equal(what, m, whole)
    print(f"seed {SEED}: {FLIPS} bits, {refused} refused with the file's name, the others harmless; "
          "all ended equal")


def test_flipped_bits_of_a_base(ends, mvimig, tmp_path):
    """A record of the base that cannot be read makes a thing somebody else's, which stays. Never
    does it make somebody else's thing ours."""
    m = Migration(ends.fill(), mvimig)
    m.plan().ok()
    m.apply().ok()
    source, destination = ends.source, ends.destination
    ids = [d["_id"] for d in documents_of(source, "DataSetFiles", 12)]
    for i in ids[:4]:
        source.db.DataSetFiles.delete_one({"_id": i})
    for i in ids[4:8]:
        source.db.DataSetFiles.update_one({"_id": i}, {"$set": {"pass": 2}})
    for i in ids[2:6]:
        destination.db.DataSetFiles.update_one({"_id": i}, {"$set": {"theirs": 1}})
    for path in owned_files(source)[:4]:
        os.unlink(os.path.join(source.data_dir, path))
    m.plan("--server", "--delete").ok()
    before = result(m)
    moment = Moment(m, tmp_path)
    m.apply().expect(4)
    whole = result(m)
    assert len(whole[0]["DataSetFiles"]) < len(before[0]["DataSetFiles"]), "nothing was deleted"
    chance = random.Random(SEED)
    for _ in range(FLIPS):
        moment.come_back()
        what = flip(chance.choice(files_below(os.path.join(m.work_dir, "pass-1", "laid"))), chance)
        done = m.apply()
        assert done.rc in (3, 4), f"{what}: {done.rc} {done.stderr}"
        assert_nothing_wrong(what, m, (before, whole))
    print(f"seed {SEED}: {FLIPS} bits of a base; nothing of somebody else's was touched")


@pytest.mark.parametrize("equal", [False, True], ids=["other documents", "equal but for a value"])
def test_dumps_exchanged_for_each_other(ends, mvimig, equal):
    """Whole dumps, each in the other one's place."""
    first, second = "InferenceOps", "WebAPIs"
    put(ends.source.db, first, [numbered(i, x=i) for i in range(50)])
    put(ends.source.db, second, [numbered(i, x=-i) for i in range(50 if equal else 20)])
    m = Migration(ends, mvimig)
    m.plan().ok()
    assert m.start_apply("--jobs", "1", env={"MVIMIG_FAULT": "restore.insert:kill"}) \
        .wait().rc == KILL9
    one, two = dump_files(m, first)[0], dump_files(m, second)[0]
    os.rename(one, one + ".x")
    os.rename(two, one)
    os.rename(one + ".x", two)
    done = m.resume().expect(3)
    assert os.path.basename(one) in done.stderr and os.path.basename(two) in done.stderr
    assert arrived(m, first) == {} and arrived(m, second) == {}
    os.unlink(one)
    os.unlink(two)
    m.resume().ok()
    assert_documents_arrived(m)


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_flipped_bit_between_dump_and_restore(ends, mvimig, large):
    """Within one run a dump is compared with what that run has written, not with its digest; a large one
    as a whole only because somebody wrote to it meanwhile."""
    ends.fill()
    if large:
        ends.source.db.DataSetFileLabels.insert_one(
            {"_id": "large", "dataset_id": ends.source.db.DataSets.find_one()["_id"],
             "image": Binary(random.Random(SEED).randbytes(12 << 20))})
    m = Migration(ends, mvimig)
    m.plan().ok()
    running, held = m.start_held("--jobs", "1", at="restore.insert", nth="1")
    running.until_held(held)
    begun = {name for name, in m.ask("""select substr(name, 9, instr(substr(name, 9), '/') - 1)
                                        from step where kind = 'restore' and state <> 'pending'""")}
    chance = random.Random(SEED)
    paths = [p for p in files_below(os.path.join(m.work_dir, "pass-1", "db"))
             if os.path.basename(os.path.dirname(p)) not in begun]
    path = max(paths, key=os.path.getsize) if large else chance.choice(paths)
    assert not large or os.path.getsize(path) > 12 << 20
    what = flip(path, chance)
    os.unlink(held)
    done = running.wait().expect(3)
    name = os.path.basename(os.path.dirname(path))
    assert os.path.basename(path) in done.stderr and "not as it was written" in done.stderr, \
        f"{what}: {done.stderr}"
    assert arrived(m, name) == m.documents_before.get(name, {}), f"{what}: inserted"
    os.unlink(path)
    m.resume().ok()
    assert_documents_arrived(m)
