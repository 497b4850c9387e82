# SPDX-License-Identifier: Apache-2.0
"""mvimig check: faults that were prepared, each named with its mend."""
import json
import os
import shutil
import sys

import pytest
from support import cluster as stand_in
from support.ends import End, Ends
from support.files import skip_unless_open_to_others
from support.mvi_site import Site
from support.servers import Mongod, User, free_port

READER = User("reader", "canary-reader-5512", "DLAAS", ["read"])
DATA = "/opt/powerai-vision/data"
WRITER = User("admin", "canary-password-8842", "DLAAS", ["readWrite", "dbAdmin"])


@pytest.fixture(scope="module")
def locked_server():
    with Mongod("6.0", users=[User("root", "root"), WRITER, READER]) as m:
        yield m


def products(source, destination, status=200):
    def prepare(w):
        w.source["mviUrl"] = Site(source).url + "/"
        w.destination["mviUrl"] = Site(destination, status).url
    return prepare


class World:
    """Both ends as they should be; a test breaks one thing."""

    def __init__(self, ends, cluster, mvimig):
        self.ends, self.cluster, self.mvimig = ends, cluster, mvimig
        self.source, self.destination = {}, {}
        self.words, self.env = [], {}

    def check(self, *words):
        config = self.ends.write_config(source=self.source,
                                        destination=self.cluster.config(**self.destination))
        return self.mvimig.run("check", "-c", config, *self.words, *words,
                               env=self.cluster.env(**self.env))

    def change(self, **state):
        self.cluster.state.update(state)
        self.cluster.save()

    def pods(self, change):
        self.cluster.pods = [q for q in map(change, self.cluster.pods) if q]
        self.cluster.save()

    def secrets(self, *secrets):
        self.cluster.secrets = list(secrets)
        self.cluster.save()

    def plan(self, expect):
        """A plan with a step of this size."""
        path = self.ends.path("plan.yaml")
        config = self.ends.write_config(destination=self.cluster.config())
        self.mvimig.run("plan", "-c", config, "--server", "-o", path,
                        env=self.cluster.env()).ok()
        with open(path, encoding="utf-8") as f:
            text = f.read()
        at = text.index("kind: tar-list") if "kind: tar-list" in text else text.index("kind: file")
        at = text.index("bytes: ", at)
        end = min(text.index(c, at) for c in ",}\n" if c in text[at:])
        with open(path, "w", encoding="utf-8") as f:
            f.write(text[:at] + f"bytes: {expect}" + text[end:])
        self.words = [path]


@pytest.fixture(scope="module")
def filled(tmp_path_factory, source_server, locked_server):
    """Both ends, filled once: check changes nothing at either."""
    folder = tmp_path_factory.mktemp("ends")
    made = Ends(End(source_server, f"DLAAS_check_{os.getpid()}", folder / "source"),
                End(locked_server, "DLAAS", folder / "destination"), folder)
    for end in (made.source, made.destination):
        os.mkdir(end.data_dir)
    yield made.fill()
    made.source.client.drop_database(made.source.database)


@pytest.fixture
def world(filled, mvimig, tmp_path):
    mvimig.secrets |= {stand_in.TOKEN, WRITER.password, READER.password}
    ends = Ends(filled.source, filled.destination, tmp_path)
    return World(ends, stand_in.Cluster(tmp_path / "cluster", ends.destination, WRITER), mvimig)


def test_nothing_is_wrong(world):
    told = world.check().ok().stdout
    for line in ("ok    destination  login", "ok    destination  files pod", "ok    source       files",
                 "ok    destination  exec", "ok    destination  secret", "ok    destination  rights",
                 "ok                 versions      MongoDB 4.2.6 to 6.0", "ok                 two ends"):
        assert line in told, told
    assert told.endswith(" 0 bad\n")
    rows = world.check("--json").ok().json()
    assert {r["state"] for r in rows} <= {"ok", "note"}
    assert len(rows) > 15
    assert world.cluster.left_running() == []


def no_such_pod(name):
    return lambda w: w.pods(lambda q: None if name in q["metadata"]["name"] else q)


def pending(name):
    def change(q):
        if name in q["metadata"]["name"]:
            q["status"]["phase"] = "Pending"
        return q
    return lambda w: w.pods(change)


def without_oc(w):
    os.unlink(os.path.join(w.cluster.folder, "bin", "oc"))
    w.env["PATH"] = os.path.join(w.cluster.folder, "bin")


def far_program(name, script):
    def prepare(w):
        folder = os.path.join(w.cluster.folder, "far")
        os.makedirs(folder)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + script + "\n")
        os.chmod(os.path.join(folder, name), 0o755)
        w.change(path=folder + ":" + os.environ["PATH"])
    return prepare


def small_disk(w):
    w.plan(10 ** 18)


def pod_of_user(mode, *folders):
    """The files' pod runs as OpenShift lets it; the claim holds these folders of somebody else."""
    def prepare(w):
        if os.geteuid() != 0:
            pytest.skip("needs root to be somebody else")
        skip_unless_open_to_others(w.mvimig.path)
        volume = w.ends.path("volume")
        for name in ("", *folders):
            os.makedirs(os.path.join(volume, name))
        os.chmod(volume, mode)
        w.destination["dataDir"] = DATA
        w.change(mounts={DATA: volume}, user=1000650000)
        w.cluster.pods = [q for q in w.cluster.pods if "taskanaly" not in q["metadata"]["name"]]
        w.cluster.pods.append(stand_in.pod(stand_in.FILES_POD, mounts=[DATA], scc="restricted-v2"))
        w.cluster.save()
    return prepare


def same_database(w):
    w.source.update(mongoUri=w.ends.destination.server.uri(), mongoDatabase="DLAAS")


def plain_file(w):
    path = w.ends.path("file")
    open(path, "w", encoding="utf-8").close()
    w.words = ["--work-dir", path + "/work"]


def token(w):
    w.destination["clusterToken"] = "canary-of-another"
    w.mvimig.secrets.add("canary-of-another")


FAULTS = {
    "older MVI": (products("8.10.0-x", "8.9.1"), 2, "MVI",
                  "the destination's MVI (8.9.1) is older than the source's (8.10.0-x)",
                  "bring it up"),
    "no MVI there": (products("8.0.0", "8.0.0", 503), 1, "MVI", "status 503", "in a browser"),
    "MVI away": (lambda w: w.source.update(mviUrl=f"http://127.0.0.1:{free_port()}"), 13, "MVI",
                 "connect", "check the address"),
    # name: (how to break it, exit status, what is bad, its cause, its mend)
    "unknown key": (lambda w: w.destination.update(filesPodd="x"), 2, "config", "filesPodd",
                    "filesPod"),
    "no oc": (without_oc, 2, "tools", "neither oc nor kubectl", "into the PATH"),
    "token": (token, 12, "login", "Unauthorized", "take a new one into clusterToken"),
    "cluster url": (lambda w: w.destination.update(clusterUrl="https://other:6443"), 13, "login",
                    "no such host", "clusterUrl cannot be resolved"),
    "untrusted": (lambda w: w.change(self_signed=True), 2, "login", "x509", "as clusterCA"),
    "no CA": (lambda w: w.destination.update(clusterCA="/none/ca.pem"), 2, "tools",
              "clusterCA /none/ca.pem cannot be read", "No such file"),
    "project": (lambda w: w.destination.update(clusterProject="other"), 12, "login", "Forbidden",
                "deploy rights"),
    "rights to pods": (lambda w: w.change(rights=["get pods"]), 12, "login", "pods is forbidden",
                       "deploy rights"),
    "rights to secrets": (lambda w: w.change(rights=[
        "get pods", "list pods", "create pods/exec", "create pods/portforward"]), 12, "secret",
        "secrets is forbidden", "deploy rights"),
    "rights to exec": (lambda w: w.change(rights=[
        "get pods", "list pods", "create pods/portforward", "get secrets", "list secrets"]), 12,
        "exec", "pods/exec is forbidden", "deploy rights"),
    "rights to port-forward": (lambda w: w.change(rights=[
        "get pods", "list pods", "create pods/exec", "get secrets", "list secrets"]), 12,
        "mongodb", "pods/portforward is forbidden", "deploy rights"),
    "no files pod": (no_such_pod("taskanaly"), 1, "files pod", "no pod whose name holds",
                     "name it with filesPod"),
    "files pod pending": (pending("taskanaly"), 13, "files pod", "does not run (Pending)",
                          "oc describe"),
    "exec": (lambda w: w.change(no_exec=True), 13, "exec", "container not found",
             "try it by hand"),
    "data folder": (lambda w: w.destination.update(dataDir="/none/data"), 1, "data folder",
                    "/none/data is not there", "dataDir"),
    "user of the pod": (pod_of_user(0o755), 1, "data folder",
                        "cannot be written there by user 1000650000 (SCC restricted-v2)",
                        "to the group of the pod's user"),
    "user of the folders": (pod_of_user(0o2777, "alice", "bob"), 1, "data folder",
                            "2 of the folders in /opt/powerai-vision/data cannot be written there "
                            "by user 1000650000 (SCC restricted-v2), alice the first",
                            "whose user made them"),
    "source folder": (lambda w: w.source.update(dataDir="/none/data"), 1, "data folder",
                      "/none/data: no such directory", "name another"),
    "no mongodb pod": (no_such_pod("mongodb"), 1, "mongodb pod", "no pod whose name holds",
                       "name it with mongoPod"),
    "mongodb pod pending": (pending("mongodb"), 13, "mongodb pod", "does not run (Pending)",
                            "oc describe"),
    "no secret": (lambda w: w.secrets(stand_in.secret("x", a="b")), 1, "secret",
                  "neither a secret vision-secrets", "mongoSecret"),
    "secret without keys": (lambda w: w.secrets(stand_in.secret("vision-secrets", a="b")), 1,
                            "secret", "has no mongodb-admin-username", "mongoSecret"),
    "password": (lambda w: w.secrets(stand_in.credentials("vision-secrets", "admin", "wrong-1")),
                 12, "mongodb", "login refused", "the password is wrong"),
    "rights in mongodb": (lambda w: w.secrets(stand_in.credentials(
        "vision-secrets", READER.name, READER.password)), 12, "rights",
        "lacks insert, update, remove", "grant it readWrite"),
    "port-forward": (lambda w: w.cluster.forward("fail"), 13, "mongodb",
                     "unable to upgrade connection", "port-forward"),
    "nothing behind it": (lambda w: w.change(ports={f"{stand_in.MONGO_POD}:27017": free_port()}),
                          13, "mongodb", "MongoDB does not answer", "port-forward"),
    "source mongodb": (lambda w: w.source.update(mongoUri=f"mongodb://127.0.0.1:{free_port()}"),
                       13, "mongodb", "cannot be reached", "that mongod or the port-forward runs"),
    "one database": (same_database, 2, "two ends", "are the same database", "another destination"),
    "room": (small_disk, 1, "file room", "the plan has up to", "make room"),
    "unreadable": (lambda w: w.env.update(MVIMIG_FAULT="check.readable:fail:3"), 1, "files",
                   "1 of ", "--run-as"),
    "work folder": (plain_file, 10, "work folder", "is no folder", "--work-dir"),
}


def test_user_and_scc_are_noted(world):
    pod_of_user(0o2777)(world)
    told = world.check().ok().stdout
    assert "note  destination  user          user 1000650000 (SCC restricted-v2) there" in told, told
    assert f"ok    destination  data folder   {DATA}\n" in told


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_with_its_mend(world, name):
    prepare, status, what, cause, mend = FAULTS[name]
    prepare(world)
    told = world.check().expect(status).stdout
    bad = [line for line in told.splitlines() if line.startswith("BAD")]
    assert len(bad) == 1, told
    assert bad[0][19:].startswith(what), told
    assert cause in bad[0] and mend in bad[0], told
    assert world.cluster.left_running() == []


def test_clock_and_user_are_noted(world):
    far_program("date", "echo 1000000000")(world)
    told = world.check().ok().stdout
    assert "note  destination  clock" in told and "set the clocks (NTP)" in told


def test_older_destination_is_noted(world, source_server, locked_server, make_ends, mvimig):
    ends = make_ends(source=locked_server, destination=source_server)
    ends.fill()
    told = mvimig.run("check", "-c", ends.write_config()).ok().stdout
    assert "note               versions      the destination's MongoDB (4.2.6) is older" in told
    assert "asks for no login" in told


def test_versions_of_mvi(world):
    products("1.3.0", "8.0.0-prod")(world)
    told = world.check().ok().stdout
    assert "ok    source       MVI           1.3.0\n" in told
    assert "ok    destination  MVI           8.0.0-prod\n" in told


def test_no_ssh(world):
    world.source["sshTunnel"] = "mvi@old.example.com"
    folder = os.path.join(world.cluster.folder, "bin")
    os.symlink(os.path.realpath(sys.executable), os.path.join(folder, "python3"))
    os.symlink(shutil.which("env"), os.path.join(folder, "env"))
    world.env["PATH"] = folder
    world.change(path=os.environ["PATH"])
    told = world.check().expect(2).stdout
    assert "sshTunnel needs ssh" in told


def test_json_has_the_same(world):
    world.secrets(stand_in.secret("x", a="b"))
    rows = json.loads(world.check("--json").expect(1).stdout)
    assert [(r["end"], r["what"]) for r in rows if r["state"] == "bad"] == [("destination", "secret")]


class OldWorld(World):
    """The source in a cluster, the destination beside it."""

    def check(self, *words):
        config = self.ends.write_config(source=self.cluster.config(**self.source),
                                        destination=self.destination)
        return self.mvimig.run("check", "-c", config, *words, env=self.cluster.env(**self.env))


@pytest.fixture
def old_world(filled, mvimig, tmp_path):
    mvimig.secrets |= {stand_in.TOKEN, WRITER.password, READER.password}
    ends = Ends(filled.destination, filled.source, tmp_path)
    return OldWorld(ends, stand_in.Cluster(tmp_path / "cluster", ends.source, READER), mvimig)


def test_source_in_a_cluster(old_world):
    told = old_world.check().ok().stdout
    for line in ("tools", "login", "mongodb pod", "secret", "mongodb", "rights"):
        assert f"ok    source       {line} " in told, told
    assert not any("exec" in a["words"] for a in old_world.cluster.asked())
    assert old_world.cluster.left_running() == []


def old_token(w):
    w.source["clusterToken"] = "canary-of-another"
    w.mvimig.secrets.add("canary-of-another")


SOURCE_FAULTS = {
    "no oc": (without_oc, 2, "tools", "neither oc nor kubectl", "into the PATH"),
    "token": (old_token, 12, "login", "Unauthorized", "take a new one into clusterToken"),
    "project": (lambda w: w.source.update(clusterProject="other"), 12, "login", "Forbidden",
                "deploy rights"),
    "no mongodb pod": (no_such_pod("mongodb"), 1, "mongodb pod", "no pod whose name holds",
                       "name it with mongoPod"),
    "no secret": (lambda w: w.secrets(stand_in.secret("x", a="b")), 1, "secret",
                  "neither a secret vision-secrets", "mongoSecret"),
    "rights to port-forward": (lambda w: w.change(rights=[
        "get pods", "list pods", "get secrets", "list secrets"]), 12,
        "mongodb", "pods/portforward is forbidden", "deploy rights"),
    "port-forward": (lambda w: w.cluster.forward("fail"), 13, "mongodb",
                     "unable to upgrade connection", "port-forward"),
    "password": (lambda w: w.secrets(stand_in.credentials("vision-secrets", "admin", "wrong-1")),
                 12, "mongodb", "login refused", "the password is wrong"),
}


@pytest.mark.parametrize("name", SOURCE_FAULTS)
def test_fault_of_a_source_in_a_cluster(old_world, name):
    prepare, status, what, cause, mend = SOURCE_FAULTS[name]
    prepare(old_world)
    told = old_world.check().expect(status).stdout
    bad = [line for line in told.splitlines() if line.startswith("BAD")]
    assert len(bad) == 1 and bad[0].startswith("BAD   source       " + what), told
    assert cause in bad[0] and mend in bad[0], told
    assert old_world.cluster.left_running() == []
