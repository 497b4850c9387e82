# SPDX-License-Identifier: Apache-2.0
"""Reads BSON without decoding it. The oracles must not trust a driver, whose round trip turns
some types into others; nor the code under test."""
import struct
from typing import NamedTuple

_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8,
          0x13: 16, 0x7F: 0, 0xFF: 0}
_STRINGS = {0x02, 0x0D, 0x0E}
_DOCUMENTS = {0x03, 0x04, 0x0F}


class Element(NamedTuple):
    kind: int
    name: bytes
    value: bytes   # without type and name
    raw: bytes     # with both


def _int32(raw, at):
    return struct.unpack_from("<i", raw, at)[0]


def _value_length(kind, raw, at):
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _STRINGS:
        return 4 + _int32(raw, at)
    if kind in _DOCUMENTS:
        return _int32(raw, at)
    if kind == 0x05:
        return 5 + _int32(raw, at)
    if kind == 0x0C:
        return 4 + _int32(raw, at) + 12
    if kind == 0x0B:
        middle = raw.index(b"\0", at) + 1
        return raw.index(b"\0", middle) + 1 - at
    raise ValueError(f"BSON type {kind:#x} at byte {at}")


def elements(raw):
    """The top-level elements, in order."""
    if _int32(raw, 0) != len(raw) or raw[-1] != 0:
        raise ValueError("length of the document does not match")
    at = 4
    while at < len(raw) - 1:
        kind = raw[at]
        end = raw.index(b"\0", at + 1)
        length = _value_length(kind, raw, end + 1)
        stop = end + 1 + length
        yield Element(kind, raw[at + 1:end], raw[end + 1:stop], raw[at:stop])
        at = stop


def find(raw, name):
    """The first element of that name, or None."""
    wanted = name.encode()
    return next((e for e in elements(raw) if e.name == wanted), None)


def text(element):
    """A string's text, else None."""
    if element is None or element.kind != 0x02:
        return None
    return element.value[4:-1].decode(errors="replace")


def identity(raw):
    """Type and bytes of _id: 1 as int32 and 1 as double are not the same document here."""
    e = find(raw, "_id")
    if e is None:
        raise ValueError("document without _id")
    return bytes([e.kind]) + e.value


def assemble(parts):
    body = b"".join(parts) + b"\0"
    return struct.pack("<i", len(body) + 4) + body


def id_to_front(raw):
    """As a server stores a document whose _id is not its first element."""
    parts = list(elements(raw))
    return assemble([e.raw for e in parts if e.name == b"_id"]
                    + [e.raw for e in parts if e.name != b"_id"])


def replace_string(raw, name, change):
    """`change` applied to the top-level string fields of that name; every other byte stays."""
    out = []
    for e in elements(raw):
        if e.name == name.encode() and e.kind == 0x02:
            value = change(e.value[4:-1])
            out.append(bytes([e.kind]) + e.name + b"\0" + struct.pack("<i", len(value) + 1)
                       + value + b"\0")
        else:
            out.append(e.raw)
    return assemble(out)
