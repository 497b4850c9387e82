#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each source begins with its licence: C in the first line, scripts in one of the first two."""

import re

import _tree

LICENCE = "SPDX-License-Identifier: Apache-2.0"
IN_C = re.compile(rf"^// {re.escape(LICENCE)}$")
IN_SCRIPT = re.compile(rf"^# {re.escape(LICENCE)}$")


def check_c(path, text):
    if not IN_C.match(text.split("\n", 1)[0]):
        yield f"{path}:1: the first line has to be: // {LICENCE}"


def check_script(path, text):
    if text and not any(IN_SCRIPT.match(line) for line in text.split("\n")[:2]):
        yield f"{path}:1: one of the first two lines has to be: # {LICENCE}"


def check_tree():
    for path in _tree.files(".c", ".h"):
        yield from check_c(path, _tree.read(path))
    for path in sorted(set(_tree.scripts()) | set(_tree.files(".cmake", "CMakeLists.txt"))):
        yield from check_script(path, _tree.read(path))


BAD = [
    (check_c, "base/x.c", "int x;\n"),
    (check_c, "base/x.c", f"\n// {LICENCE}\n"),
    (check_c, "base/x.c", f"// {LICENCE}-or-later\n"),
    (check_c, "base/x.c", ""),
    (check_script, "x.py", "#!/usr/bin/env python3\n\n# " + LICENCE + "\n"),
    (check_script, "x.sh", "#!/bin/sh\necho\n"),
]
GOOD = [
    (check_c, "base/x.c", f"// {LICENCE}\nint x;\n"),
    (check_script, "x.py", f"#!/usr/bin/env python3\n# {LICENCE}\n"),
    (check_script, "x.py", f"# {LICENCE}\n"),
    (check_script, "__init__.py", ""),
]

if __name__ == "__main__":
    _tree.main(check_tree, BAD, GOOD)
