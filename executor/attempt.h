// SPDX-License-Identifier: Apache-2.0
// One step, from its first attempt to its end: begin in the journal, run, end in the journal, and
// again with back-off while the failure is a passing one.
#pragma once

#include "executor/step.h"

// What a worker keeps between steps.
struct worker_sessions {
    struct mongo *source_db, *destination_db;
};
void worker_sessions_close(struct worker_sessions *w);

// 0: done and recorded. A stop: its code, the attempt closed as not done. ERR_JOURNAL: the journal
// died and nothing more may be done. Otherwise the step failed, and the journal says so.
// `result` holds what the last attempt did, also on failure.
int attempt_step(struct run *r, const struct plan_step *s, struct worker_sessions *w,
                 struct step_result *result, struct err *e);
