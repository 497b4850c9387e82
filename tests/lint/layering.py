#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A layer includes what it may see and nothing else: of ours, and of other people's libraries.

cmake/Layers.cmake links by the same table; both are compared here, too.
"""

import re

import _tree

SEES = {
    "base": [],
    "schema": ["base"],
    "plans": ["base", "schema"],
    "state": ["base", "schema", "plans"],
    "site": ["base", "schema", "plans", "state"],
    "scan": ["base", "schema", "plans", "state", "site"],
    "compiler": ["base", "schema", "plans"],
    "executor": ["base", "schema", "plans", "state", "site"],
    "commands": ["base", "schema", "plans", "state", "site", "scan", "compiler", "executor"],
}

# Beginnings of the headers of libraries, and the layers that may include them.
LIBRARIES = {
    "openssl/": ["base"],
    "yaml.h": ["base"],
    "jansson.h": list(SEES),
    "pcre2.h": ["schema"],
    "sqlite3.h": ["state"],
    "mongoc/": ["site"],
    "bson/": ["site", "scan", "executor"],
    "archive": ["site"],
    "curl/": ["site"],
    "zstd": ["site", "executor"],
    "xxhash.h": ["base"],
    "cmocka.h": [],
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def own_layer(path):
    """The layer a file counts to, and whether it is a test of that layer."""
    parts = path.split("/")
    if len(parts) > 1 and parts[0] in SEES:
        return parts[0], False
    if parts[:2] == ["tests", "unit"]:
        layer = re.split(r"[_.]", parts[-1])[0]
        return (layer if layer in SEES else None), True
    if path == "mvimig.c":
        return "commands", False
    return None, False


def check_quoted(name, layer):
    folder = name.split("/")[0]
    if "/" not in name or folder in (".", ".."):
        return f'"{name}": the include has to carry its folder'
    if folder not in SEES:
        return None
    if folder != layer and folder not in SEES[layer]:
        return f'"{name}": {layer} may not see {folder}'
    return None


def check_library(name, layer, is_test):
    for start, layers in LIBRARIES.items():
        if name.startswith(start):
            if layer in layers or (is_test and (start == "cmocka.h" or allowed_below(layers, layer))):
                return None
            return f"<{name}>: not for {layer}; for {', '.join(layers) or 'tests'}"
    return None


def allowed_below(layers, layer):
    """A test may set up with the libraries of the layers that its own layer sees."""
    return any(below in layers for below in SEES[layer])


def check_file(path, text):
    layer, is_test = own_layer(path)
    if layer is None:
        return
    code = _tree.code_of(text, keep_strings=True)
    for match in INCLUDE.finditer(code):
        mark, name = match.groups()
        if mark == '"' and is_test and "/" not in name:
            continue  # a helper beside the test
        problem = check_quoted(name, layer) if mark == '"' else check_library(name, layer, is_test)
        if problem:
            yield f"{path}:{_tree.line_of(code, match.start(1))}: {problem}"


def check_cmake(text):
    for layer, seen in SEES.items():
        found = re.search(rf"^set\(MVIMIG_SEES_{layer}\b([^)]*)\)", text, re.M)
        if not found or found.group(1).split() != seen:
            yield f"cmake/Layers.cmake:1: MVIMIG_SEES_{layer} is not what tests/lint/layering.py says"


def check_tree():
    yield from check_cmake(_tree.read("cmake/Layers.cmake"))
    for path in _tree.files(".c", ".h"):
        yield from check_file(path, _tree.read(path))


BAD = [
    (check_file, "base/x.c", '#include "schema/model.h"\n'),
    (check_file, "compiler/x.c", '#include "state/journal.h"\n'),
    (check_file, "compiler/x.h", '# include "site/site.h"\n'),
    (check_file, "executor/x.c", '#include "base/err.h"\n#include "scan/scan.h"\n'),
    (check_file, "scan/x.c", '#include "executor/step.h"\n'),
    (check_file, "state/x.c", '#include "journal.h"\n'),
    (check_file, "state/x.c", '#include "../base/err.h"\n'),
    (check_file, "plans/x.c", "#include <sqlite3.h>\n"),
    (check_file, "commands/x.c", "#include <mongoc/mongoc.h>\n"),
    (check_file, "schema/x.c", "#include <yaml.h>\n"),
    (check_file, "base/x.c", "#include <cmocka.h>\n"),
    (check_file, "tests/unit/plans_x.c", '#include "state/journal.h"\n'),
    (check_file, "tests/unit/plans_x.c", "#include <sqlite3.h>\n"),
    (check_cmake, "set(MVIMIG_SEES_base schema)\n"),
]
GOOD = [
    (check_file, "base/x.c", '#include "base/err.h"\n#include <openssl/evp.h>\n'),
    (check_file, "commands/x.c", '#include "executor/step.h"\n#include "scan/scan.h"\n'),
    (check_file, "base/x.c", '// #include "schema/model.h"\n'),
    (check_file, "executor/x.c", '#include <bson/bson.h>\n#include <zstd.h>\n'),
    (check_file, "tests/unit/state_x.c", '#include <cmocka.h>\n#include "plans/plan.h"\n'),
    (check_file, "mvimig.c", '#include "commands/command.h"\n'),
]

if __name__ == "__main__":
    _tree.main(check_tree, BAD, GOOD)
