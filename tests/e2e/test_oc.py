# SPDX-License-Identifier: Apache-2.0
"""A destination in a cluster, whose oc is a stand-in: pods and secret are found, MongoDB is reached
by a port-forward that breaks in every way, files by exec; and the secrets stay where they belong."""
import os
import re
import shutil
import sqlite3
import subprocess
import time

import pytest
from support import cluster as stand_in
from support.ends import End
from support.migration import Migration
from support.run import hold
from support.servers import Mongod, User

# Long enough to meet it in the middle.
SLOW = {"MVIMIG_FAULT": "journal-after-commit:sleep=60:1+"}


@pytest.fixture(scope="module")
def locked_server():
    """A destination that wants the login of the secret: the user is in MVI's database."""
    user = User("admin", "canary-password-8842", "DLAAS", ["readWrite", "dbAdmin"])
    with Mongod("6.0", users=[User("root", "root"), user]) as m:
        m.login = user
        yield m


@pytest.fixture
def world(make_ends, locked_server, mvimig, tmp_path):
    """A filled source, a destination with a login, and the cluster that it is in."""
    ends = make_ends(destination=locked_server)
    ends.destination.database = "DLAAS"
    ends.fill()
    cluster = stand_in.Cluster(tmp_path / "cluster", ends.destination, locked_server.login)
    mvimig.secrets |= {stand_in.TOKEN, locked_server.login.password}
    migration = Migration(ends, mvimig)
    migration.config = ends.write_config(destination=cluster.config())
    migration.cluster = cluster
    return migration


def run(world, command, *arguments, env=None, rc=0):
    return world.mvimig.run(command, *arguments, "-c", world.config,
                            env=world.cluster.env(**(env or {}))).expect(rc)


def plan(world, *options, rc=0):
    return run(world, "plan", "--server", "--name", world.name, "-o", world.plan_path, *options,
               rc=rc)


def test_migrates(world):
    told = plan(world)
    assert "inst1-mongodb.mas-inst1-visualinspection.svc:27017" in open(world.plan_path).read()
    run(world, "apply", world.plan_path)
    world.assert_arrived()
    run(world, "verify", world.plan_path, "--checksum")
    assert world.cluster.left_running() == []
    assert told.rc == 0


# By the number of requests that pass: two for each login, and one to see that it is up.
FORWARDS = {
    "drops": ["drop 40"],
    "hangs": ["hang 40", "pass"],
    "dies": ["fail", "refuse", "die 30", "fail", "die 40"],
}


@pytest.mark.parametrize("name", FORWARDS)
def test_forward_that_breaks(world, name):
    plan(world)
    world.cluster.forward(*FORWARDS[name])
    done = run(world, "apply", world.plan_path)
    world.assert_arrived()
    assert "starting it again" in done.stderr
    world.cluster.forward("pass")
    run(world, "verify", world.plan_path)
    assert world.cluster.left_running() == []


def test_all_of_it_while_the_forward_drops(world):
    """plan, apply and verify, in the one command of a container."""
    world.cluster.forward("drop 40")
    run(world, "run", "--server", "--name", world.name, "--then", "exit")
    world.assert_arrived()
    assert len(world.cluster.lines("listened")) > 3


def test_large_while_the_forward_drops_all_the_time(make_ends, locked_server, mvimig, tmp_path):
    """What is in flight is compared, and it goes on."""
    ends = make_ends(destination=locked_server)
    ends.destination.database = "DLAAS"
    ends.fill(scale="demo")
    cluster = stand_in.Cluster(tmp_path / "cluster", ends.destination, locked_server.login)
    mvimig.secrets |= {stand_in.TOKEN, locked_server.login.password}
    world = Migration(ends, mvimig)
    world.config, world.cluster = ends.write_config(destination=cluster.config()), cluster
    plan(world)
    cluster.forward("drop 15")
    run(world, "apply", world.plan_path, "--jobs", "2")
    starts = len(cluster.lines("listened"))
    cluster.forward("pass")
    world.assert_arrived()
    run(world, "verify", world.plan_path)
    assert starts > 6


def start_held(world, at, *nths):
    """An apply that waits at a fault point (base/fault.h) each of these times, and the files that hold
    it there."""
    held = [world.ends.path(f"held-{nth}") for nth in nths]
    faults = hold(at, dict(zip(nths, held)))
    return world.mvimig.start("apply", world.plan_path, "-c", world.config,
                              env=world.cluster.env(MVIMIG_FAULT=faults)), held


def test_forward_is_killed(world):
    plan(world)
    running, held = start_held(world, "restore.acknowledged", 3, 8, 13)
    for file in held:
        running.until_held(file)
        while not world.cluster.kill_forward():  # it is just being started again
            assert not running.ended()
            time.sleep(0.02)
        os.unlink(file)
    running.wait().ok()
    world.assert_arrived()


def test_killed_run_leaves_nothing_running(world):
    plan(world)
    running, (held,) = start_held(world, "attempt", "7+")
    running.until_held(held)
    assert world.cluster.left_running()
    assert running.kill9().rc == -9
    deadline = time.monotonic() + 30
    while world.cluster.left_running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert world.cluster.left_running() == []
    run(world, "apply", world.plan_path)
    world.assert_arrived()
    logins = {a["env"]["KUBECONFIG"] for a in world.cluster.asked()}
    assert len(logins) == 3 and not any(os.path.exists(os.path.dirname(p)) for p in logins)


def test_pod_is_replaced(world):
    """The files' pod goes and comes under another name while streams are open."""
    plan(world)
    cluster = world.cluster
    before = stand_in.FILES_POD
    after = before.replace("x2x7q", "zz9pl")
    running, (held,) = start_held(world, "source-read", "9+")
    running.until_held(held)
    cluster.pods = [p for p in cluster.pods if p["metadata"]["name"] != before]
    cluster.state["pods"] = {after: cluster.state["pods"][before]}
    cluster.save()
    assert cluster.live_execs(kill=True)
    os.unlink(held)
    time.sleep(1)
    cluster.pods.append(stand_in.pod(after, mounts=[world.ends.destination.data_dir]))
    cluster.save()
    running.wait().ok()
    world.assert_arrived()
    assert any(after in a["words"] for a in cluster.asked())


def test_rights_are_what_it_takes(world):
    """The Role that `deploy rights` prints is enough, and none of it is too much."""
    text = world.mvimig.run("deploy", "rights", "--namespace", stand_in.PROJECT).ok().stdout
    rights = set()
    for rule in text.split("- apiGroups:\n")[1:]:
        names = [line.strip()[2:] for line in rule.split("subjects:")[0].splitlines()
                 if line.strip().startswith("- ")]
        resource, verbs = names[1], names[2:]
        rights |= {f"{verb} {resource}" for verb in verbs if verb in ("get", "list", "create")}
    world.cluster.state["rights"] = sorted(rights)
    world.cluster.save()
    plan(world)
    run(world, "apply", world.plan_path)
    world.assert_arrived()
    # A client that speaks WebSockets opens these by a GET.
    assert world.cluster.verbs() == rights - {"get pods/exec", "get pods/portforward"}


@pytest.mark.parametrize("lost", ["right", "token"])
def test_refused_exec_ends_at_once(world, lost):
    """In mid-run too: it is for a person to mend, and the batch is not tried over and over."""
    plan(world)
    running, (held,) = start_held(world, "source-read", "9+")
    running.until_held(held)
    if lost == "right":
        world.cluster.state["rights"] = ["get pods", "list pods", "create pods/portforward",
                                         "get secrets", "list secrets"]
    else:
        world.cluster.state["token"] = "another"
    world.cluster.save()
    asked = len(world.cluster.asked())
    assert world.cluster.live_execs(kill=True)
    os.unlink(held)
    done = running.wait().expect(12)
    assert {"right": "deploy rights", "token": "take a new one"}[lost] in done.stderr
    again = [a for a in world.cluster.asked()[asked:] if "exec" in a["words"]]
    assert len(again) < 12, again  # one for each stream that was open, and no more
    world.cluster.state.update(rights=None, token=stand_in.TOKEN)
    world.cluster.save()
    run(world, "apply", world.plan_path)
    world.assert_arrived()


def traced(world, *arguments, slow=False):
    """Runs mvimig under strace; its lines."""
    trace = world.ends.path(f"trace-{arguments[0]}")
    probe = subprocess.run(["strace", "-f", "--seccomp-bpf", "-o", os.devnull, "true"], capture_output=True,
                           check=False) if shutil.which("strace") else None
    if probe is None or probe.returncode != 0:
        pytest.skip("strace is missing or may not trace here")
    done = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-v", "-y", "-qq", "-s", "65536", "-e", "trace=execve,openat,open,creat",
         "-o", trace, world.mvimig.path, *arguments], check=False, capture_output=True,
        cwd=world.mvimig.cwd, env=dict(os.environ, **world.cluster.env(**(SLOW if slow else {}))))
    assert done.returncode == 0, done.stderr[-4000:]
    with open(trace, errors="replace") as f:
        return f.read().splitlines(), done.stdout + done.stderr


OPENED = re.compile(r'open(?:at)?\((?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)", ([A-Z_|]+)')


def written_files(lines):
    """What was opened for writing and is still there."""
    for line in lines:
        found = OPENED.search(line)
        if found and re.search("O_WRONLY|O_RDWR|O_CREAT", found[3]):
            path = os.path.join(found[1] or "/", found[2])
            if os.path.isfile(path) and not path.startswith(("/dev/", "/proc/")):
                yield path


@pytest.mark.parametrize("mode", ["pass", "drop 30"])
def test_secrets_stay_out(world, mode):
    """Every argument vector, environment and file of a whole run, with all that it starts; also of
    one whose forward is started over and over."""
    world.cluster.forward(mode)
    secrets = [stand_in.TOKEN, world.ends.destination.server.login.password]
    scope = ["--server", "--name", world.name, "-o", world.plan_path]
    files, calls = set(), 0
    for arguments in (["plan", "-c", world.config, *scope],
                      ["apply", world.plan_path, "-c", world.config],
                      ["verify", world.plan_path, "-c", world.config]):
        lines, said = traced(world, *arguments, slow=mode != "pass")
        executed = [line for line in lines if "execve(" in line]
        calls += len(executed)
        assert any("port-forward" in line for line in executed)
        files |= set(written_files(lines))
        login = [line for line in lines if "mvimig-login-" in line and "O_CREAT" in line]
        assert login and all("0600" in line for line in login)
        for secret in secrets:
            assert not any(secret in line for line in lines)
            assert secret.encode() not in said
    assert mode == "pass" or len(world.cluster.lines("listened")) > 6
    assert calls > 20 and any(f.endswith("journal.db") for f in files)
    for path in files:
        with open(path, "rb") as f:
            data = f.read()
        assert not any(secret.encode() in data for secret in secrets), path
    world.assert_arrived()
    world.mvimig.assert_no_secret_below(world.work_dir, world.cluster.folder + "/pod")
    asked = world.cluster.asked()
    for secret in secrets:
        assert not any(secret in str(a) for a in asked)
    logins = {a["env"]["KUBECONFIG"] for a in asked}
    assert logins and not any(os.path.exists(path) for path in logins)


def test_insecure_is_told(world):
    world.cluster.state["self_signed"] = True
    world.cluster.save()
    assert "clusterCA" in plan(world, rc=2).stderr
    plan(world, "--insecure")
    assert "--insecure: the certificate" in run(world, "apply", world.plan_path,
                                                "--insecure").stderr
    db = sqlite3.connect(world.journal_path)
    assert db.execute("select count(*) from event where kind = 'insecure'").fetchone() == (1,)
    world.mvimig.run("audit", world.work_dir).ok()


SSH = """#!/usr/bin/env python3
import os, socket, sys, threading
words = sys.argv[1:]
open(os.path.dirname(os.path.abspath(sys.argv[0])) + "/asked", "a").write(repr(words) + "\\n")
assert words[-2:] == ["--", "mvi@old.example.com"] and "BatchMode=yes" in words
path, host, port = words[words.index("-L") + 1].split(":")
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
left = int(open("LIMIT").read()) if os.path.exists("LIMIT") else -1
def carry(a, b, asks):
    global left
    try:
        while data := a.recv(65536):
            b.sendall(data)
            left -= asks
            if left == 0:
                os._exit(255)
    except OSError:
        pass
    a.close(); b.close()
while True:
    here = listener.accept()[0]
    there = socket.create_connection((host, int(port)))
    for way in ((here, there, 1), (there, here, 0)):
        threading.Thread(target=carry, args=way, daemon=True).start()
"""


@pytest.mark.parametrize("requests", [None, 100])
def test_ssh_tunnel(ends, mvimig, tmp_path, requests):
    """The source's MongoDB as it is named on the host that ssh leads to; with each hundredth request
    the tunnel breaks."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    limit = folder / "limit"
    if requests:
        limit.write_text(str(requests))
    (folder / "ssh").write_text(SSH.replace("LIMIT", str(limit)))
    (folder / "ssh").chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}", **SLOW}
    migration = Migration(ends.fill(), mvimig)
    config = ends.write_config(source={"sshTunnel": "mvi@old.example.com"})
    mvimig.run("plan", "-c", config, "--server", "-o", migration.plan_path, "--name", "t",
               env=env).ok()
    mvimig.run("apply", migration.plan_path, "-c", config, env=env).ok()
    migration.assert_arrived()
    assert (folder / "asked").read_text().count("old.example.com") >= (3 if requests else 2)


@pytest.mark.parametrize("way", ["kubectl.sh", "environment", "mongoService"])
def test_standalone_source(ends, mvimig, tmp_path, way):
    """MongoDB of the old server, which the configuration does not name."""
    login = User("admin", "canary-old-password-1", "DLAAS", ["readWrite"])
    mvimig.secrets.add(login.password)
    with Mongod("4.2", users=[User("root", "root"), login]) as old:
        source = End(old, "DLAAS", ends.source.data_dir)
        source.fill()
        ends.destination.fill(role="destination")
        cluster = stand_in.Cluster(tmp_path / "cluster", source)
        os.rename(os.path.join(cluster.folder, "bin", "oc"),
                  os.path.join(cluster.folder, "bin", "kubectl.sh"))
        keys = {"mongoUri": None, "mongoDatabase": None, "mongoUser": "admin",
                "mongoPW": login.password}
        env = {"PATH": os.environ["PATH"]}
        if way == "kubectl.sh":
            env = cluster.env()
        elif way == "environment":
            env.update(VISION_MONGODB_SERVICE_HOST="127.0.0.1",
                       VISION_MONGODB_SERVICE_PORT=str(old.port))
        else:
            keys["mongoService"] = f"localhost:{old.port}"
        config = ends.write_config(source=keys)
        plan_path = ends.path("p.yaml")
        mvimig.run("plan", "-c", config, "--server", "--name", "t", "-o", plan_path, env=env).ok()
        mvimig.run("apply", plan_path, "-c", config, env=env).ok()
        assert ends.destination.db.DataSets.count_documents({}) >= \
            source.db.DataSets.count_documents({}) > 0


def test_source_in_a_cluster(make_ends, mvimig, tmp_path, locked_server):
    """MongoDB by its pods, the files mounted where it runs."""
    ends = make_ends(source=locked_server)
    ends.source.database = "DLAAS"
    ends.fill()
    cluster = stand_in.Cluster(tmp_path / "cluster", ends.source, locked_server.login)
    cluster.forward("drop 40")
    mvimig.secrets |= {stand_in.TOKEN, locked_server.login.password}
    migration = Migration(ends, mvimig)
    config = ends.write_config(source=cluster.config())
    mvimig.run("plan", "-c", config, "--server", "--name", "t", "-o", migration.plan_path,
               env=cluster.env()).ok()
    mvimig.run("apply", migration.plan_path, "-c", config, env=cluster.env(**SLOW)).ok()
    migration.assert_arrived()
    assert not any("exec" in a["words"] for a in cluster.asked())


@pytest.fixture(scope="module")
def replica_set():
    """Two members, of which one can be told to hand over to the other."""
    with Mongod("6.0", repl_set="rs") as first, Mongod("6.0", extra=["--replSet", "rs"]) as second:
        client = first.client(directConnection=True)
        config = client.admin.command("replSetGetConfig")["config"]
        config["version"] += 1
        config["members"].append({"_id": 1, "host": f"127.0.0.1:{second.port}"})
        client.admin.command("replSetReconfig", config)
        deadline = time.monotonic() + 60
        while [m["stateStr"] for m in client.admin.command("replSetGetStatus")["members"]] != \
                ["PRIMARY", "SECONDARY"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield first, second


def test_primary_of_several_pods(make_ends, mvimig, tmp_path, replica_set):
    """Forwarded to is the primary, also when it becomes another in mid-run."""
    first, second = replica_set
    ends = make_ends(destination=first).fill()
    cluster = stand_in.Cluster(tmp_path / "cluster", ends.destination)
    names = ["inst1-mongodb-0", "inst1-mongodb-1"]
    cluster.pods = [p for p in cluster.pods if "mongodb" not in p["metadata"]["name"]]
    cluster.pods += [stand_in.pod(n) for n in names]
    # The secondary is the first by name.
    cluster.state["ports"] = {f"{names[0]}:27017": second.port, f"{names[1]}:27017": first.port}
    cluster.save()
    migration = Migration(ends, mvimig)
    user = "canary-replica-password"
    first.client().admin.command("createUser", "u", pwd=user, roles=["root"])
    mvimig.secrets.add(user)
    migration.config = ends.write_config(destination=cluster.config(
        mongoUser="u", mongoPW=user, mongoAuthSource="admin"))
    run_plan = ["plan", "-c", migration.config, "--server", "--name", "t", "-o",
                migration.plan_path]
    mvimig.run(*run_plan, env=cluster.env()).ok()
    migration.cluster = cluster
    running, (held,) = start_held(migration, "attempt", "7+")
    running.until_held(held)
    first.client(directConnection=True).admin.command("replSetStepDown", 60,
                                                      secondaryCatchUpPeriodSecs=20, force=True)
    os.unlink(held)
    done = running.wait().ok()
    assert "is no primary; the next pod" in done.stderr
    migration.assert_arrived()


SERVICE = f"inst1-mongodb.{stand_in.PROJECT}.svc"


@pytest.mark.parametrize("name, says", [
    (SERVICE, None),
    ("other.svc", "is not made out for this host"),
], ids=["right", "other host"])
def test_tls_checks_the_true_name(make_ends, mvimig, tmp_path, name, says):
    """Behind the forward it is the name of the service that the certificate has to carry."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=ca",
            "-keyout", "ca.key", "-out", "ca.pem")
    (tmp_path / "ext").write_text(f"subjectAltName=DNS:{name}\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", "s.key", "-out",
            "s.csr")
    openssl("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "30", "-extfile", "ext", "-out", "s.crt")
    (tmp_path / "s.pem").write_bytes((tmp_path / "s.crt").read_bytes()
                                     + (tmp_path / "s.key").read_bytes())
    login = User("admin", "canary-tls-password", "DLAAS", ["readWrite", "dbAdmin"])
    mvimig.secrets.add(login.password)
    # Taken without TLS too, so that the test itself needs none.
    with Mongod("6.0", users=[User("root", "root"), login],
                extra=["--tlsMode", "preferTLS", "--tlsCertificateKeyFile",
                       str(tmp_path / "s.pem")]) as server:
        ends = make_ends(destination=server)
        ends.destination.database = "DLAAS"
        ends.fill()
        cluster = stand_in.Cluster(tmp_path / "cluster", ends.destination, login)
        migration = Migration(ends, mvimig)
        config = ends.write_config(destination=cluster.config(tlsCAFile=str(tmp_path / "ca.pem")))
        words = ["plan", "-c", config, "--server", "--name", "t", "-o", migration.plan_path]
        if says:
            assert says in mvimig.run(*words, env=cluster.env()).expect(13).stderr
            return
        mvimig.run(*words, env=cluster.env()).ok()
        mvimig.run("apply", migration.plan_path, "-c", config, env=cluster.env()).ok()
        migration.assert_arrived()
