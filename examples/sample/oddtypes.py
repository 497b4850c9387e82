# SPDX-License-Identifier: Apache-2.0
"""Documents that only a copy of bytes survives: every BSON type with the deprecated ones, values
that change when they are decoded and encoded again, names that drivers refuse, and _id of all
types that MongoDB allows.

The bytes are put together here and not by a driver: drivers turn Undefined and Symbol into
something else, and a dictionary cannot hold the same key twice.
"""
import struct

OBJECT_ID = bytes.fromhex("5f0c8e2a1b3d4c5e6f708192")


def cstring(s):
    return (s if isinstance(s, bytes) else s.encode()) + b"\0"


def element(kind, name, payload=b""):
    return bytes([kind]) + cstring(name) + payload


def document(*elements):
    body = b"".join(elements) + b"\0"
    return struct.pack("<i", len(body) + 4) + body


def string(s):
    raw = cstring(s)
    return struct.pack("<i", len(raw)) + raw


def utf8(name, s):
    return element(0x02, name, string(s))


def int32(name, n):
    return element(0x10, name, struct.pack("<i", n))


def int64(name, n):
    return element(0x12, name, struct.pack("<q", n))


def double_bits(name, bits):
    """By its bits: NaN has a payload and a sign that a float does not promise to keep."""
    return element(0x01, name, struct.pack("<Q", bits))


def binary(name, subtype, data):
    if subtype == 2:
        # The old form carries its length twice.
        data = struct.pack("<i", len(data)) + data
    return element(0x05, name, struct.pack("<i", len(data)) + bytes([subtype]) + data)


def code_with_scope(name, code, scope):
    inner = string(code) + scope
    return element(0x0F, name, struct.pack("<i", len(inner) + 4) + inner)


def all_types():
    """One element of each type, as (name of the type, element)."""
    scope = document(int32("x", 1))
    return [
        ("double", element(0x01, "double", struct.pack("<d", 0.1))),
        ("minus zero", double_bits("minus zero", 0x8000000000000000)),
        ("infinity", double_bits("infinity", 0xFFF0000000000000)),
        ("nan", double_bits("nan", 0x7FF8000000000000)),
        ("nan with payload", double_bits("nan with payload", 0xFFF8DEADBEEF0001)),
        ("signalling nan", double_bits("signalling nan", 0x7FF0000000000001)),
        ("denormal", double_bits("denormal", 1)),
        ("string", utf8("string", "text with a zero\0inside and 検査")),
        ("empty string", utf8("empty string", "")),
        ("document", element(0x03, "document", document(int32("a", 1), int32("a", 2)))),
        ("array", element(0x04, "array", document(int32("0", 1), utf8("1", "b")))),
        # Some old writers named an array's elements otherwise.
        ("array with odd keys", element(0x04, "array with odd keys",
                                        document(int32("7", 1), int32("", 2)))),
        ("binary", binary("binary", 0, b"\0\xff\x80")),
        ("binary old", binary("binary old", 2, b"old")),
        ("binary uuid old", binary("binary uuid old", 3, bytes(range(16)))),
        ("binary uuid", binary("binary uuid", 4, bytes(range(16)))),
        ("binary md5", binary("binary md5", 5, bytes(16))),
        ("binary user", binary("binary user", 0x80, b"u")),
        ("binary empty", binary("binary empty", 0, b"")),
        ("undefined", element(0x06, "undefined")),
        ("object id", element(0x07, "object id", OBJECT_ID)),
        ("false", element(0x08, "false", b"\0")),
        ("true", element(0x08, "true", b"\1")),
        ("date", element(0x09, "date", struct.pack("<q", 1_582_916_039_574))),
        ("date before 1970", element(0x09, "date before 1970", struct.pack("<q", -1))),
        ("date beyond calendars", element(0x09, "date beyond calendars",
                                          struct.pack("<q", 2 ** 63 - 1))),
        ("null", element(0x0A, "null")),
        # Options out of order would be sorted by a driver.
        ("regex", element(0x0B, "regex", cstring("^a.*/b$") + cstring("xi"))),
        ("db pointer", element(0x0C, "db pointer", string("DLAAS.DataSets") + OBJECT_ID)),
        ("code", element(0x0D, "code", string("function () { return 1; }"))),
        ("symbol", element(0x0E, "symbol", string("sym"))),
        ("code with scope", code_with_scope("code with scope", "return x;", scope)),
        ("int32", int32("int32", -1)),
        ("timestamp", element(0x11, "timestamp", struct.pack("<II", 7, 1_582_916_039))),
        ("nested zero timestamp", element(0x03, "nested zero timestamp",
                                          document(element(0x11, "t", bytes(8))))),
        ("int64 small", int64("int64 small", 5)),
        ("int64 large", int64("int64 large", -2 ** 63)),
        ("decimal128", element(0x13, "decimal128", struct.pack("<QQ", 110, 0x303E000000000000))),
        ("decimal128 nan", element(0x13, "decimal128 nan",
                                   struct.pack("<QQ", 0xBAD, 0x7C00000000000000))),
        # The same number as 1, written otherwise.
        ("decimal128 unreduced", element(0x13, "decimal128 unreduced",
                                         struct.pack("<QQ", 1000, 0x303A000000000000))),
        ("min key", element(0xFF, "min key")),
        ("max key", element(0x7F, "max key")),
    ]


def odd_names():
    """Keys that drivers refuse or split. A `$` stands below the top: an old server allows it
    only there."""
    return [
        ("dotted key", int32("a.b.c", 1)),
        ("dollar key", element(0x03, "sub", document(int32("$set", 1), int32("a.$", 2)))),
        ("reference", element(0x03, "ref", document(utf8("$ref", "DataSets"), utf8("$id", "x")))),
        ("empty key", int32("", 1)),
        ("duplicate key", int32("twice", 1) + utf8("twice", "second")),
        ("long key", int32("k" * 3000, 1)),
        ("deep", element(0x03, "deep", nested(80))),
        ("key with line break", int32("a\nb", 1)),
        ("type marker", element(0x03, "marker", document(utf8("$oid", OBJECT_ID.hex())))),
    ]


def nested(levels):
    inner = document(int32("bottom", 1))
    for _ in range(levels):
        inner = document(element(0x03, "n", inner))
    return inner


def odd_ids():
    """Every type that an _id may have, and text that sorts or prints badly."""
    return [
        ("object id", element(0x07, "_id", OBJECT_ID)),
        ("int32", int32("_id", 7)),
        ("int64", int64("_id", 8)),
        ("negative", int32("_id", -5)),
        ("double", element(0x01, "_id", struct.pack("<d", 2.5))),
        ("nan", double_bits("_id", 0x7FF8000000000000)),
        ("decimal128", element(0x13, "_id", struct.pack("<QQ", 31, 0x303E000000000000))),
        ("binary", binary("_id", 0, b"\0\1\2")),
        ("uuid", binary("_id", 4, bytes(range(16)))),
        ("date", element(0x09, "_id", struct.pack("<q", 1_582_916_039_574))),
        ("timestamp", element(0x11, "_id", struct.pack("<II", 1, 2))),
        ("null", element(0x0A, "_id")),
        ("true", element(0x08, "_id", b"\1")),
        ("document", element(0x03, "_id", document(utf8("op", "x"), int32("n", 1)))),
        ("min key", element(0xFF, "_id")),
        ("max key", element(0x7F, "_id")),
        ("empty string", utf8("_id", "")),
        ("symbol", element(0x0E, "_id", string("zz-symbol"))),
        ("code", element(0x0D, "_id", string("x"))),
        ("zero byte", utf8("_id", "a\0b")),
        ("line break", utf8("_id", "a\nb: c")),
        ("long", utf8("_id", "L" * 900)),
    ]


def documents(w):
    """Yields (collection, bytes). In a collection that is moved whole, and in one that is moved
    by dataset, so that every migration meets them."""
    for name, e in all_types() + odd_names():
        yield "InferenceDetails", document(utf8("_id", f"odd.{name}"), e)
    for _, e in odd_ids():
        yield "InferenceDetails", document(e, utf8("odd", "id"))
    everything = [e for _, e in all_types() + odd_names()]
    dataset = w.datasets[0].id
    # _id last: the server moves it to the front.
    yield "DataSetFileUserKeys", document(
        utf8("dataset_id", dataset), *everything, utf8("_id", f"{dataset}:all types"))
    for i, (name, e) in enumerate(all_types() + odd_names()):
        dataset = w.datasets[i % len(w.datasets)].id
        yield "DataSetFileUserKeys", document(
            utf8("_id", f"{dataset}:odd/{name}"), utf8("dataset_id", dataset), e)
    # A page of its own, larger than a batch of ordinary documents.
    yield "InferenceDetails", document(
        utf8("_id", "odd.large"), binary("data", 0, bytes(range(256)) * 4096))


def names():
    """What is in these documents, for the list of oddities."""
    return {"types": [n for n, _ in all_types()], "names": [n for n, _ in odd_names()],
            "ids": [n for n, _ in odd_ids()]}
