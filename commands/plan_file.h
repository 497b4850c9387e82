// SPDX-License-Identifier: Apache-2.0
// Plans as the commands meet them: read and checked with the schema's rules, written atomically.
#pragma once

#include "commands/command.h"
#include "plans/plan.h"
#include "schema/model.h"

// Reads and validates a plan file. ERR_PLAN names every problem.
int plan_file_read(struct command_context *c, const struct model *m, const char *path,
                   struct plan **out, struct err *e);
// Writes text to a path of the user's: temporary file, fsync, rename.
int plan_file_write(const char *path, const void *text, size_t len, struct err *e);
// The name that `plan` would give: --name, or one that says what the scope is.
int plan_name_from_options(struct command_context *c, const char **out, struct err *e);
// --digest: refuses a plan with another one.
int plan_file_check_digest(const struct plan *p, const char *wanted, struct err *e);
