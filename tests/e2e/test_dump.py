# SPDX-License-Identifier: Apache-2.0
"""mvimig dump: what is in a backup, byte by byte, and that there is never half of one."""
import hashlib
import json
import os
import struct
import time
import zipfile

import bson.json_util
import pytest
from support import oracle, rawbson
from support.migration import Migration
from support.run import hold
from test_documents import PLACE, numbered, odd_documents, put

MANIFEST = "mvimig-manifest.json"
LEFT_OUT = {"SysUsers", "Tokens", "UploadOperations", "DockerHostPorts", "ServiceInfo"}


def frames(raw):
    """Documents back to back."""
    at, out = 0, []
    while at < len(raw):
        size = struct.unpack_from("<i", raw, at)[0]
        assert size >= 5 and at + size <= len(raw) and raw[at + size - 1] == 0
        out.append(raw[at:at + size])
        at += size
    return out


def read_folder(path):
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            with open(full, "rb") as f:
                found[os.path.relpath(full, path)] = f.read()
    return found


def read_zip(path):
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        return {n: z.read(n) for n in z.namelist()}


def read(path):
    return read_folder(path) if os.path.isdir(path) else read_zip(path)


def held(files, database):
    """{collection: sorted documents} of a backup, held against its manifest."""
    manifest = json.loads(files[MANIFEST])
    assert manifest["database"] == database
    out = {}
    for c in manifest["collections"]:
        raw = files[f"{database}/{c['name']}.bson"]
        assert (len(raw), hashlib.sha256(raw).hexdigest()) == (c["bytes"], c["sha256"])
        out[c["name"]] = sorted(frames(raw))
        assert len(out[c["name"]]) == c["documents"]
    assert set(files) == {MANIFEST} | {f"{database}/{n}{s}" for n in out
                                       for s in (".bson", ".metadata.json")}
    return out


def at_source(ends, left_out=frozenset(LEFT_OUT)):
    return {name: sorted(docs.values()) for name, docs in oracle.documents(ends.source.db).items()
            if docs and name not in left_out}


def leftovers(folder):
    return [n for n in os.listdir(folder) if n.startswith(".")]


@pytest.fixture
def filled(ends):
    ends.fill()
    return ends


@pytest.fixture
def dump(ends, mvimig):
    def run(target, *scope, env=None):
        return mvimig.run("dump", "-c", ends.write_config(), *(scope or ("--server",)),
                          "-o", ends.path(target), env=env)
    return run


@pytest.mark.asan
@pytest.mark.parametrize("target", ["backup", "backup.zip"])
def test_holds_the_whole_server(filled, dump, target):
    told = dump(target).ok().stdout
    files = read(filled.path(target))
    database = filled.source.database
    assert held(files, database) == at_source(filled)
    assert "Left out: SysUsers" in told and target in told
    assert leftovers(filled.folder) == []
    # What bsondump and mongorestore look at.
    for info in filled.source.db.list_collections():
        name = f"{database}/{info['name']}.metadata.json"
        if name not in files:
            continue
        metadata = json.loads(files[name])
        assert metadata["uuid"] == info["info"]["uuid"].hex()
        assert metadata["options"] == json.loads(bson.json_util.dumps(info["options"]))
        assert metadata["collectionName"] == info["name"] and metadata["type"] == "collection"
        assert {i["name"] for i in metadata["indexes"]} == \
            set(filled.source.db[info["name"]].index_information())
        assert metadata["indexes"][0]["key"] == {"_id": {"$numberInt": "1"}}


@pytest.mark.asan
@pytest.mark.parametrize("target", ["backup", "backup.zip"])
def test_every_type_and_size(ends, dump, target):
    put(ends.source.db, PLACE, odd_documents())
    dump(target).ok()
    assert held(read(ends.path(target)), ends.source.database) == at_source(ends)


def test_takes_along_what_is_asked_for(filled, dump):
    dump("b.zip", "--server", "--with", "accounts,transient").ok()
    assert held(read(filled.path("b.zip")), filled.source.database) == \
        at_source(filled, {"ServiceInfo"})


def test_users_are_those_of_a_plan(filled, dump, mvimig):
    """The same documents as a migration of the same scope brings."""
    told = mvimig.run(
        "dump", "-c", filled.write_config(), "--users", "alice", "-o", filled.path("b"),
        "--json").ok().json()
    files = held(read(filled.path("b")), filled.source.database)
    assert {c["name"]: c["documents"] for c in told["collections"]} == \
        {name: len(docs) for name, docs in files.items()}
    m = Migration(filled, mvimig)
    m.plan("--users", "alice").ok()
    m.apply().ok()
    moved = {name: docs.keys() - m.documents_before.get(name, {}).keys()
             for name, docs in oracle.documents(filled.destination.db).items()}
    assert {name: set(map(rawbson.identity, docs)) for name, docs in files.items()} == \
        {name: ids for name, ids in moved.items() if ids}


def test_nothing_is_written_over(filled, dump):
    for target in ("there", "there.zip"):
        path = filled.path(target)
        if target == "there":
            os.mkdir(path)
            path = os.path.join(path, "mine")
        with open(path, "w", encoding="utf-8") as f:
            f.write("mine")
        assert "is there already" in dump(target).expect(2).stderr
        with open(path, encoding="utf-8") as f:
            assert f.read() == "mine"
    os.mkdir(filled.path("empty"))
    dump("empty").ok()
    assert held(read(filled.path("empty")), filled.source.database) == at_source(filled)


@pytest.mark.parametrize("target", ["backup", "backup.zip"])
@pytest.mark.parametrize("fault", ["export.step:kill:3", "backup.write:kill:4",
                                   "backup.publish:kill"])
def test_a_killed_dump_leaves_no_backup(filled, dump, target, fault):
    dump(target, env={"MVIMIG_FAULT": fault}).expect(-9)
    assert not os.path.exists(filled.path(target)) and len(leftovers(filled.folder)) == 1
    dump(target).ok()
    assert held(read(filled.path(target)), filled.source.database) == at_source(filled)
    assert leftovers(filled.folder) == []


@pytest.mark.asan
@pytest.mark.parametrize("target", ["backup", "backup.zip"])
def test_a_full_disk(filled, dump, target):
    told = dump(target, env={"MVIMIG_FAULT": "backup.write:fail=ENOSPC:3"}).expect(1).stderr
    assert "No space left" in told and "backup" in told
    assert not os.path.exists(filled.path(target)) and leftovers(filled.folder) == []


def test_passing_failures_lose_and_double_nothing(filled, dump):
    told = dump("b", env={"MVIMIG_FAULT": "export.step:fail:2,dump.page:fail:5"}).ok()
    assert "trying again" in told.stderr
    assert held(read(filled.path("b")), filled.source.database) == at_source(filled)


def test_an_old_server_that_hangs_up(make_ends, mvimig, mongod):
    source = mongod("4.2", test_commands=True)
    ends = make_ends(source=source)
    put(ends.source.db, PLACE, [numbered(n, x=n) for n in range(12000)])
    source.fail_command(["find", "getMore"], times=3, closeConnection=True)
    mvimig.run("dump", "-c", ends.write_config(), "--server", "-o", ends.path("b.zip")).ok()
    assert held(read(ends.path("b.zip")), ends.source.database) == at_source(ends)


def test_a_source_that_is_killed_and_comes_back(make_ends, mvimig, mongod):
    source = mongod("4.2")
    ends = make_ends(source=source)
    put(ends.source.db, PLACE, [numbered(n, x=n) for n in range(12000)])
    waits = ends.path("waits")
    running = mvimig.start("dump", "-c", ends.write_config(), "--server", "-o", ends.path("b"),
                           env={"MVIMIG_FAULT": hold("dump.page", {2: waits})})  # of two pages
    while not leftovers(ends.folder):
        assert not running.ended(), running.wait()
        time.sleep(0.02)
    source.kill9()
    os.unlink(waits)
    while "trying again" not in running.stderr_so_far():  # a page is asked for, and nobody is there
        assert not running.ended(), running.wait()
        time.sleep(0.02)
    source.restart()
    running.wait().ok()
    assert held(read(ends.path("b")), ends.source.database) == at_source(ends)


def test_bad_usage(filled, dump, mvimig):
    config = filled.write_config()
    assert "-o" in mvimig.run("dump", "-c", config, "--server").expect(2).stderr
    assert "--server" in mvimig.run("dump", "-c", config, "-o", filled.path("x")).expect(2).stderr
    assert "folder" in dump("no/where.zip").expect(2).stderr
    assert "nobody" in dump("x", "--users", "nobody").expect(2).stderr
    assert leftovers(filled.folder) == []
