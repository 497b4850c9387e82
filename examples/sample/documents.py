# SPDX-License-Identifier: Apache-2.0
"""The documents: every collection of a server, as (collection, BSON bytes) one after another."""
from datetime import datetime, timezone

import bson
from bson.int64 import Int64

from . import oddtypes
from .chance import time_ms, uuid
from .world import ACTIONS, DEFECTS

EXIF_KEYS = ["EXIF_Exif Image Width", "EXIF_Exif Image Height", "EXIF_Image Make/Model",
             "EXIF_GPS Latitude", "line/station", "shift", "serial no."]
COLLECTIONS = [
    "ProjectGroups", "DataSets", "DataSetCategories", "DataSetFiles", "DataSetFileLabels",
    "DataSetFileUserKeys", "DataSetTags", "DataSetActiontags", "DataSetFileActionLabels",
    "DataSetFileObjectLabels", "DnnScripts", "UserDNNs", "DLTasks", "TrainedModels", "WebAPIs",
    "BGTasks", "InferenceOps", "InferenceDetails", "RegisteredApps", "DeployableBinaries",
    "DockerHostPorts", "SysUsers", "UploadOperations", "Tokens", "ServiceInfo"]


def iso(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def in_project(doc, project):
    """ID and name come together, or neither is there."""
    if project is not None:
        doc["project_group_id"] = project.id
        doc["project_group_name"] = project.name
    return doc


def everything(w):
    """Yields (collection, bytes). Order: as a person's work grows, parents first."""
    for collection, doc in _documents(w):
        yield collection, bson.encode(doc)
    yield from oddtypes.documents(w)


def _documents(w):
    yield from _server(w)
    for p in w.projects:
        yield "ProjectGroups", {
            "_id": p.id, "name": p.name, "owner": p.owner, "created_at": p.created,
            "updated_at": p.created + 60_000, "description": "", "auto_deploy": False}
    for d in w.datasets:
        yield from dataset_documents(w, d)
    for s in w.scripts:
        yield "DnnScripts", in_project({
            "_id": s.id, "name": s.name, "owner": s.owner, "created_at": s.created,
            "type": "preprocess", "size": "2048"}, s.project)
    for n in w.dnns:
        yield "UserDNNs", {
            "_id": n.id, "name": n.name, "owner": n.owner, "created_at": iso(n.created),
            "framework": "tensorflow", "usage": "cic", "status": "ready"}
    for m in w.models:
        yield from _model(w, m)
    yield from _inferences(w)
    yield from _tasks(w)


def _server(w):
    rng = w.chance.stream("server")
    installed = time_ms(rng)
    yield "ServiceInfo", {"_id": "service", "installed_at": iso(installed),
                          "version": "1.3.0.1", "server": uuid(rng)}
    for name in w.users:
        yield "SysUsers", {
            "_id": uuid(rng), "username": name, "role": "admin" if name == "admin" else "user",
            "password": f"pbkdf2:sha256:50000${rng.getrandbits(256):064x}",
            "created_at": iso(time_ms(rng)), "last_login": Int64(-1)}
    for i, name in enumerate(w.users):
        block = "-".join("".join(rng.choices("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMN23456789", k=4))
                         for _ in range(4))
        yield "Tokens", {"_id": block, "username": name, "created_at": time_ms(rng),
                         "expires": Int64(-1 if i % 2 else 0)}
        yield "RegisteredApps", {
            "_id": uuid(rng), "name": f"Inspection station {i + 1}", "owner": name,
            "registered_at": iso(time_ms(rng)), "device": {"os": "iOS", "version": "13.3.1"}}
        yield "UploadOperations", {
            "_id": uuid(rng), "owner": name, "dataset_id": w.datasets[i % len(w.datasets)].id,
            "received": Int64(4096 * i), "size": str(8192 * i), "state": "open"}


def dataset_documents(w, d):
    rng = w.chance.stream("dataset documents", d.index)
    yield "DataSets", in_project({
        "_id": d.id, "name": d.name, "owner": d.owner, "usage": "generic", "type": 0,
        "scenario": "", "pre_process": "", "created_at": d.created,
        "updated_at": d.created + rng.randrange(10 ** 9), "total_file_count": Int64(d.files),
        "size": str(d.files * 21_000)}, d.project)
    categories = []
    for name in ("good", "bad", "unsure"):
        categories.append((uuid(rng), name))
        yield "DataSetCategories", {"_id": categories[-1][0], "dataset_id": d.id, "name": name,
                                    "owner": d.owner, "created_at": d.created, "file_count": 0}
    for tag in d.tags:
        yield "DataSetTags", {"_id": f"{d.id}-{tag}", "dataset_id": d.id, "name": tag,
                              "color": f"#{rng.getrandbits(24):06x}", "created_at": d.created}
    for key in EXIF_KEYS:
        yield "DataSetFileUserKeys", {"_id": f"{d.id}:{key}", "dataset_id": d.id, "key": key,
                                      "type": "text", "count": Int64(d.files)}
    for action in ACTIONS:
        yield "DataSetActiontags", {"_id": f"{d.id}-{action}", "dataset_id": d.id, "name": action,
                                    "created_at": d.created}
    for f in files_of(w, d):
        yield from _file(w, d, f, categories)


class File:
    """One image or video of a dataset; what its documents and its bytes are made from."""
    __slots__ = ("id", "kind", "index", "rng", "uploaded")

    def __init__(self, w, d, index):
        self.rng = w.chance.stream("file", d.index, index)
        self.id = uuid(self.rng)
        self.index = index
        self.kind = "video" if d.is_video and index == 0 else "image"
        self.uploaded = time_ms(self.rng)

    @property
    def name(self):
        return self.id + (".mp4" if self.kind == "video" else ".jpg")


def files_of(w, d):
    for i in range(d.files):
        yield File(w, d, i)


def _file(w, d, f, categories):
    rng = f.rng
    category = rng.choice(categories) if rng.random() < 0.3 else (None, None)
    doc = {
        "_id": f.id, "dataset_id": d.id, "owner": d.owner, "file_type": f.kind, "parent_id": None,
        "generate_type": None, "category_id": category[0], "category_name": category[1],
        "created_at": f.uploaded, "original_file_name": f"IMG_{f.index:05d} ({d.name[:20]}).JPG",
        "uploaded_at": f.uploaded + 12, "upload_type": "file_upload"}
    if f.kind == "video":
        doc["duration"] = 12.5
        doc["fps"] = Int64(30)
    else:
        doc["metadata"] = {"width": 640, "height": 480, "serial no.": f"SN-{rng.randrange(10**9)}"}
    labels = rng.randint(0, 2 * w.shape.labels_per_file)
    if labels:
        doc["label_type"] = "manual"
    yield "DataSetFiles", doc
    yield "DataSetFileLabels", {
        "_id": uuid(rng), "dataset_id": d.id, "file_id": f.id, "generate_type": "manual",
        "count": labels, "created_at": f.uploaded + 500}
    for _ in range(labels):
        yield "DataSetFileObjectLabels", _object_label(rng, d, f)
    if f.kind == "video":
        for i, action in enumerate(ACTIONS):
            yield "DataSetFileActionLabels", {
                "_id": uuid(rng), "dataset_id": d.id, "file_id": f.id, "tag_name": action,
                "start_time": Int64(1000 * i), "end_time": Int64(1000 * i + 700),
                "confidence": 0.5 + i / 10}


def _object_label(rng, d, f):
    x, y = rng.randrange(560), rng.randrange(400)
    width, height = rng.randint(8, 80), rng.randint(8, 80)
    name = rng.choice(d.tags)
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    for _ in range(rng.randrange(6)):
        corners.append([x + rng.randint(0, width), y + rng.randint(0, height)])
    return {
        "_id": uuid(rng), "dataset_id": d.id, "file_id": f.id, "name": name,
        "tag_id": f"{d.id}-{name}", "generate_type": "manual",
        "bndbox": {"xmin": x, "ymin": y, "xmax": x + width, "ymax": y + height},
        "segment_polygons": [corners], "created_at": f.uploaded + rng.randrange(10 ** 6)}


def _model(w, m):
    rng = w.chance.stream("model documents", m.index)
    refs = {}
    if m.script:
        refs["dnnscript_id"] = m.script.id
    if m.dnn:
        refs["userdnn_id"] = m.dnn.id
    accuracy = f"{rng.uniform(0.7, 0.999):.4f}"
    yield "DLTasks", in_project({
        "_id": m.id, "name": m.name, "owner": m.owner, "dataset_id": m.dataset.id,
        "dataset_name": m.dataset.name, "usage": m.usage, "nn_arch": m.architecture,
        "strategy": {"max_iter": 4000, "learning_rate": 0.001, "train_split": 0.8},
        "status": "trained", "accuracy": accuracy, "created_at": m.created,
        # Written by a clock that was wrong: before 1970.
        "started_at": Int64(-62_135_596_800_000) if m.index % 7 == 3 else m.created + 1000,
        **refs}, m.project)
    # Paths as two versions of the server wrote them; some models have no picture.
    thumbnail = [f"uploads/{m.owner}/trained-models/thumbnails/{m.id}.jpg",
                 f"/opt/powerai-vision/data/{m.owner}/trained-models/thumbnails/{m.id}.jpg",
                 None][m.index % 3]
    yield "TrainedModels", in_project({
        "_id": m.id, "name": m.name, "owner": m.owner, "dataset_id": m.dataset.id,
        "dataset_name": m.dataset.name, "usage": m.usage, "nn_arch": m.architecture,
        "accuracy": accuracy, "categories": m.dataset.tags, "thumbnail_path": thumbnail,
        "size": str(rng.randrange(10 ** 8)), "created_at": m.created + 3_600_000,
        "version": Int64(1), **refs}, m.project)
    if m.deployed:
        yield "WebAPIs", in_project({
            "_id": m.id, "name": m.name, "owner": m.owner, "status": "ready", "usage": m.usage,
            "dnnscript_id": m.script.id if m.script else None,
            "userdnn_id": m.dnn.id if m.dnn else None,
            "started_at": iso(m.created + 7_200_000), "accel_type": "GPU"}, m.project)
        yield "DockerHostPorts", {"_id": uuid(rng), "webapi_id": m.id, "host": "127.0.0.1",
                                  "port": 30000 + m.index}
    for suffix in m.variants:
        yield "DeployableBinaries", {
            "_id": uuid(rng), "model_id": m.id, "owner": m.owner, "target": suffix.strip("-_"),
            "size": str(rng.randrange(10 ** 7)), "created_at": iso(m.created + 7_200_000)}


def _inferences(w):
    deployed = [m for m in w.models if m.deployed] or w.models[:1]
    for i in range(w.shape.inferences):
        rng = w.chance.stream("inference", i)
        op, model, when = uuid(rng), rng.choice(deployed), time_ms(rng)
        yield "InferenceOps", {
            "_id": op, "webapi_id": model.id, "type": "image", "status": "completed",
            "created_at": when, "updated_at": iso(when + 900),
            "file_name": f"{op}.jpg", "count": Int64(w.shape.details_per_inference)}
        for n in range(w.shape.details_per_inference):
            yield "InferenceDetails", {
                "_id": f"{op}.{n}", "inference_id": op, "sequence_number": n,
                "label": DEFECTS[rng.getrandbits(3)], "confidence": rng.random(),
                "xmin": rng.getrandbits(9), "ymin": rng.getrandbits(8), "time_offset": Int64(n),
                "created_at": when + n}


def _tasks(w):
    """Some ended, one failed; an import has the ID of the dataset it made."""
    for i, d in enumerate(w.datasets[::4]):
        rng = w.chance.stream("task", i)
        yield "BGTasks", in_project({
            "_id": d.id if i == 0 else uuid(rng), "owner": d.owner,
            "type": "dataset_import" if i == 0 else "dataset_export", "dataset_id": d.id,
            "status": "failed" if i == 1 else "success", "progress": "100",
            "created_at": d.created, "ended_at": iso(d.created + 90_000)}, d.project)
