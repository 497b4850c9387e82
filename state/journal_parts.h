// SPDX-License-Identifier: Apache-2.0
// Inside the journal: what the files that write steps, batches and findings share. All of it runs
// inside an operation.
#pragma once

#include "plans/plan.h"
#include "state/attempt.h"
#include "state/writer.h"

struct step_row {
    int64_t id;
    enum step_state state;
    int64_t attempts;
    int64_t attempt_number; // step_find_attempt
};
// ERR_NOTFOUND when the step has no row.
int step_find(struct journal *j, const struct plan_step *s, struct step_row *out, struct err *e);
// The step, and that this attempt at it goes on; ERR_FAILED otherwise.
int step_find_attempt(struct journal *j, const struct plan_step *s, int64_t attempt,
                      struct step_row *out, struct err *e);

// Writes a copy of the whole database beside it, durable, readable only by its owner; one of that
// name is replaced. Outside of any transaction, on the thread that has the connection.
int journal_copy_as(struct journal *j, const char *name, struct err *e);

// Sends a step back to PENDING, to be done again from its start.
int step_send_back(struct journal *j, const struct plan_step *s, const char *why, struct err *e);

// Marks the step's batches as forgotten and what they said as superseded; its counts begin anew.
int batches_forget(struct journal *j, const struct step_row *step, struct err *e);

// Writes findings as of no batch; findings_join_batch gives those of the attempt to one.
int findings_write(struct journal *j, const struct plan_step *s, const struct step_row *step,
                   int64_t attempt, const struct finding *list, struct err *e);
int findings_join_batch(struct journal *j, const struct step_row *step, int64_t attempt,
                        int64_t batch, struct err *e);
