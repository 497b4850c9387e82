// SPDX-License-Identifier: Apache-2.0
// The hash-chained event log. A row's hash is SHA-256 over
//
//     "mvimig-event-v1" and a zero byte, the previous row's hash (32 bytes; zeros for event 0),
//     then seq, at, run, kind, step and detail: each as its length (8 bytes, big endian) and its
//     bytes as text, numbers in decimal, a run of NULL as "".
//
// docs/journal.md says how to check it without this program. A chain shows edits only to those who
// know its head: that is why the head is printed to the log at the start, phases and end of a run.
#pragma once

#include "base/err.h"
#include "state/writer.h"

#define CHAIN_START ((struct chain){.seq = -1})

struct event {
    int64_t seq;
    const char *at, *run, *kind, *step, *detail;
};

// Appends one, inside an operation. `step` NULL: about no step.
int event_append(struct journal *j, const char *kind, const char *step, struct err *e,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

// Walks the whole chain: ERR_JOURNAL names the first seq that does not fit. Also refuses events
// that rows of other tables speak of and that are not there (a tail cut off), and a migration row
// that is not the one of event 0. Leaves the head in `out`.
int chain_verify(struct db *db, struct chain *out, struct err *e);
