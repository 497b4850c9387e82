# SPDX-License-Identifier: Apache-2.0
"""Each kind of object goes with its project, and is told by its name."""
import pytest

from support.migration import Migration

# collection: fields of project and name, as MVI has them
FIELDS = {"DataSets": ("project_group_id", "name"), "DnnScripts": ("project_group_id", "name"),
          "UserDNNs": ("project_group_id", "name"), "DLTasks": ("project_group_id", "name"),
          "TrainedModels": ("project_group_id", "name"), "BGTasks": ("project_group_id", "name")}


@pytest.mark.parametrize("collection", FIELDS)
def test_goes_with_its_project(ends, mvimig, collection):
    project, name = FIELDS[collection]
    db = ends.source.db
    db.ProjectGroups.insert_many([{"_id": p, "owner": "alice", "name": f"line {p}"} for p in "pq"])
    db[collection].insert_many(
        [{"_id": f"of-{p}", "owner": "alice", name: f"told {p}", project: p} for p in "pq"])
    migration = Migration(ends, mvimig)
    migration.plan("--projects", "p").ok()
    with open(migration.plan_path, encoding="utf-8") as f:
        plan = f.read()
    assert '- "of-p"  # told p\n' in plan and "of-q" not in plan
    migration.apply()
    assert [d["_id"] for d in ends.destination.db[collection].find()] == ["of-p"]
    assert [d["_id"] for d in ends.destination.db.ProjectGroups.find()] == ["p"]
