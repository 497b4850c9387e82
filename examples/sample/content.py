# SPDX-License-Identifier: Apache-2.0
"""Bytes that are what their names say: pictures that open, archives that unpack. Filled with
noise, because real ones do not compress either."""
import io
import struct
import zipfile

WIDTH, HEIGHT = 640, 480


def _segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


# A flat grey picture: each of its blocks is one "no difference" and one "end of block", a zero
# bit each.
_HEAD = b"\xff\xd8" + _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
_TAIL = (_segment(0xDB, b"\0" + b"\1" * 64)
         + _segment(0xC0, struct.pack(">BHHB", 8, HEIGHT, WIDTH, 1) + b"\1\x11\0")
         + _segment(0xC4, b"\0" + b"\1" + b"\0" * 15 + b"\0")
         + _segment(0xC4, b"\x10" + b"\1" + b"\0" * 15 + b"\0")
         + _segment(0xDA, b"\1\1\0\0\x3f\0")
         + b"\0" * (WIDTH // 8 * (HEIGHT // 8) * 2 // 8) + b"\xff\xd9")
FRAME = len(_HEAD) + len(_TAIL) + 4


def jpeg(rng, size):
    """A valid picture of `size` bytes; the noise stands in a comment."""
    return _HEAD + _segment(0xFE, rng.randbytes(max(0, size - FRAME))) + _TAIL


def mp4(rng, size):
    """The boxes of a film, without one: a type and a lump of data."""
    kind = struct.pack(">I", 20) + b"ftypisom" + b"\0\0\2\0" + b"isom"
    data = rng.randbytes(size)
    return kind + struct.pack(">I", len(data) + 8) + b"mdat" + data


def zip_file(rng, name, size):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        # A fixed date: the clock must not get into the sample.
        z.writestr(zipfile.ZipInfo(name, (2020, 2, 28, 12, 0, 0)), rng.randbytes(size))
    return out.getvalue()
