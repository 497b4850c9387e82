#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""image.py NAME FOLDER ARCHIVE [--user UID] COMMAND...: an image from a folder of programs for this
machine's architecture.

The archive is what `docker save` writes, of one layer; docker, podman and containerd load it. No
engine is needed, and the same folder gives the same bytes. Everything in it belongs to root.
"""
import hashlib
import io
import json
import os
import platform
import sys
import tarfile

# As images call what `uname -m` says.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def layer_of(folder):
    out = io.BytesIO()

    def plain(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = 0
        return info

    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for base, folders, files in os.walk(folder):
            folders.sort()
            links = [f for f in folders if os.path.islink(os.path.join(base, f))]
            for name in [""] * (base != folder) + sorted(files + links):
                path = os.path.join(base, name) if name else base
                tar.add(path, os.path.relpath(path, folder), recursive=False, filter=plain)
    return out.getvalue()


def add(tar, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def write(name, folder, archive, command, user):
    layer = layer_of(folder)
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps({
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": command, "User": user},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
        "history": [{"created": "1970-01-01T00:00:00Z"}],
    }).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [digest + ".tar"]}]
    with tarfile.open(archive + ".new", "w") as tar:
        add(tar, config_name, config)
        add(tar, digest + ".tar", layer)
        add(tar, "manifest.json", json.dumps(manifest).encode())
    os.rename(archive + ".new", archive)


def main(words):
    user = ""
    if "--user" in words:
        at = words.index("--user")
        user = words[at + 1]
        del words[at:at + 2]
    if len(words) < 4:
        raise SystemExit(__doc__)
    write(words[0], words[1], words[2], words[3:], user)


if __name__ == "__main__":
    main(sys.argv[1:])
