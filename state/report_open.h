// SPDX-License-Identifier: Apache-2.0
// Opening a journal to read it, also while a run writes it.
#pragma once

#include "base/err.h"
#include "state/db.h"

// How long a reader waits for a writer between two of its commits, which are milliseconds apart.
struct patience {
    int64_t deadline_mono_ns;
};

// Opens WORKDIR/journal.db read-only. What a killed run left half-written is rolled back first, by
// opening it for writing, unless somebody holds the run's lock (who then does that). Errors name
// the file. `patience` must outlive the connection.
int report_open(int workdir_fd, struct db *db, struct patience *patience, struct err *e);
