// SPDX-License-Identifier: Apache-2.0
// Indexes that the source has and the destination lacks, or has with other options.
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "scan/internal.h"
#include "site/index_spec.h"

#define SHOWN 600

struct wanted {
    bson_t *spec; // converted; a bson_t is not moved by its bytes
    const char *name, *json, *was;
    enum index_match found;
};

struct index_scan {
    struct scan_state *s;
    struct wanted *items;
    size_t n, cap;
};

static const char *json_of(struct arena *a, const bson_t *doc) {
    char *json = bson_as_relaxed_extended_json(doc, NULL);
    const char *kept = json ? arena_strdup(a, json) : NULL;
    bson_free(json);
    return kept;
}

static int take_wanted(void *arg, const bson_t *spec) {
    struct index_scan *x = arg;
    struct wanted w = {.found = INDEX_OTHER};
    bson_iter_t it;
    bson_t converted;
    if (index_spec_is_id(spec)) {
        return 0;
    }
    bool changed = index_spec_convert(spec, &converted);
    w.spec = bson_copy(&converted);
    bson_destroy(&converted);
    w.json = json_of(x->s->arena, w.spec);
    w.was = changed ? json_of(x->s->arena, spec) : NULL;
    w.name = bson_iter_init_find(&it, w.spec, "name") && BSON_ITER_HOLDS_UTF8(&it)
                 ? arena_strdup(x->s->arena, bson_iter_utf8(&it, NULL))
                 : "";
    ARENA_PUSH(x->s->arena, x->items, x->n, x->cap, w);
    return 0;
}

static int match_all(void *arg, const bson_t *spec) {
    struct index_scan *x = arg;
    bson_t there;
    (void)index_spec_convert(spec, &there);
    for (size_t i = 0; i < x->n; i++) {
        enum index_match match = index_spec_match(x->items[i].spec, &there);
        x->items[i].found = match > x->items[i].found ? match : x->items[i].found;
    }
    bson_destroy(&there);
    return 0;
}

static int by_name(const void *a, const void *b) {
    const struct wanted *x = a, *y = b;
    int rc = strcmp(x->name, y->name);
    return rc ? rc : strcmp(x->json ? x->json : "", y->json ? y->json : "");
}

static int report(struct scan_state *s, size_t collection, const struct wanted *w, struct err *e) {
    char shown[SHOWN];
    const char *name = s->m->collections[collection].name;
    if (w->found == INDEX_SAME) {
        return 0;
    }
    escape_into(shown, sizeof shown, w->json ? w->json : "", w->json ? strlen(w->json) : 0);
    if (w->found == INDEX_DIFFERS) {
        return scan_report(s, FINDING_OTHER_INDEX, name, w->name, shown, e);
    }
    if (w->json != NULL) {
        struct inv_index i = {
            .collection = collection, .name = w->name, .spec = w->json, .was = w->was};
        ARENA_PUSH(s->arena, s->inv->indexes, s->inv->n_indexes, s->inv->cap_indexes, i);
    }
    return scan_report(s, FINDING_MISSING_INDEX, name, w->name, shown, e);
}

static int scan_one(struct scan_state *s, size_t collection, struct err *e) {
    struct index_scan x = {.s = s};
    const char *name = s->m->collections[collection].name;
    int rc = mongo_indexes(s->source, name, take_wanted, &x, e);
    if (rc == 0 && x.n > 0) {
        rc = mongo_indexes(s->destination, name, match_all, &x, e);
        qsort(x.items, x.n, sizeof *x.items, by_name);
    }
    for (size_t i = 0; i < x.n; i++) {
        rc = rc ? rc : report(s, collection, &x.items[i], e);
        bson_destroy(x.items[i].spec);
    }
    return rc;
}

int scan_indexes(struct scan_state *s, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && s->destination && i < s->m->n_collections; i++) {
        const struct inv_collection *c = &s->inv->collections[i];
        if (c->exists && c->documents > 0 && scan_takes(s, &s->m->collections[i])) {
            rc = scan_one(s, i, e);
        }
    }
    return rc;
}
