#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks the compiler's rules one at a time and looks whether a test of plans notices.

    mutate.py [--every N] [--from K] [--scopes] [FILE...]

FILEs are of compiler/ and schema/mvi.yaml (default: those that hold rules). Each mutation is put to the
tests of plans that need no server, in a folder of its own (build/mutate): only what is altered is built
again, test by test until one notices, and the schema, which these tests read from its file, not at all. With --scopes,
what those pass is put to the scopes that are moved between real servers as well: names of fields are
the scan's, and a plan without a server does not see them. What no test notices is printed with its
line; the exit status is 1 then. The tree itself is not touched.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = ["schema/mvi.yaml", "compiler/closure.c", "compiler/rules.c", "compiler/scope.c",
         "compiler/sets.c", "compiler/steps.c", "compiler/steps_delete.c",
         "compiler/steps_documents.c", "compiler/steps_files.c", "compiler/steps_paths.c"]
TESTS = ["test_compiler_golden", "test_compiler_rules", "test_compiler_any",
         "test_commands_recorded"]
SCOPES = ["tests/e2e/test_scopes.py", "tests/e2e/test_scan.py"]
TREE = os.path.join(ROOT, "build", "mutate")

# What is looked for in C, and what stands in its place.
SWAPS = [(r" && ", " || "), (r" \|\| ", " && "), (r" == ", " != "), (r" != ", " == "),
         (r" < ", " >= "), (r" > ", " <= "), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
         (r"(?<=[(&| ])!(?=[a-z(])", ""), (r"\bcontinue;", ";"), (r"\bMODEL_TOP\b", "MODEL_SECOND"),
         (r"CONFLICT_REPLACE", "CONFLICT_KEEP"), (r"CONFLICT_KEEP", "CONFLICT_REPLACE")]


def parts(line):
    """Where each part of each {mapping} and [list] of a line begins and ends."""
    begun, quoted = [], False
    for i, char in enumerate(line):
        quoted ^= char == '"'
        if quoted:
            continue
        if char in "{[":
            begun.append(i + 1)
        elif char in "}]," and begun:
            yield begun[-1], i
            if char == ",":
                begun[-1] = i + 2
            else:
                begun.pop()


def yaml_mutations(lines, n):
    """A line left out; a part of a mapping or list left out; a value that is another."""
    line, bare = lines[n], lines[n].strip()
    if not bare or bare.startswith("#") or re.match(r"(mvimig-schema|name|version): ", line):
        return
    if not re.match(r"[a-z-]+:( .*)?$", line):
        yield "", f"without: {bare}"
    for start, end in parts(line):
        last = line[start - 2:start] == ", "
        yield (line[:start - 2] + line[end:] if last else line[:start] + line[end:].removeprefix(
            ", "), f"without: {line[start:end]}")
    for m in re.finditer(r'(?<=: )(?:"([^"]+)"|([A-Za-z_/-]+)(?=[,}]|$))', line):
        at = m.lastindex
        if m.group(at) not in ("true", "_id"):
            yield (line[:m.end(at) - 1] + ("y" if m.group(at)[-1] == "x" else "x") +
                   line[m.end(at):], f"{bare}: another {m.group(at)}")


def mutations(path):
    """(line number, text of the whole file as mutated, what was done)."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        lines = f.read().split("\n")
    for n, line in enumerate(lines):
        bare = line.strip()
        if path.endswith(".yaml"):
            for new, what in yaml_mutations(lines, n):
                yield n + 1, lines[:n] + [new] + lines[n + 1:], what
            continue
        if bare.startswith(("//", "#", "*")):
            continue
        code = line.split(" // ")[0]
        for pattern, other in SWAPS:
            for m in re.finditer(pattern, code):
                if '"' in code[:m.start()] and code[:m.start()].count('"') % 2:
                    continue
                new = line[:m.start()] + other + line[m.end():]
                yield (n + 1, lines[:n] + [new] + lines[n + 1:],
                       f"{bare}  ->  {new.strip()}")


def run(*command, seconds=300, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds, text=True, errors="replace", **more)


def prepare():
    """A copy of what is committed or not, less what is built, so that the tree stays as it is."""
    shutil.rmtree(TREE, ignore_errors=True)
    os.makedirs(TREE)
    names = run("git", "-C", ROOT, "ls-files", "-z").stdout.split("\0")
    for name in filter(os.path.lexists, (os.path.join(ROOT, n) for n in filter(None, names))):
        to = os.path.join(TREE, os.path.relpath(name, ROOT))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy2(name, to, follow_symlinks=False)
    for command in (["cmake", "--preset", "dev", "-DCMAKE_C_FLAGS_DEBUG=-O0"],
                    ["cmake", "--build", "build/dev", "--target", *TESTS]):
        done = run(*command, cwd=TREE, seconds=1800)
        if done.returncode != 0:
            sys.exit(done.stdout[-3000:])


def builds(path, test):
    """The commands that bring a test up to date when this one file of C was altered."""
    if not path.endswith(".c"):
        return []
    build, layer = os.path.join(TREE, "build", "dev"), path.split("/")[0]
    all_of_it = run("ninja", "-C", build, "-t", "commands", test).stdout.splitlines()
    part = [c for c in all_of_it if f"/{path} " in c + " " and " -c " in c
            or f"qc {layer}/lib{layer}.a" in c]
    return [f"cd {build} && ( {c} )" for c in (*part, all_of_it[-1])]


def noticed(commands, scopes):
    """How a mutation was noticed: 'build', the name of a test, or None."""
    try:
        for test in TESTS:
            for command in commands[test]:
                if run("sh", "-c", command).returncode != 0:
                    return "build"
            if run(os.path.join(TREE, "build", "dev", test), cwd=TREE, seconds=60).returncode != 0:
                return test
    except subprocess.TimeoutExpired:
        return "timeout"
    return scopes_notice() if scopes else None


def scopes_notice():
    program = os.path.join(TREE, "build", "dev", "mvimig")
    if run("cmake", "--build", "build/dev", "--target", "mvimig", cwd=TREE).returncode != 0:
        return "build"
    done = run(sys.executable, "-m", "pytest", "-q", "-x", "-c", "tests/e2e/pytest.ini",
               "--rootdir", "tests/e2e", *SCOPES, cwd=TREE,
               env=dict(os.environ, MVIMIG_BIN=program))
    return "scopes" if done.returncode != 0 else None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("files", nargs="*", default=FILES)
    p.add_argument("--scopes", action="store_true")
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--from", type=int, default=0, dest="first")
    o = p.parse_args()
    prepare()
    if noticed({test: [] for test in TESTS}, o.scopes) is not None:
        sys.exit("the tests fail before anything was changed")
    tried, how, survived = 0, {}, []
    for path in o.files:
        target = os.path.join(TREE, path)
        commands = {test: builds(path, test) for test in TESTS}
        for n, (line, text, what) in enumerate(mutations(path)):
            if n % o.every != o.first % o.every:
                continue
            with open(target, "w", encoding="utf-8") as f:
                f.write("\n".join(text))
            by = noticed(commands, o.scopes)
            tried += 1
            how[by] = how.get(by, 0) + 1
            if by is None:
                survived.append(f"{path}:{line}: {what}")
                print("not noticed:", survived[-1], flush=True)
        shutil.copy2(os.path.join(ROOT, path), target)
        for test in TESTS:
            for command in commands[test]:
                run("sh", "-c", command)
        print(f"{path}: {tried} mutations so far, {len(survived)} not noticed", flush=True)
    print(f"{tried} mutations:", ", ".join(f"{n} by {k}" for k, n in how.items() if k),
          f"; {len(survived)} not noticed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
