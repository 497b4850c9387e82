# SPDX-License-Identifier: Apache-2.0
"""A slow test process: MVIMIG_STALL=2 adds two seconds to each of its looks, and to each start of a
run. Tests pass all the same: they hold what they have to meet (base/fault.h)."""
import subprocess
import sys
import time

RUNS = {"apply", "resume", "run", "verify"}


def stall(seconds):
    sleep, begin = time.sleep, subprocess.Popen.__init__

    def slow_sleep(wait):
        # subprocess looks for the end of a process that way, and nothing is missed by that.
        ends = sys._getframe(1).f_globals["__name__"] == "subprocess"
        sleep(wait if ends else wait + seconds)

    def slow_begin(self, words, *arguments, **options):
        begin(self, words, *arguments, **options)
        if RUNS & set(map(str, words[1:2])):
            sleep(seconds)

    time.sleep = slow_sleep
    subprocess.Popen.__init__ = slow_begin
