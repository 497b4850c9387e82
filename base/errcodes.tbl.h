// SPDX-License-Identifier: Apache-2.0
// Every way a call can fail, stated once: ERRCODE(NAME, code, exit status, meaning).
// Codes are negative and never reused; the exit status is the promise of the manual (section
// "Exit status"), and several codes may share one. Expanded by base/err.h, by `mvimig --help`
// and by docs/exit-codes.md; tests/lint/tables.py fails when they disagree.

ERRCODE(FAILED, -1, 1, "failed, not otherwise classed")
ERRCODE(USAGE, -2, 2, "bad usage or configuration; nothing was touched")
ERRCODE(LEFTOVER, -3, 3, "ended with items left over; resume can go on")
ERRCODE(CONFLICTS, -4, 4, "ended, with conflicts kept for a person to look at")
ERRCODE(DIFFERS, -5, 5, "verify found differences")
ERRCODE(PLAN, -6, 6, "plan invalid, stale, not the digest asked for, or not this journal's")
ERRCODE(JOURNAL, -10, 10, "journal or work directory missing or unreadable")
ERRCODE(LOCKED, -11, 11, "locked by another run")
ERRCODE(LOGIN, -12, 12, "login refused at the source, the destination or the cluster")
ERRCODE(UNREACHABLE, -13, 13, "an end cannot be reached after retries")
ERRCODE(INTERRUPTED, -130, 130, "stopped by SIGINT, resumable")
ERRCODE(TERMINATED, -143, 143, "stopped by SIGTERM, resumable")
// The codes below never leave the program under their own number: they tell callers apart.
ERRCODE(IO, -20, 1, "a file or stream could not be read or written")
ERRCODE(LIMIT, -21, 1, "something from outside is larger than its cap")
ERRCODE(DATA, -22, 1, "data are damaged or not what was promised")
ERRCODE(NOTFOUND, -23, 1, "not there")
ERRCODE(RETRY, -24, 13, "a passing failure; the same call may succeed later")
ERRCODE(REJECTED, -25, 3, "the destination refused an item")
