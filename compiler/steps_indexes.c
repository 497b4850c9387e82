// SPDX-License-Identifier: Apache-2.0
// Indexes that the destination lacks (--create-indexes): a step each, when all documents of their
// collection are there, since a server builds an index faster than it keeps one up.
#include <string.h>

#include "compiler/internal.h"

static bool restores(const struct compiling *c, const char *collection) {
    for (size_t i = 0; i < c->plan->n_steps; i++) {
        const struct plan_step *s = &c->plan->steps[i];
        if (s->kind == KIND_DUMP && strcmp(s->collection, collection) == 0) {
            return true;
        }
    }
    return false;
}

void steps_index_make(struct compiling *c) {
    size_t number = 0;
    const char *last = "";
    for (size_t i = 0; c->options->create_indexes && i < c->inv->n_indexes; i++) {
        const struct inv_index *x = &c->inv->indexes[i];
        const char *collection = c->m->collections[x->collection].name;
        if (!c->documents || !takes_collection(c, x->collection) || !restores(c, collection)) {
            continue;
        }
        number = strcmp(last, collection) == 0 ? number + 1 : 1;
        last = collection;
        struct plan_step *s =
            step_add(c, KIND_INDEX, arena_printf(c->arena, "indexes/%s/%04zu", collection, number));
        s->collection = collection;
        s->index = x->spec;
        s->comment = x->was != NULL ? arena_printf(c->arena, "at the source %s", x->was) : NULL;
        step_needs(c, s, arena_printf(c->arena, "restore/%s/", collection));
    }
}
