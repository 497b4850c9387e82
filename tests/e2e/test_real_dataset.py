# SPDX-License-Identifier: Apache-2.0
"""A dataset as a real server exported it: its own documents, polygons and images, moved by their
project. Skipped where the export is not at hand: ../shared/data beside the checkout, or the zip
that MVIMIG_REAL_DATASET names."""
import glob
import json
import os
import xml.etree.ElementTree as ElementTree
import zipfile

import pytest
from bson.int64 import Int64

from support import oracle
from support.migration import Migration
from support.run import ROOT

DATASET, PROJECT, OWNER = "5d8a9f6e-6f0b-4c0e-8a59-6f7f3f0f8a11", "c0ffee00-line-3", "inspector"


def find_export():
    named = os.environ.get("MVIMIG_REAL_DATASET")
    found = [named] if named else sorted(
        glob.glob(os.path.join(ROOT, "..", "shared", "data", "*_dataset.zip")))
    if not found or not os.path.isfile(found[0]):
        pytest.skip("no exported dataset at hand (MVIMIG_REAL_DATASET)")
    return zipfile.ZipFile(found[0])


def labels_of(xml, file_id):
    """The documents of the objects that one image's annotation lists."""
    for thing in ElementTree.fromstring(xml).iter("object"):
        box = {side.tag: int(side.text) for side in thing.find("bndbox")}
        polygons = [[[int(v.text) for v in point] for point in polygon]
                    for polygon in thing.iter("polygon")]
        yield {"_id": thing.findtext("_id"), "dataset_id": DATASET, "file_id": file_id,
               "name": thing.findtext("name"), "bndbox": box, "segment_polygons": polygons,
               "generate_type": thing.findtext("generate_type")}


def lay(export, end):
    """Puts the export where a server keeps it. Returns the counts of files and of labels."""
    folder = next(n for n in export.namelist() if n.endswith("/prop.json")).rsplit("/", 1)[0]
    prop = json.loads(export.read(f"{folder}/prop.json"))
    files = json.loads(prop["file_prop_info"])
    home = os.path.join(end.data_dir, OWNER, "datasets", DATASET)
    os.makedirs(home)
    labels = []
    for document in files:
        name = document["_id"] + ".jpg"
        with open(os.path.join(home, name), "wb") as f:
            f.write(export.read(f"{folder}/{name}"))
        document.update(dataset_id=DATASET, owner=OWNER, created_at=Int64(document["created_at"]),
                        uploaded_at=Int64(document["uploaded_at"]))
        xml = f"{folder}/{document['_id']}.xml"
        if xml in export.namelist():
            labels += labels_of(export.read(xml), document["_id"])
    end.db.ProjectGroups.insert_one({"_id": PROJECT, "name": "Line 3", "owner": OWNER})
    end.db.DataSets.insert_one({
        "_id": DATASET, "name": prop["name"], "owner": OWNER, "usage": prop["usage"],
        "type": prop["type"], "scenario": prop["scenario"], "project_group_id": PROJECT,
        "project_group_name": "Line 3", "total_file_count": Int64(len(files))})
    end.db.DataSetFiles.create_index("dataset_id")
    end.db.DataSetFiles.insert_many(files)
    end.db.DataSetFileObjectLabels.insert_many(labels)
    return len(files), len(labels)


def test_its_project_arrives_whole(ends, mvimig):
    files, labels = lay(find_export(), ends.source)
    assert files > 60 and labels > files
    migration = Migration(ends, mvimig)
    planned = migration.plan("--projects", "Line 3").ok()
    assert "documents whose directory or file is missing" not in planned.stdout
    assert "image or video is missing" not in planned.stdout
    migration.apply().ok()
    migration.verify().ok()
    arrived(ends)


def arrived(ends):
    """All documents by raw bytes, and the dataset's directory by content, modes, owners, times."""
    source, destination = (oracle.documents(end.db) for end in (ends.source, ends.destination))
    oracle.check(oracle.document_differences(source, destination, id_to_front=True))
    trees = [oracle.tree(os.path.join(end.data_dir, OWNER, "datasets", DATASET))
             for end in (ends.source, ends.destination)]
    oracle.check(oracle.tree_differences(*trees))
    assert len(trees[0]) >= 66
