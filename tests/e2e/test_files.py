# SPDX-License-Identifier: Apache-2.0
"""Files alone: what is sent again, ends that round times or refuse owners, a user without rights, and
transports that lie, as the journal tells it."""
import os
import random
import shutil
import subprocess
import time

import pytest

from support import files
from support.files import FilesMigration, beside, fill

MANY = int(os.environ.get("MVIMIG_FILES", "2000"))
LIAR = "test_site_files_liar"


# --- a second run

def test_a_second_run_sends_what_changed_and_no_more(tmp_path, mvimig, way):
    first = FilesMigration(tmp_path, mvimig, **way)
    paths = fill(first.source, MANY)
    first.apply().ok()
    first.assert_arrived()
    assert first.sent()[0] > MANY
    again = FilesMigration(tmp_path, mvimig, **way)
    again.apply().ok()
    assert again.sent() == (0, 0)
    changed = random.Random(3).sample(paths, 10)
    size = 0
    for n, path in enumerate(changed):
        with open(path, "ab" if n % 2 else "r+b") as f:  # longer; or other bytes in the same place
            f.write(b"changed %d" % n)
        size += os.path.getsize(path)
    third = FilesMigration(tmp_path, mvimig, **way)
    third.apply()
    assert third.sent() == (10, size)
    third.assert_arrived(ignore=("directory mtime",))
    third.verify("--checksum").ok()


def test_metadata_are_mended_without_content(tmp_path, mvimig, way):
    first = FilesMigration(tmp_path, mvimig, **way)
    paths = fill(first.source, 50)
    first.apply().ok()
    for n, path in enumerate(paths[:20]):
        os.chmod(path, 0o600 + n)
        os.utime(path, ns=(1, 1_000_000_000 + n))
    again = FilesMigration(tmp_path, mvimig, **way)
    again.apply().ok()
    assert again.sent() == (0, 0)
    again.assert_arrived()


def test_an_end_that_rounds_times_is_sent_nothing_again(tmp_path, mvimig):
    files.private_mounts()
    place = files.mount_image(tmp_path, "ext2", 24, "-I", "128")  # such inodes keep whole seconds
    first = FilesMigration(tmp_path, mvimig, destination=os.path.join(place, "data"))
    paths = fill(first.source, 200)
    os.utime(paths[0], ns=(1, 1_500_000_000_999_999_999))
    first.apply().ok()
    assert os.stat(paths[0].replace(first.source, first.destination)).st_mtime_ns % 10**9 == 0
    again = FilesMigration(tmp_path, mvimig, destination=first.destination)
    again.apply().ok()
    assert again.sent() == (0, 0)
    assert again.ask("select count(*) from batch") == [(0,)]
    again.verify("--checksum").ok()
    files.unmount(place)


def test_what_rsync_has_brought_is_compared_and_not_sent(tmp_path, mvimig, way):
    if shutil.which("rsync") is None:
        pytest.skip("needs rsync")
    m = FilesMigration(tmp_path, mvimig, **way)
    paths = fill(m.source, 60)
    subprocess.run(["rsync", "-a", m.source + "/", m.destination], check=True)
    cut = paths[7].replace(m.source, m.destination)
    times = os.stat(cut)
    with open(cut, "r+b") as f:  # of the right size and time, and yet not whole
        f.write(bytes(os.path.getsize(cut)))
    os.utime(cut, ns=(times.st_atime_ns, times.st_mtime_ns))
    m.apply("--checksum").expect(0)
    assert m.sent() == (1, os.path.getsize(paths[7]))
    m.assert_arrived(ignore=("directory mtime",))
    m.verify("--checksum").ok()


def test_what_is_left_over_is_told_at_once(tmp_path, mvimig):
    """The last step's problems are in the exit status, though its record was on its way to the disk
    when it ended."""
    for n in range(8):
        folder = tmp_path / str(n)
        folder.mkdir()
        m = FilesMigration(folder, mvimig)
        fill(m.source, 4, users=1)
        os.mkdir(os.path.join(m.destination, "user0"))
        os.symlink("/tmp", os.path.join(m.destination, "user0", "datasets"))
        m.apply().expect(3)
        assert ("symlink",) in m.ask("select class from problem")


# --- a user with no right to give files away, as in a pod

ARBITRARY = ["setpriv", "--reuid", "12345", "--regid", "0", "--clear-groups"]


def test_as_an_arbitrary_user_of_group_0(tmp_path, mvimig, way):
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    files.skip_unless_open_to_others(mvimig.path)
    for folder in (*reversed(tmp_path.parents), tmp_path):
        if os.stat(folder).st_mode & 0o011 == 0:
            os.chmod(folder, 0o755)
    os.chmod(tmp_path, 0o775)
    os.chown(tmp_path, 0, 0)
    first = FilesMigration(tmp_path, mvimig, **way, prefix=ARBITRARY)
    paths = fill(first.source, 60)
    os.chown(paths[3], 1000, 1000)
    os.chmod(paths[4], 0o640)
    os.chmod(first.destination, 0o770)
    done = first.apply().ok()
    told = [line for line in done.stderr.splitlines() if "the destination cannot keep" in line]
    assert len(told) == 1 and "owner and group" in told[0]
    first.assert_arrived(ignore=("owner", "directory mtime"))
    assert {os.lstat(p.replace(first.source, first.destination)).st_uid for p in paths} == {12345}
    again = FilesMigration(tmp_path, mvimig, **way, prefix=ARBITRARY)
    again.apply().ok()
    assert again.sent() == (0, 0)
    assert again.ask("select count(*) from batch") == [(0,)]
    again.verify("--checksum").ok()


# --- a transport that lies (the long list is tests/unit/site_files_liar.c)

@pytest.mark.parametrize("lie", ["0 9000 0", "0 15000 2", "0 20000 4", "0 12000 6", "0 12000 7",
                                 "1 -40 3", "1 -100 1"])
def test_a_lie_is_a_failed_attempt_and_resume_completes(tmp_path, mvimig, lie):
    liar = beside(mvimig, LIAR)
    there = os.path.dirname(beside(mvimig, "mvimig-receive"))
    far = ["env", f"PATH={there}:/usr/bin:/bin"]  # so that it is not sent first
    answers = os.path.join(tmp_path, "answers")
    honest = [liar, "--lie", f"0 0 9 {answers}", *far]
    m = FilesMigration(tmp_path, mvimig, command=honest)
    fill(m.source, 6, users=1)
    m.apply().ok()
    direction, at, ending = map(int, lie.split())
    if at < 0:  # from the end of what an honest receiver says
        at += os.path.getsize(answers)
    shutil.rmtree(m.destination)
    os.mkdir(m.destination)
    m = FilesMigration(tmp_path, mvimig, command=[liar, "--lie", f"{direction} {at} {ending} -",
                                                  *far])
    running = m.start()
    while not running.ended() and not (m.begun() and m.ask(
            "select count(*) from attempt where state = 'failed'")[0][0]):
        time.sleep(0.05)
    running.signal(15)
    running.wait().expect(143)
    assert m.ask("select count(*) from step where state = 'done'") == [(0,)]
    m.command = honest
    m.write()
    m.apply().ok()
    m.assert_arrived()
    m.assert_nothing_left()
    mvimig.run("audit", m.work_dir).ok()
