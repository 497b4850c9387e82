# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests.

    def test_something(ends, mvimig):
        ends.fill()                                    # sample source, fresh destination
        config = ends.write_config()
        mvimig.run("plan", "-c", config, "--server", "--name", "t", "-o", ends.path("p.yaml")).ok()
"""
import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True

from support.ends import End, Ends  # noqa: E402
from support.files import beside  # noqa: E402
from support.run import Program  # noqa: E402
from support.servers import Mongod  # noqa: E402
from support.stall import stall  # noqa: E402

if "MVIMIG_STALL" in os.environ:
    stall(float(os.environ["MVIMIG_STALL"]))

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def source_server():
    """The old server: 4.2.6, as standalone installations have it."""
    with Mongod("4.2") as m:
        yield m


@pytest.fixture(scope="session")
def destination_server():
    with Mongod("6.0") as m:
        yield m


@pytest.fixture
def mongod():
    """Starts more servers, with options: mongod("6.0", test_commands=True)."""
    started = []

    def start(version, **options):
        m = Mongod(version, **options)
        started.append(m)
        return m.start()

    yield start
    for m in started:
        m.stop()


@pytest.fixture
def make_ends(tmp_path, source_server, destination_server):
    """Several pairs in one test: make_ends(source=server, destination=server)."""
    made = []

    def make(source=None, destination=None):
        n = next(_numbers)
        folder = tmp_path / f"ends-{n}"
        folder.mkdir()
        # Names of its own, so that a test that left something behind hurts no other.
        name = f"DLAAS_{os.getpid()}_{n}"
        ends = Ends(End(source or source_server, name, folder / "source"),
                    End(destination or destination_server, name, folder / "destination"), folder)
        for end in (ends.source, ends.destination):
            os.mkdir(end.data_dir)
        made.append(ends)
        return ends

    yield make
    for ends in made:
        for end in (ends.source, ends.destination):
            if end.server.running():
                end.client.drop_database(end.database)


@pytest.fixture
def ends(make_ends):
    return make_ends()


@pytest.fixture
def mvimig(tmp_path):
    program = Program(tmp_path)
    assert os.access(program.path, os.X_OK), f"{program.path} is missing: cmake --build it first"
    return program


@pytest.fixture(params=["mounted", "command", "tar"])
def way(request, mvimig):
    """Each way to a destination: a directory, a command that runs a receiver, and one behind which
    there are only tar, find and sha256sum."""
    if request.param == "mounted":
        return {}
    if request.param == "tar":
        return {"command": ["env"], "receiver": "tar"}
    beside(mvimig, "mvimig-receive")
    return {"command": ["env"]}
