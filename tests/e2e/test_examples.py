# SPDX-License-Identifier: Apache-2.0
"""What stands in examples/ can be used. The network configurations: tests/unit/schema_examples.c."""
import os
import shlex

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
