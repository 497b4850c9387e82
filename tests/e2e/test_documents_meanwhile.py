# SPDX-License-Identifier: Apache-2.0
"""Somebody writes at the destination between two looks of a restore: nothing of theirs is lost."""
import os
import sqlite3
import time

import pytest
from bson import decode, encode

from test_documents import PLACE, arrived, conflicts, numbered, prepared, sums

ID = "00000001"
OURS, OLD, THEIRS = numbered(1, x=1), numbered(1, x=2), numbered(1, x=3)


def until(running, reached):
    while not reached():
        assert not running.ended(), running.wait()
        time.sleep(0.02)


def intended(m):
    """The journal has the bytes of what is about to be replaced."""
    try:
        return m.ask("select count(*) from conflict where old_bytes is not null") != [(0,)]
    except sqlite3.OperationalError:  # not made yet, or just being written
        return False


def place(m):
    return m.ends.destination.db[PLACE]


@pytest.mark.parametrize("theirs, kept", [
    (THEIRS, [OLD, THEIRS]),  # what they wrote last is in the journal, too
    (None, [OLD]),
    (OURS, [OLD]),
], ids=["changed", "deleted", "made the same"])
def test_before_the_old_one_is_removed(ends, mvimig, theirs, kept):
    m = prepared(ends, mvimig, [OURS], [OLD])
    m.plan("--server", "--on-conflict", "replace").ok()
    running, held = m.start_held(at="restore.intent", nth="1")
    until(running, lambda: intended(m))
    place(m).delete_one({"_id": ID})
    if theirs is not None:
        place(m).insert_one(decode(theirs))
    os.unlink(held)
    running.wait().ok()
    assert list(arrived(m).values()) == [OURS]
    assert m.ask("select old_bytes from conflict order by rowid") == [(old,) for old in kept]


def test_after_the_old_one_was_removed(ends, mvimig):
    """Their new document takes its place: it stays, and the old one is in the journal."""
    m = prepared(ends, mvimig, [OURS], [OLD])
    m.plan("--server", "--on-conflict", "replace").ok()
    running, held = m.start_held(at="restore.removed", nth="1")
    until(running, lambda: place(m).count_documents({}) == 0)
    place(m).insert_one(decode(THEIRS))
    os.unlink(held)
    running.wait().expect(3)
    assert list(arrived(m).values()) == [THEIRS]
    assert m.ask("select old_bytes from conflict where old_bytes is not null") == [(OLD,)]
    (detail,), = m.ask("select detail from problems")
    assert "could not be put back" in detail and "its bytes are in the journal" in detail


@pytest.mark.parametrize("policy, status, decision", [("keep", 4, "kept"), ("replace", 0, "replaced"),
                                                      ("fail", 3, None)])
def test_an_id_of_the_same_number_in_another_type(ends, mvimig, policy, status, decision):
    """7 and 7.0 are one _id to a server, and two to who compares bytes."""
    ours, there = encode({"_id": 7, "x": 1}), encode({"_id": 7.0, "x": 1})
    m = prepared(ends, mvimig, [ours], [there])
    m.plan("--server", "--on-conflict", policy).ok()
    m.apply().expect(status)
    assert list(arrived(m).values()) == [ours if policy == "replace" else there]
    if decision is not None:
        assert [row[1:] for row in conflicts(m)] == [("different", decision)]
        assert sums(m)[2] == 0
