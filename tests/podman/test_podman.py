# SPDX-License-Identifier: Apache-2.0
"""`podman kube play` of what `mvimig deploy --output-only` prints, with the image of packaging/image:
script/test podman starts this where podman is (tests/podman/enter)."""
import base64
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from support.migration import Migration
from support.run import ROOT

DATA = "/opt/powerai-vision/data"
OWNER = 4711
KILLS = 5
CONTAINER = "line3-pod-0-line3"
# Stretches a run, so that there are moments to meet.
HELD = "logs/migrations/held"  # as long as that file is there, each process waits at its third commit
FAULT = ("\n            - name: MVIMIG_FAULT"
         f"\n              value: 'journal-after-commit:hold={DATA}/{HELD}:3+'")


@pytest.fixture(autouse=True)
def _podman():
    if "CONTAINERS_STORAGE_CONF" not in os.environ:
        pytest.skip("there is no podman: script/test podman starts one")


def podman(*words, given=None):
    done = subprocess.run(["podman", *words], input=given, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


def inspect(what):
    return podman("inspect", CONTAINER, "--format", "{{" + what + "}}")


def wait_for(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    said = subprocess.run(["podman", "logs", CONTAINER], capture_output=True, text=True)
    raise AssertionError(f"waited {seconds} s for {what}\n{said.stdout[-3000:]}{said.stderr[-3000:]}")


def with_fault(manifests):
    text = re.sub(r"(?m)^ +env:\n +- name: HOME\n +value: /tmp$", lambda m: m[0] + FAULT, manifests)
    assert text != manifests
    return text


def decode_secret():
    """podman 4.3 lays the values of a Secret into the volume as they stand, in base64 still."""
    folder = podman("volume", "inspect", "line3-network", "--format", "{{.Mountpoint}}")
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with open(path, "rb") as f:
            content = base64.b64decode(f.read(), validate=True)
        with open(path, "wb") as f:
            f.write(content)


def one_volume(ends):
    """Both ends' files in the one claim there is: the destination's where no migration looks."""
    ends.source.fill()
    ends.destination.data_dir = os.path.join(ends.source.data_dir, "logs", "migrations", ".far")
    os.makedirs(ends.destination.data_dir)
    ends.destination.fill(role="destination")
    for folder, folders, files in os.walk(ends.source.data_dir):
        for name in [*folders, *files, "."]:
            path = os.path.join(folder, name)
            os.chown(path, OWNER, OWNER, follow_symlinks=False)
            if name == "mode-0000":
                os.chmod(path, 0o400)


KUBECTL = """#!/bin/sh
[ "$1 $2 $3 $4" = "apply --validate=false -f -" ] && exec cat >FOLDER/applied
"""


def test_image_file(mvimig, tmp_path):
    """`--image-file` loads the archive into podman, and the manifest names what was loaded."""
    names = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    image = next(n for n in names if n.startswith("localhost/mvimig:"))
    podman("rmi", "--force", image)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl").write_text(KUBECTL.replace("FOLDER", str(tmp_path)))
    (folder / "kubectl").chmod(0o755)
    # No docker that this machine may have, with whatever it is connected to.
    for name in ("podman", "cat", "sh", "runc", "conmon"):
        (folder / name).symlink_to(shutil.which(name))
    network = os.path.join(ROOT, "tests", "golden", "deploy", "network.json")
    made = mvimig.run("deploy", "run", "line6", "-c", network, "--server", "--chart", "c",
                      "--release", "r", "--pvc", "p", "--run-as", "1000:0", "--image-file",
                      os.environ["MVIMIG_IMAGE_ARCHIVE"], env={"PATH": str(folder)}).ok()
    assert f"image {image}" in made.stdout
    assert f'image: "{image}"' in (tmp_path / "applied").read_text()
    podman("image", "exists", image)
    # As the guide has it for a server where nothing is installed.
    printed = podman("run", "--rm", "--network", "host", "-v", f"{os.path.dirname(network)}:/w:ro",
                     image, "mvimig", "deploy", "run", "line6", "-c", "/w/network.json", "--server",
                     "--chart", "c", "--release", "r", "--pvc", "p", "--run-as", "1000:0",
                     "--output-only")
    assert printed.strip() == (tmp_path / "applied").read_text().strip()
    for program in ("rsync", "tar", "ssh", "mvimig-receive"):
        podman("run", "--rm", "--network", "host", image, "sh", "-c", f"command -v {program}")


def test_killed_and_restarted_by_podman(ends, mvimig):
    one_volume(ends)
    migration = Migration(ends, mvimig, "line3")
    # podman 4.3 knows no subPath: its volume is the folder of the data itself.
    podman("volume", "create", "vision-data-pvc", "--opt", "type=none", "--opt", "o=bind",
           "--opt", f"device={ends.source.data_dir}")
    config = ends.write_config(destination={
        "dataDir": f"{DATA}/logs/migrations/.far"})
    manifests = mvimig.run("deploy", "run", "line3", "-c", config, "--server", "--chart", "c",
                           "--release", "r", "--pvc", "vision-data-pvc", "--run-as",
                           f"{OWNER}:{OWNER}", "--output-only").ok().stdout
    podman("kube", "play", "--network", "host", "--start=false", "-", given=with_fault(manifests))
    decode_secret()
    held = os.path.join(ends.source.data_dir, HELD)
    open(held, "w", encoding="utf-8").close()
    podman("pod", "start", "line3-pod-0")

    for _ in range(KILLS):
        wait_for("the journal to go on", lambda: os.path.exists(f"{held}.met"))
        os.unlink(f"{held}.met")
        pid = int(inspect(".State.Pid"))
        os.kill(pid, signal.SIGKILL)
        wait_for("the restart", lambda: int(inspect(".State.Pid")) not in (0, pid))
    os.unlink(held)
    wait_for("the end", lambda: "idle: done" in podman("logs", CONTAINER) + subprocess.run(
        ["podman", "logs", CONTAINER], capture_output=True, text=True).stderr)
    assert int(inspect(".RestartCount")) >= KILLS
    assert migration.ask("select count(*) from step where state <> 'done'") == [(0,)]
    assert migration.ask("select count(*) from run")[0][0] > KILLS
    migration.assert_arrived()
    podman("pod", "rm", "--force", "line3-pod-0")
