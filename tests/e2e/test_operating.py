# SPDX-License-Identifier: Apache-2.0
"""What docs/operating.md tells to type is known to the program, and its two stages work."""
import os
import re
import shlex

import pytest

from support import oracle
from support.migration import Migration
from support.run import ROOT

GUIDE = os.path.join(ROOT, "docs", "operating.md")
DEPLOY = {"plan": 2, "run": 2, "apply": 3, "status": 2, "logs": 2, "get": 2, "delete": 2, "rights": 1}


def commands():
    """From `mvimig` on, each line of the guide that is to be typed."""
    out = []
    with open(GUIDE, encoding="utf-8") as f:
        for line in f:
            if line.startswith("    ") and not line.lstrip().startswith(("{", "}", '"')):
                words = shlex.split(re.sub(r">\S+", "", line))
                if "mvimig" in words:
                    out.append(words[words.index("mvimig") + 1:])
    return [words for words in out if words]


def help_of(mvimig, command):
    """{option: whether it takes a value}, as `mvimig COMMAND -h` lists them."""
    found = {}
    for line in mvimig.run(command, "-h").ok().stdout.splitlines():
        names = re.match(r" +(-\w, )?(--[a-z-]+)( \S+)?", line)
        if names:
            takes = bool(names[3]) and not line[names.end(2):].startswith("  ")
            found[names[2]] = takes
            if names[1]:
                found[names[1][:2]] = takes
    return found


def test_there_are_commands():
    assert len(commands()) > 25


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_options_and_words(mvimig, words):
    command, rest = words[0], words[1:]
    if command.startswith("--"):  # of oc, behind the account of that name
        return
    known, plain = help_of(mvimig, command), []
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            plain.append(word)
            continue
        assert word in known, f"mvimig {command} does not know {word}: {sorted(known)}"
        if known[word]:
            rest.pop(0)
    if command == "deploy":
        assert DEPLOY[plain[0]] == len(plain)


def test_two_stages(ends, mvimig):
    m = Migration(ends.fill(), mvimig, "line3")
    m.plan("--server", "--files-only").ok()
    m.apply().ok()
    assert oracle.documents(ends.destination.db) == m.documents_before
    late = os.path.join(ends.source.data_dir, "admin", "datasets", "late")
    with open(late, "w", encoding="ascii") as f:
        f.write("while everybody worked")
    m.plan("--server").ok()
    m.apply().ok()
    m.verify().ok()
    m.assert_arrived()
