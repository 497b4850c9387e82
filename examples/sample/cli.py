# SPDX-License-Identifier: Apache-2.0
"""The command line of examples/sample-server."""
import argparse
import json
import os
import sys

from pymongo.errors import PyMongoError

from . import destination, documents, files, oddities, shape, world
from .chance import Chance
from .server import Database, NotEmpty
from .tree import Tree

EPILOG = """
The same seed and sizes give the same documents and files, byte by byte. Both ends must be empty.
What is odd about the sample (links, names, types, documents without files...) is listed by --json.
"""


def parser():
    p = argparse.ArgumentParser(
        prog="sample-server", epilog=EPILOG,
        description="Fill a MongoDB database and a data directory with a made-up MVI server.")
    p.add_argument("--mongo", metavar="URI", help="where the documents go")
    p.add_argument("--data", metavar="DIR", help="where the files go")
    p.add_argument("--database", default="DLAAS", metavar="NAME", help="default: DLAAS")
    p.add_argument("--role", choices=["source", "destination"], default="source",
                   help="destination: an instance nobody has migrated to yet")
    p.add_argument("--scale", default="demo", metavar="small|demo|N",
                   help="demo: some 20,000 documents and 2,000 files; N: about N documents")
    p.add_argument("--seed", default="1", metavar="S")
    sizes = p.add_argument_group("sizes, instead of the scale's own (totals of the server)")
    for name in shape.field_names():
        sizes.add_argument("--" + name.replace("_", "-"), type=int, metavar="N")
    p.add_argument("--no-files", action="store_true", help="documents only")
    p.add_argument("--no-documents", action="store_true", help="files only")
    p.add_argument("--hostile", action="store_true",
                   help="also IDs and owners such as '..', FIFOs and sockets")
    p.add_argument("--json", action="store_true", help="what was made, on standard output")
    return p


def main(arguments=None):
    p = parser()
    a = p.parse_args(arguments)
    if not a.no_documents and not a.mongo:
        p.error("--mongo is missing (or say --no-documents)")
    if not a.no_files and not a.data:
        p.error("--data is missing (or say --no-files)")
    try:
        sizes = shape.override(shape.of_scale(a.scale),
                               **{n: getattr(a, n) for n in shape.field_names()})
    except ValueError:
        p.error(f"--scale {a.scale}: neither small, demo nor a number")
    if min(getattr(sizes, n) for n in ("users", "datasets", "models")) < 1:
        p.error("a server has at least one user, one dataset and one model")
    try:
        report = make(a, sizes)
    except (NotEmpty, PyMongoError, OSError) as e:
        print(f"sample-server: {e}", file=sys.stderr)
        return 1
    if a.json:
        json.dump(report, sys.stdout, indent=1, ensure_ascii=True)
        print()
    print(f"sample-server: {sum(report['documents'].values())} documents, "
          f"{report['files']} files, {report['bytes']} bytes", file=sys.stderr)
    return 0


def make(a, sizes):
    os.umask(0o022)
    w = world.build(sizes, Chance(a.seed))
    if a.role == "destination":
        w = destination.world(w)
    report = {"role": a.role, "database": a.database, "seed": a.seed, "users": w.users,
              "projects": [{"id": p.id, "name": p.name, "owner": p.owner} for p in w.projects],
              "datasets": [{"id": d.id, "owner": d.owner} for d in w.datasets],
              "models": [{"id": m.id, "owner": m.owner} for m in w.models],
              "documents": {}, "files": 0, "bytes": 0, "oddities": []}
    if not a.no_documents:
        _documents(a, w, report)
    if not a.no_files:
        _files(a, w, report)
    return report


def _documents(a, w, report):
    db = Database(a.mongo, a.database)
    try:
        db.require_empty()
        db.create_indexes()
        if a.role == "destination":
            for collection, raw in destination.documents(w):
                db.add(collection, raw)
        else:
            _source_documents(a, w, db, report)
        db.flush()
        report["documents"] = db.counts
    finally:
        db.close()


def _source_documents(a, w, db, report):
    for collection, raw in documents.everything(w):
        db.add(collection, raw)
    odd = list(oddities.documents(w))
    if a.hostile:
        odd += oddities.hostile_documents(w)
    for collection, raw, entry in odd:
        db.add(collection, raw)
        report["oddities"].append(entry)
    db.add_zero_timestamp()
    report["oddities"] += oddities.listed_documents(w)
    if not a.no_files:
        report["oddities"] += files.missing(w)


def _files(a, w, report):
    if os.path.isdir(a.data) and os.listdir(a.data):
        raise NotEmpty(f"{a.data} is not empty")
    tree = Tree(a.data)
    if a.role == "destination":
        report["oddities"] += destination.files(w, tree)
    else:
        report["oddities"] += files.write(w, tree, a.hostile)
    report["files"], report["bytes"] = tree.files, tree.bytes
