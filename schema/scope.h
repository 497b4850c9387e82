// SPDX-License-Identifier: Apache-2.0
// What a person asked to be moved. Patterns and names are resolved to explicit IDs by
// scope_resolve (against the inventory, at plan time); the compiler sees only resolved scopes.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

enum conflict_policy { CONFLICT_KEEP, CONFLICT_REPLACE, CONFLICT_FAIL };
extern const char *const conflict_policy_names[3]; // "keep", "replace", "fail"

struct scope_list {
    const char **items;
    size_t n, cap;
};

struct scope {
    bool server;
    struct scope_list users;    // as given (resolved: owner names)
    struct scope_list projects; // as given: ID, name or /pattern/ (resolved: IDs)
    struct scope_list excludes; // PCRE2 patterns on relative file paths
    bool files_only;
    bool with_accounts, with_transient;
    bool no_follow;
    int on_conflict; // -1: each kind's own default, else an enum conflict_policy
};
