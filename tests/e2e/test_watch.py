# SPDX-License-Identifier: Apache-2.0
"""status --watch as an operator has it before him: on terminals of several sizes, to the end, at the
death of the run, on Ctrl-C, Ctrl-Z and a change of the size. support/screen.py refuses what wraps,
scrolls or flickers."""
import os
import re
import signal
import sqlite3
import time

import pytest

from support.migration import Migration
from support.screen import STOPPED, Terminal
from test_owner import frozen

@pytest.fixture
def migration(ends, mvimig):
    m = Migration(ends.fill(datasets=6, files_per_dataset=60), mvimig)
    m.plan().ok()
    return m


def middle(migration):
    try:
        done, now = migration.ask("select sum(state = 'done'), sum(state = 'running') from attempt")[0]
    except sqlite3.OperationalError:
        return False
    return done == 6 and now == 2  # a step that begins is told with the next record, or sign of life


@pytest.fixture
def running(migration):
    """In the middle: some steps are done, two are running, and wait until the file is removed."""
    run, run.held = migration.start_held("--jobs", "2")
    while not middle(migration):
        assert not run.ended(), run.stderr_so_far()
        time.sleep(0.02)
    yield run
    if not run.ended():
        run.kill9()


def watch(migration, columns=80, rows=24, **env):
    return Terminal([migration.mvimig.path, "status", migration.work_dir, "--watch"], columns,
                    rows, **env)


def restored(screen):
    return not screen.alternate and screen.cursor_shown


@pytest.mark.parametrize("columns,rows", [(80, 24), (120, 40), (60, 10)])
def test_to_the_end_of_the_run(migration, running, columns, rows):
    terminal = watch(migration, columns, rows)
    terminal.until(lambda s: len(s.pictures) >= 2)
    os.unlink(running.held)
    assert terminal.wait() == 0
    screen = terminal.screen
    assert restored(screen)
    first = screen.pictures[0]
    assert first.startswith("t: running, ") and " items " in first and " bytes " in first
    assert "beat " in first and "by mvimig apply" in first
    assert columns < 80 or f"process {running.pid}" in first
    assert "failed steps 0, conflicts 0, problems 0" in first
    assert any("restore" in p for p in screen.pictures)
    if rows >= 24:
        assert any("running now" in p and " items, for " in p for p in screen.pictures)
        assert "Ctrl-C ends this watch" in first and "stage " in first
    # The last picture is whole, and stays.
    assert screen.printed.startswith("t: finished, 100.0 %  [##############################]\n")
    assert "  stage " in screen.printed and f"{migration.work_dir}/journal.db" in screen.printed
    running.wait().ok()


def test_the_run_is_killed(migration, running):
    terminal = watch(migration)
    terminal.until(lambda s: s.pictures)
    running.kill9()
    assert terminal.wait() == 0
    told = terminal.screen.printed
    assert restored(terminal.screen) and told.startswith("t: stale, ")
    beat = migration.ask("select beat_at from owner")[0][0]
    assert f"stale    since {beat}" in told and f"Next: mvimig resume {migration.work_dir}" in told


def test_ctrl_c_gives_the_terminal_back(migration, running):
    terminal = watch(migration)
    terminal.until(lambda s: s.pictures)
    terminal.type(b"\x03")
    assert terminal.wait() == 0
    assert restored(terminal.screen) and not running.ended()
    # Whatever the terminal itself echoes of the key stands on one screen or the other.
    assert "t: running, " in terminal.screen.printed


def test_ctrl_z_gives_it_back_for_a_while(migration, running):
    terminal = watch(migration)
    terminal.until(lambda s: s.pictures)
    terminal.type(b"\x1a")
    terminal.until(lambda s: STOPPED in s.printed)
    seen = len(terminal.screen.pictures)
    terminal.until(lambda s: s.alternate and len(s.pictures) > seen)
    terminal.type(b"\x03")
    assert terminal.wait() == 0 and restored(terminal.screen)


def test_another_size(migration, running):
    terminal = watch(migration, 120, 40)
    terminal.until(lambda s: s.pictures)
    terminal.resize(60, 10)
    seen = len(terminal.screen.pictures)
    # One may have been on its way.
    terminal.until(lambda s: len(s.pictures) > seen + 1)
    last = terminal.screen.pictures[-1].splitlines()
    assert len(last) == 10 and all(len(line) <= 60 for line in last)
    terminal.type(b"\x03")
    assert terminal.wait() == 0


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot(migration, running, term):
    terminal = watch(migration, TERM=term)
    terminal.until(lambda s: "\n" in s.printed)
    assert terminal.screen.printed.startswith("t: running, ") and not terminal.screen.pictures
    terminal.type(b"\x03")
    assert terminal.wait() == 0


def age(picture, what):
    """In seconds, as the picture has it."""
    found = re.search(rf"\b{what} +(?:(\d+) min )?([0-9.]+) s ago", picture)
    return 60 * int(found[1] or 0) + float(found[2])


def test_a_frozen_run_is_told(migration, running):
    """Its last record and its last sign of life grow old before one's eyes."""
    terminal = watch(migration)
    terminal.until(lambda s: s.pictures)
    frozen(migration, running)
    before = [age(terminal.screen.pictures[0], what) for what in ("beat", "record")]
    terminal.until(lambda s: all(age(s.pictures[-1], what) > was + 1
                                 for what, was in zip(("beat", "record"), before)))
    running.signal(signal.SIGCONT)
    terminal.type(b"\x03")
    assert terminal.wait() == 0
