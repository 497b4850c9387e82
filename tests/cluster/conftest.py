# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests on a real Kubernetes. They run inside the cluster's network: script/test
cluster starts it (tests/cluster/up) and pytest in it (tests/cluster/in)."""
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
sys.dont_write_bytecode = True

from cluster import Cluster, Place  # noqa: E402
from support.run import Program  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    home = os.environ.get("CLUSTER_HOME", "")
    if not os.path.exists(os.path.join(home, "pid")):
        pytest.skip("there is no cluster: script/test cluster starts one")
    return Cluster(home)


@pytest.fixture(scope="module")
def source(cluster):
    """The namespace of an old server: MongoDB 4.2, and a claim that holds its data."""
    with Place(cluster, "vision", "4.2") as place:
        place.serve("10.96.0.50")
        yield place


@pytest.fixture(scope="module")
def destination(cluster):
    with Place(cluster, "mas-inst1-visualinspection", "6.0") as place:
        yield place


@pytest.fixture
def mvimig(tmp_path):
    return Program(tmp_path)


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item):
    """A test that failed tells what the cluster has to say."""
    outcome = yield
    report = outcome.get_result()
    home = os.environ.get("CLUSTER_HOME")
    if report.when == "call" and report.failed and home:
        for words in (("get", "pods", "-A", "-o", "wide"), ("get", "events", "-A")):
            said = subprocess.run(["kubectl", *words], capture_output=True, text=True, timeout=60)
            report.sections.append((" ".join(words), said.stdout[-4000:] + said.stderr[-1000:]))
