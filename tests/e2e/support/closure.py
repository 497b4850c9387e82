# SPDX-License-Identifier: Apache-2.0
"""Which documents and files a scope takes: the rules a second time, from the description of MVI and
not from the program or its schema.

    c = Closure(documents(source), tree(source.data_dir), users={"alice"})
    c.takes_document("DataSets", key), c.takes_path(b"alice/datasets/1")
"""
from . import rawbson

TOP = ("ProjectGroups", "DataSets", "DnnScripts", "UserDNNs", "DLTasks", "TrainedModels", "BGTasks")
SECOND = ("DataSetCategories", "DataSetFiles", "DataSetFileLabels", "DataSetFileUserKeys",
          "DataSetTags", "DataSetActiontags", "DataSetFileActionLabels", "DataSetFileObjectLabels")
# What a model or a task cannot do without is taken along from outside the scope.
FOLLOWED = {"DLTasks": (("dnnscript_id", "DnnScripts"), ("userdnn_id", "UserDNNs")),
            "TrainedModels": (("dnnscript_id", "DnnScripts"), ("userdnn_id", "UserDNNs"))}
THUMBNAIL_PREFIXES = ("/opt/powerai-vision/data/", "uploads/")


def field(raw, name):
    found = rawbson.find(raw, name)
    return rawbson.text(found) if found is not None else None


def safe(name):
    return bool(name) and name not in (".", "..") and "/" not in name and "\0" not in name \
        and len(name.encode()) <= 255


def is_of(name, id_):
    """ID, then nothing, or what is neither letter nor digit and anything behind it."""
    if not name.startswith(id_):
        return False
    rest = name[len(id_):len(id_) + 1]
    return not rest or (rest < "\x80" and not rest.isalnum())


class Closure:
    def __init__(self, documents, tree, users=(), projects=(), follow=True):
        self.documents, self.users = documents, set(users)
        self.objects = {}       # collection: {_id: raw}, of those taken
        for collection in TOP:
            mine = self.objects[collection] = {}
            for raw in documents.get(collection, {}).values():
                id_ = field(raw, "_id")
                project = id_ if collection == "ProjectGroups" else field(raw, "project_group_id")
                if id_ is not None and (field(raw, "owner") in self.users or project in projects):
                    mine[id_] = raw
        self.follow = follow
        self.followed = self._follow() if follow else set()
        self.paths = {p for p in tree if self._path(p)}

    def _follow(self):
        followed = set()
        for collection, fields in FOLLOWED.items():
            for raw in list(self.objects[collection].values()):
                for name, to in fields:
                    wanted = field(raw, name)
                    for other in self.documents.get(to, {}).values():
                        if wanted is not None and field(other, "_id") == wanted \
                                and wanted not in self.objects[to]:
                            self.objects[to][wanted] = other
                            followed.add((to, wanted))
        return followed

    def takes_document(self, collection, raw):
        if collection in TOP:
            id_ = field(raw, "_id")
            return id_ is not None and id_ in self.objects[collection]
        return collection in SECOND and field(raw, "dataset_id") in self.objects["DataSets"]

    def count(self):
        """Objects, and documents of any kind."""
        return (sum(map(len, self.objects.values())),
                sum(self.takes_document(c, raw) for c, documents in self.documents.items()
                    for raw in documents.values()))

    def _path(self, path):
        parts = path.decode(errors="surrogateescape").split("/")
        if parts[0] in self.users and safe(parts[0]):
            return True
        return self._of_an_object(parts) or "/".join(parts) in self._thumbnails()

    def _of_an_object(self, parts):
        if len(parts) < 3:
            return False
        owner, kind, name = parts[:3]

        def owned(collection):
            return [i for i, raw in self.objects[collection].items()
                    if field(raw, "owner") == owner and safe(i)]
        if kind == "datasets":
            return name in owned("DataSets")
        if kind == "dnn-scripts":
            return len(parts) == 3 and name in [i + ".zip" for i in owned("DnnScripts")]
        if kind == "trained-models" and len(parts) == 3:
            return any(is_of(name, i) for i in owned("TrainedModels"))
        return kind == "trained-models" and len(parts) == 4 and name == "thumbnails" \
            and any(is_of(parts[3], i) for i in owned("TrainedModels"))

    def _thumbnails(self):
        if not hasattr(self, "_thumbnail_paths"):
            self._thumbnail_paths = set()
            for raw in self.objects["TrainedModels"].values() if self.follow else ():
                path = field(raw, "thumbnail_path") or ""
                for prefix in THUMBNAIL_PREFIXES:
                    if path.startswith(prefix):
                        self._thumbnail_paths.add(path[len(prefix):])
        return self._thumbnail_paths
