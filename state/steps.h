// SPDX-License-Identifier: Apache-2.0
// All steps of a plan at once: what the journal knows of them, in one query.
#pragma once

#include "state/db.h"
#include "state/journal.h"

// Fills `out` (n_steps of the plan) by the steps' hashes.
int steps_read(struct db *db, const struct plan *p, struct step_brief *out, struct err *e);
