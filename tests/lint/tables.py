#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Options, commands, step kinds and exit codes agree with the documents and with the help.

The tables in the code are the truth: docs/options.md and docs/exit-codes.md hold what they expand
to between markers (`--write` brings them up to date), and, where the program is built, the help of
every command lists just its options.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

ROW = re.compile(r'OPTION\("([^"]+)",\s*(0|\'.\'),\s*(\w+),\s*(\w+),\s*(NULL|"[^"]*"),\s*'
                 r'((?:C_\w+[\s|]*)+),\s*((?:"[^"]*"\s*)+)\)')
COMMAND = re.compile(r'const struct command command_(\w+) = \{\s*\.name = "(\w+)",\s*\.bit = (C_\w+),'
                     r'\s*\.synopsis = ((?:"[^"]*"\s*)+),\s*\.summary = ((?:"[^"]*"\s*)+),')
CODE = re.compile(r'ERRCODE\((\w+), (-\d+), (\d+), "([^"]*)"\)')


def text_of(literals):
    return "".join(re.findall(r'"([^"]*)"', literals))


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


def options(root):
    source = read(root, "commands/options.tbl.h")
    rows = []
    for name, letter, kind, _field, argument, commands, help_text in ROW.findall(source):
        rows.append({"name": name, "letter": letter.strip("'") if letter != "0" else "",
                     "argument": "" if argument == "NULL" else argument.strip('"'),
                     "commands": re.findall(r"C_\w+", commands), "help": text_of(help_text)})
    if len(rows) != source.count("OPTION(\""):
        raise SystemExit("commands/options.tbl.h: a row is not of the form that this test reads")
    return rows


def commands(root):
    found = []
    folder = os.path.join(root, "commands")
    for file in sorted(os.listdir(folder)):
        if file.startswith("cmd_") and file.endswith(".c"):
            m = COMMAND.search(read(root, "commands/" + file))
            if m is None:
                raise SystemExit(f"commands/{file}: no command in it that this test can read")
            found.append({"name": m[2], "bit": m[3], "synopsis": text_of(m[4]),
                          "summary": text_of(m[5])})
    table = re.findall(r"&command_(\w+)", read(root, "commands/table.c"))
    if sorted(table) != sorted(c["name"] for c in found):
        raise SystemExit("commands/table.c does not list just the commands that have a file")
    found.sort(key=lambda c: table.index(c["name"]))
    return found


def knows(option, command):
    return "C_ALL" in option["commands"] or command["bit"] in option["commands"]


def options_page(root):
    lines = []
    for c in commands(root):
        lines += [f"### mvimig {c['name']} {c['synopsis']}", "", c["summary"].capitalize() + ".",
                  "", "| option | what it does |", "|---|---|"]
        for o in options(root):
            if knows(o, c):
                short = f"-{o['letter']}, " if o["letter"] else ""
                argument = f" {o['argument']}" if o["argument"] else ""
                shown = f"{short}--{o['name']}{argument}".replace("|", "\\|")
                lines.append(f"| `{shown}` | {o['help'].replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


def codes_page(root):
    lines = ["| status | meaning |", "|---|---|", "| 0 | done, or nothing to do |"]
    last = 0
    for _name, code, status, meaning in CODE.findall(read(root, "base/errcodes.tbl.h")):
        if int(status) <= last:
            break
        last = int(status)
        lines.append(f"| {status} | {meaning} |")
    return "\n".join(lines) + "\n"


PAGES = {"docs/options.md": options_page, "docs/exit-codes.md": codes_page}
BEGIN, END = "<!-- table -->\n", "<!-- /table -->\n"


def check_pages(root, write):
    bad = []
    for path, make in PAGES.items():
        page = read(root, path)
        head, rest = page.split(BEGIN, 1)
        _old, tail = rest.split(END, 1)
        wanted = head + BEGIN + make(root) + END + tail
        if wanted == page:
            continue
        if write:
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(wanted)
        else:
            bad.append(f"{path}:1: does not say what the tables say; run tests/lint/tables.py --write")
    return bad


def check_help(root, program):
    bad = []
    for c in commands(root):
        shown = subprocess.run([program, c["name"], "-h"], capture_output=True, text=True,
                               timeout=60, check=False)
        listed = set(re.findall(r"^  (?:-., )?--([a-z-]+)", shown.stdout, re.M))
        wanted = {o["name"] for o in options(root) if knows(o, c)}
        if shown.returncode != 0 or listed != wanted:
            bad.append(f"mvimig {c['name']} -h: lists {sorted(listed ^ wanted)} wrongly "
                       f"(exit {shown.returncode})")
    shown = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=60, check=False)
    for c in commands(root):
        if not re.search(rf"^  {c['name']} ", shown.stdout, re.M):
            bad.append(f"mvimig -h: does not list {c['name']}")
    return bad


def self_test():
    with tempfile.TemporaryDirectory() as scratch:
        for path in ["commands", "base", "docs"]:
            os.makedirs(os.path.join(scratch, path))
        for path in list(PAGES) + ["commands/options.tbl.h", "commands/table.c",
                                   "base/errcodes.tbl.h"]:
            with open(os.path.join(scratch, path), "w", encoding="utf-8") as f:
                f.write(read(ROOT, path))
        for file in os.listdir(os.path.join(ROOT, "commands")):
            if file.startswith("cmd_"):
                with open(os.path.join(scratch, "commands", file), "w", encoding="utf-8") as f:
                    f.write(read(ROOT, "commands/" + file))
        table = os.path.join(scratch, "commands/options.tbl.h")
        with open(table, "a", encoding="utf-8") as f:
            f.write('OPTION("never", 0, FLAG, help, NULL, C_PLAN, "nothing")\n')
        if not check_pages(scratch, False):
            raise SystemExit("an option without a document was not noticed")
    return 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    bad = check_pages(ROOT, "--write" in sys.argv)
    program = os.environ.get("MVIMIG_BIN", os.path.join(os.getcwd(), "mvimig"))
    if os.access(program, os.X_OK):
        bad += check_help(ROOT, program)
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
