# SPDX-License-Identifier: Apache-2.0
"""One directory with much to send is served by several streams (thresholds are lowered here): what
arrives, and what the journal and the manifest say, is that of one stream; also when everything is
killed in the middle, a stream breaks, files move while they are read, or the run is stopped."""
import glob
import os
import time

import pytest

from support.files import FilesMigration, beside

SOON = "streams-soon:fail"
STAGING = ".mvimig-staging-"
FILES = 500


def faults(*more):
    return {"MVIMIG_FAULT": ",".join((SOON, *more))}


def fill(root):
    """One huge directory, with what else a dataset has, and times that show who came last."""
    folder = os.path.join(root, "user", "dataset")
    os.makedirs(os.path.join(folder, "labels"))
    for n in range(FILES):
        path = os.path.join(folder, "labels" if n % 4 == 0 else "", f"{n:04}.jpg")
        with open(path, "wb") as f:
            f.write(b"%d " % n * (n * 13 % 900))
        os.utime(path, ns=(1, 1_600_000_000_123_456_789 + n))
    os.link(os.path.join(folder, "0001.jpg"), os.path.join(folder, "labels", "again.jpg"))
    os.link(os.path.join(folder, "0302.jpg"), os.path.join(folder, "zz.jpg"))
    os.symlink("0001.jpg", os.path.join(folder, "last"))
    os.mkdir(os.path.join(folder, "empty"))
    other = os.path.join(root, "user", "other")  # by the sender alone, behind the end of the first
    os.mkdir(other)
    for n in range(120):
        os.symlink("somewhere", os.path.join(other, str(n)))
    last = os.path.join(root, "user", "zz")
    os.mkdir(last)
    for n in range(90):
        with open(os.path.join(last, f"{n}"), "wb") as f:
            f.write(b"%d" % n)
    for n, below in enumerate(("labels", "empty", "")):
        os.utime(os.path.join(folder, below), ns=(1, 1_500_000_000_000_000_001 + n))


def put_conflicts(root):
    """In the last directory: what is in doubt holds back the ends of those before it."""
    folder = os.path.join(root, "user", "zz")
    os.makedirs(folder)
    for name in ("7", "25", "26"):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(b"somebody's")


def manifest(m):
    (path,) = glob.glob(os.path.join(m.work_dir, "pass-1", "files", "*.manifest"))
    with open(path, "rb") as f:
        return f.read()


def as_counted(m):
    return (m.ask("select state, files, bytes, sent, sent_bytes, present from step"),
            m.ask("select sum(sent), sum(sent_bytes) from batch"),
            sorted(m.ask("select id, class, decision, source_digest, destination_digest "
                         "from conflict")),
            m.ask("select count(*) from problem"))


def staging(m):
    return [n for n in os.listdir(m.destination) if n.startswith(STAGING)]


def of_one(tmp_path, mvimig, way, conflicts=False):
    """The same source, sent by one stream to a place of its own."""
    one = FilesMigration(tmp_path, mvimig, destination=tmp_path / "one", **way)
    if conflicts:
        put_conflicts(one.destination)
    one.apply("--jobs", "1", env=faults())
    one.assert_arrived()
    return one


def assert_as_one(m, one):
    assert manifest(m) == manifest(one)
    m.assert_arrived()
    m.assert_nothing_left()
    m.verify("--checksum").ok()
    m.mvimig.run("audit", m.work_dir).ok()


def test_what_arrives_is_that_of_one_stream(tmp_path, mvimig, way):
    m = FilesMigration(tmp_path, mvimig, **way)
    fill(m.source)
    one = of_one(tmp_path, mvimig, way, conflicts=True)
    put_conflicts(m.destination)
    m.apply("--jobs", "4", env=faults())
    assert as_counted(m) == as_counted(one)
    assert_as_one(m, one)
    again = FilesMigration(tmp_path, mvimig, **way)
    again.apply("--jobs", "4", env=faults()).ok()
    assert again.sent() == (0, 0)


@pytest.mark.parametrize("jobs, streams", [(1, 1), (2, 2), (16, 4)])
def test_as_many_streams_as_jobs(tmp_path, mvimig, jobs, streams):
    m = FilesMigration(tmp_path, mvimig)
    fill(m.source)
    m.apply("--jobs", str(jobs), env=faults(f"source-read:kill:{FILES - 10}"))
    assert len(staging(m)) == streams


# At the beginning, amid it and at the end; by whichever stream comes to it.
@pytest.mark.parametrize("moment", [
    "source-read:kill:60", "source-read:kill:300", "files-before-rename:kill:1",
    "files-before-rename:kill:3", "files-after-rename:kill:2", "files-before-receipt:kill:4"])
def test_killed_in_the_middle(tmp_path, mvimig, moment):
    m = FilesMigration(tmp_path, mvimig)
    fill(m.source)
    assert m.apply("--jobs", "4", env=faults(moment)).rc == -9
    assert staging(m)
    there = sum(len(dirs) + len(names)
                for _, dirs, names in os.walk(os.path.join(m.destination, "user")))
    m.apply(env=faults()).ok()
    m.assert_arrived()
    m.assert_nothing_left()
    m.verify("--checksum").ok()
    m.mvimig.run("audit", m.work_dir).ok()
    # What was there is found and not sent again, and all else is sent once.
    assert m.ask("select state, sent + present - files, present from step") == [("done", 0, there)]


def test_streams_that_break_again_and_again(tmp_path, mvimig):
    """Every receiver dies at its second batch: what it placed before counts, and the rest comes."""
    beside(mvimig, "mvimig-receive")
    m = FilesMigration(tmp_path, mvimig,
                       command=["env", "MVIMIG_FAULT=files-before-rename:kill:2"])
    fill(m.source)
    m.apply("--jobs", "4", env=faults())
    assert m.ask("select state from step") == [("done",)]
    assert m.ask("select attempts from step")[0][0] > 1
    m.assert_arrived()
    m.assert_nothing_left()


def test_files_that_move_while_they_are_read(tmp_path, mvimig):
    """One is sent again, by the step's own stream, and the manifest is as if nothing had been."""
    m = FilesMigration(tmp_path, mvimig)
    fill(m.source)
    one = of_one(tmp_path, mvimig, {})
    m.apply("--jobs", "4", env=faults("source-read:fail:100", "source-read:fail:333")).ok()
    assert_as_one(m, one)


def test_stopped_amid_it(tmp_path, mvimig):
    m = FilesMigration(tmp_path, mvimig)
    fill(m.source)
    held = tmp_path / "held"
    held.touch()
    running = m.start("--jobs", "4", env=faults(f"source-read:hold={held}:{FILES // 2}"))
    while len(staging(m)) < 4:
        assert not running.ended()
        time.sleep(0.01)
    running.signal(15)
    held.unlink()
    assert running.wait().rc == 143
    assert m.ask("select state from step") == [("pending",)]
    m.assert_nothing_left()
    m.apply(env=faults()).ok()
    m.assert_arrived()


def test_all_streams_share_the_limit_and_the_time(tmp_path, mvimig):
    """A megabyte at a tenth of that a second: with a limit for each stream it would be done in time."""
    m = FilesMigration(tmp_path, mvimig)
    fill(m.source)
    stopped = m.apply("--jobs", "4", "--bwlimit", "100K", "--max-duration", "3s", env=faults())
    assert stopped.rc == 3 and "--max-duration" in stopped.stderr, stopped.stderr
    assert m.ask("select state from step") == [("pending",)]
    m.assert_nothing_left()
    m.apply("--jobs", "4", "--bwlimit", "100M", env=faults()).ok()
    m.assert_arrived()


def test_a_dry_run_has_one(tmp_path, mvimig):
    m = FilesMigration(tmp_path, mvimig)
    fill(m.source)
    m.apply("--jobs", "4", "--dry-run", env=faults())
    assert os.listdir(m.destination) == []
