# SPDX-License-Identifier: Apache-2.0
"""What the lints share: the files of the repository, C without comments, and how a lint runs."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = {".git", "build", ".venv", "__pycache__", ".pytest_cache", ".cache"}
LAYERS = ("base", "schema", "plans", "state", "site", "scan", "compiler", "executor", "commands")


def files(*suffixes):
    """Yields the paths below the root with one of the suffixes (all, when none is given)."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(d for d in folders if d not in SKIPPED)
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if not suffixes or name.endswith(suffixes):
                yield path


def scripts():
    """Yields the shell and Python scripts, those without a suffix included."""
    for path in files():
        full = os.path.join(ROOT, path)
        if path.endswith((".py", ".sh")):
            yield path
        elif "." not in os.path.basename(path) and os.path.isfile(full):
            with open(full, "rb") as f:
                if f.read(2) == b"#!":
                    yield path


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def code_of(text, keep_strings=False):
    """C source with comments (and the insides of strings) blanked; lines and columns stay."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            if keep_strings:
                return found
            return found[0] + " " * (len(found) - 2) + found[-1]
        return re.sub(r"[^\n]", " ", found)
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, blank, text, flags=re.S)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def main(check_tree, bad_samples, good_samples=()):
    """Runs a lint. check_tree() yields "file:line: message". A sample is (check, arguments...):
    with --self-test every bad one has to be refused and every good one has to pass."""
    if "--self-test" in sys.argv[1:]:
        failed = 0
        for expected, samples in ((True, bad_samples), (False, good_samples)):
            for check, *arguments in samples:
                if bool(list(check(*arguments))) != expected:
                    failed += 1
                    verb = "passed" if expected else "was refused"
                    print(f"self-test: this {verb}: {arguments!r}", file=sys.stderr)
        print(f"{len(bad_samples)} bad and {len(good_samples)} good samples, {failed} misjudged")
        sys.exit(1 if failed else 0)
    problems = list(check_tree())
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)
