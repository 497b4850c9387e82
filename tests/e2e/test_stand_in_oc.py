# SPDX-License-Identifier: Apache-2.0
"""The stand-in for oc does what the tests that use it rely on."""
import json
import os
import socket
import subprocess
import threading

import pytest
from support import cluster as stand_in


class FakeEnd:
    class server:
        port = 0
    data_dir = "/data"


@pytest.fixture
def cluster(tmp_path):
    made = stand_in.Cluster(tmp_path / "cluster", FakeEnd)
    login = {"clusters": [{"cluster": {"server": stand_in.URL}}],
             "users": [{"user": {"token": stand_in.TOKEN}}]}
    (tmp_path / "login").write_text(json.dumps(login))
    made.login = tmp_path / "login"
    return made


def call(cluster, *words, **options):
    return subprocess.run(["oc", "-n", stand_in.PROJECT, *words], capture_output=True, check=False,
                          env=dict(os.environ, **cluster.env(), KUBECONFIG=str(cluster.login)),
                          **options)


def test_get_and_rights(cluster):
    names = [p["metadata"]["name"]
             for p in json.loads(call(cluster, "get", "pods", "-o", "json").stdout)["items"]]
    assert stand_in.MONGO_POD in names
    assert b"NotFound" in call(cluster, "get", "secret", "none", "-o", "json").stderr
    assert cluster.verbs() == {"list pods", "get secrets"}
    cluster.state["rights"] = ["list pods"]
    cluster.save()
    assert call(cluster, "get", "pods", "-o", "json").returncode == 0
    assert b"Forbidden" in call(cluster, "get", "secrets", "-o", "json").stderr
    cluster.login.write_text(cluster.login.read_text().replace(stand_in.TOKEN, "x"))
    assert b"Unauthorized" in call(cluster, "get", "pods", "-o", "json").stderr


def test_exec_runs_in_the_pods_folder(cluster):
    done = call(cluster, "exec", "-i", stand_in.FILES_POD, "-c", "main", "--", "sh", "-c",
                "cat; pwd; echo $KUBECONFIG", input=b"in ")
    assert done.stdout.decode() == f"in {cluster.state['pods'][stand_in.FILES_POD]}\n\n"


@pytest.mark.parametrize("mode", ["pass", "drop 2", "die 2", "hang 2"])
def test_port_forward(cluster, mode):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def echo():
            while True:
                try:
                    s = server.accept()[0]
                except OSError:
                    return
                s.sendall(s.recv(100))
        threading.Thread(target=echo, daemon=True).start()
        cluster.state["ports"] = {f"{stand_in.MONGO_POD}:27017": server.getsockname()[1]}
        cluster.save()
        cluster.forward(mode)
        with subprocess.Popen(
                ["oc", "-n", stand_in.PROJECT, "port-forward", "pod/" + stand_in.MONGO_POD,
                 "--address", "127.0.0.1", ":27017"], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(os.environ, **cluster.env(), KUBECONFIG=str(cluster.login))) as p:
            try:
                line = p.stdout.readline().decode()
                assert line.startswith("Forwarding from 127.0.0.1:")
                port = int(line.split(":")[1].split(" ")[0])
                with socket.create_connection(("127.0.0.1", port)) as s:
                    s.sendall(b"ping")
                    assert s.recv(10) == b"ping"
                with socket.create_connection(("127.0.0.1", port)) as s:
                    s.sendall(b"ping")
                    if mode == "pass":
                        assert s.recv(10) == b"ping"
                    elif mode == "hang 2":
                        s.settimeout(0.5)
                        with pytest.raises(TimeoutError):
                            s.recv(10)
                    else:
                        assert p.wait(30) == {"drop 2": 1, "die 2": -9}[mode]
                assert len(cluster.left_running()) == (mode in ("pass", "hang 2"))
            finally:
                p.kill()
