// SPDX-License-Identifier: Apache-2.0
// The plan of a restore: what the dump files made of a backup hold, restored parents last.
#pragma once

#include "commands/command.h"
#include "commands/ends.h"
#include "executor/backup_load.h"
#include "plans/plan.h"
#include "site/backup_read.h"

struct restore_plan_options {
    const char *name, *backup;
    const struct backup_facts *facts;
    const struct backup_segment *segments; // by collection
    size_t n;
    enum conflict_policy on_conflict;
};
// Writes the text of the plan. The destination's database has to be open.
int restore_plan_write(struct command_context *c, struct ends *ends, const struct model *m,
                       const struct restore_plan_options *o, struct buf *out, struct err *e);
