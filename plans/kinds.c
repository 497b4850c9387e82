// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "plans/params.h"

const struct plan_kind plan_kinds[N_STEP_KINDS] = {
#define STEPKIND(id_, variable, text, version_, params_, required_, conflict, ends_, shape_)       \
    [KIND_##id_] = {.id = KIND_##id_,                                                              \
                    .name = text,                                                                  \
                    .version = version_,                                                           \
                    .params = params_,                                                             \
                    .required = required_,                                                         \
                    .on_conflict = conflict,                                                       \
                    .ends = ends_,                                                                 \
                    .shape = shape_},
#include "plans/kinds.tbl.h"
#undef STEPKIND
};

const struct plan_param plan_params[N_PLAN_PARAMS] = {
#define STEPPARAM(key_, flag_, member) {key_, flag_, offsetof(struct plan_step, member)},
#include "plans/params.tbl.h"
#undef STEPPARAM
};

const char **plan_param_slot(struct plan_step *s, const struct plan_param *param) {
    return (const char **)(void *)((char *)s + param->offset);
}

const char *plan_param_value(const struct plan_step *s, const struct plan_param *param) {
    return *(const char *const *)(const void *)((const char *)s + param->offset);
}

const struct plan_kind *plan_kind_find(const char *name) {
    for (size_t i = 0; i < N_STEP_KINDS; i++) {
        if (strcmp(plan_kinds[i].name, name) == 0) {
            return &plan_kinds[i];
        }
    }
    return NULL;
}

int plan_conflict_find(const char *name) {
    for (int i = 0; i < (int)(sizeof conflict_policy_names / sizeof *conflict_policy_names); i++) {
        if (strcmp(conflict_policy_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

bool plan_is_file_step(const struct plan_step *s) {
    return s->kind == KIND_FILE_BATCH || s->kind == KIND_TAR_LIST;
}

unsigned plan_step_ends(const struct plan_step *s) {
    unsigned ends = plan_kinds[s->kind].ends;
    if (s->backup != NULL) { // its file is in the work directory already
        return 0;
    }
    return ends == ENDS_ALL ? ends & (s->collection != NULL ? ENDS_DB : ENDS_FILES) : ends;
}

bool plan_is_range_dump(const struct plan_step *s) {
    return s->kind == KIND_DUMP && s->backup == NULL &&
           (s->set == NULL || s->from_id != NULL || s->to_id != NULL || s->orphans_of != NULL);
}
