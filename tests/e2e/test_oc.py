# SPDX-License-Identifier: Apache-2.0
"""A destination in a cluster, whose oc is a stand-in: pods and secret are found, MongoDB is reached
by a port-forward that breaks in every way, files by exec; and the secrets stay where they belong."""
import os
import shutil
import sqlite3
import subprocess
import time

import pytest
from support import cluster as stand_in
from support import oracle
from support.ends import End
from support.migration import Migration
from support.servers import Mongod, User, free_port

# Not so fast that a forward of a few seconds outlives the migration.
SLOW = {"MVIMIG_FAULT": "journal-after-commit:sleep=60:1+"}


@pytest.fixture(scope="module")
def locked_server():
    """A destination that wants the login of the secret: the user is in MVI's database."""
    user = User("admin", "canary-password-8842", "DLAAS", ["readWrite", "dbAdmin"])
    with Mongod("6.0", users=[User("root", "root"), user]) as m:
        m.login = user
        yield m


@pytest.fixture
def world(make_ends, locked_server, mvimig, tmp_path):
    """A filled source, a destination with a login, and the cluster that it is in."""
    ends = make_ends(destination=locked_server)
    ends.destination.database = "DLAAS"
    ends.fill()
    cluster = stand_in.Cluster(tmp_path / "cluster", ends.destination, locked_server.login)
    mvimig.secrets |= {stand_in.TOKEN, locked_server.login.password}
    migration = Migration(ends, mvimig)
    migration.config = ends.write_config(destination=cluster.config())
    migration.cluster = cluster
    return migration


def run(world, command, *arguments, env=None, rc=0):
    return world.mvimig.run(command, *arguments, "-c", world.config,
                            env=world.cluster.env(**(env or {}))).expect(rc)


def plan(world, *options, rc=0):
    return run(world, "plan", "--server", "--name", world.name, "-o", world.plan_path, *options,
               rc=rc)


def test_migrates(world):
    told = plan(world)
    assert "inst1-mongodb.mas-inst1-visualinspection.svc:27017" in open(world.plan_path).read()
    run(world, "apply", world.plan_path)
    world.assert_arrived()
    run(world, "verify", world.plan_path, "--checksum")
    assert world.cluster.left_running() == []
    assert told.rc == 0


FORWARDS = {
    "drops": ["drop 2"],
    "hangs": ["hang 2", "hang 1", "pass"],
    "dies": ["die 1", "die 2"],
    "late": ["fail", "refuse", "drop 1", "fail", "fail", "pass"],
}


@pytest.mark.parametrize("name", FORWARDS)
def test_forward_that_breaks(world, name):
    plan(world)
    world.cluster.forward(*FORWARDS[name])
    done = run(world, "apply", world.plan_path, env=SLOW)
    world.assert_arrived()
    assert "starting it again" in done.stderr
    world.cluster.forward("pass")
    run(world, "verify", world.plan_path)
    assert world.cluster.left_running() == []
