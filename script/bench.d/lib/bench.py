# SPDX-License-Identifier: Apache-2.0
"""What the rows of script/bench share: runs in turns, medians, ratios, CPU and memory of a program
with all its children.

A row is an executable script/bench.d/NAME [MVIMIG]. It prints a line of JSON for each work: "work",
sizes, an object of figures for each program that was run, and "ratio to NAME" (above 1: mvimig is
the faster). MVIMIG_BENCH_SHARE (1 when not set) makes the data smaller, for a test that the row
still runs.
"""
import json
import os
import statistics
import subprocess
import sys
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
SHARE = float(os.environ.get("MVIMIG_BENCH_SHARE", "1"))


def use_venv():
    """Starts the row anew with the project's own Python where another one runs it."""
    python = os.environ.get("MVIMIG_PYTHON")
    if not python:
        sys.exit("MVIMIG_PYTHON is not set: start this by script/bench")
    home = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    if os.path.realpath(sys.prefix) != os.path.realpath(home):
        os.execv(python, [python, *sys.argv])
    sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))


def program():
    return os.path.abspath(sys.argv[1] if len(sys.argv) > 1
                           else os.path.join(ROOT, "build/release/mvimig"))


def scaled(full, least=1):
    return max(least, round(full * SHARE))


def rounds(full):
    return full if SHARE >= 1 else 1


def _parents():
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    # The name of the program, in parentheses, may hold anything.
                    parents[int(name)] = int(f.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                pass  # it has ended meanwhile
    return parents


def _status(pid, key):
    """Bytes of a line of /proc/PID/status; 0 when the process has ended meanwhile."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
            for line in f:
                if line.startswith(key):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def tree_memory(pid):
    """Bytes resident in pid and its descendants now (what they share counts for each), or the
    highest that one of them has had since it began, whichever is more."""
    parents = _parents()
    family, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return max(sum(_status(member, "VmRSS:") for member in family),
               max(_status(member, "VmHWM:") for member in family))


class Peak(threading.Thread):
    """Looks at a tree of processes until it is stopped: a hundred times in the first second, then
    twenty times a second."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.bytes, self.over = pid, 0, threading.Event()
        self.start()

    def run(self):
        looks = 0
        while not self.over.wait(0.01 if looks < 100 else 0.05):
            self.bytes = max(self.bytes, tree_memory(self.pid))
            looks += 1


def measured(arguments, expected=(0,), **options):
    """Figures of one run to its end. CPU is of the program and of all children it waited for;
    memory is the most that was seen. The kernel's own ru_maxrss would begin with the size of this
    Python, from which the program was forked."""
    options.setdefault("stdout", subprocess.DEVNULL)
    began = time.monotonic()
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, **options)
    peak = Peak(process.pid)
    said = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
    reader.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    peak.over.set()
    peak.join()
    reader.join()
    process.stderr.close()
    if process.returncode not in expected:
        text = b"".join(said).decode(errors="replace")[-2000:]
        sys.exit(f"{arguments[0]}: status {process.returncode}: {text}")
    return {"seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_mb": peak.bytes / 1e6}


def in_turns(runs, times, before=None):
    """runs: {name: function that returns the figures of a run}. Each once a round, the first
    another one in every round; before(name) is not counted. Returns the medians for each name."""
    found = {name: [] for name in runs}
    names = list(runs)
    for turn in range(times):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            if before:
                before(name)
            found[name].append(runs[name]())
    return {name: {key: round(statistics.median(figures[key] for figures in all_of_it), 3)
                   for key in all_of_it[0]}
            for name, all_of_it in found.items()}


def row(work, medians, **sizes):
    out = {"work": work, **sizes, **medians}
    for name in medians:
        if name != "mvimig":
            out[f"ratio to {name}"] = round(medians[name]["seconds"] /
                                            medians["mvimig"]["seconds"], 2)
    print(json.dumps(out), flush=True)
