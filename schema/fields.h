// SPDX-License-Identifier: Apache-2.0
// Typed fields out of a tree that base/ytree.h read, for this folder's files.
//
// The first thing wrong is put into `e` with file and line and sticks: later calls return nothing
// and change nothing, so that a reader of many fields looks at f->e->code once, at its end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/ytree.h"

struct fields {
    const char *file; // for messages
    struct arena *arena;
    struct err *e; // code 0 while nothing is wrong
};

bool fields_failed(const struct fields *f);
// Sets "FILE:LINE: text" unless something was wrong before. Always ERR_USAGE.
void fields_fail(struct fields *f, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// True when the node is a mapping that has only known keys; an unknown one is named with its
// nearest. `what` says what the mapping is ("collection DataSets").
bool fields_mapping(struct fields *f, const struct ynode *n, const char *what,
                    const char *const *known, size_t n_known);
// The mapping's own value: any keys. False when it is none.
bool fields_is_mapping(struct fields *f, const struct ynode *n, const char *what);

// Text of a scalar; NULL when the key is missing (an error with `required`), empty text included.
const char *fields_text(struct fields *f, const struct ynode *map, const char *key, bool required);
bool fields_flag(struct fields *f, const struct ynode *map, const char *key);       // default false
uint64_t fields_number(struct fields *f, const struct ynode *map, const char *key); // default 0
// Position of the value in `names`; `otherwise` when the key is missing.
int fields_choice(struct fields *f, const struct ynode *map, const char *key,
                  const char *const *names, size_t n, int otherwise);
// A list of texts, or of anything; *n 0 and NULL when the key is missing.
const char **fields_texts(struct fields *f, const struct ynode *map, const char *key, size_t *n);
struct ynode **fields_list(struct fields *f, const struct ynode *map, const char *key, size_t *n);
