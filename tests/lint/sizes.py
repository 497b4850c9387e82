#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No file over 600 lines, no C function over 80 lines between its braces."""

import re

import _tree

FILE_MAX = 600
FUNCTION_MAX = 80

# "path" or "path:function": the reason why it may be longer.
ALLOWED = {}


def functions(text):
    """Yields (name, first line, lines between the braces) of each function definition."""
    code = _tree.code_of(text)
    code = re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  code)
    depth, head_from, opened = 0, 0, None
    for match in re.finditer(r"[{};]", code):
        mark = match.group(0)
        if mark == "{":
            if depth == 0:
                head = code[head_from:match.start()].strip()
                named = re.search(r"(\w+)\s*\((?!.*=)", head, re.S)
                opened = None
                if head.endswith(")") and named and not re.search(r"=\s*$", head):
                    opened = (named.group(1), _tree.line_of(code, match.start()))
            depth += 1
        elif mark == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                if opened:
                    line = _tree.line_of(code, match.start())
                    yield opened[0], opened[1], max(line - opened[1] - 1, 0)
                opened, head_from = None, match.end()
        elif depth == 0:
            head_from = match.end()


def check_file(path, text, file_max=FILE_MAX, function_max=FUNCTION_MAX):
    lines = text.count("\n")
    if lines > file_max and path not in ALLOWED:
        yield f"{path}:{lines}: {lines} lines, {file_max} are allowed: split it by its nouns"
    if not path.endswith((".c", ".h")):
        return
    for name, line, length in functions(text):
        if length > function_max and f"{path}:{name}" not in ALLOWED:
            yield f"{path}:{line}: {name}() has {length} lines, {function_max} are allowed"


def check_allowed():
    for entry, reason in ALLOWED.items():
        path = entry.split(":")[0]
        if not reason:
            yield f"tests/lint/sizes.py:1: {entry} is allowed without a reason"
        if path not in set(_tree.files(".c", ".h", ".py", ".sh")) | set(_tree.scripts()):
            yield f"tests/lint/sizes.py:1: {entry} is allowed, but not there"


def check_tree():
    yield from check_allowed()
    for path in sorted(set(_tree.files(".c", ".h")) | set(_tree.scripts())):
        yield from check_file(path, _tree.read(path))


LONG = "    x();\n" * (FUNCTION_MAX + 1)
FITS = "    x();\n" * FUNCTION_MAX
BAD = [
    (check_file, "base/x.c", "// x\n" * (FILE_MAX + 1)),
    (check_file, "script/x.sh", "# x\n" * (FILE_MAX + 1)),
    (check_file, "base/x.c", "static int f(int a,\n             int b)\n{\n" + LONG + "}\n"),
    (check_file, "base/x.c", "int g(void) {\n}\nvoid f(void) {\n    if (a) {\n    }\n" + LONG + "}\n"),
    (check_file, "base/x.c", "static struct a t[] = {{1}};\nint f(void) {\n" + LONG + "}\n"),
    (check_file, "base/x.c", '#define A "{"\nint f(void) {\n    char c = \'}\';\n' + LONG + "}\n"),
]
GOOD = [
    (check_file, "base/x.c", "// x\n" * FILE_MAX),
    (check_file, "base/x.c", "int f(void) {\n" + FITS + "}\n" + "int g(void) {\n" + FITS + "}\n"),
    (check_file, "base/x.c", "static const int t[] = {\n" + "    1,\n" * 100 + "};\n"),
    (check_file, "base/x.c", "struct s {\n" + "    int a;\n" * 100 + "};\n"),
]

if __name__ == "__main__":
    _tree.main(check_tree, BAD, GOOD)
