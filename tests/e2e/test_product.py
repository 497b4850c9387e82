# SPDX-License-Identifier: Apache-2.0
"""The versions of MVI at both ends, as a plan takes them into account."""
import os

import pytest

from support.migration import Migration
from support.mvi_site import Site
from support.run import ROOT
from support.servers import free_port

FIXUP = """
fixups:
  - {collection: DataSets, field: name, pattern: "old", replacement: "new", before: "8.5"}
"""


@pytest.fixture
def schema(tmp_path):
    with open(os.path.join(ROOT, "schema", "mvi.yaml"), encoding="utf-8") as f:
        text = f.read()
    path = tmp_path / "schema.yaml"
    path.write_text(text[:text.index("\nfixups:")] + FIXUP if "\nfixups:" in text
                    else text + FIXUP)
    return str(path)


def planned(ends, mvimig, schema, source, destination):
    migration = Migration(ends, mvimig)
    ends.write_config(source={"mviUrl": source} if source else {},
                      destination={"mviUrl": destination} if destination else {})
    done = migration.plan("--server", "--schema", schema).ok()
    with open(migration.plan_path, encoding="utf-8") as f:
        return f.read(), done.stderr


@pytest.mark.parametrize("version, fixed", [("8.4.9", True), ("8.5.0", False), ("8.10.0", False),
                                            ("9.0.0-31", False), (None, True)])
def test_fixups_go_by_the_source_s_version(ends, mvimig, schema, version, fixed):
    ends.source.db.DataSets.insert_one({"_id": "d1", "owner": "alice", "name": "old"})
    site = Site(version).url if version else None
    plan, told = planned(ends, mvimig, schema, site, None)
    assert ("replacement: \"new\"" in plan or "replacement: new" in plan) is fixed
    assert (f", MVI {version}" in plan) is (version is not None)
    assert told.count("warning") == 0


def test_an_older_destination_is_told(ends, mvimig, schema):
    ends.source.db.DataSets.insert_one({"_id": "d1", "owner": "alice", "name": "old"})
    plan, told = planned(ends, mvimig, schema, Site("9.1.0").url, Site("8.8.0").url)
    assert "MVI 9.1.0" in plan and "MVI 8.8.0" in plan
    assert "the destination's MVI (8.8.0) is older than the source's (9.1.0)" in told


def test_a_site_that_is_away_does_not_keep_from_planning(ends, mvimig, schema):
    ends.source.db.DataSets.insert_one({"_id": "d1", "owner": "alice", "name": "old"})
    plan, told = planned(ends, mvimig, schema, f"http://127.0.0.1:{free_port()}", None)
    assert "without the version of MVI at the source" in told
    assert "new" in plan
