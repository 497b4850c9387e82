# SPDX-License-Identifier: Apache-2.0
"""Whole migrations in a real Kubernetes: `mvimig deploy` outside, `mvimig run` in the source's
cluster, the destination's pods found and reached through its API, by exec and port-forward, with no
more than the rights of `deploy rights`."""
import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing

import pytest

from cluster import GATEWAY, wait_for
from support import oracle
from support.migration import forget_shared_times

# Who the data belong to at the source, and the kind of number that OpenShift gives its pods.
OWNER, GIVEN = 4711, 1000650000
# Stretches a run, so that there are moments to meet.
SLOW = "MVIMIG_FAULT=journal-after-commit:sleep=40:1+"


# What a standalone server has beside its cluster. Its docker is the cluster's runtime.
SERVER = {
    "kubectl.sh": """exec kubectl "$@"
""",
    "helm.sh": """[ "$1 $2 $3" = "list -o json" ] && echo '[{"name": "vision",
    "chart": "ibm-visual-insights-prod-3.0.0"}, {"name": "proxy", "chart": "nginx-2"}]'
""",
    "docker": """[ "$1 $2" = "load -i" ] || exit 1
ctr --address CONTAINERD --namespace k8s.io images import "$3" |
    sed -n 's/^unpacking \\([^ ]*\\) .*/Loaded image: \\1/p'
""",
}


class Deployed:
    """A migration from one namespace into a pod of the other."""

    def __init__(self, source, destination, mvimig, folder, name):
        self.source, self.destination, self.mvimig = source, destination, mvimig
        self.folder, self.name = str(folder), name
        self.cluster = source.cluster
        self.work_dir = os.path.join(source.data_dir, "logs", "migrations", name)
        self.documents_before = oracle.documents(destination.db)
        self.tree_before = oracle.tree(destination.data_dir)
        mvimig.secrets |= {source.user.password, destination.user.password}
        self._login()
        self.config = self._config()
        self._server()

    def deploy(self, what, *more):
        return self.mvimig.run("deploy", what, self.name, *more, "--namespace",
                               self.source.namespace, env={"PATH": self.server_path})

    def make(self, what, *more):
        return self.deploy(what, "-c", self.config, "--server", *more)

    def path(self, name):
        return os.path.join(self.folder, name)

    # What the cluster knows

    def pods(self):
        return self.source.json("get", "pods", "-l", f"run={self.name}")["items"]

    def started_again(self):
        return sum(c["restartCount"] for p in self.pods()
                   for c in p["status"].get("containerStatuses", ()))

    def wait_for_log(self, text, seconds=60):
        def told():
            done = self.deploy("logs")
            return done.rc == 0 and text in done.stdout
        try:
            wait_for(f"{text!r} in the log", told, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}; it says:\n{self.deploy('logs')}\n{self.threads()}") from None

    def wait_for_job(self, end):
        def conditions():
            status = self.source.json("get", "job", self.name)["status"]
            return [c["type"] for c in status.get("conditions", ()) if c["status"] == "True"]
        try:
            found = wait_for("the job to end", lambda: set(conditions()) & {"Complete", "Failed"})
        except AssertionError:
            found = {"nothing"}
        assert end in found, f"{found}\n{self.deploy('logs')}\n{self.threads()}"

    def threads(self):
        """Where the program stands, thread by thread."""
        told = []
        for pid in self.cluster.processes("mvimig", "run"):
            for thread in sorted(os.listdir(f"/proc/{pid}/task")):
                parts = []
                for name in ("comm", "wchan", "syscall"):
                    with open(f"/proc/{pid}/task/{thread}/{name}", encoding="ascii") as f:
                        parts.append(f.read().strip())
                told.append(" ".join(parts))
        return "\n".join(told)

    def slow_down(self):
        """Another pod in the place of the first."""
        before = [p["metadata"]["name"] for p in self.pods()]
        self.source.kubectl("set", "env", f"deployment/{self.name}", SLOW)
        self.source.kubectl("rollout", "status", f"deployment/{self.name}", "--timeout=60s")
        wait_for("the pod before to go", lambda: not set(before) & {
            p["metadata"]["name"] for p in self.pods()})

    def kill(self):
        """SIGKILL to the program in its container."""
        for pid in wait_for("the program's process",
                            lambda: self.cluster.processes("mvimig", "run")):
            os.kill(pid, 9)

    # What its journal knows

    def ask(self, query):
        path = os.path.join(self.work_dir, "journal.db")
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as db:
                return db.execute(query).fetchall()
        except sqlite3.OperationalError:
            return None  # not there yet, or left by a kill in mid-write

    def events(self):
        found = self.ask("select count(*) from event")
        return found[0][0] if found else 0

    def kill_port_forward(self):
        for pid in wait_for("the port-forward", self.port_forwards):
            os.kill(pid, 9)

    def port_forwards(self):
        return [p for p in self.cluster.processes("kubectl") + self.cluster.processes(
            "/usr/bin/kubectl") if "port-forward" in self.cluster.words(p)]

    def wait_for_events(self, more):
        begun = self.events()
        wait_for(f"{more} more events", lambda: self.events() >= begun + more)

    def finished(self):
        """Every step of its plan, as the journal has it."""
        return self.ask("select count(*) from step where state <> 'done'") == [(0,)]

    # Judgement

    def assert_arrived(self, without=None, ignore=()):
        """`without`: a dataset whose files stay at the source."""
        oracle.check(oracle.document_differences(
            oracle.migrated(oracle.documents(self.source.db), self.documents_before),
            oracle.documents(self.destination.db), id_to_front=True))
        expected = oracle.migrated_tree(oracle.tree(self.source.data_dir), self.tree_before, lambda p:
                                        not without or without.encode() not in p.split(b"/"))
        there = oracle.tree(self.destination.data_dir)
        forget_shared_times(expected, there)
        oracle.check(oracle.tree_differences(expected, there, ignore=ignore))

    def assert_no_secrets(self):
        """In nothing that stays, and in no manifest but the Secret."""
        self.mvimig.assert_no_secret_below(self.work_dir)
        kept = self.source.kubectl("get", "deployments,replicasets,jobs,pods,events", "-o", "yaml")
        assert not [s for s in self.mvimig.secrets if s in kept]

    def assert_deleted(self):
        self.deploy("delete").ok()
        wait_for("the pod to go", lambda: not self.pods())
        assert f"no pod of {self.name}" in self.deploy("logs").expect(1).stderr
        assert "NotFound" in self.source.kubectl("get", "secret", f"{self.name}-network",
                                                 ok=False).stderr
        assert os.path.exists(os.path.join(self.work_dir, "plan.yaml"))

    # What it begins with

    def _login(self):
        """The rights manifest in the destination, and a token that has just those."""
        rights = self.mvimig.run("deploy", "rights", "--namespace", self.destination.namespace)
        self.cluster.kubectl("apply", "-f", "-", given=rights.ok().stdout)
        self.token = self.cluster.token(self.destination.namespace, "mvimig")
        self.mvimig.secrets.add(self.token)

    def _config(self):
        """As the operating guide has it: all that is not in it is found."""
        self._write("source-password", self.source.user.password)
        self._write("destination-token", self.token)
        return self._write("network.json", json.dumps({
            "source": {"mongoUser": self.source.user.name, "mongoPWFile": "source-password",
                       "mongoAuthSource": "admin"},
            "destination": {"clusterUrl": f"https://{GATEWAY}:6443",
                            "clusterTokenFile": "destination-token",
                            "clusterCA": self.cluster.authority, "mongoAuthSource": "admin",
                            "clusterProject": self.destination.namespace}}))

    def _write(self, name, text, mode=0o600):
        path = self.path(name)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w",
                  encoding="utf-8") as f:
            f.write(text)
        return path

    def _server(self):
        os.makedirs(self.path("bin"), exist_ok=True)
        self.server_path = f"{self.path('bin')}:{os.environ['PATH']}"
        for name, text in SERVER.items():
            self._write(f"bin/{name}", "#!/bin/sh\n" + text.replace(
                "CONTAINERD", os.environ["CONTAINERD_ADDRESS"]), 0o700)

    def new_token(self):
        """The one before has run out."""
        self.token = self.cluster.token(self.destination.namespace, "mvimig")
        self.mvimig.secrets.add(self.token)
        self._write("destination-token", self.token)


def fill(source, destination, **options):
    for place, role in ((source, "source"), (destination, "destination")):
        place.empty()
        place.fill(role=role, **options)
    source.give(OWNER, OWNER)


def take_out_dataset(path):
    """Deletes the first dataset's line from the first set of a plan that has two; its ID."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    found = re.search(r'(?m)^  \S*datasets/\S+:.*\n    - "([^"]+)".*\n(?=    - )', text)
    line = found[0].split("\n")[1] + "\n"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(line, "", 1))
    return found[1]


def forget_dataset(source, dataset):
    """At the source, for the comparison with what a plan without it has brought."""
    for name in source.db.list_collection_names():
        if name.startswith("DataSet") and name != "DataSets":
            source.db[name].delete_many({"dataset_id": dataset})
    source.db.DataSets.delete_one({"_id": dataset})


def images():
    said = subprocess.run(["ctr", "images", "ls", "-q"], check=True, capture_output=True, text=True)
    return {name for name in said.stdout.split() if "/mvimig:" in name}


def forget_image():
    """The cluster has it no longer; its name."""
    names = images()
    subprocess.run(["ctr", "images", "rm", "--sync", *names], check=True, capture_output=True)
    assert len(names) == 1 and not images()
    return names.pop()


@pytest.fixture
def far_pod(destination):
    """Named as MVI names the one that has the data, of an image with tar and rsync, as a user that
    OpenShift has given it."""
    destination.empty()
    os.chmod(destination.data_dir, 0o2775)
    name = "inst1-visualinspection-taskanaly-6d4f9c7b5-x2x7p"
    yield destination.pod(name, "localhost/vision:1", GIVEN)
    for each in (name, f"{name[:-1]}q"):  # the one in its place
        destination.delete_pod(each)


def test_plan_get_edit_apply_and_kills(source, destination, far_pod, mvimig, tmp_path):
    fill(source, destination, datasets=6, files_per_dataset=40)
    for folder, folders, files in os.walk(destination.data_dir):
        for name in [*folders, *files, "."]:
            os.chown(os.path.join(folder, name), GIVEN, 0, follow_symlinks=False)
    d = Deployed(source, destination, mvimig, tmp_path, "line3")
    image = forget_image()
    made = d.make("plan", "--image-file", f"{d.cluster.home}/images/mvimig.tar").ok().stdout
    assert "mvimig deploy get line3" in made and f"image {image}" in made
    d.wait_for_log("idle: done")
    pod = d.pods()[0]
    assert pod["spec"]["securityContext"]["runAsUser"] == OWNER
    assert pod["metadata"]["labels"]["release"] == "vision"
    assert pod["metadata"]["labels"]["chart"] == "ibm-visual-insights-prod-3.0.0"
    assert images() == {image}
    plan = d.path("plan.yaml")
    d.deploy("get", "-o", plan).ok()
    dataset = take_out_dataset(plan)
    d.slow_down()
    d.wait_for_log("idle: done")

    sent = d.deploy("apply", plan).ok().stdout
    digest = re.search(r"sha256:[0-9a-f]{64}", sent)[0]
    assert digest in mvimig.run("show", plan).ok().stdout
    d.wait_for_events(20)
    d.kill()
    d.wait_for_events(20)
    destination.delete_pod(far_pod)
    destination.pod(f"{far_pod[:-1]}q", "localhost/vision:1", GIVEN)
    d.wait_for_events(20)
    d.kill_port_forward()
    d.wait_for_events(20)
    status = d.deploy("status").ok().stdout
    assert "pod line3-" in status and "started again 1 time" in status
    assert d.deploy("status", "--json").ok().json()["name"] == "line3"
    d.kill()
    d.wait_for_log("idle: done", 120)
    assert d.finished() and d.started_again() >= 2

    forget_dataset(source, dataset)
    d.assert_arrived(without=dataset, ignore=("owner",))
    # As the operating guide says.
    for what in ("audit", "conflicts"):
        source.kubectl("exec", "deployment/line3", "--", "mvimig", what,
                       "/opt/powerai-vision/data/logs/migrations/line3")
    d.assert_no_secrets()
    d.assert_deleted()


def test_job_into_busybox(source, destination, mvimig, tmp_path):
    """As root, who can give files to their owners, where no GNU tool is."""
    fill(source, destination)
    destination.give(OWNER, OWNER)
    name = destination.pod("inst1-visualinspection-taskanaly-0", "localhost/busybox:1")
    d = Deployed(source, destination, mvimig, tmp_path, "line4")
    # One file that the owner himself may not read: the job says so, and is not tried again.
    d.make("run", "--kind", "job").ok()
    d.wait_for_job("Failed")
    assert len(d.pods()) == 1 and d.finished()
    assert "1 item(s) not moved" in d.deploy("logs").ok().stdout
    unread = next(os.path.join(folder, "mode-0000") for folder, _, files in
                  os.walk(source.data_dir) if "mode-0000" in files)
    os.unlink(unread)
    d.assert_arrived(ignore=("directory mtime",))
    assert "does not run" in d.deploy("status").expect(13).stderr
    d.assert_no_secrets()
    d.assert_deleted()
    destination.delete_pod(name)


def test_two_stages(source, destination, far_pod, mvimig, tmp_path):
    """The guide's: files while everybody works, the rest under the same name, by a new token."""
    fill(source, destination)
    for folder, folders, files in os.walk(destination.data_dir):
        for name in [*folders, *files, "."]:
            os.chown(os.path.join(folder, name), GIVEN, 0, follow_symlinks=False)
    unread = next(os.path.join(folder, "mode-0000") for folder, _, files in
                  os.walk(source.data_dir) if "mode-0000" in files)
    os.unlink(unread)
    d = Deployed(source, destination, mvimig, tmp_path, "line5")
    d.make("run", "--files-only").ok()
    d.wait_for_log("idle: done", 120)
    assert oracle.documents(destination.db) == d.documents_before
    d.deploy("delete").ok()
    wait_for("the pod to go", lambda: not d.pods())

    late = os.path.join(source.data_dir, "admin", "datasets", "late")
    with open(late, "w", encoding="ascii") as f:
        f.write("while everybody worked")
    os.chown(late, OWNER, OWNER)
    d.new_token()
    d.make("run", "--pass", "2").ok()
    d.wait_for_log("idle: done", 120)
    assert d.finished()
    d.assert_arrived(ignore=("owner",))
    d.assert_no_secrets()
    d.assert_deleted()
