// SPDX-License-Identifier: Apache-2.0
// The walk over the plan's graph: `jobs` workers, retries with back-off. Ready steps in plan order,
// but restores first, as long as some other step is running: both ends are busy at the same time.
// A step whose hash is done in the journal is skipped; one that waits for a failed step, or for one
// that --only leaves out, is not reached. Each decision has its own explain line.
#pragma once

#include "executor/run.h"

struct walk_outcome {
    uint64_t done;    // executed now
    uint64_t skipped; // done before
    uint64_t failed;
    uint64_t not_reached;         // behind steps that failed or were left out, or after a stop
    uint64_t left_out;            // by --only, and not done before
    struct step_result totals;    // of the steps executed now
    uint64_t conflicts, problems; // rows written now
    char first_error[ERR_TEXT_MAX];
    int first_error_code;
};

// Whether --only and --rerun (NULL: not given) name anything of the plan; ERR_USAGE otherwise.
// Asked before anything is opened: a word that was mistyped must leave no trace.
int walk_check_words(const struct plan *p, const char *only, const char *rerun, struct err *e);

// Executes what is not done. 0: every step is done (rejected items and conflicts are counted in
// the outcome). ERR_LEFTOVER: some failed. A stop: its code. ERR_JOURNAL: the journal died.
// `tick` is called five times a second from the calling thread (progress line, status).
int walk(struct run *r, void (*tick)(void *arg), void *arg, struct walk_outcome *out,
         struct err *e);
