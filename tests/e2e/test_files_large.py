# SPDX-License-Identifier: Apache-2.0
"""Large files, in ranges of 256 KiB here: either side is killed in the middle, the file changes or
vanishes, the disk is full; then what arrived before is not sent again, and nothing is left lying."""
import os
import random
import time

import pytest

from support import files
from support.files import FilesMigration, beside
from support.run import hold

SMALL = "ranges-small:fail:1+"
RANGE = 256 << 10
SIZE = 8 * RANGE + 4711
PARTS = ".mvimig-parts-"


def faults(*more):
    return {"MVIMIG_FAULT": ",".join((SMALL, *more))}


def large(m, seed=1):
    path = os.path.join(m.source, "user", "large.bin")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(random.Random(seed).randbytes(SIZE))
    with open(os.path.join(m.source, "user", "zz"), "wb") as f:
        f.write(b"behind")
    return path


def far(tmp_path, mvimig, *environment):
    """The receiver is a process of its own."""
    beside(mvimig, "mvimig-receive")
    m = FilesMigration(tmp_path, mvimig, command=["env", *environment])
    large(m)
    return m


def kill_sender(m, *options):
    assert m.apply(*options, env=faults("ranges-sent:kill:7")).rc == -9
    assert parts(m)


def sent_bytes(m):
    """By each attempt, as its batches have it."""
    return [row[0] for row in m.ask(
        "select sum(sent_bytes) from batch group by attempt order by attempt")]


def parts(m):
    return [n for n in os.listdir(m.destination) if n.startswith(PARTS)]


@pytest.mark.parametrize("moment, least, most", [
    ("part-write:kill:5", 3, 4), ("part-fsync:kill:5", 4, 4), ("part-before-mark:kill:5", 4, 4),
    ("part-after-mark:kill:5", 5, 5), ("ranges-sent:kill:7", 3, 7)])
def test_killed_amid_a_large_file(tmp_path, mvimig, moment, least, most):
    m = FilesMigration(tmp_path, mvimig)
    large(m)
    assert m.apply(env=faults(moment)).rc == -9
    assert parts(m) and not os.path.exists(os.path.join(m.destination, "user", "large.bin"))
    m.apply(env=faults()).ok()
    rest = sent_bytes(m)[-1] - len(b"behind")
    assert SIZE - most * RANGE <= rest <= SIZE - least * RANGE
    m.assert_arrived()
    m.assert_nothing_left()
    m.verify("--checksum").ok()
    m.mvimig.run("audit", m.work_dir).ok()


def test_the_receiver_dies_again_and_again(tmp_path, mvimig):
    """Each of its lives keeps two ranges; that is more often than is tried in vain."""
    m = far(tmp_path, mvimig, "MVIMIG_FAULT=part-after-mark:kill:2")
    done = m.apply(env=faults())
    done.ok()
    assert m.ask("select attempts from step") == [(5,)]
    assert sum(sent_bytes(m)) <= SIZE + len(b"behind")  # receipts that died with it
    assert len(sent_bytes(m)) == 5 or sum(sent_bytes(m)) > 0
    m.assert_arrived()
    m.assert_nothing_left()


def test_the_sender_is_killed(tmp_path, mvimig):
    m = far(tmp_path, mvimig)
    kill_sender(m)
    m.apply(env=faults()).ok()
    # At most the two that fly, and the one that was taken in, had no receipt.
    assert sent_bytes(m)[-1] <= SIZE - 4 * RANGE + len(b"behind")
    m.assert_arrived()
    m.assert_nothing_left()


def marked(m):
    """How much of the one large file is there for good."""
    return sum(int(n.rsplit("-", 1)[1]) for folder in parts(m)
               for n in os.listdir(os.path.join(m.destination, folder)))


def test_stopped_amid_it(tmp_path, mvimig):
    """A stop does not wait for the end of a large file, and what has arrived is recorded."""
    m = FilesMigration(tmp_path, mvimig)
    large(m)
    held = str(tmp_path / "held")
    running = m.start(env=faults(hold("ranges-sent", {"5+": held})))
    while marked(m) == 0:
        assert not running.ended()
        time.sleep(0.01)
    running.signal(15)
    os.unlink(held)
    assert running.wait().rc == 143
    assert m.ask("select state from step") == [("pending",)]
    has = marked(m)
    assert 0 < has < SIZE and sum(sent_bytes(m)) == has
    m.apply(env=faults()).ok()
    assert sent_bytes(m)[-1] == SIZE - has + len(b"behind")
    m.assert_arrived()
    m.assert_nothing_left()


def test_changed_between(tmp_path, mvimig):
    m = FilesMigration(tmp_path, mvimig)
    path = large(m)
    assert m.apply(env=faults("part-after-mark:kill:5")).rc == -9
    with open(path, "r+b") as f:
        f.write(b"changed")
    m.apply(env=faults()).ok()
    assert sent_bytes(m)[-1] == SIZE + len(b"behind")
    m.assert_arrived()
    m.assert_nothing_left()


def test_vanished_between(tmp_path, mvimig):
    m = FilesMigration(tmp_path, mvimig)
    path = large(m)
    assert m.apply(env=faults("part-after-mark:kill:5")).rc == -9
    os.unlink(path)
    m.apply(env=faults()).ok()
    m.assert_arrived()
    m.assert_nothing_left()


def test_another_migration_leaves_it(tmp_path, mvimig):
    """Its sessions sweep what the dead have left, and this is of use yet."""
    m = FilesMigration(tmp_path, mvimig)
    large(m)
    assert m.apply(env=faults("part-after-mark:kill:5")).rc == -9
    kept = parts(m)
    other = FilesMigration(tmp_path, mvimig, source=tmp_path / "other")
    large(other, seed=2)
    os.rename(os.path.join(other.source, "user"), os.path.join(other.source, "somebody"))
    other.apply(env=faults()).ok()
    assert parts(m) == kept
    m.apply(env=faults()).ok()
    assert sent_bytes(m)[-1] == SIZE - 5 * RANGE + len(b"behind")
    m.assert_nothing_left()


@pytest.mark.parametrize("receiver", ["mvimig", "tar"])
def test_a_step_that_is_taken_out(tmp_path, mvimig, receiver):
    """What it left is removed when all the others are done."""
    m = far(tmp_path, mvimig)
    os.mkdir(os.path.join(m.source, "other"))
    kill_sender(m, "--only", "files/user")
    with open(m.plan, encoding="utf-8") as f:
        lines = [line for line in f if "files/user" not in line]
    with open(m.plan, "w", encoding="utf-8") as f:
        f.writelines(lines)
    m.way = ["--receiver", receiver]
    m.mvimig.start("apply", m.plan, "-c", m.config, "--work-dir", m.work_dir, *m.way).wait().ok()
    m.assert_nothing_left()


def test_by_tar_it_is_sent_whole(tmp_path, mvimig):
    m = far(tmp_path, mvimig)
    kill_sender(m)
    m.way = ["--receiver", "tar"]
    m.apply(env=faults()).ok()
    assert sent_bytes(m)[-1] == SIZE + len(b"behind")
    m.assert_arrived()
    m.assert_nothing_left()


def test_full_disk_amid_a_large_file(tmp_path, mvimig):
    """What a file that does not fit has taken is given back: others may need the disk."""
    files.private_mounts()
    place = tmp_path / "tmpfs"
    place.mkdir()
    files.mount("-t", "tmpfs", "-o", f"size={SIZE + (1 << 20)}", "none", place)
    ballast = place / "ballast"
    ballast.write_bytes(bytes(SIZE // 2))
    m = FilesMigration(tmp_path, mvimig, destination=place / "data")
    large(m)
    done = m.apply(env=faults())
    assert done.rc == 3 and "No space left" in done.stderr, done
    m.assert_nothing_left()
    ballast.unlink()
    m.apply(env=faults()).ok()
    m.assert_arrived()
    m.assert_nothing_left()
    files.unmount(place)


def test_killed_amid_a_large_directory(tmp_path, mvimig):
    """One step on one stream; its batches of 2,000 that were put in place are not sent again."""
    m = FilesMigration(tmp_path, mvimig)
    folder = os.path.join(m.source, "user")
    os.mkdir(folder)
    for n in range(6500):
        with open(os.path.join(folder, f"{n:05}"), "wb") as f:
            f.write(b"%d" % n)
    assert m.apply("--jobs", "1", env={"MVIMIG_FAULT": "files-before-receipt:kill:3"}).rc == -9
    m.apply().ok()
    attempts = m.ask("select sum(sent) from batch group by attempt order by attempt")
    assert attempts[-1] == (6500 - 3 * 2000,)
    m.assert_arrived()
    m.assert_nothing_left()
