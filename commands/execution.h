// SPDX-License-Identifier: Apache-2.0
// What apply, resume and verify share: a plan, its ends, its work directory with lock and journal,
// opened in the order that touches nothing before everything was checked.
#pragma once

#include <stdbool.h>

#include "base/rate.h"
#include "commands/command.h"
#include "commands/ends.h"
#include "executor/run.h"
#include "plans/plan.h"
#include "schema/model.h"
#include "state/journal.h"
#include "state/lock.h"

struct execution {
    struct command_context *c;
    struct model *model;
    struct ends ends;
    struct plan *plan;
    const char *plan_path;
    const char *workdir; // path
    int workdir_fd;
    struct lock *lock;
    struct journal *journal;
    struct base *base;
    struct rate *rate; // NULL: no limit
    struct unsynced unsynced;
    struct run run;
    bool quiet; // the outcome is told by the command itself
};
void execution_init(struct execution *x, struct command_context *c);
void execution_close(struct execution *x);
// Both around `work`: a whole command.
int execution_run(struct command_context *c, int (*work)(struct execution *x, struct err *e),
                  struct err *e);

// Reads schema and plan.
int execution_load(struct execution *x, const char *plan_path, struct err *e);
// Opens the ends (ends.config is read already) and checks that they are the plan's, and not one and
// the same.
int execution_open_ends(struct execution *x, struct err *e);
// Of the ends only the plan's source, for those that touch no destination.
int execution_open_source(struct execution *x, struct err *e);
// Takes the lock, opens the journal or, with `create`, makes it, and binds the plan to it.
int execution_open_journal(struct execution *x, bool create, struct err *e);
// x->run from everything above, for those that walk on their own (verify).
void execution_fill_run(struct execution *x);
// Says of each step whether and why it would run, without lock and journal, changing nothing.
int execution_dry_run(struct execution *x, struct err *e);
// Runs what is not done, tells about it, and returns the outcome's code (0, LEFTOVER,
// CONFLICTS...).
int execution_walk(struct execution *x, struct err *e);
