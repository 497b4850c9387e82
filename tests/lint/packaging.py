#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The two ways to the image, packaging/Containerfile and packaging/image, make the same: programs,
user, command, folder; and the Containerfile takes every library that the build is made with."""

import re

import _tree

# Where Debian has what packaging/image takes from this machine.
PACKAGES = {"tar": "tar", "rsync": "rsync", "ssh": "openssh-client"}


def words(pattern, text):
    found = re.search(pattern, text)
    return found[1].split() if found else []


def check(containerfile, image, packages):
    path = "packaging/Containerfile"
    joined = re.sub(r"\\\n\s*", "", containerfile)
    programs = words(r"for program in ([a-z ]+); do", image)
    if not programs:
        yield "packaging/image:1: no list of programs"
    taken = {PACKAGES.get(p, p) for p in programs} | {"ca-certificates"}
    there = {w for w in words(r"--no-install-recommends /tmp/\S+\.deb ([^&]*)&&", joined)}
    for name in sorted(taken ^ there):
        yield f"{path}:1: {name} is in one of the images alone"
    if words(r"--user (\d+)", image) != words(r"(?m)^USER (.*)$", joined):
        yield f"{path}:1: USER is not that of packaging/image"
    command = words(r"--user \d+ \\?\s*([a-z ]+)\n", image)
    if command != re.findall(r'"([^"]+)"', "".join(words(r"(?m)^CMD (.*)$", joined))):
        yield f"{path}:1: CMD is not that of packaging/image"
    for folder in re.findall(r'mkdir -p "\$root(/opt[^"]*)"', image):
        if folder not in joined:
            yield f"{path}:1: {folder} is not made"
    chosen = re.compile((words(r"grep -E '([^']*)'", joined) or ["$^"])[0])
    for name in packages.split("# Tests")[0].split("\n"):
        if re.fullmatch(r"lib.*-dev|gcc|cmake|ninja-build|pkg-config|binutils", name) and \
                not chosen.search(name):
            yield f"{path}:1: the build is made without {name}"


def check_tree():
    yield from check(*map(_tree.read, ("packaging/Containerfile", "packaging/image",
                                       "script/lib/debian-packages.txt")))


IMAGE = 'for program in tar rsync; do\nmkdir -p "$root/opt/a"\nimage.py --user 1001 \\\n    a b\n'
FILE = """RUN x | grep -E '^(gcc|lib.*-dev)$' | y
RUN apt-get install --no-install-recommends /tmp/a_*.deb \\
    ca-certificates rsync tar && mkdir /opt/a
USER 1001
CMD ["a", "b"]
"""
BAD = [
    (check, FILE.replace("rsync ", ""), IMAGE, "gcc\n"),
    (check, FILE.replace("rsync ", "rsync nano "), IMAGE, "gcc\n"),
    (check, FILE, IMAGE.replace("tar rsync", "tar rsync ssh"), "gcc\n"),
    (check, FILE.replace("USER 1001", "USER 0"), IMAGE, "gcc\n"),
    (check, FILE.replace('"b"', '"c"'), IMAGE, "gcc\n"),
    (check, FILE.replace("/opt/a", "/opt/b"), IMAGE, "gcc\n"),
    (check, FILE, IMAGE, "cmake\n"),
]
GOOD = [(check, FILE, IMAGE, "gcc\nliba-dev\n# Tests\nnano\n")]

if __name__ == "__main__":
    _tree.main(check_tree, BAD, GOOD)
