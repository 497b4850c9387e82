// SPDX-License-Identifier: Apache-2.0
// One step of a plan for people: why it is there, what it reads and writes, how it stands.
#pragma once

#include "commands/command.h"
#include "plans/plan.h"

// Prints the step with this ID. ERR_USAGE, with the nearest ID, when the plan has none. What the
// journal knows of it is told when the migration has one; that there is none is no error.
int show_explain(struct command_context *c, const struct plan *p, const char *id, struct err *e);
