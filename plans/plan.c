// SPDX-License-Identifier: Apache-2.0
#include "plans/plan.h"

#include <string.h>

#include "base/strtab.h"
#include "plans/index.h"

struct plan *plan_new(void) {
    struct arena *a = arena_new();
    struct plan *p = arena_alloc(a, sizeof *p);
    p->arena = a;
    return p;
}

void plan_free(struct plan *p) {
    if (p != NULL) {
        arena_free(p->arena);
    }
}

void plan_cleanup(struct plan **p) {
    plan_free(*p);
    *p = NULL;
}

struct strtab *plan_step_ids(const struct plan_step *s) {
    struct strtab *ids = strtab_new();
    bool added;
    for (size_t i = 0; i < s->n_sets; i++) {
        for (size_t j = 0; j < s->sets[i]->n; j++) {
            const char *id = s->sets[i]->ids[j];
            *strtab_slot(ids, id, strlen(id), &added) = 1;
        }
    }
    return ids;
}

size_t plan_find_step(const struct plan *p, const char *id) {
    if (p->steps_by_id.n == p->n_steps) {
        return index_find(p, &index_steps, id);
    }
    for (size_t i = 0; i < p->n_steps; i++) {
        if (strcmp(p->steps[i].id, id) == 0) {
            return i;
        }
    }
    return (size_t)-1;
}
