// SPDX-License-Identifier: Apache-2.0
// The read-only walk: every step that is done and has something to compare is verified, several at
// a time, in no particular order.
#pragma once

#include "executor/step.h"

struct verify_outcome {
    uint64_t steps;    // verified
    uint64_t not_done; // steps of the plan that were not done, so there is nothing to compare
    uint64_t compared, same, differ, changed;
};

// `difference` is called for each one, one call at a time (under a lock of this function's own).
// 0 also when differences were found: the outcome counts them.
struct verify_job {
    struct run *run;    // with `known`
    const bool *passed; // per step: verified before, to be passed over; NULL: none
    bool live;          // compare with the source as it is now
    int (*difference)(void *arg, const struct plan_step *s, const struct step_difference *d,
                      struct err *e);
    // A step was compared to its end; under the same lock. May be NULL.
    int (*verified)(void *arg, const struct plan_step *s, const struct step_verify *v,
                    struct err *e);
    void *arg;
    void (*tick)(void *arg); // about once a second, from the calling thread
    void *tick_arg;
};
int verify_steps(const struct verify_job *job, struct verify_outcome *out, struct err *e);
