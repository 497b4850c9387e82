# SPDX-License-Identifier: Apache-2.0
"""Documents, byte by byte: every type, every size, every conflict, every failure on the way."""
import json
import os
import random
import re
import struct
import time

import pytest
from bson import SON, Timestamp, encode
from bson.raw_bson import RawBSONDocument

from support import oracle, rawbson
from support.migration import Migration
from support.run import ROOT
from support.servers import Mongod

KILL9 = -9
# A collection without files or children of its own, so that only documents are looked at.
PLACE = "InferenceOps"


# Raw documents

def element(kind, name, value):
    return bytes([kind]) + (name if isinstance(name, bytes) else name.encode()) + b"\0" + value


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<i", len(data) + 1) + data + b"\0"


def int32(n):
    return struct.pack("<i", n)


def document(*elements):
    return rawbson.assemble(elements)


def put(db, collection, raws):
    """Inserts documents as they are: no driver sees into them."""
    at = 0
    while at < len(raws):
        end = at + 1
        while end < min(len(raws), at + 1000) and sum(map(len, raws[at:end + 1])) < 4 << 20:
            end += 1
        reply = db.command(SON([("insert", collection), ("ordered", True),
                                ("documents", [RawBSONDocument(r) for r in raws[at:end]])]))
        assert reply["n"] == end - at, reply
        at = end


def numbered(n, **fields):
    return encode(SON([("_id", f"{n:08d}"), *fields.items()]))


INNER = document(element(0x10, "n", int32(1)), element(0x02, "", string("")))
VALUES = {
    "double": (0x01, struct.pack("<d", 1.5)),
    "negative zero": (0x01, struct.pack("<d", -0.0)),
    "infinity": (0x01, struct.pack("<d", float("inf"))),
    "NaN": (0x01, struct.pack("<Q", 0x7FF8000000000000)),
    "NaN with payload": (0x01, struct.pack("<Q", 0x7FF8DEADBEEF0001)),
    "signalling NaN": (0x01, struct.pack("<Q", 0xFFF0000000000001)),
    "string": (0x02, string("a")),
    "empty string": (0x02, string("")),
    "zero in a string": (0x02, string("a\0b")),
    "astral string": (0x02, string("\U0001F600\u202e")),
    "document": (0x03, INNER),
    "empty document": (0x03, document()),
    "array": (0x04, document(element(0x10, "0", int32(1)), element(0x0A, "1", b""))),
    "array with odd keys": (0x04, document(element(0x10, "7", int32(1)))),
    "binary": (0x05, struct.pack("<i", 3) + b"\x00abc"),
    "old binary": (0x05, struct.pack("<i", 7) + b"\x02" + struct.pack("<i", 3) + b"abc"),
    "uuid": (0x05, struct.pack("<i", 16) + b"\x04" + bytes(range(16))),
    "user binary": (0x05, struct.pack("<i", 0) + b"\x80"),
    "undefined": (0x06, b""),
    "object id": (0x07, bytes(range(12))),
    "true": (0x08, b"\1"),
    "date": (0x09, struct.pack("<q", -1)),
    "far date": (0x09, struct.pack("<q", 2 ** 62)),
    "null": (0x0A, b""),
    "regex": (0x0B, b"^a/b\0im\0"),
    "db pointer": (0x0C, string("db.c") + bytes(range(12))),
    "code": (0x0D, string("function() {}")),
    "symbol": (0x0E, string("s")),
    "int32": (0x10, int32(-1)),
    "timestamp": (0x11, struct.pack("<II", 1, 2)),
    "int64": (0x12, struct.pack("<q", 2 ** 53 + 1)),
    "decimal": (0x13, struct.pack("<QQ", 15, 0x303E000000000000)),
    "decimal with a trailing zero": (0x13, struct.pack("<QQ", 150, 0x303C000000000000)),
    "decimal NaN": (0x13, struct.pack("<QQ", 0, 0x7C00000000000000)),
    "decimal NaN with payload": (0x13, struct.pack("<QQ", 77, 0x7C00000000000000)),
    "min key": (0xFF, b""),
    "max key": (0x7F, b""),
}
CODE = struct.pack("<i", 4 + 4 + 2 + len(INNER)) + string("a") + INNER
VALUES["code with scope"] = (0x0F, CODE)

NO_ID = {"regex", "array", "array with odd keys", "undefined"}
# Numbers of equal value are one _id to a server.
SAME_ID = {"signalling NaN", "NaN with payload", "decimal NaN", "decimal NaN with payload",
           "decimal with a trailing zero", "decimal"}


def nested(depth):
    raw = document(element(0x10, "n", int32(depth)))
    for _ in range(depth - 1):
        raw = document(element(0x03, "d", raw))
    return raw


def sized(name, size):
    """A document of exactly so many bytes."""
    head = document(element(0x02, "_id", string(name)), element(0x02, "x", string("")))
    return document(element(0x02, "_id", string(name)),
                    element(0x02, "x", string(b"x" * (size - len(head)))))


def odd_documents():
    """One of everything that MongoDB 4.2 stores."""
    out = [document(element(0x02, "_id", string(f"value {name}")), element(kind, "x", value),
                    element(0x04, "list", document(element(kind, "0", value))))
           for name, (kind, value) in VALUES.items()]
    out += [document(element(kind, "_id", value), element(0x02, "name", string(name)))
            for name, (kind, value) in VALUES.items() if name not in NO_ID | SAME_ID]
    out += [
        document(element(0x02, "_id", string("twice")), element(0x10, "a", int32(1)),
                 element(0x10, "a", int32(2))),
        document(element(0x02, "_id", string("dots")), element(0x10, "a.b", int32(1)),
                 element(0x10, ".", int32(2))),
        document(element(0x02, "_id", string("empty name")), element(0x10, "", int32(1))),
        document(element(0x02, "_id", string("dollars")),
                 element(0x03, "d", document(element(0x10, "a$", int32(1)),
                                             element(0x10, "$set", int32(2))))),
        document(element(0x02, "_id", string("deep")), element(0x03, "d", nested(100))),
        document(element(0x02, "_id", string("nothing else"))),
        sized("largest", 16 * 1024 * 1024),
        sized("nearly largest", 16 * 1024 * 1024 - 1),
        sized("half", 8 * 1024 * 1024),
    ]
    return out


# Migrations

@pytest.fixture(scope="module")
def failing_server():
    with Mongod("6.0", test_commands=True) as server:
        yield server


def prepared(ends, mvimig, source, destination=(), collection=PLACE):
    put(ends.source.db, collection, list(source))
    put(ends.destination.db, collection, list(destination))
    return Migration(ends, mvimig)


def arrived(migration, collection=PLACE):
    return oracle.documents(migration.ends.destination.db, [collection])[collection]


def assert_documents_arrived(migration):
    """Files have tests of their own."""
    ends = migration.ends
    oracle.check(oracle.document_differences(
        oracle.migrated(oracle.documents(ends.source.db), migration.documents_before),
        oracle.documents(ends.destination.db), id_to_front=True))


def sums(migration):
    return migration.ask("""select sum(documents), sum(sent), sum(present), sum(conflicts),
                            sum(rejected) from step where kind = 'restore'""")[0]


def conflicts(migration):
    return migration.ask("select object_id, class, decision from conflicts order by object_id")


@pytest.mark.asan
def test_every_type_and_size(ends, mvimig):
    raws = odd_documents()
    m = prepared(ends, mvimig, raws)
    m.plan().ok()
    m.apply().ok()
    assert_documents_arrived(m)
    assert sums(m)[:2] == (len(raws), len(raws))
    m.verify().ok()


@pytest.mark.asan
def test_pages_of_mixed_ids(ends, mvimig):
    """More than a page of each type of _id, so that pages begin within and between types."""
    raws = []
    for n in range(6000):
        for kind, value in ((0x10, int32(n)), (0x02, string(f"{n:06d}")),
                            (0x07, struct.pack(">IQ", n, 7)),
                            (0x09, struct.pack("<q", n)),
                            (0x03, document(element(0x10, "n", int32(n))))):
            raws.append(document(element(kind, "_id", value), element(0x10, "n", int32(n))))
    random.Random(3).shuffle(raws)
    m = prepared(ends, mvimig, raws)
    m.plan().ok()
    m.apply().ok()
    assert_documents_arrived(m)


def test_children_whose_collections_have_no_index(ends, mvimig):
    ends.fill()
    for name in ends.source.db.list_collection_names():
        ends.source.db[name].drop_indexes()
    m = Migration(ends, mvimig)
    m.plan("--users", "alice").ok()
    m.apply().ok()
    m.verify().ok()
    assert m.ask("select sum(documents) from step where kind = 'restore'")[0][0] > 100


def test_apply_again_finds_all_present(ends, mvimig):
    m = prepared(ends, mvimig, odd_documents(), odd_documents())
    m.plan().ok()
    m.apply().ok()
    documents, sent, present, *_ = sums(m)
    assert (sent, present) == (0, documents)
    assert_documents_arrived(m)


# Conflicts

def conflict_ends(ends):
    """1: missing, 2: identical, 3: other content, 4: unique clash, 5: _id elsewhere in order."""
    source = [numbered(n, name=f"n{n}", x=1) for n in (1, 2, 3, 4)]
    source.append(document(element(0x10, "x", int32(1)), element(0x02, "_id", string("00000005")),
                           element(0x02, "name", string("n5"))))
    there = [numbered(2, name="n2", x=1), numbered(3, name="n3", x=2), numbered(90, name="n4"),
             rawbson.id_to_front(source[4]), numbered(91, name="own")]
    ends.destination.db[PLACE].create_index("name", unique=True)
    return source, there


@pytest.mark.asan
def test_keep_alters_nothing(ends, mvimig):
    m = prepared(ends, mvimig, *conflict_ends(ends))
    before = arrived(m)
    m.plan("--server", "--on-conflict", "keep").ok()
    m.apply().expect(4)
    assert conflicts(m) == [('"00000003"', "different", "kept"),
                            ('"00000004"', "unique-clash", "kept")]
    assert sums(m) == (5, 1, 2, 2, 0)
    after = arrived(m)
    assert {k: v for k, v in after.items() if k in before} == before
    assert len(after) == len(before) + 1
    detail = m.ask("select detail from conflicts where class = 'unique-clash'")[0][0]
    assert '"00000090"' in detail and "name" in detail
    detail = m.ask("select detail from conflicts where class = 'different'")[0][0]
    assert detail == "x: source 1, destination 2"
    digests = m.ask("select source_digest, destination_digest from conflicts")
    assert all(len(d) == 64 for row in digests for d in row)
    ends.destination.db[PLACE].delete_one({"_id": "00000001"})
    told = m.verify("--json").expect(5).stdout
    assert told.count('"kept"') == 2 and told.count('"missing"') == 1


def test_conflicts_show_the_fields_that_differ(ends, mvimig):
    """Both values, cut; of what may be a secret only the size; at most eight fields."""
    ours = numbered(1, same=1, name="left", list=[1, {"a": None}], gone=True, apiToken="t0k3n",
                    long="y" * 5000)
    there = numbered(1, same=1, name="right\n", list=[1], apiToken="0th3r", more=1.5, long="z")
    both = [numbered(2, a=1, b=2), numbered(2, b=2, a=1)]
    many = [numbered(3, **{f"f{i}": i for i in range(10)}), numbered(3)]
    m = prepared(ends, mvimig, [ours, both[0], many[0]], [there, both[1], many[1]])
    m.plan().ok()
    m.apply().expect(4)
    rows = [json.loads(line) for line in m.mvimig.run("conflicts", m.work_dir, "--json").ok()
            .stdout.splitlines()]
    assert [r["detail"] for r in rows] == [
        'name: source "left", destination "right\\\\n"; '
        'list: source [ 1, { "a" : null } ], destination [ 1 ]; '
        "gone: source true, destination none; "
        "apiToken: source (10 B), destination (10 B); "
        'long: source (5.0 kB), destination "z"; more: source none, destination 1.5',
        "the same fields in another order",
        "; ".join(f"f{i}: source {i}, destination none" for i in range(8)) + "; and 2 more"]
    shown = m.mvimig.run("conflicts", m.work_dir).ok().stdout
    assert "t0k3n" not in shown
    blocks = shown.split("\n\n")[0].splitlines()
    assert blocks[:3] == [
        f'{PLACE} "00000001": different, kept',
        "    " + rows[0]["detail"].replace("\\", "\\\\"),
        f"    source {rows[0]['source_digest'][:12]}, "
        f"destination {rows[0]['destination_digest'][:12]}; "
        f"restore/{PLACE}/0001, {rows[0]['recorded']}"]
    assert shown.endswith("\n3 conflicts; --json tells them with whole digests.\n")


@pytest.mark.asan
def test_replace_keeps_the_old_bytes(ends, mvimig):
    source, there = conflict_ends(ends)
    m = prepared(ends, mvimig, source, there)
    m.plan("--server", "--on-conflict", "replace").ok()
    m.apply().expect(4)
    assert conflicts(m) == [('"00000003"', "different", "replaced"),
                            ('"00000004"', "unique-clash", "kept")]
    old = m.ask("select old_bytes from conflict where decision = 'replaced'")
    assert old == [(there[1],)]
    after = arrived(m)
    assert after[rawbson.identity(source[2])] == source[2]
    assert rawbson.identity(source[3]) not in after


@pytest.mark.asan
def test_replace_that_is_refused_puts_the_old_one_back(ends, mvimig):
    own = [numbered(1, name="old", x=1), numbered(2, name="old2", x=1), numbered(9, name="mine")]
    ends.destination.db.create_collection(PLACE, validator={"x": {"$not": {"$gt": 5}}})
    ends.destination.db[PLACE].create_index("name", unique=True)
    m = prepared(ends, mvimig, [numbered(1, name="new", x=9), numbered(2, name="mine", x=2)], own)
    m.plan("--server", "--on-conflict", "replace").ok()
    m.apply().expect(3)
    assert arrived(m) == {rawbson.identity(r): r for r in own}
    rows = m.ask("select object_id, class, detail from problems order by object_id")
    assert [r[:2] for r in rows] == [('"00000001"', "rejected"), ('"00000002"', "rejected")]
    assert "code 121" in rows[0][2]
    assert "code 11000" in rows[1][2] and "what was there stays" in rows[1][2]


def test_what_is_there_is_there_whatever_a_validator_says(ends, mvimig):
    raws = [numbered(n, x=n) for n in range(10)]
    m = prepared(ends, mvimig, raws, raws)
    ends.destination.db.command("collMod", PLACE, validator={"x": {"$lt": 5}})
    m.plan().ok()
    m.apply().ok()
    assert sums(m) == (10, 0, 10, 0, 0)


def test_fail_stops_the_step_and_resume_asks_again(ends, mvimig):
    source, there = conflict_ends(ends)
    m = prepared(ends, mvimig, source, there)
    before = arrived(m)
    m.plan("--server", "--on-conflict", "fail").ok()
    for _ in range(2):
        done = m.apply().expect(3)
        assert "onConflict: fail" in done.stderr
        assert {k: v for k, v in arrived(m).items() if k in before} == before
    ends.destination.db[PLACE].delete_many({"_id": {"$in": ["00000003", "00000090"]}})
    m.resume().ok()
    assert arrived(m)[rawbson.identity(source[2])] == source[2]


def test_unfixed_documents_are_mended(ends, mvimig):
    collection = "TrainedModels"
    source = [numbered(n, thumbnail_path=f"uploads/u/{n}.png", x=1) for n in range(3)]
    other = [source[0], numbered(1, thumbnail_path="uploads/u/other.png", x=1)]
    m = prepared(ends, mvimig, source, other, collection)
    m.plan("--server", "--on-conflict", "keep").ok()
    m.apply().expect(4)
    assert conflicts(m) == [('"00000000"', "unfixed", "replaced"),
                            ('"00000001"', "different", "kept")]
    after = arrived(m, collection)
    assert after[rawbson.identity(source[0])] == oracle.fixup(collection, source[0])
    assert after[rawbson.identity(source[2])] == oracle.fixup(collection, source[2])
    assert after[rawbson.identity(other[1])] == other[1]


def test_what_the_destination_refuses_is_listed(ends, mvimig):
    ends.destination.db.create_collection(PLACE, validator={"x": {"$lt": 5}})
    m = prepared(ends, mvimig, [numbered(n, x=n) for n in range(10)])
    m.plan().ok()
    m.apply().expect(3)
    rows = m.ask("select object_id, class, detail from problems order by object_id")
    assert [r[0] for r in rows] == [f'"{n:08d}"' for n in range(5, 10)]
    assert all(r[1] == "rejected" and "code 121" in r[2] for r in rows)
    assert sums(m)[1] == 5 and len(arrived(m)) == 5


@pytest.mark.parametrize("point", ["restore.intent:kill", "restore.removed:kill",
                                   "restore.acknowledged:kill", "restore.recorded:kill"])
def test_killed_in_the_middle(ends, mvimig, point):
    source = [numbered(n, x=1) for n in range(3000)]
    there = [numbered(n, x=2, own=n) for n in range(500, 1600, 100)]
    m = prepared(ends, mvimig, source, there)
    m.plan("--server", "--on-conflict", "replace").ok()
    for nth in (1, 2):
        assert m.start_apply(env={"MVIMIG_FAULT": f"{point}:{nth}"}).wait().rc == KILL9
    m.resume().ok()
    assert arrived(m) == {rawbson.identity(r): r for r in source}
    old = m.ask("select object_id, old_bytes from conflict where old_bytes is not null")
    assert sorted(o[1] for o in old) == sorted(there)
    assert sums(m)[0] == 3000


# Zero Timestamps

def zero_times(names):
    return document(element(0x02, "_id", string("t")), element(0x10, "a", int32(1)),
                    *(element(0x11, n, bytes(8)) for n in names),
                    element(0x03, "inner", document(element(0x11, "t", bytes(8)))))


def put_zero_times(db, names, _id="t"):
    """A server stores them only by an update."""
    put(db, PLACE, [zero_times(names)])
    for name in names:
        db.command("update", PLACE, updates=[{"q": {"_id": _id}, "u": [
            {"$replaceWith": {"$setField": {"field": {"$literal": name}, "input": "$$ROOT",
                                            "value": Timestamp(0, 0)}}}]}])
    found = oracle.documents(db, [PLACE])[PLACE]
    assert list(found.values()) == [zero_times(names)], "the source could not be prepared"


@pytest.mark.parametrize("names", [["t"], ["t", "u"], ["a.b", "$c", "", "d"]])
def test_zero_timestamps_stay_zero(make_ends, failing_server, mvimig, names):
    ends = make_ends(source=failing_server)
    put_zero_times(ends.source.db, names)
    m = Migration(ends, mvimig)
    m.plan().ok()
    m.apply().ok()
    assert_documents_arrived(m)
    assert m.ask("select * from problems") == []


def test_a_zero_timestamp_that_the_server_replaced_is_mended(make_ends, failing_server, mvimig):
    ends = make_ends(source=failing_server)
    put_zero_times(ends.source.db, ["t"])
    put(ends.destination.db, PLACE, [zero_times(["t"])])  # as a plain copy would leave it
    m = Migration(ends, mvimig)
    m.documents_before = {}
    m.plan("--server", "--on-conflict", "keep").ok()
    m.apply().ok()
    assert conflicts(m) == [('"t"', "unfixed", "replaced")]
    assert_documents_arrived(m)


# Dumps

def dump_files(migration, collection=PLACE):
    folder = os.path.join(migration.work_dir, "pass-1", "db", collection)
    return sorted(os.path.join(folder, n) for n in os.listdir(folder))


def stopped_before_restore(ends, mvimig, n=50):
    m = prepared(ends, mvimig, [numbered(i, x=i) for i in range(n)])
    m.plan().ok()
    assert m.start_apply(env={"MVIMIG_FAULT": "restore.insert:kill"}).wait().rc == KILL9
    return m


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "older"])
def test_damaged_dump_is_refused_before_the_first_insert(ends, mvimig, damage):
    m = stopped_before_restore(ends, mvimig)
    path = dump_files(m)[0]
    with open(path, "rb") as f:
        data = bytearray(f.read())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    elif damage == "cut":
        del data[-1:]
    elif damage == "empty":
        data.clear()
    else:  # a whole dump, but not this one
        other = prepared_elsewhere(ends, mvimig)
        with open(dump_files(other)[0], "rb") as f:
            data = f.read()
    with open(path, "wb") as f:
        f.write(data)
    done = m.resume().expect(3)
    assert os.path.basename(path) in done.stderr and "resume dumps it again" in done.stderr
    assert arrived(m) == {}
    os.unlink(path)
    m.resume().ok()
    assert_documents_arrived(m)


def prepared_elsewhere(ends, mvimig):
    other = Migration(ends, mvimig, name="other")
    ends.source.db[PLACE].insert_one({"_id": "one more"})
    other.plan().ok()
    other.start_apply(env={"MVIMIG_FAULT": "restore.insert:kill"}).wait()
    ends.source.db[PLACE].delete_one({"_id": "one more"})
    return other


def test_missing_dump_is_taken_again(ends, mvimig):
    m = stopped_before_restore(ends, mvimig)
    os.unlink(dump_files(m)[0])
    m.resume().ok()
    assert_documents_arrived(m)


# Servers that fail

# Every code of the table in site/mongo_error.c.
RETRYABLE = [6, 7, 24, 43, 50, 64, 89, 91, 112, 133, 134, 175, 189, 202, 237, 262, 290, 358, 384,
             9001, 10107, 11600, 11601, 11602, 13435, 13436]


def test_every_code_that_passes_is_tried():
    with open(os.path.join(ROOT, "site", "mongo_error.c"), encoding="utf-8") as f:
        table = f.read().partition("passing[] = {")[2].partition("};")[0]
    assert [int(code) for code in re.findall(r"^ +(\d+),", table, re.MULTILINE)] == RETRYABLE


def fail(server, commands, times=1, **data):
    server.fail_command(commands, times=times, appName="mvimig", **data)


@pytest.mark.parametrize("failure", [
    *({"errorCode": code} for code in RETRYABLE),
    {"closeConnection": True},
    {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
    {"writeConcernError": {"code": 91, "errmsg": "shutting down"}},
], ids=str)
def test_insert_fails_for_a_while(make_ends, failing_server, mvimig, failure):
    m = prepared(make_ends(destination=failing_server), mvimig,
                 [numbered(n, x=n) for n in range(2500)])
    m.plan().ok()
    fail(failing_server, ["insert"], **failure)
    m.apply().ok()
    assert_documents_arrived(m)
    assert m.ask("select count(*) from attempt where state = 'failed'")[0][0] >= 1
    assert conflicts(m) == [] and sums(m)[0] == 2500


@pytest.mark.parametrize("command", ["find", "getMore"])
@pytest.mark.parametrize("failure", [{"errorCode": 43}, {"errorCode": 237}, {"errorCode": 91},
                                     {"closeConnection": True}], ids=str)
def test_source_fails_for_a_while(make_ends, failing_server, mvimig, command, failure):
    m = prepared(make_ends(source=failing_server), mvimig,
                 [numbered(n, x="x" * 200) for n in range(3500)])
    m.plan().ok()
    fail(failing_server, [command], times=2, **failure)  # the driver itself tries a find twice
    m.apply().ok()
    assert_documents_arrived(m)


def test_slow_server_is_waited_for(make_ends, failing_server, mvimig):
    m = prepared(make_ends(destination=failing_server), mvimig, [numbered(1)])
    m.plan().ok()
    fail(failing_server, ["insert"], times=1, blockConnection=True, blockTimeMS=3000)
    m.apply().ok()
    assert_documents_arrived(m)


def test_primary_steps_down(make_ends, mongod, mvimig):
    server = mongod("6.0", repl_set="rs", test_commands=True)
    m = prepared(make_ends(destination=server), mvimig,
                 [numbered(n, x="x" * 200) for n in range(20000)])
    m.plan().ok()
    fail(server, ["insert"], times=1, blockConnection=True, blockTimeMS=5000)
    run = m.start_apply()
    admin = server.client().admin
    while not admin.command("currentOp", {"command.insert": PLACE})["inprog"]:
        assert not run.ended()
        time.sleep(0.02)
    admin.command("replSetStepDown", 2, secondaryCatchUpPeriodSecs=0, force=True)
    run.wait().ok()
    assert_documents_arrived(m)
    assert conflicts(m) == []
