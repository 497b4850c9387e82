# SPDX-License-Identifier: Apache-2.0
"""The servers themselves: a test that trusts its fixtures should know that they hold."""
import os
import signal
import subprocess
import sys
import textwrap
import time

import pymongo
import pytest
from bson.int64 import Int64
from pymongo.errors import AutoReconnect, OperationFailure

from support.fake_server import FakeServer, message
from support.servers import Mongod, ServerError, User

VERSIONS = {"4.2": "4.2.6", "6.0": "6.0.5"}


@pytest.mark.parametrize("version", VERSIONS)
def test_starts_and_is_the_version_it_claims(version):
    with Mongod(version) as m:
        assert m.client().server_info()["version"] == VERSIONS[version]
        folder = m.dbpath
    assert not os.path.exists(folder)


def test_survives_kill9_on_the_same_port():
    with Mongod("6.0") as m:
        port = m.port
        m.client().t.c.with_options(
            write_concern=pymongo.WriteConcern(j=True)).insert_one({"_id": 1})
        m.kill9()
        assert not m.running()
        m.restart()
        assert m.port == port
        assert m.client().t.c.find_one() == {"_id": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_users_have_to_log_in(version):
    admin = User("root", "ro/ot:p@ss")
    mvi = User("mvi", "s3cret", database="DLAAS", roles=["readWrite"])
    with Mongod(version, users=[admin, mvi]) as m:
        assert m.client(mvi).DLAAS.c.insert_one({}).acknowledged
        with pymongo.MongoClient("127.0.0.1", m.port) as anonymous:
            with pytest.raises(OperationFailure):
                anonymous.DLAAS.c.find_one()
        m.restart()
        assert m.client(mvi).DLAAS.c.count_documents({}) == 1


@pytest.mark.parametrize("users", [(), (User("root", "x"),)])
def test_replica_set_of_one(users):
    with Mongod("6.0", repl_set="rs", users=users) as m:
        assert m.client().admin.command("hello")["setName"] == "rs"
        m.client().t.c.with_options(
            write_concern=pymongo.WriteConcern("majority")).insert_one({})
        m.restart()
        assert m.client().t.c.count_documents({}) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_fail_command(version):
    with Mongod(version, test_commands=True) as m:
        m.fail_command(["insert"], closeConnection=True, times=1)
        with pytest.raises(AutoReconnect):
            m.client(retryWrites=False).t.c.insert_one({})
        m.client().t.c.insert_one({})


def test_a_failed_start_says_why():
    server = Mongod("6.0", extra=["--setParameter", "noSuchParameter=1"])
    with pytest.raises(ServerError, match="ended with"):
        server.start()
    assert not server.running()


def test_dies_with_the_interpreter(tmp_path):
    """Even when the interpreter has no chance to clean up."""
    program = textwrap.dedent("""
        import os, signal
        from support.servers import Mongod
        m = Mongod("6.0").start()
        print(m.pid, m.dbpath, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    env = dict(os.environ, PYTHONPATH=os.path.dirname(__file__), TMPDIR=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True,
                          timeout=90)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = int(done.stdout.split()[0])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _alive(pid):
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            # A zombie that nobody has waited for is dead enough.
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# Servers of another age

@pytest.mark.parametrize("wire,says", [
    ((0, 2), "older than MongoDB 3.6"), ((0, 5), "older than MongoDB 3.6"),
    ((30, 32), "take an mvimig built with a newer one"),
], ids=["2.6", "3.4", "future"])
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_server_that_the_driver_does_not_speak_to(ends, mvimig, wire, says, side):
    """It is told at once: a version does not pass, so nothing is tried again."""
    with FakeServer(minWireVersion=wire[0], maxWireVersion=wire[1]) as server:
        config = ends.write_config(**{side: {"mongoUri": f"mongodb://127.0.0.1:{server.port}/"}})
        plan = mvimig.run("plan", "-c", config, "--server", "-o", ends.path("p.yaml")).expect(1)
        assert says in plan.stderr and f"{side} mongodb at" in plan.stderr, plan.stderr
        assert says != "older than MongoDB 3.6" or ("mvimig restore" in plan.stderr) == (
            side == "source"), plan.stderr
        asked = len(server.commands)
        told = mvimig.run("check", "-c", config).expect(1).stdout
        assert any(line.startswith(f"BAD   {side}") and says in line
                   for line in told.splitlines()), told
        assert asked <= 3 and len(server.commands) <= 2 * asked, server.commands


def test_wire_versions_are_told(ends, mvimig):
    told = mvimig.run("check", "-c", ends.write_config()).ok().stdout
    assert "4.2.6 (wire version 8) at" in told and "6.0.5 (wire version 17) at" in told, told


def cursor(**changes):
    return {"cursor": {"id": Int64(0), "ns": "DLAAS.$cmd.listCollections", "firstBatch": [], **changes}, "ok": 1.0}


LIES = {
    "no cursor": message({"ok": 1.0}),
    "a batch that is a number": message(cursor(firstBatch=5)),
    "a cursor's id that is a text": message(cursor(id="abc")),
    "collections without a name": message(cursor(firstBatch=[{"type": "collection"}, {}])),
    "BSON of no type": message(b"\x14\0\0\0" + b"\xff" * 15 + b"\0"),
    "the answer to another question": message({"ok": 1.0}, respond_to=7),
    "flags that nobody knows": message({"ok": 1.0}, flags=0xffffffff),
    "answers without end": message({"ok": 1.0}, flags=2, times=50),
}


@pytest.mark.asan
@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies_is_no_empty_server(ends, mvimig, lie):
    """Nothing is made of its answers: no backup, whole or in part."""
    with FakeServer(answers=LIES[lie], minWireVersion=0, maxWireVersion=8) as liar:
        config = ends.write_config(source={"mongoUri": f"mongodb://127.0.0.1:{liar.port}"})
        done = mvimig.run("dump", "-c", config, "--server", "-o", ends.path("backup.zip"))
        assert "buildInfo" in liar.commands
    assert done.rc in (1, 13), done
    assert "error: " in done.stderr
    assert [n for n in os.listdir(ends.folder) if "backup" in n] == []
