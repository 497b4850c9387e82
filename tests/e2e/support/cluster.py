# SPDX-License-Identifier: Apache-2.0
"""The folder that support/stand_in_oc.py takes for a cluster.

    cluster = Cluster(tmp_path / "cluster", destination)       # an End
    config = ends.write_config(destination=cluster.config())
    mvimig.run("plan", "-c", config, ..., env=cluster.env())
"""
import base64
import json
import os
import signal

OC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stand_in_oc.py")
PROJECT = "mas-inst1-visualinspection"
TOKEN = "sha256~canary-token-3391"
URL = "https://api.ocp.example.com:6443"
FILES_POD = "inst1-taskanaly-6d5f7c9b8d-x2x7q"
MONGO_POD = "inst1-mongodb-7b8c6d5f4-k9w2z"


def pod(name, *, phase="Running", ready=True, mounts=(), container="main", ports=(), deleted=False,
        scc=None):
    metadata = {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    if scc:
        metadata["annotations"] = {"openshift.io/scc": scc}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    return {"metadata": metadata,
            "spec": {"containers": [
                {"name": "sidecar"},
                {"name": container, "ports": [{"containerPort": p} for p in ports],
                 "volumeMounts": [{"name": "data", "mountPath": m} for m in mounts]}]},
            "status": {"phase": phase, "conditions": [
                {"type": "Ready", "status": "True" if ready else "False"}]}}


def secret(name, **data):
    return {"metadata": {"name": name}, "type": "Opaque",
            "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}}


def credentials(name, user, password):
    return secret(name, **{"mongodb-admin-username": user, "mongodb-admin-password": password})


class Cluster:
    def __init__(self, folder, end, user=None):
        self.folder = str(folder)
        self.end = end
        os.makedirs(os.path.join(self.folder, "bin"))
        os.symlink(OC, os.path.join(self.folder, "bin", "oc"))
        self.state = {"url": URL, "token": TOKEN, "project": PROJECT,
                      "ports": {f"{MONGO_POD}:27017": end.server.port},
                      "pods": {FILES_POD: os.path.join(self.folder, "pod")}, "rights": None}
        os.makedirs(os.path.join(self.folder, "pod"))
        self.pods = [pod("inst1-service-1"), pod(MONGO_POD, ports=[27017]),
                     pod(FILES_POD, mounts=[end.data_dir])]
        self.secrets = [secret("other", password="x")]
        if user:
            self.secrets.append(credentials("inst1-credentials-internal-visualinspection",
                                            user.name, user.password))
        self.save()

    def save(self):
        self.write("cluster.json", json.dumps(self.state))
        self.write("pods.json", json.dumps({"items": self.pods}))
        self.write("secrets.json", json.dumps({"items": self.secrets}))
        return self

    def write(self, name, text):
        """Whole or not at all: a program may be reading it."""
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(path + ".new", path)

    def forward(self, *modes):
        """Of the starts from now on; the last holds for all that follow."""
        self.write("forwards", "")
        self.write("forward", "\n".join(modes))

    def config(self, **changes):
        """Of the destination, for Ends.write_config."""
        return {"mongoUri": None, "dataDir": self.end.data_dir,
                "mongoDatabase": self.end.database, "clusterUrl": URL,
                "clusterToken": TOKEN, "clusterProject": PROJECT, **changes}

    def env(self, **more):
        return {"PATH": os.path.join(self.folder, "bin") + ":" + os.environ["PATH"], **more}

    def lines(self, name):
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8") as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def asked(self):
        return [json.loads(line) for line in self.lines("asked")]

    def verbs(self):
        return set(self.lines("verbs"))

    def kill_forward(self):
        """SIGKILL to the port-forward that listens now; False when there is none."""
        for line in reversed(self.lines("listened")):
            pid = int(line.split()[0])
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if b"port-forward" in f.read():
                        os.kill(pid, signal.SIGKILL)
                        return True
            except OSError:
                pass
        return False

    def live_execs(self, kill=False):
        """How many run; `kill`: SIGKILL to each, as when the pod goes."""
        live = 0
        for asked in self.asked():
            if "exec" in asked["words"]:
                try:
                    with open(f"/proc/{asked['pid']}/environ", "rb") as f:
                        ours = self.folder.encode() in f.read()
                    if ours:
                        live += 1
                        if kill:
                            os.kill(asked["pid"], signal.SIGKILL)
                except OSError:
                    pass
        return live

    def left_running(self):
        """Port-forwards that are still there."""
        found = []
        for line in self.lines("listened"):
            try:
                with open(f"/proc/{line.split()[0]}/cmdline", "rb") as f:
                    if b"port-forward" in f.read():
                        found.append(line)
            except OSError:
                pass
        return found
