# SPDX-License-Identifier: Apache-2.0
"""What does not fit together, or is legal and rare. A few of each, and every one is listed, so
that a test can ask whether the program found it."""
import os
import stat

import bson

from . import oddtypes
from .chance import uuid

# Of dataset 1: its document is there, its bytes are not.
MISSING_DATASET, MISSING_FILE = 1, 1
# 2100-01-01 and 1969-12-31, both with nanoseconds that a coarse copy loses.
FUTURE_NS = 4_102_444_800_123_456_789
PAST_NS = -86_400_000_000_000 + 987_654_321


def documents(w):
    """Yields (collection, BSON, entry of the list)."""
    rng = w.chance.stream("oddities")
    owner = w.users[0]
    lost, nowhere, model = uuid(rng), uuid(rng), uuid(rng)
    yield _odd("document without directory", "DataSets", {
        "_id": lost, "name": "directory was lost", "owner": owner, "usage": "generic", "type": 0,
        "created_at": 1_582_916_039_574})
    yield _odd("orphan document", "DataSetTags", {
        "_id": f"{nowhere}-dent", "dataset_id": nowhere, "name": "dent"})
    yield _odd("dangling reference", "DLTasks", {
        "_id": model, "name": "of a dataset that was deleted", "owner": owner,
        "dataset_id": nowhere, "status": "failed"}, field="dataset_id", to=nowhere)


def _odd(kind, collection, doc, **more):
    entry = {"kind": kind, "collection": collection, "id": doc["_id"], **more}
    return collection, bson.encode(doc), entry


def listed_documents(w):
    """Entries for what oddtypes and the files leave out."""
    yield {"kind": "odd bson", "collections": ["InferenceDetails", "DataSetFileUserKeys"],
           **oddtypes.names()}
    yield {"kind": "zero timestamp", "collection": "InferenceDetails",
           "id": "odd.zero timestamp"}


def files(w, tree):
    """Writes the odd files and yields their entries. Paths are percent-coded where they are not
    plain text, so that the list stays JSON."""
    rng = w.chance.stream("odd files")
    first = w.datasets[0]
    home = os.path.join(first.owner, "datasets", first.id)
    plain = os.path.join(home, "thumbnails", "notes.txt")
    tree.file(plain, b"ordinary\n")

    def entry(kind, path, **more):
        return {"kind": kind, "path": _printable(path), **more}

    tree.directory(os.path.join(home, "empty"))
    yield entry("empty directory", os.path.join(home, "empty"))

    for name, target in (("link", "thumbnails/notes.txt"), ("dangling", "nowhere/at all"),
                         ("up", "../" + first.id), ("absolute", "/nonexistent/absolute")):
        tree.symlink(os.path.join(home, name), target)
        yield entry("symlink", os.path.join(home, name), target=target)

    other = os.path.join(home, "thumbnails", "hard link.txt")
    tree.hard_link(plain, other)
    yield entry("hard links", plain, other=other)

    for name in (b"with space", b"line\nbreak", b"latin1-\xe9\xff", "e\u0301 decomposed".encode(),
                 b"-rf", b"*", b"tab\there", b"back\\slash", b"quote'\"", b".hidden",
                 b"n" * 255, b"colon: yaml #no"):
        path = os.fsencode(home) + b"/" + name
        tree.file(path, b"name: " + name)
        yield entry("name", path)

    tree.sparse(os.path.join(home, "sparse.bin"), 8 << 20, 4 << 20, rng.randbytes(4096))
    yield entry("sparse", os.path.join(home, "sparse.bin"), size=8 << 20)

    for mode in (0o600, 0o444, 0o755, 0o000 if os.geteuid() == 0 else 0o400):
        path = os.path.join(home, f"mode-{mode:04o}")
        tree.file(path, b"mode\n", mode=mode)
        yield entry("mode", path, mode=f"{mode:04o}")
    tree.directory(os.path.join(home, "setgid"), mode=0o2770)
    yield entry("directory mode", os.path.join(home, "setgid"), mode="2770")

    tree.file(os.path.join(home, "zero bytes"), b"")
    yield entry("empty file", os.path.join(home, "zero bytes"))
    for name, ns in (("future", FUTURE_NS), ("past", PAST_NS)):
        tree.file(os.path.join(home, name), b"time\n", mtime_ns=ns)
        yield entry("mtime", os.path.join(home, name), ns=ns)
    if os.geteuid() == 0:
        path = os.path.join(home, "owned")
        tree.file(path, b"owner\n", owner=(12345, 54321))
        yield entry("owner", path, uid=12345, gid=54321)
    path = os.path.join(home, "attributes")
    tree.file(path, b"xattr\n")
    if tree.attribute(path, "user.mvimig", b"kept\0bytes"):
        yield entry("attribute", path, name="user.mvimig")

    deep = os.path.join(home, *(["d"] * 40))
    tree.file(os.path.join(deep, "bottom"), b"deep\n")
    yield entry("deep", os.path.join(deep, "bottom"))

    path = os.path.join(first.owner, "datasets", uuid(rng))
    tree.file(os.path.join(path, uuid(rng) + ".jpg"), rng.randbytes(3000))
    yield entry("directory without document", path)
    path = os.path.join(first.owner, "trained-models", uuid(rng) + ".zip")
    tree.file(path, rng.randbytes(3000))
    yield entry("file without document", path)


def hostile_documents(w):
    """Only on request: IDs and owners that lead a careless program out of the tree."""
    rng = w.chance.stream("hostile")
    for name in ("..", ".", "../../etc", "a/b", "", "x" * 256, "zero\0byte"):
        yield _odd("unsafe id", "DataSets", {
            "_id": name, "name": "unsafe id", "owner": w.users[0], "type": 0})
        yield _odd("unsafe owner", "DataSets", {
            "_id": uuid(rng), "name": "unsafe owner", "owner": name, "type": 0}, owner=name)


def hostile_files(w, tree):
    home = os.path.join(w.datasets[0].owner, "datasets", w.datasets[0].id)
    tree.node(os.path.join(home, "fifo"), stat.S_IFIFO | 0o644)
    tree.node(os.path.join(home, "socket"), stat.S_IFSOCK | 0o644)
    for name in ("fifo", "socket"):
        yield {"kind": "special file", "path": os.path.join(home, name)}


def _printable(path):
    raw = os.fsencode(path)
    try:
        text = raw.decode()
        if text.isprintable() and "%" not in text:
            return text
    except UnicodeDecodeError:
        pass
    return "".join(chr(b) if 32 <= b < 127 and b != 0x25 else f"%{b:02x}" for b in raw)
