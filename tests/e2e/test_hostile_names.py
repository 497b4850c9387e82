# SPDX-License-Identifier: Apache-2.0
"""Owners and IDs that are no names of files: documents move, and no path is made of them."""
import json
import os
import re
import shutil
import struct

import pytest
from bson.raw_bson import RawBSONDocument

from support import oracle
from support.migration import Migration

# Usable as one component of a path, however odd.
ODD = ["-rf", "$(touch x)", "`id`", "a\nb", "a b ", "x.", "...", "ID*", "[a-z]", "\u0430dmin", "a\x1b[2J",
       "a\u009b31m", "CON", "~", "%2e%2e", "\\..\\x", "e\u0301", "x" * 255]
# Not: a path would lead elsewhere, or cannot be made.
UNSAFE = ["..", ".", "", "../../../outside", "/etc", "a/b", "a\0b", "x" * 256, "../..", "./x", "\0"]
NAMES = ODD + UNSAFE
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")


def add(end, n, name, as_owner):
    """A dataset with an image, and its files where they can be."""
    owner, _id = (name, f"of-{n}") if as_owner else ("alice", name)
    end.db.DataSets.insert_one({"_id": _id, "owner": owner, "name": name})
    end.db.DataSetFiles.insert_one({"_id": f"image-{as_owner}-{n}", "dataset_id": _id,
                                    "owner": owner, "name": "a.jpg"})
    if name in ODD:
        folder = os.path.join(end.data_dir, owner, "datasets", _id, "files")
        os.makedirs(folder)
        with open(os.path.join(folder, f"{n}.jpg"), "wb") as f:
            f.write(os.urandom(100 + n))


@pytest.fixture
def hostile(ends, mvimig):
    ends.source.fill()
    for as_owner in (False, True):
        for n, name in enumerate(NAMES):
            add(ends.source, n, name, as_owner)
    outside = os.path.join(os.path.dirname(ends.source.data_dir), "outside")
    os.makedirs(outside)
    with open(os.path.join(outside, "secret.txt"), "w") as f:
        f.write("not to be moved, not to be changed")
    return Migration(ends, mvimig)


def assert_printable(*results):
    for done in results:
        for text in (done.stdout, done.stderr):
            bad = CONTROL.search(text.encode())
            assert bad is None, repr(text[max(0, bad.start() - 40):bad.start() + 40])


@pytest.mark.asan
def test_a_whole_server(hostile):
    ends = hostile.ends
    beside = set(os.listdir(os.path.dirname(ends.destination.data_dir)))
    done = [hostile.plan().ok(), hostile.apply().ok(), hostile.verify().ok(),
            hostile.mvimig.run("status", hostile.work_dir).ok(),
            hostile.mvimig.run("show", hostile.plan_path).ok()]
    assert_printable(*done)
    with open(hostile.plan_path, "rb") as f:
        assert CONTROL.search(f.read()) is None
    hostile.assert_arrived()
    assert set(os.listdir(os.path.dirname(ends.destination.data_dir))) == beside | {"t.yaml"}
    with open(os.path.join(os.path.dirname(ends.source.data_dir), "outside", "secret.txt")) as f:
        assert f.read() == "not to be moved, not to be changed"


@pytest.mark.parametrize("name", ["..", "../../../outside", "/etc", "a/b", "a\nb", "-rf", "x."])
def test_one_user(hostile, name):
    ends = hostile.ends
    done = hostile.plan(f"--users=/^{re.escape(name)}$/")
    if "\n" in name:  # the shell can say it, a line of a plan cannot: by pattern only
        done = hostile.plan("--users=/^a\\nb$/")
    done.ok()
    assert_printable(done, hostile.apply().ok())
    n = NAMES.index(name)
    assert list(ends.destination.db.DataSets.find()) == list(
        ends.source.db.DataSets.find({"_id": f"of-{n}"}))
    moved = {p for p, entry in oracle.tree(ends.destination.data_dir).items()
             if entry.type == "file"} - set(hostile.tree_before)
    want = {os.fsencode(os.path.join(name, "datasets", f"of-{n}", "files", f"{n}.jpg"))}
    assert moved == (want if name in ODD else set())


def raw(**fields):
    """A document whose texts are bytes of any kind, which no driver would encode."""
    body = b"".join(b"\x02" + key.encode() + b"\0" + struct.pack("<i", len(value) + 1) + value + b"\0"
                    for key, value in fields.items())
    return RawBSONDocument(struct.pack("<i", len(body) + 5) + body + b"\0")


@pytest.mark.parametrize("scope", ["--server", "--users=alice"])
def test_names_that_are_not_utf8(ends, mvimig, scope):
    """They cannot stand in a plan. With all of a server documents go along all the same, and the
    directory of such an owner; what stays is told by name."""
    ends.source.fill()
    for n, (owner, _id) in enumerate([(b"alice", b"caf\xe9"), (b"\xff\xfe", b"of-nobody")]):
        ends.source.db.DataSets.insert_one(raw(_id=_id, owner=owner, name=b"odd"))
        ends.source.db.DataSetFiles.insert_one(raw(_id=b"image-%d" % n, dataset_id=_id))
        folder = os.path.join(os.fsencode(ends.source.data_dir), owner, b"datasets", _id)
        os.makedirs(folder)
        with open(os.path.join(folder, b"image-%d.jpg" % n), "wb") as f:
            f.write(b"picture")
    stays = os.path.join(os.fsencode(ends.source.data_dir), b"alice/datasets/caf\xe9")
    migration = Migration(ends, mvimig)
    done = migration.plan(scope, "--report", ends.path("report.ndjson")).ok()
    assert_printable(done, migration.apply().ok())
    with open(ends.path("report.ndjson")) as f:
        told = {(r["finding"], r["id"]) for r in map(json.loads, f)}
    assert {("unsafe-id", "hex:0205000000636166e900"),
            ("not-utf8", "alice/datasets/caf\\xE9")} <= told
    if scope == "--server":
        shutil.rmtree(stays)
        migration.assert_arrived()
    else:
        assert ("no-string-id", "hex:0205000000636166e900") in told


def test_file_names_with_control_bytes(ends, mvimig):
    """As they are on disk; escaped wherever they are told, as conflicts and findings as well."""
    odd = [b"a\nb", b"\x1b[2J", b"\x9b31m", b"a\r", b"\xc2\x9b", b"\x07", b"\xff", b"tab\t"]
    ends.source.db.DataSets.insert_one({"_id": "d", "owner": "alice"})
    ends.destination.db.DataSets.insert_one({"_id": "other", "owner": "alice"})
    folder = b"alice/datasets/d/files"
    for end, content in ((ends.source, b"ours"), (ends.destination, b"theirs, longer")):
        where = os.path.join(os.fsencode(end.data_dir), folder)
        os.makedirs(where)
        for name in odd:
            with open(os.path.join(where, name), "wb") as f:
                f.write(content)
            os.symlink(name, os.path.join(where, b"link to " + name))
    migration = Migration(ends, mvimig)
    report = ends.path("report.ndjson")
    done = [migration.plan("--server", "--on-conflict", "keep", "--report", report).ok(),
            migration.apply("--log-level", "debug").expect(4), migration.verify()]
    for command in ("status", "conflicts", "audit"):
        done.append(mvimig.run(command, migration.work_dir))
        done.append(mvimig.run(command, migration.work_dir, "--json"))
    assert_printable(*done)
    assert sum(r[0] for r in migration.ask("select count(*) from conflict where object = 'file'")) \
        == len(odd)
    for (text,) in migration.ask("select object_id from conflict union select detail from event"):
        assert CONTROL.search(text.encode()) is None
    for name in odd:
        with open(os.path.join(os.fsencode(ends.destination.data_dir), folder, name), "rb") as f:
            assert f.read() == b"theirs, longer"
