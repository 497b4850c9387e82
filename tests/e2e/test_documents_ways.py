# SPDX-License-Identifier: Apache-2.0
"""Documents while servers die, and over ways that lose, cut, delay and repeat messages."""
import os
import random
import time

import pytest

from support.lossy import Lossy
from support.run import hold
from support.servers import Mongod
from test_documents import arrived, assert_documents_arrived, conflicts, fail, numbered, prepared
from test_documents import sums


@pytest.fixture(scope="module")
def failing_server():
    with Mongod("6.0", test_commands=True) as server:
        yield server


@pytest.mark.parametrize("way,present", [("lose", 3000), ("cut-answer", 3000), ("cut-request", 0),
                                         ("replay", 3000), ("delay", 0)])
def test_a_bad_way_to_the_destination(ends, mvimig, way, present):
    """`present`: what another attempt, or the same request once more, found there."""
    m = prepared(ends, mvimig, [numbered(n, x=n) for n in range(5500)])
    with Lossy(ends.destination.server.port, command="insert",
               does={1: way, 3: way, 4: way}) as proxy:
        m.config = ends.write_config(
            destination={"mongoUri": f"mongodb://127.0.0.1:{proxy.port}"})
        m.plan().ok()
        m.apply().ok()
        assert proxy.done == [way] * 3
    assert_documents_arrived(m)
    assert conflicts(m) == [] and sums(m) == (5500, 5500 - present, present, 0, 0)


@pytest.mark.parametrize("command", ["find", "getMore"])
def test_a_bad_way_to_the_source(ends, mvimig, command):
    total = 900 if command == "find" else 2200  # of which some ranges take a second answer each
    m = prepared(ends, mvimig, [numbered(n, x="x" * 60000) for n in range(total)])
    m.plan("--server", "--no-predict").ok()
    does = dict(enumerate(["cut-answer", "delay", "cut-request", "lose"], 1))
    with Lossy(ends.source.server.port, command=command, does=does) as proxy:
        m.config = ends.write_config(source={"mongoUri": f"mongodb://127.0.0.1:{proxy.port}"})
        m.apply().ok()
        assert proxy.done == list(does.values())
    assert_documents_arrived(m)
    assert conflicts(m) == [] and sums(m)[0] == total


@pytest.mark.parametrize("command", ["find", "delete", "insert"])
@pytest.mark.parametrize("failure", [
    {"closeConnection": True}, {"errorCode": 189},
    {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
    {"blockConnection": True, "blockTimeMS": 1500},
], ids=str)
def test_replace_fails_for_a_while(make_ends, failing_server, mvimig, command, failure):
    """The old document's bytes stand in the journal once, and the new one stands there."""
    m = prepared(make_ends(destination=failing_server), mvimig,
                 [numbered(n, x=1) for n in range(20)], [numbered(n, x=2) for n in range(5)])
    m.plan("--server", "--on-conflict", "replace").ok()
    if command != "find" or "writeConcernError" not in failure:
        fail(failing_server, [command], **failure)
    m.apply().ok()
    fail(failing_server, [command], times="off")
    assert set(conflicts(m)) == {(f'"{n:08d}"', "different", "replaced") for n in range(5)}
    there = arrived(m)
    assert sorted(there.values()) == [numbered(n, x=1) for n in range(20)]


def test_verify_asks_again(make_ends, failing_server, mvimig):
    """More often than the driver does, which is once."""
    m = prepared(make_ends(destination=failing_server), mvimig,
                 [numbered(n, x=1) for n in range(2500)])
    m.plan().ok()
    m.apply().ok()
    failing_server.fail_command(["find"], times=6, appName="mvimig", closeConnection=True)
    told = m.verify().ok()
    assert "trying again in" in told.stderr and "2,500 same" in told.stdout


def test_a_plan_asks_again(make_ends, failing_server, mvimig):
    m = prepared(make_ends(destination=failing_server), mvimig,
                 [numbered(n, x=1) for n in range(20)])
    failing_server.fail_command(["listCollections", "listIndexes"], times=6, appName="mvimig",
                                closeConnection=True)
    assert "trying again in" in m.plan().ok().stderr
    m.apply().ok()
    assert_documents_arrived(m)


def test_the_source_steps_down(make_ends, mongod, mvimig):
    server = mongod("4.2", repl_set="rs")
    m = prepared(make_ends(source=server), mvimig,
                 [numbered(n, x="x" * 200) for n in range(15000)])
    m.plan().ok()
    run, held = m.start_held(at="dump.page", nth="2")  # the first of the rest
    run.until_held(held)
    server.client().admin.command("replSetStepDown", 2, secondaryCatchUpPeriodSecs=0, force=True)
    os.unlink(held)
    run.wait().ok()
    assert_documents_arrived(m)
    assert conflicts(m) == [] and sums(m)[0] == 15000


# Servers that are killed again and again: MVIMIG_SERVER_KILLS=50 for the long version (script/crash
# --servers). The run waits for each kill, so that none comes when the work is over.

KILLS = int(os.environ.get("MVIMIG_SERVER_KILLS", "6"))


def under_way(m, kind):
    """Whether steps of this kind have begun and are not all done."""
    left, tried = m.ask("select sum(state <> 'done'), sum(attempts) from step where kind = ?",
                        kind)[0]
    return bool(left and tried)


def kill_again_and_again(server, m, kind, fault):
    chance = random.Random(11)
    held = [m.ends.path(f"held-{n}") for n in range(KILLS + 1)]  # the last: not done before the end
    run = m.start_apply(env={"MVIMIG_FAULT": hold(fault, dict(enumerate(held, 1)))})
    for n in range(KILLS):
        while not os.path.exists(f"{held[n]}.met"):
            if run.ended():
                done = run.wait()
                assert done.rc in (3, 13), done  # it had tried in vain often enough
                run = m.start_resume({"MVIMIG_FAULT": hold(fault, dict(enumerate(held[n:], 1)))})
            time.sleep(0.01)
        os.unlink(held[n])
        time.sleep(chance.uniform(0, 0.05))
        server.kill9()
        assert under_way(m, kind) and not run.ended()
        server.restart()
    os.unlink(held[KILLS])
    done = run.wait(600)
    while done.rc in (3, 13):
        done = m.resume()
    done.ok()
    print(f"{KILLS} kills, all in the middle of {kind} steps")


@pytest.mark.slow
@pytest.mark.parametrize("kind,fault,total", [
    ("restore", "restore.acknowledged", 1000 * (KILLS + 2)),  # a batch has 1,000
    ("dump", "dump.page", 10000 * (KILLS + 2)),
])
def test_server_is_killed_again_and_again(make_ends, mongod, mvimig, kind, fault, total):
    server = mongod("6.0" if kind == "restore" else "4.2")
    ends = make_ends(**{"destination" if kind == "restore" else "source": server})
    m = prepared(ends, mvimig, [numbered(n, x="x" * 50) for n in range(total)])
    m.plan().ok()
    kill_again_and_again(server, m, kind, fault)
    assert_documents_arrived(m)
    assert conflicts(m) == [] and sums(m)[0] == total
