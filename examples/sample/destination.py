# SPDX-License-Identifier: Apache-2.0
"""A destination as a running MVI instance leaves it before anything is migrated: its own service
document, its accounts, its indexes, and one person's work that nothing may touch."""
import os
from dataclasses import replace

import bson

from . import content
from .chance import uuid
from .documents import dataset_documents, files_of
from .world import DataSet, user_name

RESIDENT = "dora"
FILES = 6


def resident_dataset(w):
    rng = w.chance.stream("destination dataset")
    return DataSet(0, uuid(rng), "already here", RESIDENT, None, 1_640_000_000_000, False,
                   ["dent", "ok"], FILES)


def world(w):
    """The same seed must not give the resident the IDs of the source's first dataset."""
    return replace(w, chance=type(w.chance)(f"{w.chance.seed}/destination"), datasets=[],
                   projects=[], scripts=[], dnns=[], models=[])


def documents(w):
    rng = w.chance.stream("server")
    yield "ServiceInfo", bson.encode({
        "_id": "service", "installed_at": "2022-01-05T08:00:00.000000Z", "version": "8.5.0",
        "server": uuid(rng)})
    # The last of the source's users has no account here yet.
    known = [user_name(i) for i in range(max(1, w.shape.users - 1))]
    for name in known + [RESIDENT]:
        yield "SysUsers", bson.encode({
            "_id": uuid(rng), "username": name, "role": "user",
            "created_at": "2022-01-05T08:00:00.000000Z"})
    for collection, doc in dataset_documents(w, resident_dataset(w)):
        yield collection, bson.encode(doc)


def files(w, tree):
    d = resident_dataset(w)
    home = os.path.join(d.owner, "datasets", d.id)
    for f in files_of(w, d):
        rng = w.chance.stream("bytes", f.id)
        tree.file(os.path.join(home, f.name), content.jpeg(rng, rng.randint(2_000, 40_000)))
        tree.file(os.path.join(home, "thumbnails", f.id + ".jpg"), content.jpeg(rng, 2_000))
    rng = w.chance.stream("server files")
    tree.file(os.path.join("logs", f"vision-service-{rng.getrandbits(40):010x}.log"),
              b"2022-01-05 08:00:00 INFO service ready\n")
    tree.directory("._init")
    tree.finish()
    return [{"kind": "resident", "owner": RESIDENT, "collection": "DataSets", "id": d.id,
             "path": home}]
