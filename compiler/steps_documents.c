// SPDX-License-Identifier: Apache-2.0
// Dumps: of all of a server by ranges of _id, which is complete whatever the types of the IDs;
// otherwise by the sets of objects. Restores: one for each dump.
#include <string.h>

#include "compiler/internal.h"

static uint64_t bytes_of(const struct inv_collection *c, uint64_t documents) {
    return c->documents == 0 ? 0 : (uint64_t)((__uint128_t)c->bytes * documents / c->documents);
}

static const char *dump_id(struct compiling *c, size_t collection, size_t number) {
    return arena_printf(c->arena, "dump/%s/%04zu", c->m->collections[collection].name, number);
}

static void expect_documents(struct plan_step *s, uint64_t documents, uint64_t bytes) {
    s->expect = (struct plan_expect){.any = true, .documents = documents, .bytes = bytes};
}

// The collection of the objects by which a collection is picked from; (size_t)-1 for WHOLE.
static size_t objects_collection(const struct compiling *c, size_t collection) {
    const struct model_collection *m = &c->m->collections[collection];
    if (m->level == MODEL_WHOLE) {
        return (size_t)-1;
    }
    return m->level == MODEL_TOP ? collection : model_index(c->m, m->parent);
}

// --- ranges

// So that a line taken out of a set takes the object out, and what belongs to no object goes along.
static void range_by_objects(struct compiling *c, struct plan_step *s, size_t collection) {
    const struct model_collection *m = &c->m->collections[collection];
    size_t n = 0, of = objects_collection(c, collection);
    if (of == (size_t)-1 || sets_of(c, of, &n) == NULL) {
        return;
    }
    s->by = m->level == MODEL_TOP ? "_id" : m->parent_field;
    s->set = arena_printf(c->arena, "%s/", c->m->collections[of].noun);
    s->orphans_of = c->m->collections[of].name;
}

static void dump_ranges(struct compiling *c, size_t collection) {
    const struct inv_collection *inv = &c->inv->collections[collection];
    const struct inv_range all = {.documents = inv->documents, .bytes = inv->bytes};
    const struct inv_range *ranges = inv->n_ranges > 0 ? inv->ranges : &all;
    size_t n = inv->n_ranges > 0 ? inv->n_ranges : 1;
    for (size_t i = 0; i < n; i++) {
        struct plan_step *s = step_add(c, KIND_DUMP, dump_id(c, collection, i + 1));
        s->collection = c->m->collections[collection].name;
        s->from_id = ranges[i].from_id;
        s->to_id = ranges[i].to_id;
        range_by_objects(c, s, collection);
        expect_documents(s, ranges[i].documents, ranges[i].bytes);
    }
}

// --- sets

// How many documents of a collection a set's objects have; false when that was not counted.
static bool count_documents(const struct compiling *c, const struct object_set *set,
                            size_t collection, uint64_t *documents) {
    *documents = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct inv_object *o = &c->inv->objects[set->objects[i]];
        if (set->collection == collection) {
            *documents += 1;
        } else if (o->children == NULL) {
            return false;
        } else {
            *documents += o->children[collection];
        }
    }
    return true;
}

static void dump_sets(struct compiling *c, size_t collection) {
    const struct model_collection *m = &c->m->collections[collection];
    size_t n = 0, number = 1;
    const struct object_set *sets = sets_of(c, objects_collection(c, collection), &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t documents = 0;
        bool counted = count_documents(c, &sets[i], collection, &documents);
        if (counted && documents == 0) {
            continue;
        }
        struct plan_step *s = step_add(c, KIND_DUMP, dump_id(c, collection, number++));
        s->collection = m->name;
        s->by = m->level == MODEL_SECOND ? m->parent_field : NULL;
        s->set = sets[i].name;
        if (counted) {
            expect_documents(s, documents, bytes_of(&c->inv->collections[collection], documents));
        }
    }
}

void steps_dump_make(struct compiling *c) {
    for (size_t i = 0; c->documents && i < c->m->n_collections; i++) {
        const struct inv_collection *inv = &c->inv->collections[i];
        if (!takes_collection(c, i) || !inv->exists || inv->documents == 0) {
            continue;
        }
        if (c->scope->server) {
            dump_ranges(c, i);
        } else {
            dump_sets(c, i);
        }
    }
}

// --- restores

static bool has_step(const struct compiling *c, size_t n_steps, const char *prefix) {
    size_t len = strlen(prefix);
    for (size_t i = 0; i < n_steps; i++) {
        if (strncmp(c->plan->steps[i].id, prefix, len) == 0) {
            return true;
        }
    }
    return false;
}

static bool waits_for_files(const struct compiling *c, const char *collection) {
    for (size_t i = 0; i < c->rules->n_with_files; i++) {
        if (strcmp(c->rules->with_files[i], collection) == 0) {
            return true;
        }
    }
    return false;
}

// The needs of the restores of one collection, which all of them share. `made` steps are dumps and
// files; a collection is restored when it is dumped.
static void collection_needs(struct compiling *c, struct plan_step *model, const char *collection,
                             size_t made) {
    if (has_step(c, made, "delete/documents/")) {
        step_needs(c, model, "delete/documents/");
    }
    if (has_step(c, made, "files/") && waits_for_files(c, collection)) {
        step_needs(c, model, "files/");
    }
    for (size_t i = 0; i < c->rules->n_orders; i++) {
        const struct plan_order *o = &c->rules->orders[i];
        const char *dumps = arena_printf(c->scratch, "dump/%s/", o->child);
        if (strcmp(o->collection, collection) == 0 && has_step(c, made, dumps)) {
            step_needs(c, model, arena_printf(c->arena, "restore/%s/", o->child));
        }
    }
}

void steps_restore_make(struct compiling *c) {
    size_t made = c->plan->n_steps;
    struct plan_step model = {0};
    const char *collection = "";
    for (size_t i = 0; i < made; i++) {
        const struct plan_step *dump = &c->plan->steps[i];
        if (dump->kind != KIND_DUMP) {
            continue;
        }
        if (strcmp(dump->collection, collection) != 0) {
            collection = dump->collection;
            model = (struct plan_step){0};
            collection_needs(c, &model, collection, made);
        }
        const char *from = dump->id;
        const struct plan_expect expect = dump->expect;
        struct plan_step *s =
            step_add(c, KIND_RESTORE, arena_printf(c->arena, "restore/%s", from + strlen("dump/")));
        s->from = from;
        s->needs = model.needs;
        s->n_needs = model.n_needs;
        s->on_conflict = step_policy(c, CONFLICT_KEEP);
        s->expect = expect;
    }
}
