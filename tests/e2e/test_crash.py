# SPDX-License-Identifier: Apache-2.0
"""Every 25th point of script/crash, which kills at each mutating system call."""
import os
import shutil

import pytest

from support.crash import Crash

EVERY = int(os.environ.get("MVIMIG_CRASH_EVERY", "25"))
FIRST = int(os.environ.get("MVIMIG_CRASH_FIRST", "0"))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_crash_at_system_calls(ends, mvimig):
    crash = Crash(ends, mvimig)
    points = crash.points()
    chosen = points[FIRST::EVERY]
    fired = sum(crash.kill_at(call, nth) for call, nth in chosen)
    print(f"{len(points)} points, {len(chosen)} tried, {fired} fired; all ended equal")
    assert fired >= 0.9 * len(chosen), "the runs were over before they were killed"
