# SPDX-License-Identifier: Apache-2.0
"""Says what a migration should have done, and lists what it did not.

    before = documents(destination)
    ... migrate ...
    check(document_differences(migrated(documents(source), before), documents(destination)))

The same with trees: tree(), migrated_tree(), tree_differences(). Everything is compared by
bytes and listed one by one: a count that is right hides two errors that cancel out.
"""
import hashlib
import os
import re
import stat
from dataclasses import dataclass

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from . import rawbson

ACCOUNTS = {"SysUsers"}
TRANSIENT = {"Tokens", "UploadOperations", "DockerHostPorts"}
WORK = {
    "ProjectGroups", "DataSets", "DataSetCategories", "DataSetFiles", "DataSetFileLabels",
    "DataSetFileUserKeys", "DataSetTags", "DataSetActiontags", "DataSetFileActionLabels",
    "DataSetFileObjectLabels", "DnnScripts", "UserDNNs", "DLTasks", "TrainedModels", "WebAPIs",
    "BGTasks", "InferenceOps", "InferenceDetails", "RegisteredApps", "DeployableBinaries"}
DECLARED = WORK | ACCOUNTS | TRANSIENT

# What the program keeps at the source for itself.
WORK_FOLDERS = (b"logs/migrations", b"logs/migration")
LISTED = 40


@dataclass
class Difference:
    where: str     # collection or path
    what: str      # missing, extra, different, or the attribute that differs
    id: str = ""
    owner: str = ""
    detail: str = ""

    def __str__(self):
        parts = [self.what, self.where, self.id]
        if self.owner:
            parts.append(f"(owner {self.owner})")
        if self.detail:
            parts.append(self.detail)
        return " ".join(p for p in parts if p)


def check(differences):
    """Fails with the list."""
    if differences:
        text = "\n".join(map(str, differences[:LISTED]))
        more = len(differences) - LISTED
        if more > 0:
            text += f"\n... and {more} more"
        raise AssertionError(f"{len(differences)} differences:\n{text}")


# Documents: {collection: {type and bytes of _id: bytes of the document}}

def documents(database, collections=None):
    """What is in a pymongo database, as bytes."""
    options = CodecOptions(document_class=RawBSONDocument)
    out = {}
    for name in sorted(collections or database.list_collection_names()):
        if name.startswith("system."):
            continue
        found = out[name] = {}
        for doc in database.get_collection(name, codec_options=options).find():
            found[rawbson.identity(doc.raw)] = doc.raw
    return out


def fixup(collection, raw):
    """What the schema of MVI mends on the way. Written here a second time on purpose."""
    if collection != "TrainedModels":
        return raw
    return rawbson.replace_string(
        raw, "thumbnail_path", lambda s: re.sub(rb"\Auploads/", b"/opt/powerai-vision/data/", s))


def migrated(source, before=None, collections=None, select=None):
    """What should be at the destination. `select(collection, raw)`: the scope, default all.
    Where both ends have an _id, the destination's own stays."""
    out = {name: dict(docs) for name, docs in (before or {}).items()}
    for name in collections or WORK:
        there = out.setdefault(name, {})
        for key, raw in source.get(name, {}).items():
            if select is None or select(name, raw):
                there.setdefault(key, fixup(name, raw))
    return out


def document_differences(expected, actual, id_to_front=False):
    """id_to_front: an _id that the server moved to the front is no difference."""
    owners = _owners(expected) | _owners(actual)
    out = []
    for name in sorted(expected.keys() | actual.keys()):
        want, have = expected.get(name, {}), actual.get(name, {})
        for key in sorted(want.keys() | have.keys()):
            what, detail = _compare(want.get(key), have.get(key), id_to_front)
            if what:
                raw = want.get(key) or have.get(key)
                out.append(Difference(name, what, _printable_id(key), _owner(raw, owners), detail))
    return out


def _compare(want, have, id_to_front):
    if have is None:
        return "missing", ""
    if want is None:
        return "extra", ""
    if want == have or (id_to_front and rawbson.id_to_front(want) == have):
        return None, ""
    wanted, had = list(rawbson.elements(want)), list(rawbson.elements(have))
    for w, h in zip(wanted, had):
        if w != h:
            return "different", (f"field {w.name!r}: expected {w.kind:#x} {w.value[:60]!r}, "
                                 f"is {h.name!r} {h.kind:#x} {h.value[:60]!r}")
    return "different", f"{len(wanted)} fields expected, {len(had)} there"


def _owners(snapshot):
    """Owner of each dataset, for the documents that know only their dataset."""
    return {rawbson.text(rawbson.find(raw, "_id")): rawbson.text(rawbson.find(raw, "owner"))
            for raw in snapshot.get("DataSets", {}).values()}


def _owner(raw, owners):
    own = rawbson.text(rawbson.find(raw, "owner"))
    return own or owners.get(rawbson.text(rawbson.find(raw, "dataset_id"))) or ""


def _printable_id(key):
    if key[0] == 0x02:
        return repr(key[5:-1].decode(errors="replace"))
    try:
        return repr(bson.decode(rawbson.assemble([key[:1] + b"_id\0" + key[1:]]))["_id"])
    except (bson.errors.BSONError, ValueError, OverflowError):
        return key.hex()


def indexes(database):
    """{collection: {name: definition}}, to see that nobody changed the destination's."""
    out = {}
    for name in sorted(database.list_collection_names()):
        out[name] = {k: (v["key"], v.get("unique", False))
                     for k, v in database[name].index_information().items()}
    return out


# Trees: {path below the root, bytes: Entry}

@dataclass
class Entry:
    type: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0
    sha256: str = ""
    target: bytes = b""
    blocks: int = 0
    links: tuple = ()        # all paths of this file in the tree, if there are several
    attributes: tuple = ()


_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink",
          stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device",
          stat.S_IFBLK: "device"}


def tree(root, exclude=WORK_FOLDERS):
    """Everything below root, which itself is not in it."""
    root = os.fsencode(root)
    out, links = {}, {}
    _walk(root, b"", exclude, out, links)
    for paths in links.values():
        for path in paths:
            out[path].links = tuple(sorted(paths)) if len(paths) > 1 else ()
    return out


def _walk(root, below, exclude, out, links):
    for item in os.scandir(os.path.join(root, below)):
        path = os.path.join(below, item.name)
        if path in exclude:
            continue
        entry, st = _entry(item.path)
        out[path] = entry
        if entry.type == "file" and st.st_nlink > 1:
            links.setdefault((st.st_dev, st.st_ino), []).append(path)
        if entry.type == "directory":
            _walk(root, path, exclude, out, links)


def _entry(full):
    st = os.lstat(full)
    kind = _TYPES[stat.S_IFMT(st.st_mode)]
    entry = Entry(kind, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns)
    if kind == "file":
        entry.size, entry.blocks = st.st_size, st.st_blocks
        entry.sha256 = _digest(full)
    if kind == "symlink":
        entry.target = os.readlink(full)
    if kind in ("file", "directory"):
        entry.attributes = _attributes(full)
    return entry, st


def _digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def _attributes(path):
    try:
        return tuple((n, os.getxattr(path, n)) for n in sorted(os.listxattr(path))
                     if n.startswith("user."))
    except OSError:
        return ()


def migrated_tree(source, before=None, select=None):
    """What should be below the destination's directory. `select(path)`: the scope, default all.
    A directory that was there keeps what it had; so does a file that is nobody's object."""
    out = dict(before or {})
    for path, entry in source.items():
        if select is None or select(path):
            out.setdefault(path, entry)
    return out


def tree_differences(expected, actual, before=None, ignore=()):
    """ignore: of mode, owner, mtime, "directory mtime", links, sparse, attributes.

    The times of directories that stand in `before` are not compared: files were put into them.
    """
    out = []
    ancestors = _ancestors(before or {})
    for path in sorted(expected.keys() | actual.keys()):
        want, have = expected.get(path), actual.get(path)
        where = repr(path)[1:]
        owner = path.split(b"/")[0].decode(errors="replace")
        if have is None or want is None:
            out.append(Difference(where, "missing" if have is None else "extra", owner=owner))
            continue
        for what, w, h in _attributes_that_differ(want, have, path in ancestors, ignore):
            out.append(Difference(where, what, owner=owner, detail=f"expected {w}, is {h}"))
    return out


def _ancestors(before):
    return {p for p, e in before.items() if e.type == "directory"} | {b"logs"}


def _attributes_that_differ(want, have, was_there, ignore):
    if want.type != have.type:
        yield "type", want.type, have.type
        return
    for what, w, h in (("size", want.size, have.size), ("content", want.sha256, have.sha256),
                       ("target", want.target, have.target)):
        if w != h:
            yield what, w, h
    skip = set(ignore)
    if want.type == "directory" and (was_there or "directory mtime" in skip):
        skip.add("mtime")
    if want.type == "symlink":
        skip.add("mode")
    for what, w, h in (
            ("mode", oct(want.mode), oct(have.mode)),
            ("owner", (want.uid, want.gid), (have.uid, have.gid)),
            ("mtime", want.mtime_ns, have.mtime_ns),
            ("links", want.links, have.links),
            ("attributes", want.attributes, have.attributes)):
        if what not in skip and w != h:
            yield what, w, h
    # A few blocks more are the file system's business; a hole that was filled is not.
    if "sparse" not in skip and have.blocks > 2 * want.blocks + 256:
        yield "sparse", f"{want.blocks} blocks", f"{have.blocks} blocks"
