# SPDX-License-Identifier: Apache-2.0
"""The example of the earlier migration scripts' documentation, byte for byte, drives this program."""
import os
import subprocess

import pytest
from support import cluster as stand_in
from support.ends import End, Ends
from support.migration import Migration
from support.servers import Mongod, User

# With its trailing commas.
CONFIG = '''{
    "destination": {
        "clusterUrl": "https://ocp.cli.cloud.ibm.com:12345",
        "clusterToken": "OCP_LOGIN_TOKEN",
        "clusterProject": "mas-testenv-visualinspection",
    },
    "source": {
        "mongoUser": "admin",
        "mongoPW": "MVI_MONGO_PW"
    }
} 
'''
ADMIN = User("admin", "MVI_MONGO_PW", "DLAAS", ["readWrite", "dbAdmin"])
INTERNAL = User("inner", "canary-inner-2207", "DLAAS", ["readWrite", "dbAdmin"])
DATA = "/opt/powerai-vision/data"


@pytest.fixture
def world(tmp_path, mvimig):
    with Mongod("4.2", users=[User("root", "root"), ADMIN]) as old, \
            Mongod("6.0", users=[User("root", "root"), INTERNAL]) as new:
        ends = Ends(End(old, "DLAAS", tmp_path / "source"), End(new, "DLAAS", tmp_path / "new"),
                    tmp_path)
        os.mkdir(ends.source.data_dir)
        os.mkdir(ends.destination.data_dir)
        ends.fill()
        cluster = stand_in.Cluster(tmp_path / "cluster", ends.destination, INTERNAL)
        cluster.state.update(url="https://ocp.cli.cloud.ibm.com:12345", token="OCP_LOGIN_TOKEN",
                             project="mas-testenv-visualinspection",
                             mounts={DATA: ends.destination.data_dir})
        cluster.pods = [p for p in cluster.pods if "taskanaly" not in p["metadata"]["name"]]
        cluster.pods.append(stand_in.pod(stand_in.FILES_POD, mounts=[DATA]))
        cluster.save()
        migration = Migration(ends, mvimig)
        migration.config = ends.path("migConfig.json")
        with open(migration.config, "w", encoding="utf-8") as f:
            f.write(CONFIG)
        migration.environment = cluster.env(
            # As in the container: the volume, and what Kubernetes says of the service.
            MIGMGR_MOUNTPOINT=ends.source.data_dir, VISION_MONGODB_SERVICE_HOST="127.0.0.1",
            VISION_MONGODB_SERVICE_PORT=old.port)
        mvimig.secrets |= {INTERNAL.password, "OCP_LOGIN_TOKEN", "MVI_MONGO_PW"}
        yield migration


def test_deploy_prints_the_manifests(mvimig, tmp_path):
    path = tmp_path / "migConfig.json"
    path.write_text(CONFIG)
    told = mvimig.run("deploy", "run", "migration-0927-1", "-c", path, "--users", "janedoe",
                      "--image", "i", "--chart", "c", "--release", "r", "--pvc", "p",
                      "--output-only", env={"PATH": str(tmp_path)}).ok().stdout
    assert "kind: Deployment" in told and "kind: Secret" in told
    # As it was always named, too.
    assert mvimig.run("deploy", "run", "migration-0927-1", "--users", "janedoe", "--image", "i",
                      "--chart", "c", "--release", "r", "--pvc", "p", "--output-only",
                      env={"PATH": str(tmp_path), "MVI_MIG_CONFIG": str(path)}).ok().stdout == told


def test_migrates(world):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting the data directory in the stand-in pod needs root")
    run, env = world.mvimig.run, world.environment
    assert " 0 bad" in run("check", "-c", world.config, env=env).ok().stdout
    run("plan", "-c", world.config, "--server", "--name", "t", "-o", world.plan_path,
        env=env).ok()
    run("apply", world.plan_path, "-c", world.config, env=env).ok()
    world.assert_arrived()
