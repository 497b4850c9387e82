# SPDX-License-Identifier: Apache-2.0
"""The data directory: what a server keeps on its volume beside the database."""
import os

from . import content, oddities
from .documents import files_of


def write(w, tree, hostile=False):
    """Returns the odd files."""
    _server(w, tree)
    for user in w.users:
        for folder in ("datasets", "trained-models/thumbnails", "dnn-scripts"):
            tree.directory(os.path.join(user, folder))
    for d in w.datasets:
        _dataset(w, tree, d)
    for s in w.scripts:
        rng = w.chance.stream("script files", s.id)
        tree.file(os.path.join(s.owner, "dnn-scripts", s.id + ".zip"),
                  content.zip_file(rng, "custom.py", 2048))
    for m in w.models:
        _model(w, tree, m)
    odd = list(oddities.files(w, tree))
    if hostile:
        odd += oddities.hostile_files(w, tree)
    tree.finish()
    return odd


def _server(w, tree):
    # Logs carry the server's own name, as pods do: two servers' logs do not meet.
    rng = w.chance.stream("server files")
    name = f"vision-service-{rng.getrandbits(40):010x}"
    tree.file(os.path.join("logs", name + ".log"), b"".join(
        b"2020-02-28 12:%02d:00 INFO service ready\n" % i for i in range(60)))
    # The service makes its indexes anew when this folder is empty.
    tree.directory("._init")


def _dataset(w, tree, d):
    home = os.path.join(d.owner, "datasets", d.id)
    tree.directory(os.path.join(home, "thumbnails"))
    for f in files_of(w, d):
        rng = w.chance.stream("bytes", f.id)
        if (d.index, f.index) == (oddities.MISSING_DATASET, oddities.MISSING_FILE):
            continue
        if f.kind == "video":
            data = content.mp4(rng, rng.randint(100_000, 300_000))
        else:
            data = content.jpeg(rng, rng.randint(2_000, 40_000))
        tree.file(os.path.join(home, f.name), data)
        tree.file(os.path.join(home, "thumbnails", f.id + ".jpg"),
                  content.jpeg(rng, rng.randint(1_600, 3_000)))


def missing(w):
    """The entry for the file that _dataset leaves out."""
    if len(w.datasets) <= oddities.MISSING_DATASET:
        return []
    d = w.datasets[oddities.MISSING_DATASET]
    for f in files_of(w, d):
        if f.index == oddities.MISSING_FILE:
            return [{"kind": "document without file", "collection": "DataSetFiles", "id": f.id,
                     "path": os.path.join(d.owner, "datasets", d.id, f.name)}]
    return []


def _model(w, tree, m):
    rng = w.chance.stream("model files", m.id)
    home = os.path.join(m.owner, "trained-models")
    for suffix in [".zip"] + m.variants:
        tree.file(os.path.join(home, m.id + suffix),
                  content.zip_file(rng, "model.bin", rng.randint(20_000, 120_000)))
    if m.index % 3 != 2:
        tree.file(os.path.join(home, "thumbnails", m.id + ".jpg"),
                  content.jpeg(rng, rng.randint(1_600, 6_000)))
