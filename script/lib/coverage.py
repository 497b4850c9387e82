# SPDX-License-Identifier: Apache-2.0
"""coverage.py ROOT FILE: the figures of script/coverage out of what llvm-cov exports: lines and
branches for each folder, and the functions with most regions of code that never ran."""
import collections
import json
import os
import sys

KINDS = ("lines", "branches")
WORST = 60


def folder_of(path, root):
    return os.path.dirname(os.path.relpath(path, root)) or "."


def folders(files, root):
    sums = collections.defaultdict(lambda: {kind: [0, 0] for kind in KINDS})
    for file in files:
        for kind in KINDS:
            part = file["summary"][kind]
            for name in (folder_of(file["filename"], root), "all"):
                sums[name][kind][0] += part["covered"]
                sums[name][kind][1] += part["count"]
    return sums


def share(pair):
    return f"{100 * pair[0] / pair[1]:.1f} %" if pair[1] else "-"


def never_ran(functions, root):
    """(lines that never ran, file, function): of a function that several programs hold, the sum of
    what ran in any of them."""
    lines = collections.defaultdict(dict)
    for function in functions:
        if function["filenames"][0].startswith(os.path.join(root, "tests") + os.sep):
            continue
        where = (os.path.relpath(function["filenames"][0], root), function["name"].split(":")[-1])
        for first, _, last, _, count, file, _, kind in function["regions"]:
            if file == 0 and kind == 0:
                for n in range(first, last + 1):
                    key = (first, n)
                    lines[where][key] = max(lines[where].get(key, 0), count)
    for (path, name), counts in lines.items():
        # Of the regions that a line lies in, the innermost one starts last.
        inner = {}
        for first, n in counts:
            inner[n] = max(inner.get(n, 0), first)
        missed = sum(1 for n, first in inner.items() if counts[first, n] == 0)
        if missed:
            yield missed, len(inner), path, name


def main(root, path):
    with open(path, encoding="utf-8") as f:
        data = json.load(f)["data"][0]
    print("| folder | lines | run | branches | both ways |\n|---|---|---|---|---|")
    for name, sums in sorted(folders(data["files"], root).items()):
        print(f"| {name} | {sums['lines'][1]:,} | {share(sums['lines'])} "
              f"| {sums['branches'][1]:,} | {share(sums['branches'])} |")
    print("\nlines that never ran, by function:")
    for missed, of, file, name in sorted(never_ran(data["functions"], root), reverse=True)[:WORST]:
        print(f"{missed:4} of {of:3}  {file}: {name}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
