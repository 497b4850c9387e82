# SPDX-License-Identifier: Apache-2.0
"""What `plan` tells of work that is still to do, and of the time it takes."""
import json
import os

import pytest

from support import oracle
from support.migration import Migration
from support.run import ROOT
from support.schema import faults

DAY = 86_400


@pytest.fixture
def first(ends, mvimig):
    return Migration(ends.fill(), mvimig)


def told(done):
    """The summary, as it is published."""
    with open(os.path.join(ROOT, "docs", "plan-summary.schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    summary = json.loads(done.stdout)
    assert faults(summary, schema) == []
    return summary


def still(migration, *options):
    return told(migration.plan("--server", "--json", *options).ok())


def some_file(end):
    for directory, _, names in sorted(os.walk(end.data_dir)):
        for name in sorted(names):
            path = os.path.join(directory, name)
            if "/datasets/" in path and not os.path.islink(path) and os.stat(path).st_nlink == 1 \
                    and os.path.getsize(path) > 10:
                return path
    raise AssertionError("the sample has no file")


@pytest.mark.asan
def test_before_and_behind_a_pass(first, ends):
    untouched = oracle.tree(ends.destination.data_dir)
    before = still(first)
    assert oracle.tree(ends.destination.data_dir) == untouched  # it only looks
    files, documents = before["still"]["files"], before["still"]["documents"]
    assert files["compared"] and documents["compared"]
    assert files["selected"] - 5 < files["toSend"] <= files["selected"]  # some folders are there
    assert files["toSendBytes"] == files["selectedBytes"] > 1000
    assert files["selected"] > 100
    assert documents["toMove"] == documents["selected"] > 100
    assert before["still"]["measured"] == "" and before["still"]["assumedRates"]
    assert 0 <= before["still"]["secondsLow"] < before["still"]["secondsHigh"] < DAY
    text = first.plan("--server").ok().stdout
    assert f"Still to move: {files['toSend']:,} of {files['selected']:,} files" in text
    assert "assumed rates: nothing was moved between these ends yet" in text

    # The plan says nothing of it: what was approved stays approved.
    first.apply().ok()
    path = some_file(ends.source)
    with open(path, "r+b") as f:
        f.write(b"altered")
    new = path + ".new"
    with open(new, "wb") as f:
        f.write(b"12345")
    behind = told(first.plan("--server", "--json", "--detailed-exitcode").expect(2))
    files, documents = behind["still"]["files"], behind["still"]["documents"]
    assert behind["pass"] == 2
    assert files["toSend"] == 2
    assert files["toSendBytes"] == os.path.getsize(path) + 5
    assert documents["toMove"] == documents["differ"] == 0
    assert behind["still"]["measured"] == first.name
    text = first.plan("--server").ok().stdout
    assert "Still to move: 2 of " in text and f"as earlier runs took ({first.name})" in text
    first.apply().expect(0)


def test_not_compared(first):
    work = still(first, "--no-predict")["still"]
    assert not work["files"]["compared"] and not work["documents"]["compared"]
    assert work["files"]["toSend"] == work["files"]["selected"]
    text = first.plan("--server", "--no-predict").ok().stdout
    assert "not compared with the destination" in text


def test_json_needs_a_file_for_the_plan(first, mvimig):
    done = mvimig.run("plan", "-c", first.config, "--server", "--json")
    assert done.rc == 2
    assert "give -o FILE" in done.stderr
