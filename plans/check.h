// SPDX-License-Identifier: Apache-2.0
// The parts of plan validation (plan_validate), each over one aspect. All of them report into the
// same list; the later ones rely on what the earlier ones found to be sound.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/problems.h"
#include "plans/links.h"
#include "plans/plan.h"

struct check {
    struct plan *p;
    const struct plan_rules *rules; // may be NULL
    struct problems *problems;
    struct arena *scratch;
    struct links *links; // set by check_needs
};

// Everything, in order. `sound` is false when the reader found fault with steps or sets: then what
// is checked across steps is left out where it would only repeat that.
void check_plan(struct plan *p, const struct plan_rules *rules, bool sound,
                struct problems *problems);

// Each step for itself: parameters, paths, bounds; fills sets, n_sets and from_index.
void check_steps(struct check *c);
// Resolves needs into c->links, finds cycles, fills deps.
void check_needs(struct check *c);
// The _id ranges of each collection: from open end to open end, without gap or overlap.
void check_ranges(struct check *c);
// No two steps write the same thing. Needs hashes.
void check_writes(struct check *c);
// The order that the rules ask for.
void check_rules(struct check *c);

// For messages: how a path or a label is wrong, or NULL when it is fine.
const char *check_path_fault(const char *path);
