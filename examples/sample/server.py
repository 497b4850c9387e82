# SPDX-License-Identifier: Apache-2.0
"""Writes a sample into MongoDB."""
from dataclasses import dataclass, field

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import ASCENDING, MongoClient, WriteConcern

from .documents import COLLECTIONS

BATCH_DOCUMENTS = 1000
BATCH_BYTES = 16 << 20

SECOND_LEVEL = ["DataSetCategories", "DataSetFiles", "DataSetFileLabels", "DataSetFileUserKeys",
                "DataSetTags", "DataSetActiontags", "DataSetFileActionLabels",
                "DataSetFileObjectLabels"]
OWNED = ["DataSets", "DLTasks", "TrainedModels", "DnnScripts", "UserDNNs", "BGTasks", "WebAPIs"]


class NotEmpty(Exception):
    pass


def indexes():
    """(collection, keys, unique) of a server. ProjectGroups {owner, name} is the one unique
    index besides _id: a person does not have two project groups of one name, so two servers
    that are merged can clash there with different IDs."""
    for name in SECOND_LEVEL:
        yield name, ["dataset_id"], False
    yield "DataSetFileObjectLabels", ["file_id"], False
    for name in OWNED:
        yield name, ["owner"], False
    yield "ProjectGroups", ["owner", "name"], True
    yield "InferenceDetails", ["inference_id"], False
    yield "InferenceOps", ["webapi_id"], False


@dataclass
class Batch:
    documents: list = field(default_factory=list)
    bytes: int = 0


class Database:
    def __init__(self, uri, name):
        self.client = MongoClient(uri, serverSelectionTimeoutMS=10000)
        self.database = self.client[name]
        self.counts = dict.fromkeys(COLLECTIONS, 0)
        self._waiting = {}

    def require_empty(self):
        there = [n for n in COLLECTIONS
                 if self.database[n].find_one({}, {"_id": 1}) is not None]
        if there:
            raise NotEmpty(f"database {self.database.name} already has "
                           f"documents in {', '.join(there)}")

    def create_indexes(self):
        for name in COLLECTIONS:
            if name not in self.database.list_collection_names():
                self.database.create_collection(name)
        for name, keys, unique in indexes():
            self.database[name].create_index([(k, ASCENDING) for k in keys], unique=unique)

    def add(self, collection, raw):
        batch = self._waiting.setdefault(collection, Batch())
        batch.documents.append(raw)
        batch.bytes += len(raw)
        if len(batch.documents) == BATCH_DOCUMENTS or batch.bytes > BATCH_BYTES:
            self._send(collection)

    def flush(self):
        for collection in list(self._waiting):
            self._send(collection)

    def _send(self, collection):
        batch = self._waiting.pop(collection).documents
        # Raw, so that the bytes arrive as they were put together: the driver neither checks
        # nor rewrites them.
        self.database[collection].with_options(write_concern=WriteConcern(w=1)).insert_many(
            [RawBSONDocument(d) for d in batch], ordered=False)
        self.counts[collection] += len(batch)

    def add_zero_timestamp(self):
        """At the top of a document an insert replaces Timestamp(0, 0) by the server's time; an
        update keeps it."""
        self.add("InferenceDetails", _zero_timestamp_stub())
        self.flush()
        self.database["InferenceDetails"].update_one(
            {"_id": "odd.zero timestamp"}, {"$set": {"zero": Timestamp(0, 0)}})

    def close(self):
        self.client.close()


def _zero_timestamp_stub():
    from .oddtypes import document, int32, utf8
    return document(utf8("_id", "odd.zero timestamp"), int32("before", 1), int32("zero", 0),
                    int32("after", 1))
