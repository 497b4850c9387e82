// SPDX-License-Identifier: Apache-2.0
// Who waits for whom, kept as it is written: a step links to steps and to groups, a group being all
// steps below a prefix. Thousands of steps that need "files/" share one group, so that cycles and
// reach cost what is written in the plan and not what it multiplies out to.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plans/plan.h"

struct links {
    const struct plan *p;
    struct arena *arena;
    struct plan_group *groups;
    size_t n_groups, cap_groups;
    // Of each step: a step's index, or n_steps + a group's index. A restore's dump comes last.
    size_t **of;
    size_t *n_of;
    size_t *order; // all steps, those waited for first; filled by links_walk
};

struct links *links_new(const struct plan *p, struct arena *a);

// Walks the graph: fills `order` and calls back with each cycle that was found (at most `max`), a
// list of steps of which each waits for the next and the last for the first. Returns their number.
size_t links_walk(struct links *l, size_t max,
                  void (*cycle)(void *arg, const size_t *steps, size_t n), void *arg);

// Sets of steps as bits.
#define LINKS_WORDS(n) (((n) + 63) / 64)
static inline void links_set(uint64_t *bits, size_t i) {
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}
// Everything that each step waits for, directly or not, as far as `order` goes (no cycle). Steps
// that wait for one group alone share its set; NULL is the empty one. Lives in the links' arena.
const uint64_t **links_reach(struct links *l);
