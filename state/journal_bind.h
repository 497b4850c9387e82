// SPDX-License-Identifier: Apache-2.0
// Inside the journal: what a plan leaves in it.
#pragma once

#include "base/err.h"
#include "plans/plan.h"
#include "state/writer.h"

// The migration row, event 0 and the step rows of a new journal, inside a transaction.
int bind_create(struct journal *j, const struct plan *p, struct err *e);
