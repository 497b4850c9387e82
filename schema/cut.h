// SPDX-License-Identifier: Apache-2.0
// Content-defined cuts: shared by the scan (ranges of a collection) and the compiler (sets).
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Where a sorted list of IDs is cut into batches: true when a batch ends before this ID. Decided by
// the ID and its own weight alone up to twice the target, so that one object more or less changes
// one batch; from there on more IDs are cuts, and at four times the target a batch ends in any
// case.
//
// Calling sequence: a zeroed state, then one call for each ID in order; the state counts the ID,
// and starts anew where it answers true. A batch is never empty: the first ID is never a cut.
// An ID that alone weighs a whole target begins a batch.
struct cut_limits {
    uint64_t files, bytes, items; // target of one batch, 0: no limit; the cap is four times that
};
struct cut_state {
    uint64_t files, bytes, items; // of the batch so far
};
bool cut_before(const struct cut_limits *l, struct cut_state *s, const char *id, uint64_t files,
                uint64_t bytes);
