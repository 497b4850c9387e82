# SPDX-License-Identifier: Apache-2.0
"""mvimig deploy: the manifests as they are, and what is found out by itself.

The cluster here is a stand-in: a kubectl that answers from files and notes what it was asked.
UPDATE_GOLDEN=1 writes tests/golden/deploy anew; read the difference before it is committed.
"""
import base64
import json
import os
import signal
import stat
import time

import pytest

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden", "deploy")
NETWORK = os.path.join(GOLDEN, "network.json")
CANARIES = ("canary-old-7731", "canary-token-9912")
NAMES = ("--image", "localhost/mvimig:1", "--chart", "ibm-visual-insights-prod-3.0.0",
         "--release", "vision", "--pvc", "vision-data-pvc")

CASES = {
    "deployment": ("deploy", "run", "line3", "--server", *NAMES),
    "job": ("deploy", "run", "line3", "--server", "--kind", "job", *NAMES),
    "plan": ("deploy", "plan", "line3", "--users", "alice", "--users", "a $(b) 'c'", "--run-as",
             "0", "--namespace", "vision", "--jobs", "2", *NAMES),
    "user": ("deploy", "run", "line3", "--projects", "P 1", "--files-only", "--run-as", "1000:1001",
             "--pass", "2", *NAMES),
}


@pytest.fixture
def alone(mvimig, tmp_path):
    """The program with nothing in PATH: whoever asks a cluster fails."""
    def run(*arguments, path=None):
        return mvimig.run(*arguments, env={"PATH": path or str(tmp_path / "nothing")})
    return run


def golden(name, text):
    path = os.path.join(GOLDEN, name + ".yaml")
    if os.environ.get("UPDATE_GOLDEN"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    with open(path, encoding="utf-8") as f:
        assert text == f.read()


@pytest.mark.parametrize("name", CASES)
def test_manifests(alone, name):
    done = alone(*CASES[name], "-c", NETWORK, "--output-only").ok()
    golden(name, done.stdout)
    assert not any(canary in done.stdout + done.stderr for canary in CANARIES)


def test_rights(alone):
    golden("rights", alone("deploy", "rights", "--namespace", "mas-inst1").ok().stdout)
    assert "--namespace" in alone("deploy", "rights").expect(2).stderr


def test_the_secret_holds_the_configuration(alone, mvimig, tmp_path):
    """What is in the Secret, laid in a folder, is a configuration again with the same values."""
    text = alone(*CASES["deployment"], "-c", NETWORK, "--output-only").ok().stdout
    secret = text.split("---\n")[1]
    data = dict(line.strip().split(": ", 1) for line in
                secret.split("\ndata:\n")[1].splitlines())
    files = {k: base64.b64decode(v.strip('"')).decode() for k, v in data.items()}
    assert files["source-mongoPWFile"] == CANARIES[0]
    assert files["destination-clusterTokenFile"] == CANARIES[1]
    network = json.loads(files["network.json"])
    assert network["source"]["mongoPWFile"] == "source-mongoPWFile"
    assert network["destination"]["clusterProject"] == "mas-inst1-visualinspection"
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    again = alone(*CASES["deployment"], "-c", str(tmp_path / "network.json"), "--output-only").ok()
    assert again.stdout == text


@pytest.mark.parametrize("arguments, told", [
    (("run", "Line_3", "--server"), "name of a deployment"),
    (("run", "line3"), "give a scope"),
    (("run", "line3", "--server", "--kind", "pod"), "--kind is"),
    (("plan", "line3", "--server", "--kind", "job"), "a job ends"),
    (("run", "line3", "--server", "--then", "exit"), "--kind job"),
    (("run", "line3", "--server", "--run-as", "me"), "--run-as takes"),
    (("move", "line3"), "deploy does plan"),
    (("apply", "line3"), "usage:"),
])
def test_bad_usage(alone, arguments, told):
    assert told in alone("deploy", *arguments, "-c", NETWORK, *NAMES, "--output-only").expect(2).stderr


def test_names_that_are_missing_need_a_cluster(alone):
    refused = alone("deploy", "run", "line3", "--server", "-c", NETWORK, "--output-only").expect(2)
    assert "kubectl" in refused.stderr and "--output-only" in refused.stderr


KUBECTL = """#!/bin/sh
for word; do printf '%s\\n' "$word"; done >>FOLDER/asked
env >>FOLDER/asked
case "$*" in
    *"get pvc -o json") cat FOLDER/claims.json ;;
    *"get pvc "*) cat FOLDER/claim.json ;;
    *"get pv "*) cat FOLDER/volume.json ;;
    *"get pods "*) cat FOLDER/pods.json ;;
    *"apply "*) cat >FOLDER/applied ;;
    *"delete "*) ;;
    *"logs "*) echo "the log of the pod" ;;
    *"sha256sum"*cat*"plan.yaml") cat FOLDER/sent ;;
    *) echo "unexpected: $*" >&2; exit 1 ;;
esac
"""
HELM = """#!/bin/sh
cat FOLDER/releases.json
"""


@pytest.fixture
def cluster(tmp_path, alone):
    """A folder of programs and their answers; run(...) calls mvimig with them."""
    folder = tmp_path / "cluster"
    folder.mkdir()

    class Cluster:
        path = f"{folder}:{os.environ['PATH']}"

        def answer(self, name, value):
            (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))

        def program(self, name, text):
            self.answer(name, text.replace("FOLDER", str(folder)))
            os.chmod(folder / name, stat.S_IRWXU)

        def asked(self):
            return (folder / "asked").read_text()

        def applied(self):
            return (folder / "applied").read_text()

        def run(self, *arguments):
            return alone(*arguments, path=self.path)

    made = Cluster()
    made.program("kubectl", KUBECTL)
    made.program("helm", HELM)
    data = tmp_path / "volume"
    (data / "data").mkdir(parents=True)
    made.answer("releases.json", [{"name": "vision", "chart": "ibm-vision-1"},
                                  {"name": "other", "chart": "nginx-2"}])
    made.answer("claims.json", {"items": [{"metadata": {"name": n}}
                                          for n in ("vision-mongodb-pvc", "vision-data-pvc")]})
    made.answer("claim.json", {"spec": {"volumeName": "v1"}})
    made.answer("volume.json", {"spec": {"hostPath": {"path": str(data)}}})
    return made


def test_names_are_collected(cluster):
    done = cluster.run("deploy", "run", "line3", "--server", "-c", NETWORK).ok()
    assert "vision-data-pvc" in done.stdout
    applied = cluster.applied()
    for line in ("chart: ibm-vision-1", "release: vision", "claimName: vision-data-pvc",
                 f"runAsUser: {os.getuid()}", f"runAsGroup: {os.getgid()}"):
        assert line in applied
    for canary in CANARIES:
        assert canary not in cluster.asked()
        assert base64.b64encode(canary.encode()).decode() not in cluster.asked()


def test_old_helm_and_what_cannot_be_told_apart(cluster):
    cluster.answer("releases.json", {"Releases": [{"Name": "v", "Chart": "powerai-vision-1"}]})
    cluster.run("deploy", "run", "line3", "--server", "-c", NETWORK).ok()
    assert "release: v\n" in cluster.applied()
    cluster.answer("releases.json", [{"name": n, "chart": "ibm-vision-1"} for n in "ab"])
    told = cluster.run("deploy", "run", "line3", "--server", "-c", NETWORK).expect(2).stderr
    assert "--chart" in told and "--release" in told
    cluster.answer("releases.json", [{"name": "a", "chart": "ibm-vision-1"}])
    cluster.answer("claims.json", {"items": [{"metadata": {"name": n}} for n in "pq"]})
    told = cluster.run("deploy", "run", "line3", "--server", "-c", NETWORK).expect(2).stderr
    assert "--pvc" in told and "p, q" in told


@pytest.mark.parametrize("chart", ["ibm-powerai-vision-prod-1.2.1", "ibm-visual-insights-prod-3.0.0",
                                   "ibm-visual-inspection-prod-8.0.0"])
def test_charts_of_each_age(cluster, chart):
    cluster.answer("releases.json", [{"name": "nginx", "chart": "nginx-2"},
                                     {"name": "vision", "chart": chart}])
    cluster.run("deploy", "run", "line3", "--server", "-c", NETWORK).ok()
    assert f"chart: {chart}\n" in cluster.applied()


def test_an_image_archive_is_loaded(cluster):
    cluster.program("docker", "#!/bin/sh\necho \"Loaded image: localhost/mvimig:7\"\n")
    cluster.run("deploy", "run", "line3", "--server", "-c", NETWORK, "--image-file", "m.tar").ok()
    assert 'image: "localhost/mvimig:7"' in cluster.applied()


def pods(*rows):
    return {"items": [{"metadata": {"name": n, "creationTimestamp": t},
                       "status": {"phase": p}} for n, p, t in rows]}


def test_the_pod_that_runs_is_asked(cluster):
    cluster.answer("pods.json", pods(("new", "Pending", "2"), ("old", "Running", "1")))
    assert cluster.run("deploy", "logs", "line3").ok().stdout == "the log of the pod\n"
    assert "\nlogs\nold\n" in cluster.asked()
    cluster.answer("pods.json", pods())
    assert "no pod of line3" in cluster.run("deploy", "logs", "line3").expect(1).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_silent_log_is_left(cluster, mvimig, number):
    """By Ctrl-C, at once, not with the log's next line."""
    cluster.answer("pods.json", pods(("p", "Running", "1")))
    cluster.program("kubectl", KUBECTL.replace('echo "the log of the pod"',
                                               "echo $$ >FOLDER/follows; exec sleep 1000"))
    running = mvimig.start("deploy", "logs", "line3", "--follow", env={"PATH": cluster.path})
    follows = os.path.join(cluster.path.split(":")[0], "follows")
    while not os.path.exists(follows) or not os.path.getsize(follows):
        assert not running.ended(), running.wait()
        time.sleep(0.01)
    running.signal(number)
    running.wait()
    with open(follows, encoding="ascii") as f:
        assert not os.path.exists(f"/proc/{f.read().strip()}")


def test_a_plan_that_was_cut_is_not_taken(cluster, tmp_path):
    import hashlib
    plan = "mvimig: 1\n"
    cluster.answer("pods.json", pods(("p", "Running", "1")))
    cluster.answer("sent", hashlib.sha256(plan.encode()).hexdigest() + "  -\n" + plan)
    assert cluster.run("deploy", "get", "line3").ok().stdout == plan
    target = tmp_path / "plan.yaml"
    cluster.answer("sent", hashlib.sha256(plan.encode()).hexdigest() + "  -\n" + plan[:-3])
    told = cluster.run("deploy", "get", "line3", "-o", str(target)).expect(1).stderr
    assert "altered or cut" in told and not target.exists()


def test_delete(cluster):
    assert "stay on the volume" in cluster.run("deploy", "delete", "line3").ok().stdout
    asked = cluster.asked()
    assert "deployment/line3\njob/line3\nsecret/line3-network\n--ignore-not-found\n" in asked
