// SPDX-License-Identifier: Apache-2.0
// scope + inventory + schema -> plan. Pure: no network, no clock, no disk; same input, same plan.
#pragma once

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
    const char *const *base;
    size_t n_base;
};

// The plan is validated before it is returned (a failure there is our own bug: MUST).
// Findings that depend on the scope (left behind) are added to the inventory.
int compile(const struct scope *resolved, struct inventory *inv, const struct compile_options *o,
            struct plan **out, struct err *e);

// The order rules of a schema, for plan_validate of edited plans; lives in `a`.
struct plan_rules *compile_rules(const struct model *m, struct arena *a);
