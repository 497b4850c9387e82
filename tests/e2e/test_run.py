# SPDX-License-Identifier: Apache-2.0
"""mvimig run, the command of the container: plan, apply, verify, idle; safe to start again."""
import os
import signal
import time

import pytest

from support.migration import Migration


def arguments(migration, *more):
    return ("run", "-c", migration.config, "--server", "--name", migration.name, *more)


def idle(running):
    while "idle: " not in running.stderr_so_far():
        assert not running.ended(), running.stderr_so_far()
        time.sleep(0.05)
    return running.stderr_so_far()


@pytest.fixture
def migration(ends, mvimig):
    return Migration(ends.fill(), mvimig)


def test_plans_applies_verifies_and_idles(migration):
    running = migration.mvimig.start(*arguments(migration))
    assert "idle: done" in idle(running)
    # All of the summaries, not what fills a block.
    told = running.stdout_so_far()
    assert told.endswith("0 differ\n"), told[-300:]
    status = migration.mvimig.run("status", migration.work_dir, "--json").ok().json()
    assert (status["state"], status["held"]) == ("finished", False)
    migration.assert_arrived()
    running.signal(signal.SIGTERM)
    assert "compared" in running.wait().ok().stdout
    # Started again it finds everything done, with the same plan.
    plan = open(os.path.join(migration.work_dir, "plan.yaml"), "rb").read()
    again = migration.mvimig.run(*arguments(migration, "--then", "exit")).ok()
    assert "Nothing to do" in again.stdout
    assert open(os.path.join(migration.work_dir, "plan.yaml"), "rb").read() == plan
    assert migration.ask("select max(attempts) from step") == [(1,)]
    migration.assert_arrived()


def test_killed_and_started_again(migration):
    for nth in (5, 25, 60):
        fault = {"MVIMIG_FAULT": f"journal-before-commit:kill:{nth}"}
        migration.mvimig.start(*arguments(migration, "--then", "exit"), env=fault).wait()
    migration.mvimig.run(*arguments(migration, "--then", "exit")).ok()
    migration.assert_arrived()


def test_idles_on_what_would_not_get_better(migration):
    config = migration.ends.write_config("bad.json", destination={"mongoUser": 7})
    running = migration.mvimig.start("run", "-c", config, "--server", "--name", "t")
    told = idle(running)
    assert "would end the same way" in told and "bad.json" in told
    running.signal(signal.SIGTERM)
    running.wait().expect(2)
    exits = migration.mvimig.run("run", "-c", config, "--server", "--name", "t", "--then", "exit")
    exits.expect(2)


def test_waits_for_an_end_that_is_away(migration):
    config = migration.ends.write_config("away.json", destination={
        "mongoUri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"})
    running = migration.mvimig.start("run", "-c", config, "--server", "--name", "t")
    while "trying again in" not in running.stderr_so_far():
        assert not running.ended(), running.stderr_so_far()
        time.sleep(0.05)
    running.signal(signal.SIGTERM)
    running.wait().expect(143)


def test_conflicts_are_kept_verified_and_idled_on(migration):
    source = migration.ends.source.db["DataSets"].find_one()
    migration.ends.destination.db["DataSets"].insert_one({**source, "name": "somebody else's"})
    running = migration.mvimig.start(*arguments(migration))
    assert "conflicts kept" in idle(running)
    running.signal(signal.SIGTERM)
    running.wait().expect(4)


def test_items_that_do_not_move_are_told_and_idled_on(migration):
    """The same try would meet them again: no deployment starts it over and over for that."""
    refused = migration.ends.source.db["DnnScripts"].find_one()["_id"]
    migration.ends.destination.db.command("collMod", "DnnScripts",
                                          validator={"_id": {"$ne": refused}})
    running = migration.mvimig.start(*arguments(migration))
    told = idle(running)
    assert "items left over" in told and "trying again" not in told
    running.signal(signal.SIGTERM)
    ended = running.wait().expect(3)
    # The rest is verified all the same.
    assert "files and documents compared" in ended.stdout and ": missing" in ended.stdout


def test_failed_steps_are_tried_again(migration):
    """Here a conflict that was told to fail, and that goes away."""
    source = migration.ends.source.db["DataSets"].find_one()
    there = migration.ends.destination.db["DataSets"]
    there.insert_one({**source, "name": "somebody else's"})
    running = migration.mvimig.start(*arguments(migration, "--on-conflict", "fail"))
    while "trying again in" not in running.stderr_so_far():
        assert not running.ended(), running.stderr_so_far()
        time.sleep(0.05)
    there.delete_one({"_id": source["_id"]})
    assert "idle: done" in idle(running)
    running.signal(signal.SIGTERM)
    running.wait().ok()
    migration.assert_arrived()
