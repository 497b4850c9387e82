# SPDX-License-Identifier: Apache-2.0
"""Writes what mongodump writes, after its format (mongo-tools, common/archive), and the zip of the
migration scripts that came before: these tools are not there to be run."""
import gzip
import json
import os
import struct
import zipfile

from bson import SON, Int64, encode

MAGIC = struct.pack("<I", 0x8199E26D)
TERMINATOR = b"\xff\xff\xff\xff"


def crc64(data, table=[]):  # pylint: disable=dangerous-default-value
    """CRC-64 of ECMA-182, reflected, as Go's hash/crc64 has it."""
    if not table:
        for n in range(256):
            for _ in range(8):
                n = n >> 1 ^ (0xC96C5795D7870F42 if n & 1 else 0)
            table.append(n)
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFFFFFFFFFF


def _signed(n):
    return Int64(n - (1 << 64) if n >> 63 else n)


def header(database, collection, ended=False, crc=0):
    return encode(SON([("db", database), ("collection", collection), ("EOF", ended),
                       ("CRC", _signed(crc))]))


def archive(databases, piece=7):
    """{database: {collection: [raw]}}; documents of the collections take turns, `piece` at a time."""
    spaces = {(d, c): docs for d, cs in databases.items() for c, docs in cs.items()}
    out = [MAGIC, encode(SON([("concurrent_collections", 4), ("version", "0.1"),
                              ("server_version", "4.2.6"), ("tool_version", "100.9.4")]))]
    out += [encode(SON([("db", d), ("collection", c), ("metadata", '{"indexes":[]}'), ("size", 0),
                        ("type", "collection")])) for d, c in spaces]
    out.append(TERMINATOR)
    at = 0
    left = dict(spaces)
    while left:
        for (d, c), docs in list(left.items()):
            if docs[at:at + piece]:
                out += [header(d, c), *docs[at:at + piece], TERMINATOR]
            if at + piece >= len(docs):
                out += [header(d, c, True, crc64(b"".join(docs))), TERMINATOR]
                del left[d, c]
        at += piece
    return b"".join(out)


def folder(path, databases, pack=False):
    suffix, change = (".gz", gzip.compress) if pack else ("", bytes)
    for database, collections in databases.items():
        os.makedirs(os.path.join(path, database))
        for name, docs in collections.items():
            stem = os.path.join(path, database, name)
            with open(stem + ".bson" + suffix, "wb") as f:
                f.write(change(b"".join(docs)))
            with open(stem + ".metadata.json" + suffix, "wb") as f:
                f.write(change(b'{"options":{},"indexes":[]}'))
    return path


def json_zip(path, collections, suffix=".json"):
    """{collection: [what JSON has]}"""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, docs in collections.items():
            z.writestr(name + suffix, json.dumps(docs))
    return path
