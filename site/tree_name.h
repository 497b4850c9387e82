// SPDX-License-Identifier: Apache-2.0
// How names of directory entries are looked up in a set of IDs: each name once, whatever the number
// of IDs.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "site/tree.h"

// A template cut at "{id}": what stands before it, what behind, and whether "*" ends it.
struct tree_template {
    char head[64], tail[64];
    bool open; // "*": anything may follow that begins with neither letter nor digit
};
// NULL is "{id}". ERR_USAGE when it has no "{id}", more than one "*", or is too long.
int tree_template_read(const char *text, struct tree_template *out, struct err *e);
// True when some ID makes the template fit the name.
bool tree_template_finds(const struct tree_template *t, const struct strtab *ids, const char *name);
// What the tool leaves in a root has names of TREE_OWN_PREFIX or TREE_PARTS_PREFIX and 32
// lower-case hex digits.
#define TREE_OWN_ID 16
#define TREE_OWN_NAME_MAX 64
bool tree_name_is_own(const char *name);
bool tree_name_has_prefix(const char *name, const char *prefix);
void tree_own_name(const char *prefix, const uint8_t id[TREE_OWN_ID], char out[TREE_OWN_NAME_MAX]);
