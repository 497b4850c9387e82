# SPDX-License-Identifier: Apache-2.0
"""mvimig restore: every form of backup, byte by byte; nothing of one that is not whole."""
import gzip
import json
import os
import random
import sqlite3
import zipfile

import pytest
from bson import Int64, decode
from support import mongodump, oracle
from support.migration import Migration
from test_documents import PLACE, document, element, numbered, odd_documents, put, string

LEFT_OUT = {"SysUsers", "Tokens", "UploadOperations", "DockerHostPorts", "ServiceInfo"}


class World:
    def __init__(self, ends, mvimig):
        self.ends, self.mvimig = ends, mvimig
        self.config = ends.write_config()
        self.work = ends.path("work")

    def dump(self, target, *scope):
        path = self.ends.path(target)
        self.mvimig.run("dump", "-c", self.config, *(scope or ("--server",)), "-o", path).ok()
        return path

    def restore(self, backup, *options, env=None):
        return self.mvimig.run("restore", backup, "-c", self.config, "--work-dir", self.work,
                               *options, env=env)

    def resume(self):
        return self.mvimig.run("resume", self.work, "-c", self.config)

    def source(self):
        return {name: docs for name, docs in oracle.documents(self.ends.source.db).items()
                if docs and name not in LEFT_OUT}

    def there(self):
        return {name: docs for name, docs in oracle.documents(self.ends.destination.db).items()
                if docs}

    def assert_arrived(self, before=None, source=None):
        oracle.check(oracle.document_differences(
            oracle.migrated(source or self.source(), before or {}), self.there(),
            id_to_front=True))

    def assert_refused(self, backup, *words, rc=1):
        before = self.there()
        told = self.restore(backup).expect(rc).stderr
        for word in words:
            assert word in told, told
        assert self.there() == before
        assert not os.path.exists(os.path.join(self.work, "journal.db"))
        if os.path.exists(self.work):
            assert os.listdir(self.work) == []
        return told

    def ask(self, query):
        db = sqlite3.connect(f"file:{self.work}/journal.db?mode=ro", uri=True, timeout=30)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()


@pytest.fixture
def world(ends, mvimig):
    return World(ends, mvimig)


@pytest.fixture
def full(world):
    world.ends.source.fill()
    return world


def raws(docs):
    return {name: list(found.values()) for name, found in docs.items()}


# The ways in

@pytest.mark.asan
@pytest.mark.parametrize("target", ["b", "b.zip"])
def test_what_dump_wrote(full, target):
    backup = full.dump(target)
    told = full.restore(backup).ok().stdout
    full.assert_arrived()
    assert "DataSets" in told
    for live in ((), ("--live",)):
        full.mvimig.run("verify", os.path.join(full.work, "plan.yaml"), "-c", full.config,
                        "--work-dir", full.work, *live).ok()
    assert "Nothing to do" in full.restore(backup).ok().stdout
    full.assert_arrived()
    assert full.mvimig.run("audit", full.work).ok()


@pytest.mark.asan
@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("inner", [False, True])
def test_a_folder_of_mongodump(full, pack, inner):
    name = full.ends.source.database
    backup = mongodump.folder(full.ends.path("dump"),
                              {"admin": {"system.version": [numbered(1)]},
                               name: raws(full.source()) | {"Empty": []}}, pack)
    full.restore(os.path.join(backup, name) if inner else backup, "--leave-out", "Empty").ok()
    full.assert_arrived()


@pytest.mark.asan
@pytest.mark.parametrize("pack", [False, True])
def test_an_archive_of_mongodump(full, pack):
    data = mongodump.archive({"admin": {"system.version": [numbered(1)]},
                              full.ends.source.database: raws(full.source())})
    backup = full.ends.path("dump.archive")
    with open(backup, "wb") as f:
        f.write(gzip.compress(data) if pack else data)
    full.restore(backup).ok()
    full.assert_arrived()


@pytest.mark.asan
@pytest.mark.parametrize("form", ["b", "b.zip", "archive", "gzip"])
def test_every_type_and_size(world, form):
    put(world.ends.source.db, PLACE, odd_documents())
    if form in ("b", "b.zip"):
        backup = world.dump(form)
    else:
        backup = world.ends.path(form)
        small = {n: [d for d in docs if len(d) < 1 << 20] for n, docs in
                 raws(world.source()).items()}
        world.ends.source.db[PLACE].drop()
        put(world.ends.source.db, PLACE, small[PLACE])
        if form == "gzip":
            mongodump.folder(backup, {"x": small}, True)
        else:
            with open(backup, "wb") as f:
                f.write(mongodump.archive({"x": small}))
    world.restore(backup).ok()
    world.assert_arrived()


@pytest.mark.asan
@pytest.mark.parametrize("suffix", ["", ".json"])
def test_the_zip_of_the_scripts_before(world, suffix):
    docs = [{"_id": f"m{n}", "name": "näme \U0001F600 \" } { \\", "n": n, "big": 2 ** 40, "x": None,
             "list": [{"a": 1.5}], "when": {"$date": "2020-01-01T00:00:00Z"}} for n in range(50)]
    backup = mongodump.json_zip(world.ends.path("old.zip"), {"BGTasks": docs, "DataSets": []},
                                suffix)
    told = world.restore(backup).ok().stdout
    assert "JSON" in told and "64-bit" in told
    there = world.there()
    assert set(there) == {"BGTasks"} and len(there["BGTasks"]) == 50
    got = sorted((decode(d) for d in there["BGTasks"].values()), key=lambda d: d["n"])
    assert got[7] | {"when": 0} == docs[7] | {"when": 0}
    assert got[7]["when"].year == 2020 and isinstance(got[7]["big"], Int64)
    with open(backup, "rb") as f:
        whole = f.read()
    for cut in (1, 30, len(whole) // 2, len(whole) - 1):
        bad = world.ends.path("bad.zip")
        with open(bad, "wb") as f:
            f.write(whole[:cut])
        assert world.restore(bad, "--name", "bad", "--work-dir", world.ends.path("w2")).rc in (1, 2)
    assert world.there() == there


def test_bad_json(world):
    for text in ("", "[", "{}", '[{"_id": 1]', '[{"_id": 1}', '[{"_id": 1},]', "[1]",
                 '[{"_id": 1}] x', '[{"_id": }]'):
        bad = world.ends.path("bad.zip")
        with zipfile.ZipFile(bad, "w") as z:
            z.writestr("BGTasks.json", text)
        world.assert_refused(bad, "BGTasks")


# What is restored

def test_classes_and_unknown_collections(full):
    names = full.ends.source.db.list_collection_names()
    backup = mongodump.folder(full.ends.path("d"), {
        "DLAAS": raws(oracle.documents(full.ends.source.db)) | {"Extra": [numbered(1)]}})
    told = full.assert_refused(backup, "Extra", "ServiceInfo", "--with unknown", rc=2)
    assert "--leave-out" in told
    full.restore(backup, "--leave-out", "Extra,ServiceInfo").ok()
    full.assert_arrived()
    full.restore(backup, "--with", "accounts,transient,unknown").ok()
    assert set(full.there()) == {n for n in names
                                 if full.ends.source.db[n].find_one()} | {"Extra"}


def test_as_json(world):
    put(world.ends.source.db, PLACE, [numbered(n, x=1) for n in range(20)])
    put(world.ends.source.db, "Tokens", [numbered(1)])
    backup = world.dump("b.zip", "--server", "--with", "transient")
    put(world.ends.destination.db, PLACE, [numbered(3, x=2)])
    for options, rc in ((("--dry-run",), 0), ((), 4)):
        told = world.restore(backup, "--json", *options).expect(rc).json()
        assert told["form"] == "mvimig" and told["backup"] == backup
        assert told["collections"] == [{"name": PLACE, "documents": 20, "bytes": 20 * len(numbered(1, x=1))}]
        assert [c["name"] for c in told["leftOut"]] == ["Tokens"]
    assert told["status"]["conflicts"] == 1 and told["workDir"] == world.work


def test_a_configuration_of_the_destination_alone(full):
    backup = full.dump("b.zip")
    full.config = full.ends.path("only.json")
    with open(full.config, "w", encoding="utf-8") as f:
        json.dump({"source": {"dataDir": full.ends.path("here")},
                   "destination": full.ends.destination.config()}, f)
    full.mvimig.run("restore", backup, "-c", full.config).ok()
    full.assert_arrived()
    assert os.listdir(full.ends.path("here", "logs", "migrations")) == ["restore-b"]


def test_bad_usage(full):
    backup = full.dump("b.zip")
    for options, word in ((("--with", "accounts,all"), "--with"), (("--with", ","), "--with"),
                          (("--on-conflict", "merge"), "--on-conflict"),
                          (("--name", "../x"), "--name")):
        assert word in full.restore(backup, *options).expect(2).stderr
    assert not os.path.exists(full.work) and full.there() == {}


def test_beside_other_migrations(full):
    """In the folder of all migrations, where a plan looks for what came before."""
    full.mvimig.run("restore", full.dump("b.zip"), "-c", full.config).ok()
    assert "finished" in full.mvimig.run("status", "restore-b", "-c", full.config).ok().stdout
    m = Migration(full.ends, full.mvimig)
    m.plan().ok()
    with open(m.plan_path, encoding="utf-8") as f:
        assert "base: []" in f.read()
    told = full.mvimig.run("show", full.ends.work_dir("restore-b") + "/plan.yaml", "--explain",
                           "dump/DataSets/0001").ok().stdout
    assert "made of a backup" in told


def test_several_databases(full):
    source = raws(full.source())
    backup = mongodump.folder(full.ends.path("d"), {"one": source, "two": source})
    full.assert_refused(backup, "several databases", "one, two", rc=2)
    full.restore(os.path.join(backup, "two")).ok()
    full.assert_arrived()


@pytest.mark.parametrize("policy,rc,decision", [("keep", 4, "kept"), ("replace", 0, "replaced"),
                                                ("fail", 3, "failed")])
def test_conflicts(world, policy, rc, decision):
    put(world.ends.source.db, PLACE, [numbered(n, x=1) for n in range(20)])
    backup = world.dump("b.zip")
    put(world.ends.destination.db, PLACE, [numbered(3, x=2), numbered(4, x=1), numbered(90, x=1)])
    before = world.there()
    world.restore(backup, "--on-conflict", policy).expect(rc)
    assert world.ask("select object_id, class, decision from conflicts") == \
        [('"00000003"', "different", decision)]
    there = world.there()[PLACE]
    assert len(there) == 21
    kept = {decode(d)["_id"]: decode(d)["x"] for d in there.values()}
    assert kept["00000003"] == (1 if policy == "replace" else 2) and kept["00000090"] == 1
    assert set(before[PLACE]) <= set(there)
    if rc == 4:
        assert "00000003" in world.mvimig.run("conflicts", world.work).stdout


@pytest.mark.parametrize("fault", ["restore.insert:kill:3", "restore.acknowledged:kill:2",
                                   "restore.recorded:kill:4", "journal-before-commit:kill:9",
                                   "journal-after-commit:kill:6"])
def test_killed_in_the_middle(full, fault):
    backup = full.dump("b.zip")
    full.restore(backup, env={"MVIMIG_FAULT": fault}).expect(-9)
    full.resume().ok()
    full.assert_arrived()


def test_killed_and_given_again(full):
    backup = full.dump("b")
    full.restore(backup, env={"MVIMIG_FAULT": "restore.insert:kill:3"}).expect(-9)
    full.restore(backup).ok()
    full.assert_arrived()
    assert [n for n in os.listdir(full.work) if n.endswith(".tmp")] == []


def test_a_dump_file_that_is_gone(full):
    backup = full.dump("b.zip")
    full.restore(backup, env={"MVIMIG_FAULT": "restore.insert:kill:3"}).expect(-9)
    for folder, _, files in os.walk(full.work):
        for name in files:
            if name.endswith(".bson.zst"):
                os.unlink(os.path.join(folder, name))
    assert "mvimig restore" in full.resume().expect(3).stderr
    full.restore(backup).ok()
    full.assert_arrived()


def test_dry_run(full):
    told = full.restore(full.dump("b.zip"), "--dry-run").ok().stdout
    assert "nothing was touched" in told and "DataSetFiles" in told
    assert full.there() == {} and not os.path.exists(full.work)


# What is not whole

def cuts(size):
    """Everywhere near both ends, and some places in between."""
    return sorted({*range(0, min(40, size)), *range(max(0, size - 60), size),
                   *random.Random(5).sample(range(size), min(30, size))})


def small_backups(world):
    put(world.ends.source.db, PLACE, [numbered(n, x="y" * 20) for n in range(30)])
    put(world.ends.source.db, "BGTasks", [numbered(n, z=n) for n in range(30)])
    yield world.dump("b.zip")
    data = mongodump.archive({"DLAAS": raws(world.source())})
    for name, content in (("a", data), ("a.gz", gzip.compress(data))):
        path = world.ends.path(name)
        with open(path, "wb") as f:
            f.write(content)
        yield path


def test_cut_short(world):
    for backup in small_backups(world):
        with open(backup, "rb") as f:
            whole = f.read()
        for size in cuts(len(whole)):
            bad = world.ends.path("bad")
            with open(bad, "wb") as f:
                f.write(whole[:size])
            rc = world.restore(bad).rc
            assert rc in (1, 2), (backup, size)
            assert world.there() == {} and os.listdir(world.work) == [], (backup, size)


def test_bits_flipped(world):
    """Refused, or, where the bit says nothing (a time, a comment), restored as it was."""
    rng = random.Random(7)
    refused = tried = 0
    for backup in list(small_backups(world)):
        with open(backup, "rb") as f:
            whole = f.read()
        for _ in range(60):
            at = rng.randrange(len(whole) * 8)
            data = bytearray(whole)
            data[at // 8] ^= 1 << at % 8
            bad = world.ends.path("bad")
            with open(bad, "wb") as f:
                f.write(data)
            tried += 1
            result = world.restore(bad, "--name", f"n{tried}", "--work-dir",
                                   world.ends.path(f"w{tried}"))
            refused += result.rc != 0
            if result.rc == 0:
                world.assert_arrived()
                for name in world.there():
                    world.ends.destination.db[name].drop()
            assert world.there() == {}, (backup, at)
    assert refused > tried * 3 // 4, (refused, tried)


def test_a_folder_that_was_touched(world):
    put(world.ends.source.db, PLACE, [numbered(n, x=n) for n in range(30)])
    put(world.ends.source.db, "BGTasks", [numbered(n, x=n) for n in range(3)])
    backup = world.dump("b")
    path = os.path.join(backup, world.ends.source.database, f"{PLACE}.bson")
    with open(path, "rb") as f:
        whole = f.read()
    size = len(whole) // 30

    def with_content(data):
        with open(path, "wb") as f:
            f.write(data)

    for data, word in ((whole[:-1], "cut short"), (whole[:-size], "manifest"),
                       (whole + whole[:size], "manifest"), (whole[size:] + whole[:size], "manifest"),
                       (b"\x01" + whole[1:], "length"), (whole[:-1] + b"\x07", "")):
        with_content(data)
        world.assert_refused(backup, word)
    os.unlink(path)
    world.assert_refused(backup, "missing")
    with_content(whole)
    mongodump.folder(world.ends.path("x"), {"d": {"Tokens": [numbered(1)]}})
    os.rename(os.path.join(world.ends.path("x"), "d", "Tokens.bson"),
              os.path.join(os.path.dirname(path), "Tokens.bson"))
    world.assert_refused(backup, "manifest")


def test_a_folder_of_mongodump_that_is_damaged(world):
    raw = document(element(0x02, "_id", string("a")), element(0x03, "d", document()))
    inner = raw.replace(b"\x05\0\0\0\0\0", b"\x06\0\0\0\0\0")
    assert inner != raw
    backup = mongodump.folder(world.ends.path("d"), {"d": {PLACE: [raw, inner]}})
    world.assert_refused(backup, f"{PLACE}.bson", "byte")
    path = os.path.join(mongodump.folder(world.ends.path("z"), {"d": {PLACE: [raw]}}, True), "d",
                        f"{PLACE}.bson.gz")
    with open(path, "rb") as f:
        whole = f.read()
    for at in (-8, -5, -4, -1):  # CRC-32 and length
        data = bytearray(whole)
        data[at] ^= 1
        with open(path, "wb") as f:
            f.write(data)
        world.assert_refused(world.ends.path("z"), "CRC-32")
    for size in range(1, len(whole)):
        with open(path, "wb") as f:
            f.write(whole[:size])
        world.assert_refused(world.ends.path("z"))


def test_dump_files_that_were_exchanged(full):
    backup = full.dump("b.zip")
    full.restore(backup, env={"MVIMIG_FAULT": "journal-before-commit:kill:2"}).expect(-9)
    folder = os.path.join(full.work, "pass-1", "db")
    paths = [os.path.join(folder, c, os.listdir(os.path.join(folder, c))[0])
             for c in ("DataSetTags", "DataSetCategories")]
    for a, b in ((paths[0], "x"), (paths[1], paths[0]), ("x", paths[1])):
        os.rename(full.ends.path(a), full.ends.path(b))
    assert "not what the plan names (SHA-256); give the backup" in full.resume().expect(3).stderr
    assert "DataSetTags" not in full.there() and "DataSetCategories" not in full.there()
    full.restore(backup).ok()
    full.assert_arrived()


def test_archives_that_lie(world):
    docs = {"DLAAS": {PLACE: [numbered(n) for n in range(9)]}}
    good = mongodump.archive(docs)
    end = mongodump.header("DLAAS", PLACE, True, mongodump.crc64(b"".join(docs["DLAAS"][PLACE])))
    more = mongodump.header("DLAAS", PLACE) + numbered(77) + mongodump.TERMINATOR
    assert good.endswith(end + mongodump.TERMINATOR)
    for bad in (good + more, good[:-4] + numbered(5) + mongodump.TERMINATOR,
                good.replace(end, mongodump.header("DLAAS", PLACE, True, 1)),
                good + mongodump.header("DLAAS", "Other") + mongodump.TERMINATOR,
                good + mongodump.TERMINATOR,
                good[:-len(end) - 4]):
        path = world.ends.path("bad")
        with open(path, "wb") as f:
            f.write(bad)
        world.assert_refused(path)


def test_what_is_no_backup(world):
    path = world.ends.path("x")
    world.assert_refused(path, "cannot be read", rc=2)
    for content in (b"", b"PK", numbered(1), b"\x1f\x8b"):
        with open(path, "wb") as f:
            f.write(content)
        assert world.restore(path).rc in (1, 2)
        assert world.there() == {}
    os.mkdir(world.ends.path("empty"))
    world.assert_refused(world.ends.path("empty"), "no backup", rc=2)
    with zipfile.ZipFile(world.ends.path("z.zip"), "w") as z:
        z.writestr("DLAAS/BGTasks.bson", numbered(1))
    world.assert_refused(world.ends.path("z.zip"), "manifest")
