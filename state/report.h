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
    // The whole plan, and the newest run. As of its newest record; seconds from its start to that.
    uint64_t files, documents, items, expected_items, bytes, expected_bytes;
    uint64_t run_items, run_bytes;
    double share, seconds;
    const char *as_of;
    // Time left, in seconds, as two costs of the newest run's own attempts have it: by the item and
    // by the byte. -1: there is nothing to go by yet, or nothing goes on.
    double eta_low, eta_high;
    struct report_running {
        const char *step, *since;
        uint64_t items, expected_items, bytes;
    } * running; // at most 16
    size_t n_running;
};

int report_read(int workdir_fd, struct arena *a, struct report *out, struct err *e);

// What a journal knows of a plan's steps, without writing (for --dry-run).
int report_steps(int workdir_fd, const struct plan *p, struct step_brief *out, struct err *e);

// How one step stands: by its hash, which other steps of its name do not have.
struct report_step {
    const char *state; // "pending", "running", "done", "failed"; "": the journal does not know it
    int64_t attempts;
    const char *ended; // the newest attempt that ended; ""
    const char *error; // of the newest attempt that failed; ""
};
int report_step(int workdir_fd, const char *hash, struct arena *a, struct report_step *out,
                struct err *e);

// Calls back with each row of one of the journal's views, columns as text (NULL as ""); for
// `status --json`, `conflicts` and the end of a run. ERR_NOTFOUND when there is no such view.
int report_view(int workdir_fd, const char *view,
                int (*row)(void *arg, int n, const char *const *names, const char *const *values),
                void *arg, struct err *e);
