# SPDX-License-Identifier: Apache-2.0
"""Somebody changes the destination when a batch is staged and nothing of it is in place: what is
theirs is not written over, and each is told."""
import subprocess

from support.files import FilesMigration

# A name in the source's folder d, and in the destination's: what makes them ($S, $D), what is done
# meanwhile, how it is told (None: nothing of it is), and what holds afterwards.
ROWS = {
    "new": ("echo ours >$S/new", "echo theirs >$D/new", "appeared", "grep theirs $D/new"),
    "link": ("echo ours >$S/link", "ln -s ../../x $D/link", "appeared",
             "[ -L $D/link ]; [ ! -e x ]"),
    "old": ("echo ours >$S/old; echo old >$D/old", "echo theirs >>$D/old", "appeared",
            "grep theirs $D/old"),
    "turned": ("echo ours >$S/turned; echo old >$D/turned",
               "rm $D/turned; ln -s ../../x $D/turned", "appeared", "[ -L $D/turned ]; [ ! -e x ]"),
    "gone": ("echo ours >$S/gone; echo old >$D/gone", "rm $D/gone", "appeared", "[ ! -e $D/gone ]"),
    "full": ("echo ours >$S/full; mkdir $D/full", "echo theirs >$D/full/y", "occupied",
             "grep theirs $D/full/y"),
    "folder": ("mkdir $S/folder; echo ours >$S/folder/y; echo old >$D/folder",
               "echo theirs >>$D/folder", "appeared", "grep theirs $D/folder"),
    "a": ("echo ours >$S/a; ln $S/a $S/b", "echo theirs >$D/a", "appeared", "grep theirs $D/a"),
    "b": (":", ":", "refused", "[ ! -e $D/b ]"),  # is a hard link to a
    "in/x": ("mkdir $S/in $D/in; echo ours >$S/in/x", "rmdir $D/in; ln -s ../../out $D/in",
             "symlink", "[ -L $D/in ]; [ ! -e out/x ]"),
    "well": ("echo ours >$S/well; echo old >$D/well", ":", None, "cmp $S/well $D/well"),
}


def shell(m, script):
    done = subprocess.run(["sh", "-ec", f"S=source/d D=destination/d; {script}"], cwd=m.folder,
                          capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"{script}: {done.stderr}"


def test_what_changes_before_it_is_put_in_place(tmp_path, mvimig):
    m = FilesMigration(tmp_path, mvimig)
    shell(m, "mkdir -m 755 $S $D out")
    for before, *_ in ROWS.values():
        shell(m, before)
    held = tmp_path / "held"
    held.touch()
    running = m.start(env={"MVIMIG_FAULT": f"files-before-rename:hold={held}:1"})
    running.until_held(held)
    for _, meanwhile, *_ in ROWS.values():
        shell(m, meanwhile)
    held.unlink()
    running.wait().expect(3)
    told = dict(m.ask("select object_id, class from problems"))
    for name, (_, _, class_, after) in ROWS.items():
        assert told.get(f"d/{name}") == class_, (name, told)
        shell(m, after)
    m.assert_nothing_left()
