# SPDX-License-Identifier: Apache-2.0
"""The rows of script/bench run, with little data. What they measure is not looked at."""
import json
import os
import subprocess
import sys

import pytest

from support.run import ROOT, binary

ROWS = {"plan": 3, "executor": 1, "files": 2, "journal": 4}


@pytest.mark.parametrize("name", ROWS)
def test_row(name, tmp_path):
    env = dict(os.environ, MVIMIG_BENCH_SHARE="0.002", MVIMIG_PYTHON=sys.executable,
               TMPDIR=str(tmp_path))
    done = subprocess.run([os.path.join(ROOT, "script/bench.d", name), binary()], env=env,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = tmp_path / "lines"
    lines.write_text("".join(f"{name}\t{line}\n" for line in done.stdout.splitlines()))
    works = [json.loads(line)["work"] for line in done.stdout.splitlines()]
    assert len(works) == ROWS[name]
    table = subprocess.run([sys.executable, os.path.join(ROOT, "script/bench.d/lib/table.py"),
                            str(lines)], capture_output=True, text=True, check=True).stdout
    for work in works:
        assert f"| {work} " in table


def test_unknown_row_is_named():
    done = subprocess.run([os.path.join(ROOT, "script/bench"), "nonesuch"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1
    assert "no row is named nonesuch; there are: documents executor files journal plan" in done.stderr
