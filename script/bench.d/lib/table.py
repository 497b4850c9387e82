# SPDX-License-Identifier: Apache-2.0
"""table.py FILE: the lines of JSON of all rows as one table, in Markdown."""
import json
import sys

HEAD = ["row", "work", "program", "seconds", "CPU s", "peak MB", "ratio", "more"]
FIGURES = ("seconds", "cpu_s", "peak_mb")


def number(value):
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def told(values):
    return ", ".join(f"{key.replace('_', ' ')} {number(value) if isinstance(value, (int, float)) else value}"
                     for key, value in values.items() if key not in FIGURES)


def lines_of(name, found):
    programs = {key: value for key, value in found.items() if isinstance(value, dict)}
    more = {key: value for key, value in found.items()
            if not isinstance(value, dict) and key != "work" and not key.startswith("ratio to ")}
    if not programs:
        programs = {"mvimig": {key: found[key] for key in FIGURES if key in found}}
    # What the work is stands once; below it only what is another program's.
    what = [name, found["work"]]
    for who, figures in programs.items():
        ratio = found.get(f"ratio to {who}")
        yield [*what, who, *(number(figures.get(key)) for key in FIGURES), number(ratio),
               "; ".join(filter(None, [told(more), told(figures)]))]
        what, more = ["", ""], {}


def table(path):
    rows = [HEAD]
    with open(path, encoding="utf-8") as f:
        for line in f:
            name, _, text = line.partition("\t")
            rows += lines_of(name, json.loads(text))
    rows.insert(1, ["---"] * len(HEAD))
    # A bar within a cell would begin the next one.
    rows = [[cell.replace("|", "\\|") for cell in r] for r in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) + " |" for r in rows)


if __name__ == "__main__":
    print(table(sys.argv[1]))
