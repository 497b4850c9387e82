// SPDX-License-Identifier: Apache-2.0
// The base of a plan: earlier migrations between the same ends, whose work directories stand beside
// the plan's own.
#pragma once

#include "commands/command.h"
#include "compiler/compile.h"

// Fills o->base and o->n_base, by name: folders beside `workdir`, and itself, with a plan that was
// applied between the inventory's ends. The ends are the same when their fingerprints are; a
// destination that had none when that plan was made, by server and database. A folder whose plan
// cannot be read is left out with a warning.
int bases_find(struct command_context *c, const char *workdir, const struct inventory *inv,
               struct compile_options *o, struct err *e);
