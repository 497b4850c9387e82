# SPDX-License-Identifier: Apache-2.0
"""Child processes that cannot outlive the tests."""
import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """For preexec_fn: the kernel kills the child when the thread that started it ends.

    A test run that is itself killed must not leave servers behind. The signal follows the
    starting *thread*: start long-lived children from the main one.
    """
    parent = os.getppid()
    if _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        os._exit(127)
    # The parent may have died before the call.
    if os.getppid() != parent:
        os._exit(127)
