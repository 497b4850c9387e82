// SPDX-License-Identifier: Apache-2.0
// What readers ask of a journal (status, conflicts, summaries): opened read-only, read, closed at
// once, also while a run writes it. A hot journal left by a killed run needs a writer to roll it
// back; that is done here, by opening it for writing when nobody holds the lock.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "state/journal.h"

struct report_stage {
    const char *stage; // "files", "dump", "restore"
    uint64_t steps, done, running, failed;
    uint64_t expected_items, expected_bytes, items, bytes;
};

struct report {
    const char *name, *program_version, *plan_digest, *config_path;
    const char *started, *ended, *outcome; // of the newest run; ended "" while it goes on
    int64_t runs;
    int64_t generation, beat; // of the journal's owner
    const char *beat_at;      // its newest sign of life
    bool owned;               // it has not ended in good order
    bool held;                // a run holds the lock now
    const char *holder;       // "" when nobody
    struct report_stage *stages;
    size_t n_stages;
    uint64_t conflicts, problems;
    struct report_failure {
        const char *step, *error;
        int64_t attempts;
    } * failures;
    size_t n_failures;
    bool finished; // every step of the plan is done
};

int report_read(int workdir_fd, struct arena *a, struct report *out, struct err *e);

// What a journal knows of a plan's steps, without writing (for --dry-run).
int report_steps(int workdir_fd, const struct plan *p, struct step_brief *out, struct err *e);

// Calls back with each row of one of the journal's views, columns as text (NULL as ""); for
// `status --json`, `conflicts` and the end of a run. ERR_NOTFOUND when there is no such view.
int report_view(int workdir_fd, const char *view,
                int (*row)(void *arg, int n, const char *const *names, const char *const *values),
                void *arg, struct err *e);
