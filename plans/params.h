// SPDX-License-Identifier: Apache-2.0
// The parameters of steps as data, for those parts of plans/ that treat all of them alike.
#pragma once

#include <stddef.h>

#include "plans/plan.h"

struct plan_param {
    const char *key;
    unsigned flag;
    size_t offset; // of a const char * in struct plan_step
};

enum {
#define STEPPARAM(key, flag, member) PARAM_##member,
#include "plans/params.tbl.h"
#undef STEPPARAM
    N_PLAN_PARAMS
};
extern const struct plan_param plan_params[N_PLAN_PARAMS];

// The value of a parameter in a step; NULL when it has none.
const char **plan_param_slot(struct plan_step *s, const struct plan_param *param);
const char *plan_param_value(const struct plan_step *s, const struct plan_param *param);

const struct plan_kind *plan_kind_find(const char *name); // NULL when there is none
int plan_conflict_find(const char *name);                 // an enum conflict_policy, or -1
// ENDS_ flags: what the step opens. A kind that has all uses the databases of a step with a
// collection and the files of one without.
unsigned plan_step_ends(const struct plan_step *s);
// File steps carry files; a dump without a set, or with a range or orphansOf, reads by _id range.
bool plan_is_file_step(const struct plan_step *s);
bool plan_is_range_dump(const struct plan_step *s);
