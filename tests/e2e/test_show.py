# SPDX-License-Identifier: Apache-2.0
"""What show tells of a plan, and the exit status of plan."""
import json
import os
import re

import pytest

from support.migration import Migration
from support.run import ROOT
from support.schema import faults


@pytest.fixture
def schema():
    with open(os.path.join(ROOT, "docs", "plan.schema.json")) as f:
        return json.load(f)


@pytest.fixture
def migration(ends, mvimig):
    migration = Migration(ends.fill(), mvimig)
    migration.plan("--server", "--exclude", r"\.tmp$").ok()
    return migration


def shown(migration, *options):
    return migration.mvimig.run("show", migration.plan_path, *options)


@pytest.mark.asan
def test_json_is_as_published(migration, schema):
    plan = shown(migration, "--json").ok().json()
    assert faults(plan, schema) == []
    assert plan["excludes"] == [r"\.tmp$"]
    assert any(s.get("onConflict") == "replace" for s in plan["steps"])
    migration.apply()
    migration.plan("--server", "--delete", "--max-delete", "7").ok()
    plan = shown(migration, "--json").ok().json()
    assert faults(plan, schema) == []
    assert plan["base"] == ["t"] and plan["pass"] == 2
    assert {s["max"] for s in plan["steps"] if s["kind"] == "delete"} == {"7"}
    plan["steps"][0]["kind"] = "other"
    del plan["steps"][1]["hash"]
    assert len(faults(plan, schema)) == 2


def test_json_of_the_manual_s_example(ends, mvimig, schema):
    """It lacks what a plan may lack."""
    with open(os.path.join(ROOT, "docs", "plan-format.md")) as f:
        example = re.search(r"<!-- example -->\n```yaml\n(.*?)```", f.read(), re.S).group(1)
    path = ends.path("example.yaml")
    with open(path, "w") as f:
        f.write(example)
    plan = mvimig.run("show", path, "--json").ok().json()
    assert faults(plan, schema) == []
    assert plan["destination"]["root"] is None


def test_detailed_exitcode(ends, mvimig):
    migration = Migration(ends.fill(), mvimig)
    migration.plan("--server", "--detailed-exitcode").expect(2)
    assert os.path.exists(migration.plan_path)
    wrong = migration.plan("--server", "--users", "x", "--detailed-exitcode").expect(1)
    assert "leave out" in wrong.stderr
    migration.plan("--detailed-exitcode", "--serv").expect(1)
    migration.plan("--server", "--users", "x").expect(2)


def test_nothing_to_move(make_ends, mvimig):
    ends = make_ends()
    ends.source.db.ProjectGroups.insert_one({"_id": "p", "owner": "alice", "name": "line"})
    ends.destination.fill(role="destination", scale="small")
    migration = Migration(ends, mvimig)
    migration.plan("--server", "--detailed-exitcode").expect(2)
    migration.apply().ok()
    migration.plan("--server", "--detailed-exitcode").ok()


def test_nothing_to_delete(ends, mvimig):
    """A plan that may delete is work only when there is something to delete."""
    ends.source.db.DataSets.insert_many([{"_id": f"d{n}", "owner": "alice"} for n in range(3)])
    for n in range(3):
        os.makedirs(os.path.join(ends.source.data_dir, "alice", "datasets", f"d{n}"))
    path = os.path.join(ends.source.data_dir, "alice", "datasets", "d1", "a.jpg")
    with open(path, "wb") as f:
        f.write(b"picture")
    migration = Migration(ends, mvimig)
    migration.plan("--server", "--delete", "--detailed-exitcode").expect(2)
    migration.apply().ok()
    nothing = migration.plan("--server", "--delete", "--detailed-exitcode").ok()
    assert "Still to delete: 0 documents and 0 files.\n" in nothing.stdout
    unknown = migration.plan("--server", "--delete", "--no-predict", "--detailed-exitcode")
    assert "Still to delete: not compared" in unknown.expect(2).stdout
    os.unlink(path)
    assert "Still to delete: 0 documents and 1 file.\n" in migration.plan(
        "--server", "--delete", "--detailed-exitcode").expect(2).stdout
    ends.source.db.DataSets.delete_one({"_id": "d0"})
    assert "Still to delete: 1 document and 1 file.\n" in migration.plan(
        "--server", "--delete", "--detailed-exitcode").expect(2).stdout


def test_the_report_holds_what_the_scope_leaves_behind(ends, mvimig):
    ends.fill()
    db = ends.source.db
    model = db.TrainedModels.find_one({"_id": {"$type": "string"}, "owner": "alice"})
    other = db.DataSets.find_one({"_id": {"$type": "string"}, "owner": {"$ne": "alice"}})
    db.TrainedModels.update_one({"_id": model["_id"]}, {"$set": {"dataset_id": other["_id"]}})
    report = ends.path("report.jsonl")
    Migration(ends, mvimig).plan("--users", "alice", "--report", report).ok()
    with open(report) as f:
        found = [json.loads(line) for line in f]
    assert [f for f in found if f["finding"] == "left-behind" and f["id"] == model["_id"]
            and other["_id"] in f["detail"]]
