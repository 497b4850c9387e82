// SPDX-License-Identifier: Apache-2.0
// One execution of a plan: what every step may use. Filled by the command, handed down.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rate.h"
#include "executor/unsynced.h"
#include "plans/plan.h"
#include "site/files.h"
#include "site/mongo.h"
#include "site/segment.h"
#include "state/journal.h"

enum run_log_level { RUN_LOG_DEBUG, RUN_LOG_INFO, RUN_LOG_WARNING, RUN_LOG_ERROR };

// Counters for the progress line: monotonic within a run, added to by workers (step_progress).
struct run_progress {
    _Atomic uint64_t items, bytes; // handled so far: files and documents; bytes of content
    _Atomic uint64_t steps_done, steps_failed, steps_running;
    _Atomic uint64_t retries, conflicts, problems;
    _Atomic uint64_t streams; // of files, beside the one of each running step
};

// What the delete steps of a plan come to together, for their `max`; walk() prepares it.
struct run_deletions {
    pthread_mutex_t lock;
    bool counted;   // all delete steps, before the first deletion of this run
    uint64_t total; // that this came to
    uint64_t begun; // in this run, and not found to be somebody else's after all
};

struct run {
    const struct plan *plan;
    struct journal *journal;
    int workdir_fd;
    struct mongo_end *source_db, *destination_db; // NULL when the plan has no such steps
    int source_root;                              // descriptor of the data directory, or -1
    struct file_end *destination_files;           // NULL when the plan has no file steps
    struct base *base; // what earlier passes have laid (executor/base.h); NULL: nothing is known
    struct unsynced *unsynced; // that the journal syncs before it commits; NULL: each is synced
    struct rate *rate;         // of what is sent, by all steps together; NULL: no limit
    // By step: what this run's own dumps have written, beside their digests in the journal, while
    // walk() is at it; NULL: nobody looks.
    struct segment_written **dumped;
    int jobs;
    bool fail_fast, checksum;
    const char *only;  // a step's ID, or a prefix ending in "/"; NULL: all
    const char *rerun; // "" all, "files", "db", or as `only`; NULL: nothing that is done
    bool dry_run;      // the same walk with its effects off; the journal may be NULL
    // What the journal knew of each step of the plan when the walk began; walk() reads it unless it
    // was given (dry run).
    struct step_brief *known;
    int64_t deadline_mono_ns; // stop in good order then; 0: never
    struct run_progress progress;
    struct run_deletions deletions;
    // One line of log, already safe to print; called from any thread.
    void (*log)(void *arg, enum run_log_level level, const char *step, const char *text);
    void *log_arg;
    // Each decision to run or to pass over a step, and why; under the walk's lock. May be NULL.
    void (*explain)(void *arg, const char *step, bool runs, const char *why);
    void *explain_arg;
};

// Whether a step is meant by a word as --only takes it.
bool run_names_step(const char *word, const struct plan_step *s);

void run_log(struct run *r, enum run_log_level level, const char *step, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
