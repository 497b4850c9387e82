#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every C file is as clang-format leaves it. Mend with: clang-format -i FILE"""

import os
import re
import shutil
import subprocess
import sys

import _tree

TOOL = os.environ.get("CLANG_FORMAT", "clang-format")


def report(text):
    for path, line in re.findall(r"^(.+?):(\d+):\d+: error:", text, re.M):
        yield f"{os.path.relpath(path, _tree.ROOT)}:{line}: not as clang-format leaves it"


def check_text(path, text):
    done = subprocess.run([TOOL, "--dry-run", "-Werror", f"--assume-filename={path}"], input=text,
                          cwd=_tree.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"{path}:1: not as clang-format leaves it"


def check_tree():
    paths = [os.path.join(_tree.ROOT, path) for path in _tree.files(".c", ".h")]
    done = subprocess.run([TOOL, "--dry-run", "-Werror", *paths], cwd=_tree.ROOT,
                          capture_output=True, text=True, check=False)
    problems = sorted(set(report(done.stderr)))
    yield from problems
    if done.returncode and not problems:
        yield f"{TOOL}:1: {done.stderr.strip()}"


BAD = [
    (check_text, "base/x.c", "int  x;\n"),
    (check_text, "base/x.h", "int f( int a );\n"),
]
GOOD = [(check_text, "base/x.c", "int x;\n")]

if __name__ == "__main__":
    if shutil.which(TOOL) is None:
        print(f"{TOOL} is not installed", file=sys.stderr)
        sys.exit(77)
    _tree.main(check_tree, BAD, GOOD)
