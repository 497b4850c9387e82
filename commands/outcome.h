// SPDX-License-Identifier: Apache-2.0
// What a run comes to, told at its end on success and failure alike.
#pragma once

#include "commands/execution.h"
#include "executor/walk.h"

// What is left for a person, over the whole migration and not just this run: so that applying a
// finished plan again ends with the same status.
struct outcome_left {
    uint64_t kept; // conflicts where the destination's content was kept
    uint64_t updated,
        deleted;       // as at the source, since they stood there as earlier passes left them
    uint64_t replaced; // conflicts where it was replaced
    uint64_t rejected; // documents and files that did not move
    uint64_t noted;    // problems that need no second run: special files, what vanished
};

// 0, ERR_LEFTOVER or ERR_CONFLICTS (left over wins), from the journal; no error text.
int outcome_code(struct execution *x, struct outcome_left *left, struct err *e);
// The closing lines, on standard output.
void outcome_tell(struct execution *x, const struct walk_outcome *o,
                  const struct outcome_left *left, int64_t ns);
