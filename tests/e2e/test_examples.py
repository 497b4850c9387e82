# SPDX-License-Identifier: Apache-2.0
"""What stands in examples/ can be used. The network configurations: tests/unit/schema_examples.c."""
import os
import re
import shlex
import subprocess

from support.run import ROOT

EXAMPLES = os.path.join(ROOT, "examples")


def scopes():
    with open(os.path.join(EXAMPLES, "scopes.txt"), encoding="utf-8") as f:
        return [shlex.split(line) for line in f if line.strip() and not line.startswith("#")]


def test_scopes(ends, mvimig):
    ends.fill()
    config = ends.write_config()
    assert len(scopes()) == 9
    for n, scope in enumerate(scopes()):
        plan = ends.path(f"plan{n}.yaml")
        mvimig.run("plan", "-c", config, *scope, "--name", f"e{n}", "-o", plan).ok()
        mvimig.run("show", plan).ok()


def test_finished_plan(mvimig):
    shown = mvimig.run("show", os.path.join(EXAMPLES, "plan.yaml")).ok().stdout
    assert "13 steps, 2 sets" in shown


def typed(page):
    """The commands of a page, as a shell would split them: its indented lines, continued ones as one."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as f:
        text = f.read().replace("\\\n", " ")
    lines = re.findall(r"^    (\S.*)$", text, re.M)
    return [shlex.split(line, comments=True) for line in lines]


def test_quick_start(ends, mvimig):
    """Typed in line by line, between two sample servers."""
    ends.fill()
    env = {"MVI_MIG_CONFIG": ends.write_config()}
    done = []
    for words in typed("docs/quick-start.md"):
        words = [w.replace("/opt/powerai-vision/data", str(ends.source.data_dir)) for w in words]
        if words[0] == "mvimig":
            mvimig.run(*words[1:], env=env, cwd=ends.path()).ok()
            done.append(words[1])
        elif words[0] == "sqlite3":
            shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            assert "restore" in shown and "100" in shown, shown
            done.append("sqlite3")
    assert done == ["check", "plan", "show", "apply", "status", "verify", "conflicts", "sqlite3"]
