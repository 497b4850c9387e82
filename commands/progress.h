// SPDX-License-Identifier: Apache-2.0
// The progress line of a run: percent, what was handled, rate, time left.
#pragma once

#include "commands/out.h"
#include "executor/run.h"

struct progress {
    struct out *out;
    struct run *run;
    const char *verb;                  // "apply", "verify"
    uint64_t total_items, total_bytes; // what the steps that are not done should come to
    int64_t started_ns, shown_ns;
    // Of the last seconds, for the rate shown: a ring of samples, one for each line shown.
    struct progress_sample {
        int64_t ns;
        uint64_t items, bytes;
    } samples[16];
    size_t n_samples;
};

// Totals from the plan's expectations, less the steps that the journal knows as done.
void progress_begin(struct progress *p, struct out *out, struct run *run, const char *verb);
// The same of what verify is to compare: steps that are done, less those marked in `passed`.
void progress_begin_verify(struct progress *p, struct out *out, struct run *run,
                           const bool *passed);
// Shows a line when it is time (each call on a terminal, each 10 s otherwise). `arg` is the
// struct progress: it is the tick of the walk.
void progress_tick(void *arg);
