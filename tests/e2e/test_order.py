# SPDX-License-Identifier: Apache-2.0
"""The order in which things become safe: an effect first, then the journal's word for it.

A whole migration is traced. At each commit that tells a step's end for the first time, nothing of
what was written before may still be at the mercy of a power failure. This is what no kill can show:
the kernel keeps what a killed program has written."""
import datetime
import os
import re
import shutil

import pytest

from support import durable
from support.migration import Migration

# What a run may lose without harm: notes that are told again, and what is there for readers only.
# The lock tells nothing to a machine that has lost its power, and staging folders are swept.
MAY_BE_LOST = re.compile(r".*/(laid|lock|\.?status\.json[^/]*|left\.ndjson|journal\.db-journal|\.mvimig-staging-[^/]*)"
                         r"(/.*)?$")
# As the row of the event lies in a page of the journal: time, run, kind, step and detail, one behind the other.
DONE = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]{8,}Z)(?:\\?.){0,4}step-done([!-~]+?)attempt=")
# A file that is being written for its new name, which it gets only after its content is safe (Disk.wrong).
TEMPORARY = re.compile(r"content of .*/\.[^/]+\.[0-9a-f]{16}\.tmp$")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def files_can_be_unnamed(folder):
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR))
        return True
    except OSError:
        return False


def followed(log, roots, journal):
    """The disk at the end, and for each step that the journal told done: what was not safe then."""
    # A manifest's record is what counts, and that waits for its content.
    disk, told = durable.Disk(roots, later=[".manifest"]), {}
    for name, arguments, result, when in durable.calls(log):
        fd = durable.FD.match(arguments)
        if name == "pwrite64" and fd and fd[1] == journal:
            for at, step in DONE.findall(arguments):
                if step not in told:  # by then the next step may be under way
                    ended = datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
                    told[step] = [u for root in roots for u in disk.unsafe(os.fspath(root), ended)
                                  if not MAY_BE_LOST.match(u) and not TEMPORARY.match(u)]
        elif not fd or not fd[1].startswith(journal):
            disk.take(name, arguments, result, when)
    return disk, told


def test_effects_are_safe_before_they_are_recorded(ends, mvimig):
    """One worker: what is told done is then all that was written."""
    ends.fill()
    migration = Migration(ends, mvimig)
    migration.plan().ok()
    log = ends.path("trace")
    done = durable.run([mvimig.path, "apply", migration.plan_path, "-c", migration.config, "--jobs", "1"], log)
    assert done.returncode == 0, done.stderr
    disk, told = followed(log, [ends.destination.data_dir, ends.source.data_dir], migration.journal_path)
    steps = {s for s, in migration.ask("SELECT name FROM step")}
    assert {s for s in steps if s in told} == steps
    assert {s: u for s, u in told.items() if u} == {}
    assert disk.wrong == []
    assert disk.renamed > len(steps)
    assert disk.unnamed_at_all or not files_can_be_unnamed(ends.destination.data_dir)
