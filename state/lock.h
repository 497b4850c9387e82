// SPDX-License-Identifier: Apache-2.0
// One run at a time in a work directory: an open-file-description lock (F_OFD_SETLK, Linux 3.15) on
// WORKDIR/lock, which the kernel gives back when the process ends, however it ends. The file holds
// who has it (pod or host, PID, boot ID, start) for people to read, never to decide by.
//
// Where the file system has no such locks, or its lock server does not answer, nothing is locked
// and the call fails with the reason: two runs must not write one migration.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct lock; // NULL = not held
// ERR_LOCKED names the holder and since when; ERR_IO: no locks here, or no file can be made.
// timeout_ms 0: do not wait; negative: wait for ever. A signal ends the wait (stop_error).
int lock_take(int workdir_fd, const char *command, int64_t timeout_ms, struct lock **out,
              struct err *e);
void lock_release(struct lock *l); // safe on NULL

// Puts a new lock file in the place of one whose holder is beyond reach: that one keeps a lock that
// nobody looks at any more, and the journal's generation (state/owner.h) keeps it from writing.
int lock_break(int workdir_fd, struct err *e);

#define LOCK_HOLDER_TEXT 512
// Whether some process holds it now, without disturbing it, and who: "mvimig apply on HOST (process
// 12) since 2026-01-02T03:04:05.678Z", "" when nobody does. ERR_IO when that cannot be told.
int lock_holder(int workdir_fd, bool *held, char holder[LOCK_HOLDER_TEXT], struct err *e);
