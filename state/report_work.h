// SPDX-License-Identifier: Apache-2.0
// Inside the report: how much work there is, what it has cost, and how long the rest will take.
#pragma once

#include "base/arena.h"
#include "state/db.h"
#include "state/report.h"

int report_read_work(struct db *db, struct arena *a, struct report *out, struct err *e);
