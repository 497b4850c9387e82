// SPDX-License-Identifier: Apache-2.0
// Who writes a journal: the row `owner`. Each writer takes the next generation. Every transaction
// checks that it still stands (a fence against a run that was stopped, taken over from, and woken
// up) and moves the beat on; an idle writer beats every 10 s.
//
// Whoever has the lock (state/lock.h) under the same boot ID takes over at once: this kernel knows
// that the owner before is gone. From another host it is taken when the beat has not moved for 60 s
// of our own monotonic clock. Never by PIDs, never by comparing clocks.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "state/writer.h"

#define OWNER_BEAT_NS (10 * INT64_C(1000000000))

struct owner {
    int64_t generation, beat;
    bool held;
    char command[64], host[256], boot_id[64], since[CLOCK_TEXT], beat_at[CLOCK_TEXT];
    int64_t process;
};
int owner_read(struct db *db, struct owner *out, struct err *e);

// On the connection of a writer whose thread has not begun: waits as above, then takes the next
// generation. ERR_LOCKED when the owner lives. `force`: without waiting.
int owner_claim(struct journal *j, const char *command, bool force, struct err *e);
// Inside a transaction that writes: ERR_LOCKED when somebody else has taken over since. Moves the
// beat on.
int owner_check(struct journal *j, struct err *e);
void owner_release(struct journal *j); // best effort, at the end

// Watches the beat of a work directory's journal, read-only. *silent: its owner is of another host,
// and the beat did not move for 60 s. Returns at once when the owner is of this host.
int owner_watch(int workdir_fd, void (*say)(void *arg, const char *text), void *arg, bool *silent,
                struct err *e);
