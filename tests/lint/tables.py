#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Options, commands, step kinds and exit codes agree with the documents and with the help.

The tables in the code are the truth: README.md, docs/options.md and docs/exit-codes.md hold what they
expand to between markers, docs/man one page for each command (`--write` brings them up to date), and,
where the program is built, the help of every command lists just its options.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

ROW = re.compile(r'OPTION\(\s*"([^"]+)",\s*(0|\'.\'),\s*(\w+),\s*(\w+),\s*(NULL|"[^"]*"),\s*'
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
    if len(rows) != len(re.findall(r"^OPTION\(", source, re.M)):
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
    table = re.findall(r"^COMMAND\(\w+, (\w+)\)", read(root, "commands/commands.tbl.h"), re.M)
    if sorted(table) != sorted(c["name"] for c in found):
        raise SystemExit("commands/commands.tbl.h does not list just the commands that have a file")
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


def commands_table(root):
    rows = (f"| `{c['name']}` | {c['summary']} |\n" for c in commands(root))
    return "| command | what it is for |\n|---|---|\n" + "".join(rows)


def roff(text):
    """Text that roff takes as it is; a line never begins with a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def man_codes(root):
    lines = [".SH EXIT STATUS"]
    for status, meaning in re.findall(r"^\| (\d+) \| (.*) \|$", codes_page(root), re.M):
        lines += [".TP", f".B {status}", roff(meaning)]
    return lines


def man_head(name, summary):
    return ['.\\" SPDX-License-Identifier: Apache-2.0',
            '.\\" Made from the tables of the program by tests/lint/tables.py --write.',
            f'.TH {roff(name.upper())} 1 "" "" "mvimig"', ".SH NAME",
            f"{roff(name)} \\- {roff(summary)}", ".SH SYNOPSIS"]


def man_of_command(root, c):
    name = "mvimig-" + c["name"]
    lines = man_head(name, c["summary"])
    lines += [f".B mvimig {roff(c['name'])}", roff(c["synopsis"]), ".SH OPTIONS"]
    for o in options(root):
        if knows(o, c):
            short = f"-{o['letter']}, " if o["letter"] else ""
            lines += [".TP", roff(f"{short}--{o['name']} {o['argument']}".rstrip()),
                      roff(o["help"])]
    lines += man_codes(root)
    return lines + [".SH SEE ALSO", ".BR mvimig (1)", "lists all commands."]


def man_of_all(root, known):
    lines = man_head("mvimig", "move Maximo Visual Inspection into OpenShift")
    lines += [".B mvimig", "COMMAND [OPTIONS]", ".SH DESCRIPTION",
              "Moves IBM Maximo Visual Inspection from a standalone server into OpenShift, with every",
              "ID preserved.", ".B mvimig plan",
              "looks at both ends and writes down everything that will happen; a person reads and",
              "edits that file;", ".B mvimig apply", "does what it says.", ".B mvimig resume",
              "goes on after anything that stopped it.", ".SH COMMANDS"]
    for c in known:
        lines += [".TP", f".BR mvimig\\-{roff(c['name'])} (1)", roff(c["summary"])]
    lines += [".SH ENVIRONMENT", ".TP", ".B MVI_MIG_CONFIG",
              "network configuration, when there is no", roff("--config"), ".TP",
              ".B MIGMGR_MOUNTPOINT", "data directory of the source, when the configuration has none",
              ".TP", ".B NO_COLOR", "when set, nothing is coloured"]
    return lines + man_codes(root)


def man_pages(root):
    """{file name below docs/man: text}"""
    known = commands(root)
    pages = {"mvimig.1": man_of_all(root, known)}
    for c in known:
        pages[f"mvimig-{c['name']}.1"] = man_of_command(root, c)
    return {name: "\n".join(lines) + "\n" for name, lines in pages.items()}


def check_man(root, write):
    folder, wanted = os.path.join(root, "docs/man"), man_pages(root)
    os.makedirs(folder, exist_ok=True)
    there = {name: read(folder, name) for name in os.listdir(folder)}
    if write:
        for name in set(there) - set(wanted):
            os.remove(os.path.join(folder, name))
        for name, text in wanted.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        return []
    return [f"docs/man/{name}:1: is not what the tables say; run tests/lint/tables.py --write"
            for name in sorted(set(there) | set(wanted)) if there.get(name) != wanted.get(name)]


PAGES = {"README.md": commands_table, "docs/options.md": options_page,
         "docs/exit-codes.md": codes_page}
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
        for path in list(PAGES) + ["commands/options.tbl.h", "commands/commands.tbl.h",
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
        check_man(scratch, True)
        if check_man(scratch, False):
            raise SystemExit("manual pages are not what was just written")
        os.remove(os.path.join(scratch, "docs/man/mvimig-plan.1"))
        if len(check_man(scratch, False)) != 1:
            raise SystemExit("a missing manual page was not noticed")
    return 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    write = "--write" in sys.argv
    bad = check_pages(ROOT, write) + check_man(ROOT, write)
    program = os.environ.get("MVIMIG_BIN", os.path.join(os.getcwd(), "mvimig"))
    if os.access(program, os.X_OK):
        bad += check_help(ROOT, program)
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
