// SPDX-License-Identifier: Apache-2.0
// Reads the strict subset of YAML that plans, schemas and configurations use into a tree.
//
// libyaml's events are read one by one: an alias, anchor, tag, merge key ("<<"), second document,
// duplicate key, byte that is not UTF-8 or NUL is an error with its line; depth is counted in the
// loop because libyaml 0.2.5 is quadratic in nesting. JSON is YAML, but for two things mended
// before the parser sees them when `json_comments` is set: `//` comments outside quotes, and
// surrogate pairs of \u escapes, which libyaml refuses. Scalars stay text; what they mean is the
// caller's business, with the help of `plain` (unquoted: null, true and numbers are only those).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum ytype { Y_SCALAR, Y_SEQUENCE, Y_MAPPING };

struct ynode {
    enum ytype type;
    bool plain;           // a scalar without quotes
    int line;             // from 1
    size_t len;           // of a scalar's text
    const char *text;     // scalar, zero-terminated, no zero inside
    size_t n;             // items of a sequence, pairs of a mapping
    struct ynode **items; // sequence: items; mapping: values
    struct ynode **keys;  // mapping: scalar nodes
};

struct ytree_limits {
    size_t bytes;  // of the whole text
    size_t scalar; // of one scalar
    int depth;     // of nesting
    bool json_comments;
};
extern const struct ytree_limits ytree_config_limits; // 1 MiB, 64 KiB, 32, with json_comments
extern const struct ytree_limits ytree_plan_limits;   // 64 MiB, 64 KiB, 32

// `name` is put in front of errors ("network.json:12: ..."). ERR_USAGE on anything wrong.
int ytree_read(struct arena *a, const char *name, const char *text, size_t len,
               const struct ytree_limits *limits, struct ynode **root, struct err *e);

// The value of a key, NULL when the mapping lacks it.
struct ynode *ytree_get(const struct ynode *map, const char *key);
// A plain non-negative decimal number; -1 when it is not one or over `max`.
int ytree_uint(const struct ynode *n, uint64_t max, uint64_t *out);
int ytree_bool(const struct ynode *n, bool *out); // plain true or false; -1 otherwise
// The known word nearest to `word` by edit distance (at most a third of its length), or NULL.
const char *ytree_nearest(const char *word, const char *const *known, size_t n);
