# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear line with the mend, its exit status, and nothing touched at either end."""
import json
import os
import re

import pytest

from support import oracle
from support.migration import Migration
from support.servers import User, free_port

SCOPE = ("--server", "--name", "t")


class Untouched:
    """Both ends as they were, work directory included."""

    def __init__(self, ends):
        self.ends = ends
        self.before = self.look()

    def look(self):
        e = self.ends
        return (oracle.documents(e.source.db), oracle.documents(e.destination.db),
                oracle.tree(e.source.data_dir, exclude=()),
                oracle.tree(e.destination.data_dir, exclude=()))

    def check(self):
        assert self.look() == self.before, "something was touched"


def expect_error(result, rc, *words):
    result.expect(rc)
    assert result.stderr.count("error: ") == 1, result
    for word in words:
        assert re.search(word, result.stderr), f"{word!r} is not said\n{result}"


@pytest.fixture
def filled(ends):
    return ends.fill(datasets=2, files_per_dataset=3)


def write(ends, text, name="bad.json"):
    path = ends.path(name)
    with open(path, "w") as f:
        f.write(text)
    return path


CONFIGS = [
    # what, text (or None: no file), words that must be said
    ("missing", None, ["No such file"]),
    ("empty", "", ["empty|source"]),
    ("not JSON", "{ source: [", ["bad.json:\\d"]),
    ("unknown key", '{"source": {"mongoUrl": "x"}, "destination": {}}',
     ["bad.json:1", "mongoUrl", "mongoUri"]),
    ("duplicate key", '{"source": {"dataDir": "/a",\n "dataDir": "/b"}, "destination": {}}',
     ["bad.json:2", "dataDir"]),
    ("wrong type", '{"source": {"dataDir": ["/a"]}, "destination": {}}', ["dataDir"]),
    ("no destination", '{"source": {"mongoUri": "mongodb://127.0.0.1:1", "dataDir": "/"}}',
     ["destination"]),
    ("a zero byte", '{"source": {"dataDir": "/a\0b"}}', ["bad.json:1"]),
    ("deep", '{"source": ' + "[" * 2000000, ["larger|nested"]),
    ("deep, below the size", '{"source": ' + "[" * 100000, ["nested deeper"]),
    ("larger than 1 MiB", '{"source": {}}' + " " * 1048576, ["larger|1 MiB|1,048,576|1048576"]),
    ("a text of 64 KiB", '{"source": {"dataDir": "/' + "a" * 65536 + '"}}', ["bad.json:1"]),
    ("a control character", '{"source": {"dataDir": "/\x9b\x1b[2J"}}', ["bad.json:1"]),
    ("an anchor", "source: &a {dataDir: /a}\ndestination: *a\n", ["anchors"]),
    ("a number as text", '{"source": {"dataDir": 0777}}', ["dataDir", "number"]),
    ("no for a text", "source: {dataDir: no}\ndestination: {}\n", ["dataDir"]),
    ("not a URI", '{"source": {"mongoUri": "http://x", "dataDir": "/"}, "destination": '
     '{"mongoUri": "mongodb://127.0.0.1:1", "dataDir": "/"}}', ["source", "mongodb://"]),
]


@pytest.mark.parametrize("what, text, words", CONFIGS, ids=[c[0] for c in CONFIGS])
def test_config(filled, mvimig, what, text, words):
    untouched = Untouched(filled)
    path = write(filled, text) if text is not None else filled.path("none.json")
    expect_error(mvimig.run("plan", "-c", path, *SCOPE), 2, *words)
    untouched.check()


USAGE = [
    (["plan"], ["--server"]),
    (["plan", "--server", "--users", "a"], ["--server"]),
    (["plan", "--serve"], ["--server"]),
    (["plan", "--server"], ["-c FILE"]),
    (["aply"], ["apply"]),
    ([], ["-h"]),
    (["apply"], ["PLAN"]),
    (["apply", "a", "b"], ["b"]),
    (["apply", "--jobs", "0", "p"], ["1 to 64"]),
    (["plan", "--server", "--on-conflict", "ask"], ["keep, replace or fail"]),
]


@pytest.mark.parametrize("arguments, words", USAGE, ids=[" ".join(u[0]) or "none" for u in USAGE])
def test_usage(mvimig, arguments, words):
    expect_error(mvimig.run(*arguments), 2, *words)


def test_scope_that_matches_nobody(filled, mvimig):
    config = filled.write_config()
    untouched = Untouched(filled)
    for scope in (["--users", "nobody"], ["--projects", "/^none$/"], ["--users", "/(/"]):
        expect_error(mvimig.run("plan", "-c", config, *scope), 2, "nobody|none|\\(")
    untouched.check()


def test_unreachable_server(filled, mvimig):
    config = filled.write_config(source={"mongoUri": f"mongodb://127.0.0.1:{free_port()}/"})
    untouched = Untouched(filled)
    expect_error(mvimig.run("plan", "-c", config, *SCOPE), 13, "source", "127.0.0.1")
    untouched.check()


def test_wrong_password(make_ends, mvimig, mongod):
    ends = make_ends(mongod("4.2", users=[User("mvi", "right")]))
    mvimig.secrets.add("wr0ng-c4n4ry")
    address = f"127.0.0.1:{ends.source.server.port}"
    config = ends.write_config(source={"mongoUri": f"mongodb://mvi:wr0ng-c4n4ry@{address}/"
                                                   "?authSource=admin"})
    expect_error(mvimig.run("plan", "-c", config, *SCOPE), 12, "source", "mongoUser|password")


def test_same_server_by_another_address(filled, mvimig):
    port = filled.source.server.port
    untouched = Untouched(filled)
    config = filled.write_config(destination={"mongoUri": f"mongodb://localhost:{port}/"})
    expect_error(mvimig.run("plan", "-c", config, *SCOPE), 2, "same database")
    other = filled.path("other-name")
    os.symlink(filled.source.data_dir, other)
    config = filled.write_config(destination={"dataDir": other})
    expect_error(mvimig.run("plan", "-c", config, *SCOPE), 2, "same data directory")
    untouched.check()


def test_unwritable_work_directory(filled, mvimig):
    migration = Migration(filled, mvimig)
    migration.plan().ok()
    blocked = filled.path("blocked")
    with open(blocked, "w"):
        pass
    untouched = Untouched(filled)
    expect_error(migration.apply("--work-dir", os.path.join(blocked, "w")), 10, "work directory",
                 "--work-dir")
    untouched.check()


def test_locked(filled, mvimig):
    migration = Migration(filled, mvimig)
    migration.plan().ok()
    running, held = migration.start_held()
    running.until_held(held)
    expect_error(migration.apply(), 11, "another run|held|locked")
    os.unlink(held)
    running.wait().ok()


def edited(migration, old, new, count=1):
    with open(migration.plan_path) as f:
        text = f.read()
    assert old in text, f"{old!r} is not in the plan"
    with open(migration.plan_path, "w") as f:
        f.write(text.replace(old, new, count))


PLANS = [
    # what, how the plan is changed, words that must be said
    ("unknown kind", ("kind: dump", "kind: dmup"), ["dmup", "dump"]),
    ("duplicate key", ("mvimig: 1\n", "mvimig: 1\nmvimig: 1\n"), ["mvimig", "twice|duplicate"]),
    ("missing need", ("needs: [dump/]", "needs: [dmup/]"), ["dmup/"]),
    ("cycle", ("needs: [dump/]", "needs: [restore/]"), ["cycle"]),
    ("path outside", ("under: ", "under: ../"), ["under", "\\.\\./"]),
    ("alias", ("mvimig: 1\n", "mvimig: &a 1\n"), ["anchor|alias"]),
    ("other version", ("mvimig: 1\n", "mvimig: 2\n"), ["version|mvimig"]),
    ("restore before its files", ("needs: [files/", "needs: [dump/"), ["files/"]),
    ("not a plan", ("mvimig: 1\n", "terraform: 1\n"), ["not a plan"]),
]


@pytest.mark.parametrize("what, change, words", PLANS, ids=[p[0] for p in PLANS])
def test_plan(filled, mvimig, what, change, words):
    migration = Migration(filled, mvimig)
    migration.plan().ok()
    edited(migration, *change, count=-1 if what.startswith("restore") else 1)
    untouched = Untouched(filled)
    expect_error(migration.apply(), 6, *words)
    expect_error(mvimig.run("show", migration.plan_path), 6, *words)
    untouched.check()


def test_plan_that_is_no_plan(filled, mvimig):
    untouched = Untouched(filled)
    bomb = "mvimig: 1\nsets:\n  a: &a [x]\n" + "".join(
        f"  {chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n"
        for i in range(9))
    for text in (bomb, "[" * 100000, "", "\0", "a: b\n---\nc: d\n"):
        path = write(filled, text, "p.yaml")
        expect_error(mvimig.run("apply", path, "-c", filled.write_config(), timeout=20), 6,
                     "p.yaml")
    expect_error(mvimig.run("apply", filled.path("none.yaml"), "-c", filled.write_config()), 2,
                 "none.yaml")
    untouched.check()


def test_digest(filled, mvimig):
    migration = Migration(filled, mvimig)
    digest = re.search(r"sha256:[0-9a-f]{64}", migration.plan().ok().stdout)[0]
    untouched = Untouched(filled)
    expect_error(migration.apply("--digest", "sha256:" + "0" * 64), 6, "digest")
    untouched.check()
    migration.apply("--digest", digest).ok()


def test_digest_of_a_plan_that_was_altered(filled, mvimig):
    """Any byte, also of a comment."""
    migration = Migration(filled, mvimig)
    digest = re.search(r"sha256:[0-9a-f]{64}", migration.plan().ok().stdout)[0]
    untouched = Untouched(filled)
    with open(migration.plan_path, "rb") as f:
        text = f.read()
    for at in range(3, len(text), len(text) // 20):
        with open(migration.plan_path, "wb") as f:
            f.write(text[:at] + bytes([text[at] ^ 1]) + text[at + 1:])
        expect_error(migration.apply("--digest", digest), 6, "t.yaml|digest")
    untouched.check()


def test_plan_of_an_earlier_pass(filled, mvimig):
    """Behind a newer one it is stale: its pass would be planned, and passed over, once more."""
    migration = Migration(filled, mvimig)
    migration.plan().ok()
    migration.apply().ok()
    with open(migration.plan_path) as f:
        first = f.read()
    migration.plan().ok()
    migration.apply().ok()
    with open(migration.plan_path) as f:
        second = f.read()
    with open(migration.plan_path, "w") as f:
        f.write(first)
    expect_error(migration.apply(), 6, "stale: it is of pass 1, and pass 2 was applied since")
    migration.plan().ok()
    with open(migration.plan_path) as f:
        assert "pass: 3\n" in f.read() and "pass: 2\n" in second


PATTERNS = [("(*LIMIT_MATCH=1000000000)a", "verb"), ("(*UTF)a", "verb"), ("a\\Cb", "\\\\C"),
            ("(" * 300 + ")" * 300, "too deep"), ("a" * 2000, "longer than 1024"), ("[a", "missing")]


def test_patterns(filled, mvimig):
    untouched = Untouched(filled)
    config = filled.write_config()
    for pattern, words in PATTERNS:
        for option in (f"--users=/{pattern}/", f"--projects=/{pattern}/"):
            expect_error(mvimig.run("plan", "-c", config, option), 2, words, option.split("=")[0])
        expect_error(mvimig.run("plan", "-c", config, "--server", f"--exclude={pattern}"), 2,
                     words, "--exclude")
    untouched.check()


def test_other_destination_than_planned(filled, mvimig, make_ends):
    migration = Migration(filled, mvimig)
    migration.plan().ok()
    other = make_ends().fill(datasets=1)
    config = filled.write_config(destination=other.destination.config())
    untouched = Untouched(filled)
    expect_error(mvimig.run("apply", migration.plan_path, "-c", config), 6, "destination")
    untouched.check()


NAMES = ['"]}\nsteps: [{id: x, kind: dump, collection: SysUsers}]', "a: b # c", "- x", "&a *a !!t",
         "\u2028mvimig: 2", "\x85x", "'\"\\", "{{ }}", "\u202eabc", "\ufeffx", "~", "null", "=1+1"]


def test_dataset_named_like_yaml(filled, mvimig):
    db = filled.source.db
    owner = db.DataSets.find_one()["owner"]
    for n, name in enumerate(NAMES):
        db.DataSets.insert_one({"_id": f"named-{n:02}", "owner": owner, "name": name})
    migration = Migration(filled, mvimig)
    migration.plan().ok()
    shown = mvimig.run("show", "--json", migration.plan_path).ok().json()
    ids = [i for ids in shown["sets"].values() for i in ids]
    assert sum(i.startswith("named-") for i in ids) == len(NAMES)
    assert not any(s.get("collection") == "SysUsers" for s in shown["steps"])
    assert json.dumps(shown).count('"kind": "dump"') == sum(
        s["kind"] == "dump" for s in shown["steps"])
    migration.apply().ok()
    migration.assert_arrived()
