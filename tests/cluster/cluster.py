# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes of one node, and the two ends of a migration in it: a namespace each, with MongoDB in
a pod, a claim on a folder of this machine, and at the destination a pod that has it mounted."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pymongo

from support.ends import sample
from support.servers import Mongod, User

DATA = "/opt/powerai-vision/data"
WAIT_SECONDS = 120
GATEWAY = os.environ.get("CLUSTER_GATEWAY", "")


def wait_for(what, condition, seconds=WAIT_SECONDS):
    """What condition() returns when it is true; an error that names what was waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


class Cluster:
    def __init__(self, home):
        self.home = home

    def kubectl(self, *words, given=None, ok=True):
        text = json.dumps(given) if isinstance(given, (dict, list)) else given
        done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True,
                              timeout=WAIT_SECONDS)
        assert not ok or done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout if ok else done

    def json(self, *words):
        return json.loads(self.kubectl(*words, "-o", "json"))

    def apply(self, *manifests):
        self.kubectl("apply", "-f", "-", given={"apiVersion": "v1", "kind": "List",
                                                "items": list(manifests)})

    def processes(self, *words):
        """Numbers of the processes in this cluster's containers that begin with these words."""
        found = []
        mark = f"/{os.environ['CLUSTER_CGROUP']}/"
        wanted = "\0".join(words).encode() + b"\0"
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if not f.read().startswith(wanted):
                        continue
                with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
                    if mark in f.read():
                        found.append(int(pid))
            except OSError:
                continue
        return found

    def token(self, namespace, account):
        return self.kubectl("-n", namespace, "create", "token", account, "--duration=2h").strip()

    @staticmethod
    def words(pid):
        """The arguments of a process; none when it is gone."""
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                return f.read().split("\0")
        except OSError:
            return []

    @property
    def authority(self):
        return os.path.join(self.home, "pki", "ca.crt")


class Place:
    """One namespace. Its claim is vision-data-pvc, as a standalone server calls it; MVI's data are
    below data/ of that volume."""
    user = User("admin", "canary-p4ss:w@rd", roles=["root"])

    def __init__(self, cluster, namespace, version):
        self.cluster, self.namespace, self.version = cluster, namespace, version
        self.folder = tempfile.mkdtemp(prefix=f"{version}-", dir=f"{cluster.home}/state")
        self.volume = os.path.join(self.folder, "volume")
        self.data_dir = os.path.join(self.volume, "data")
        self.database_folder = os.path.join(self.folder, "db")
        self.client = None

    def __enter__(self):
        os.makedirs(self.data_dir)
        os.chmod(self.folder, 0o755)
        self._make_database()
        # Strategic names: what the program looks for is found by these.
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}},
            self._volume(), self._claim(), self._secret(), self._mongodb())
        self.address = self._wait_for_pod("vision-mongodb-0")
        self.client = pymongo.MongoClient(self.uri(), serverSelectionTimeoutMS=60000)
        self.client.admin.command("ping")
        return self

    def __exit__(self, *exc):
        if self.client:
            self.client.close()
        self.cluster.kubectl("delete", "namespace", self.namespace, "--force",
                             "--grace-period=0", ok=False)
        self.cluster.kubectl("delete", "pv", f"{self.namespace}-data", "--wait=false", ok=False)

    def uri(self, credentials=True):
        who = self.user.credentials() if credentials else ""
        return f"mongodb://{who}{self.address}:27017/?authSource=admin"

    @property
    def db(self):
        return self.client["DLAAS"]

    def kubectl(self, *words, **options):
        return self.cluster.kubectl("-n", self.namespace, *words, **options)

    def json(self, *words):
        return self.cluster.json("-n", self.namespace, *words)

    def serve(self, address):
        """MongoDB under the address of a service, as on a standalone server: what kube-proxy would
        do for it is done by a route and an address in the pod."""
        self.cluster.apply({
            **self._named("Service", "vision-mongodb"),
            "spec": {"clusterIP": address, "selector": {"app": "vision"},
                     "ports": [{"port": 27017}]}})
        inside = [["nsenter", "-t", str(pid), "-n", "ip"]
                  for pid in self.cluster.processes("mongod")]
        for ip in inside:
            told = subprocess.run([*ip, "-4", "-o", "addr"], check=True, capture_output=True)
            if f" {self.address}/".encode() in told.stdout:
                subprocess.run([*ip, "addr", "add", f"{address}/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "route", "replace", address, "via", self.address], check=True)

    def fill(self, **options):
        return sample(self.uri(), self.data_dir, "DLAAS", **options)

    def empty(self):
        """As before it was filled."""
        self.client.drop_database("DLAAS")
        for name in os.listdir(self.data_dir):
            path = os.path.join(self.data_dir, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def give(self, uid, gid):
        """All files to this user, as those of a server that runs as it."""
        for folder, folders, files in os.walk(self.data_dir):
            for name in folders + files + ["."]:
                os.chown(os.path.join(folder, name), uid, gid, follow_symlinks=False)

    # Pods

    def pod(self, name, image, uid=0, command=("sleep", "2147483647"), **more):
        """One that has the data mounted where MVI has them."""
        container = {
            "name": "main", "image": image, "imagePullPolicy": "Never", "command": list(command),
            "volumeMounts": [{"name": "data", "mountPath": DATA, "subPath": "data"}]}
        self.cluster.apply({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace, **more},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0,
                     "securityContext": {"runAsUser": uid, "runAsGroup": 0},
                     "volumes": [{"name": "data", "persistentVolumeClaim":
                                  {"claimName": "vision-data-pvc"}}]}})
        self._wait_for_pod(name)
        return name

    def delete_pod(self, name):
        """At once, as a node that is gone takes it along."""
        self.kubectl("delete", "pod", name, "--force", "--grace-period=0", "--ignore-not-found")

    def _wait_for_pod(self, name):
        def ready():
            status = self.json("get", "pod", name)["status"]
            runs = any(c["type"] == "Ready" and c["status"] == "True"
                       for c in status.get("conditions", ()))
            return runs and status["podIP"]
        return wait_for(f"pod {name}", ready)

    # Manifests

    def _make_database(self):
        """Beside the cluster, where the first user can be made; the pod goes on with it."""
        with Mongod(self.version, dbpath=self.database_folder, users=[self.user]) as m:
            m._end(signal.SIGTERM)

    def _named(self, kind, name, version="v1"):
        return {"apiVersion": version, "kind": kind,
                "metadata": {"name": name, "namespace": self.namespace,
                             "labels": {"app": "vision"}}}

    def _volume(self):
        return {"apiVersion": "v1", "kind": "PersistentVolume",
                "metadata": {"name": f"{self.namespace}-data"},
                "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"],
                         "storageClassName": "", "hostPath": {"path": self.volume},
                         "claimRef": {"namespace": self.namespace, "name": "vision-data-pvc"}}}

    def _claim(self):
        return {**self._named("PersistentVolumeClaim", "vision-data-pvc"),
                "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "",
                         "volumeName": f"{self.namespace}-data",
                         "resources": {"requests": {"storage": "1Gi"}}}}

    def _secret(self):
        return {**self._named("Secret", "vision-secrets"),
                "stringData": {"mongodb-admin-username": self.user.name,
                               "mongodb-admin-password": self.user.password}}

    def _mongodb(self):
        image = "mongodb" if self.version == "6.0" else "mongodb42"
        return {**self._named("Pod", "vision-mongodb-0"),
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "mongodb", "image": f"localhost/{image}:1", "imagePullPolicy": "Never",
                    "command": ["mongod", "--bind_ip_all", "--auth", "--dbpath", "/data",
                                "--wiredTigerCacheSizeGB", "0.25"],
                    "volumeMounts": [{"name": "db", "mountPath": "/data"}]}],
                    "volumes": [{"name": "db", "hostPath": {"path": self.database_folder}}]}}
