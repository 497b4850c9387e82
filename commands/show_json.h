// SPDX-License-Identifier: Apache-2.0
// A plan as JSON, as docs/plan.schema.json describes it.
#pragma once

#include "commands/command.h"
#include "plans/plan.h"

void show_json(struct out *o, const struct plan *p);
