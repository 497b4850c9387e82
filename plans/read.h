// SPDX-License-Identifier: Apache-2.0
// Parts of the plan reader: each takes a node of the tree, copies what it understands into the
// plan's arena, and reports what it does not.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/problems.h"
#include "base/ytree.h"
#include "plans/lines.h"
#include "plans/plan.h"

struct reader {
    struct plan *p;
    struct problems *problems;
    const struct lines *lines;
    bool readable; // a plan of this version: worth checking
    bool sound;    // nothing is wrong with how its sets and steps are written
};

// A text of at most `max` bytes; NULL, and a problem, when the node is something else. A plain null
// (also nothing at all) is no text; every other plain scalar is, as it is written: 0777, no, 1e3.
const char *read_text(struct reader *r, const char *where, const char *what,
                      const struct ynode *node, size_t max);
bool read_is_null(const struct ynode *node); // a plain null, ~ or nothing
// A list of texts; a problem each for what is none.
const char **read_list(struct reader *r, const char *where, const char *what,
                       const struct ynode *node, size_t *n);
// Reports every key of the mapping that is not known, with the known one nearest to it.
void read_keys(struct reader *r, const char *where, const struct ynode *map,
               const char *const *known, size_t n);
// The comment behind a node; NULL when `before` (may be NULL) stands on the same line.
const char *read_comment(struct reader *r, const struct ynode *node, const struct ynode *before);

void read_header(struct reader *r, const struct ynode *root);
void read_sets(struct reader *r, const struct ynode *node);
void read_steps(struct reader *r, const struct ynode *node);
