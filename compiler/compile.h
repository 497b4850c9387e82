// SPDX-License-Identifier: Apache-2.0
// scope + inventory + schema -> plan. Pure: no network, no clock, no disk; same input, same plan.
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "plans/plan.h"
#include "schema/cut.h"
#include "schema/inventory.h"
#include "schema/model.h"
#include "schema/scope.h"

// Resolves users and projects by ID, name or /pattern/ against the inventory into explicit owners
// and project IDs, sorted, each once. One that matches nothing is ERR_USAGE and says what is near.
int scope_resolve(const struct inventory *inv, const struct scope *asked, struct scope *resolved,
                  struct arena *a, struct err *e);

struct compile_options {
    const char *name;
    int pass;
    // Earlier migrations between the same ends. A plan that deletes takes for its base only those
    // that asked for the same scope, or all when it moves the whole server: it must not reach what
    // it does not look at.
    const struct compile_base {
        const char *name;
        const char *scope; // of the plan applied last; may be NULL
    } * base;
    size_t n_base;
    bool create_indexes;    // that the destination lacks
    bool delete;            // what the base has laid and the source has no longer
    const char *max_delete; // decimal; NULL: any number
    // Every finding that depends on the scope, as it is put into the inventory; may be NULL.
    void (*finding)(void *arg, const struct inv_finding *f);
    void *arg;
};

// The plan is validated with the rules of the inventory's schema. It borrows texts of the scope,
// the inventory and its schema, which have to outlive it. Findings that depend on the scope (left
// behind, no string ID, not UTF-8) are put into the inventory in place of those of an earlier call.
// ERR_PLAN means a fault of ours, or a name that is none; the text says what.
int compile(const struct scope *resolved, struct inventory *inv, const struct compile_options *o,
            struct plan **out, struct err *e);

// The order rules of a schema, for plan_validate of edited plans; lives in `a`.
struct plan_rules *compile_rules(const struct model *m, struct arena *a);
