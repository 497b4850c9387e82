# SPDX-License-Identifier: Apache-2.0
"""What is run and what is passed over: --dry-run, --only, --rerun, --max-duration, --lock-timeout."""
import json
import os
import signal
import time

import pytest

from support import oracle
from support.migration import Migration


@pytest.fixture
def migration(ends, mvimig):
    m = Migration(ends.fill(), mvimig)
    m.plan().ok()
    return m


def steps(migration):
    return migration.ask("select name, state, attempts from step order by place")


def decisions(result):
    rows = [line.split(" ", 1) for line in result.stdout.splitlines()[:-1]]
    return {rest.strip().split(": ", 1)[0]: (word, rest.split(": ", 1)[1]) for word, rest in rows}


def assert_usage(migration, *options):
    """A word that names nothing: told as such, and no run of it."""
    runs = migration.ask("select count(*) from run")
    for command in (migration.apply, migration.resume_with):
        refused = command(*options).expect(2)
        assert options[0].split("=")[0] in refused.stderr and refused.stdout == "", refused
    assert migration.ask("select count(*) from run") == runs


def test_a_word_that_names_nothing_leaves_no_trace(migration):
    for options in (["--only", "nothing/"], ["--rerun=nothing/"], ["--only", "nothing/", "--dry-run"]):
        assert migration.apply(*options).expect(2).stdout == ""
    assert not os.path.exists(migration.work_dir)


def test_dry_run_touches_nothing(migration):
    before = (oracle.documents(migration.ends.destination.db),
              oracle.tree(migration.ends.destination.data_dir),
              oracle.tree(migration.ends.source.data_dir))
    told = decisions(migration.apply("--dry-run").ok())
    assert told and all(d == ("run", "not begun yet") for d in told.values())
    after = (oracle.documents(migration.ends.destination.db),
             oracle.tree(migration.ends.destination.data_dir),
             oracle.tree(migration.ends.source.data_dir))
    assert before == after
    assert not os.path.exists(migration.work_dir)
    migration.apply().ok()
    assert list(told) and set(told) == {name for name, _, _ in steps(migration)}
    journal = open(migration.journal_path, "rb").read()
    again = decisions(migration.apply("--dry-run", "--rerun=db").ok())
    for name, (word, why) in again.items():
        if name.startswith("files/"):
            assert word == "pass" and why.startswith("done before")
        else:
            assert (word, why) == ("run", "done before; asked for by --rerun")
    assert open(migration.journal_path, "rb").read() == journal


def test_only(migration):
    dumps = migration.apply("--only", "dump/").ok()
    assert "left out by --only" in dumps.stdout
    for name, state, attempts in steps(migration):
        assert (state, attempts) == (("done", 1) if name.startswith("dump/") else ("pending", 0))
    # What waits for steps that are left out is not done out of turn.
    parents = migration.apply("--only", "restore/").expect(3)
    assert "wait for others that --only leaves out" in parents.stderr
    assert all(state == "pending" for name, state, _ in steps(migration)
               if name.startswith("restore/DataSets/"))
    assert_usage(migration, "--only", "nothing/")
    migration.resume().ok()
    migration.assert_arrived()


def test_rerun(migration):
    migration.apply().ok()
    first = {name: attempts for name, _, attempts in steps(migration)}
    assert set(first.values()) == {1}
    migration.apply("--rerun=dump/DataSets/").ok()
    again = {name for name, _, attempts in steps(migration) if attempts == 2}
    assert again and all(n.startswith(("dump/DataSets/", "restore/DataSets/")) for n in again)
    assert any(n.startswith("restore/") for n in again), "a restore goes along with its dump"
    migration.apply("--rerun").ok()
    assert all(a == 2 + (n in again) for n, _, a in steps(migration))
    assert_usage(migration, "--rerun=filse")
    migration.assert_arrived()
    migration.verify().ok()
    assert migration.ask("select count(*) from event where kind = 'step-reset'")[0][0] > 0


def test_max_duration_stops_in_good_order(migration):
    slow = {"MVIMIG_FAULT": "journal-after-commit:sleep=300:1+"}
    stopped = migration.start_apply("--max-duration", "1s", "--jobs", "1", env=slow).wait().expect(3)
    assert "--max-duration" in stopped.stderr
    assert migration.ask("select count(*) from step where state in ('running', 'failed')") == [(0,)]
    assert migration.ask("select count(*) from step where state = 'pending'")[0][0] > 0
    migration.resume().ok()
    migration.assert_arrived()


def test_bwlimit(migration):
    """A byte a second: whoever sends the second piece waits, files as well as documents. A signal ends
    the wait, which would be one of many minutes."""
    dies = {"MVIMIG_FAULT": "rate-wait:kill"}
    for part in "dump/", "files/", "restore/":
        running = migration.start_apply("--bwlimit", "1B", "--only", part, env=dies)
        running.wait().expect(0 if part == "dump/" else -9)
        if part == "files/":
            migration.apply("--only", part).ok()
    waits = migration.start_apply("--bwlimit", "1B")
    while "at most 1 B a second" not in waits.stderr_so_far():
        assert not waits.ended()
        time.sleep(0.05)
    waits.signal(signal.SIGTERM)
    waits.wait().expect(143)
    assert "at most 31 MB a second" in migration.resume_with("--bwlimit=30m").ok().stderr
    migration.assert_arrived()


def test_lock_timeout(migration):
    running, file = migration.start_held()
    while not os.path.exists(migration.journal_path):
        time.sleep(0.01)
    refused = migration.apply().expect(11)
    assert "mvimig apply" in refused.stderr
    refused = migration.apply("--lock-timeout", "1s").expect(11)
    assert "mvimig apply" in refused.stderr
    waiting = migration.start_apply("--lock-timeout", "600s")
    os.unlink(file)
    running.wait().ok()
    waiting.wait().ok()
    migration.assert_arrived()


def test_a_worker_alone_restores_last(migration):
    """Although the ends of dumps are durable late, and what has no files could be restored by then."""
    migration.start_apply("--jobs", "1", env={"MVIMIG_FAULT": "journal-after-commit:sleep=20:1+"}) \
        .wait().ok()
    kinds = [kind for kind, in migration.ask("select step.kind from attempt join step on step.id = attempt.step "
                                             "order by attempt.id")]
    restores = [kind == "restore" for kind in kinds]
    assert restores == sorted(restores)


def test_every_decision_has_a_line(migration):
    told = migration.apply("--log-level", "debug").ok().stderr
    for name, _, _ in steps(migration):
        assert f"{name}: run: not begun yet" in told
    told = migration.apply("--log-level", "debug").ok().stderr
    for name, _, _ in steps(migration):
        assert f"{name}: pass over: done before" in told


def left(migration):
    try:
        with open(os.path.join(migration.work_dir, "left.ndjson"), encoding="utf-8") as f:
            return [json.loads(line) for line in f]
    except FileNotFoundError:
        return None


def test_report_of_what_is_left(migration):
    ends = migration.ends
    dataset = ends.source.db["DataSets"].find_one()
    ends.destination.db["DataSets"].insert_one({**dataset, "name": "somebody else's"})
    ends.destination.db.command("collMod", "TrainedModels", validator={"name": "no such"})
    stopped = migration.apply("--only", "dump/").ok()
    rows = left(migration)
    assert {r["type"] for r in rows} == {"not reached"} and f"{len(rows)} left over" in stopped.stdout
    assert [r["step"] for r in rows] == [n for n, state, _ in steps(migration) if state != "done"]
    ended = migration.apply().expect(3)
    rows = left(migration)
    models = list(ends.source.db["TrainedModels"].find())
    assert sorted(r["object_id"] for r in rows if r["type"] == "rejected"
                  and r["object"] == "TrainedModels") == sorted(f'"{m["_id"]}"' for m in models)
    kept = [r for r in rows if r["type"] == "kept"]
    assert [r["object_id"] for r in kept] == [f'"{dataset["_id"]}"']
    assert "Next: " in ended.stdout and "left.ndjson" in ended.stdout
    status = migration.mvimig.run("status", migration.work_dir).ok().stdout
    assert f"Next: look at what was left over: {migration.work_dir}/left.ndjson" in status


def test_nothing_left_is_no_file(migration):
    migration.apply("--only", "dump/").ok()
    assert left(migration)
    migration.apply().ok()
    assert left(migration) is None


def left_over(migration):
    path = os.path.join(migration.work_dir, "left.ndjson")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def test_fail_fast_begins_nothing_more(migration):
    """Without it, whatever does not wait for what failed is done."""
    source, destination = migration.ends.source.db, migration.ends.destination.db
    other = source["DataSetCategories"].find_one()
    destination["DataSetCategories"].insert_one({**other, "name": "somebody else's"})
    migration.plan("--server", "--on-conflict", "fail").ok()
    first = migration.apply("--fail-fast", "--jobs", "1").expect(3)
    assert "`mvimig conflicts` lists them" in first.stderr
    done = {name for name, state, _ in steps(migration) if state == "done"}
    assert [name for name, state, _ in steps(migration) if state == "failed"] == [
        "restore/DataSetCategories/0001"]
    types = {line["type"] for line in left_over(migration)}
    assert types == {"conflict", "failed", "not reached"}
    migration.apply("--jobs", "1").expect(3)
    later = {name for name, state, _ in steps(migration) if state == "done"}
    assert done < later and "restore/DataSets/0001" not in later
    destination["DataSetCategories"].delete_one({"_id": other["_id"]})
    migration.resume().ok()
    assert left_over(migration) == []
    migration.assert_arrived()


def test_what_was_deleted_is_not_left_over(migration):
    migration.apply().ok()
    gone = migration.ends.source.db["DLTasks"].find_one()["_id"]
    migration.ends.source.db["DLTasks"].delete_one({"_id": gone})
    migration.plan("--server", "--delete").ok()
    assert "left over" not in migration.apply().ok().stdout
    assert migration.ask("select decision from conflict") == [("deleted",)]
    assert left_over(migration) == []
