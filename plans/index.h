// SPDX-License-Identifier: Apache-2.0
// Steps by ID and sets by name, in byte order: exact look-ups and prefixes without a table.
#pragma once

#include <stddef.h>

#include "plans/plan.h"

struct index_of {
    const char *(*text)(const struct plan *p, size_t i);
    size_t offset; // of the struct plan_index in struct plan
};
extern const struct index_of index_steps, index_sets;

// Positions lo <= i < hi of an index's order.
struct index_span {
    size_t lo, hi;
};

// Sorts both; every step has an ID and every set a name by then. Duplicates stand side by side.
void index_build(struct plan *p);
struct index_span index_prefix(const struct plan *p, const struct index_of *of, const char *prefix);
// The first step or set of that text; (size_t)-1 when there is none.
size_t index_find(const struct plan *p, const struct index_of *of, const char *text);
