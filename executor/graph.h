// SPDX-License-Identifier: Apache-2.0
// The plan's graph while it is walked: which steps wait for how many others, and which of the ready
// ones stands first in the plan. Restores have a queue of their own. Not thread-safe: the walk
// holds its lock around every call.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "plans/plan.h"

struct graph;
// Every step waits for its dependencies. `p` is validated and outlives the graph.
struct graph *graph_new(const struct plan *p);
void graph_free(struct graph *g);

// The ready step that stands first in the plan, taken out of the queue; false when none is ready.
// `restore`: of the restores that are ready, when there are any; otherwise of the other steps, when
// there are any.
bool graph_take(struct graph *g, bool restore, size_t *step);
// Whether a restore, or another step, is ready.
bool graph_ready(const struct graph *g, bool restore);
// The step is done: those that waited only for it become ready.
void graph_finish(struct graph *g, size_t step);
// Steps neither taken nor finished.
size_t graph_left(const struct graph *g);
