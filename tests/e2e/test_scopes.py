# SPDX-License-Identifier: Apache-2.0
"""Every scope moves exactly what belongs to it, checked object by object against a model of the
rules that knows nothing of the program (support/closure.py)."""
import os
import re

import pytest

from support import oracle
from support.closure import Closure, field
from support.migration import Migration

SAMPLE = dict(scale="small", users=5, projects=12, datasets=14, models=14)


@pytest.fixture
def full(ends):
    return ends.fill(**SAMPLE)


def users_of(ends):
    found = {field(raw, "owner") for raw in oracle.documents(
        ends.source.db, ["DataSets", "TrainedModels"])["DataSets"].values()}
    return sorted(u for u in found if u and u.isalnum())


def projects_of(ends):
    return sorted(d["_id"] for d in ends.source.db.ProjectGroups.find(
        {"_id": {"$type": "string"}}) if d["_id"].replace("-", "").isalnum())


def check(ends, mvimig, *scope, name="t", exclude=None, **asked):
    """Plans and applies the scope, and compares with the model. Returns the model."""
    documents, tree = oracle.documents(ends.source.db), oracle.tree(ends.source.data_dir)
    closure = Closure(documents, tree, **asked)
    migration = Migration(ends, mvimig, name)
    said = re.search(r"In all ([\d,]+) objects?, ([\d,]+) documents?", migration.plan(*scope).ok().stdout)
    assert tuple(int(n.replace(",", "")) for n in said.groups()) == closure.count()
    done = migration.apply()
    assert done.rc in (0, 3, 4), done
    expected = oracle.migrated(documents, migration.documents_before, collections=documents,
                               select=closure.takes_document)
    oracle.check(oracle.document_differences(
        {c: d for c, d in expected.items() if d}, {
            c: d for c, d in oracle.documents(ends.destination.db).items() if d},
        id_to_front=True))
    wanted = {p for p in closure.paths if tree[p].type in ("file", "symlink")
              and not (exclude and re.search(exclude, p))}
    before = {p for p, e in migration.tree_before.items() if e.type in ("file", "symlink")}
    there = oracle.tree(ends.destination.data_dir)
    found = {p for p, e in there.items() if e.type in ("file", "symlink")}
    assert sorted(wanted - found) == [], "missing"
    assert sorted(found - wanted - before) == [], "moved, though outside the scope"
    for path in wanted - before:
        assert (there[path].sha256, there[path].target) == (tree[path].sha256, tree[path].target)
    return closure


def test_one_user(full, mvimig):
    closure = check(full, mvimig, "--users", "alice", users={"alice"})
    assert closure.objects["DataSets"] and closure.paths


def test_several_users(full, mvimig):
    users = users_of(full)[:3]
    closure = check(full, mvimig, "--users", ",".join(users), users=set(users))
    assert len({field(r, "owner") for r in closure.objects["DataSets"].values()}) > 1


def test_each_project(full, mvimig):
    """One after the other into one destination: each brings its own and nothing else."""
    projects = projects_of(full)
    assert len(projects) >= 5
    for n, project in enumerate(projects[:5]):
        closure_before = oracle.documents(full.destination.db)
        check(full, mvimig, "--projects", project, projects={project}, name=f"p{n}")
        assert closure_before != oracle.documents(full.destination.db)


def test_two_projects_in_one_plan(full, mvimig):
    two = projects_of(full)[:2]
    closure = check(full, mvimig, "--projects", two[0], "--projects", two[1], projects=set(two))
    assert set(two) <= set(closure.objects["ProjectGroups"])


def test_a_user_and_a_project_share_objects_once(full, mvimig):
    project = projects_of(full)[0]
    check(full, mvimig, "--users", "alice", "--projects", project, users={"alice"},
          projects={project})


def test_a_user_whose_name_holds_a_comma(full, mvimig):
    closure = check(full, mvimig, "--users", "smith, john", users={"smith, john"})
    assert closure.objects["DataSets"]


def test_names_ids_and_patterns_mixed(full, mvimig):
    """Options say more of the same; a group by its name, another by its ID, users by a pattern."""
    names = {d["_id"]: d["name"] for d in full.source.db.ProjectGroups.find()
             if isinstance(d.get("name"), str)}
    one, other = [p for p in projects_of(full)
                  if p in names and list(names.values()).count(names[p]) == 1][:2]
    check(full, mvimig, "--projects", names[one], "--projects", other, "--users", "smith, john",
          "--users", "/^al.c.$/", users={"alice", "smith, john"}, projects={one, other})


@pytest.mark.parametrize("path", ["carol/datasets/left/a.jpg", "carol/notes/b.txt", "carol/c.txt"])
def test_a_user_who_has_a_directory_alone(full, mvimig, path):
    file = os.path.join(full.source.data_dir, path)
    os.makedirs(os.path.dirname(file))
    with open(file, "w") as f:
        f.write("left by somebody who has no documents any more")
    closure = check(full, mvimig, "--users", "carol", users={"carol"})
    assert path.encode() in closure.paths


def test_what_two_projects_share(full, mvimig):
    """A dataset's task, a script and a picture outside of both, brought once."""
    db, two = full.source.db, projects_of(full)[:2]
    picture = os.path.join(full.source.data_dir, "bob", "pictures", "shared.jpg")
    os.makedirs(os.path.dirname(picture))
    with open(picture, "wb") as f:
        f.write(b"a picture that is in nobody's thumbnails")
    script = db.DnnScripts.find_one({"_id": {"$type": "string"}})["_id"]
    db.DnnScripts.update_one({"_id": script}, {"$unset": {"project_group_id": ""}})
    for n, project in enumerate(two):
        db.DLTasks.insert_one({"_id": f"shared-{n}", "owner": "bob", "project_group_id": project,
                               "dnnscript_id": script})
        db.TrainedModels.insert_one({
            "_id": f"shared-{n}", "owner": "bob", "project_group_id": project,
            "dnnscript_id": script, "thumbnail_path": "uploads/bob/pictures/shared.jpg"})
        db.WebAPIs.insert_one({"_id": f"shared-{n}", "owner": "bob", "project_group_id": project})
    closure = check(full, mvimig, "--projects", two[0], "--projects", two[1], projects=set(two))
    assert ("DnnScripts", script) in closure.followed
    assert b"bob/pictures/shared.jpg" in closure.paths
    assert full.destination.db.WebAPIs.find_one({"_id": "shared-0"}) is None


def test_files_of_a_project_first(full, mvimig):
    project = next(d["project_group_id"] for d in full.source.db.DataSets.find()
                   if d.get("project_group_id") in projects_of(full))
    before = oracle.documents(full.destination.db)
    first = Migration(full, mvimig, "files")
    first.plan("--projects", project, "--files-only").ok()
    assert first.apply().rc in (0, 3)
    assert oracle.documents(full.destination.db) == before
    brought = set(oracle.tree(full.destination.data_dir)) - set(first.tree_before)
    assert brought
    closure = check(full, mvimig, "--projects", project, projects={project})
    assert {p for p in brought if p in closure.paths}


def test_excluded_files_stay(full, mvimig):
    check(full, mvimig, "--users", "alice", "--exclude", r"\.jpg$", "--exclude", "/thumbnails/",
          users={"alice"}, exclude=rb"\.jpg$|/thumbnails/")


def test_accounts_and_transient_on_request(full, mvimig):
    documents = oracle.documents(full.source.db)
    migration = Migration(full, mvimig)
    migration.plan("--server", "--with", "accounts,transient").ok()
    assert migration.apply().rc in (0, 3, 4)
    oracle.check(oracle.document_differences(
        oracle.migrated(documents, migration.documents_before, oracle.DECLARED),
        oracle.documents(full.destination.db), id_to_front=True))
    assert any(documents[c] for c in oracle.ACCOUNTS) and any(
        documents[c] for c in oracle.TRANSIENT)


@pytest.fixture
def with_script_outside(full):
    """A model of a project whose script belongs to nobody's project."""
    db = full.source.db
    project = next(p for p in projects_of(full)
                   if db.TrainedModels.find_one({"project_group_id": p, "_id": {"$type": "string"}}))
    script = db.DnnScripts.find_one({"_id": {"$type": "string"}})
    db.DnnScripts.update_one({"_id": script["_id"]}, {"$unset": {
        "project_group_id": "", "project_group_name": ""}})
    db.TrainedModels.update_many({"project_group_id": project},
                                 {"$set": {"dnnscript_id": script["_id"]}})
    return full, project, script["_id"]


def test_a_script_outside_the_project_goes_along(with_script_outside, mvimig):
    ends, project, script = with_script_outside
    closure = check(ends, mvimig, "--projects", project, projects={project})
    assert ("DnnScripts", script) in closure.followed
    with open(ends.path("t.yaml")) as f:
        assert "followed from" in f.read()


def test_unless_nothing_is_followed(with_script_outside, mvimig):
    ends, project, script = with_script_outside
    closure = check(ends, mvimig, "--projects", project, "--no-follow", projects={project},
                    follow=False)
    assert script not in closure.objects["DnnScripts"]
