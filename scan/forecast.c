// SPDX-License-Identifier: Apache-2.0
#include "scan/internal.h"

#define FULL_PAGE 20000
#define IDS_PER_QUESTION 1000

// --- the whole collection

static int compare_whole(struct scan_state *s, size_t at, struct scan_compare *c, struct err *e) {
    const struct scan_walk w = {.session = s->source,
                                .collection = s->m->collections[at].name,
                                .page = FULL_PAGE,
                                .each = scan_compare_add,
                                .arg = c};
    return scan_walk(&w, e);
}

// --- what belongs to the objects that the scope may reach

struct chosen {
    bson_t ids; // of the next question
    struct scan_state *s;
    const struct model_collection *c;
    const char *field;  // "_id", or that with the parent's
    const bson_t *hint; // NULL: none
    uint32_t per_question;
    uint32_t n; // of ids
};

static int ask_chosen(struct chosen *w, struct scan_compare *c, struct err *e) {
    if (w->n == 0) {
        return 0;
    }
    bson_t filter, in;
    bson_init(&filter);
    bson_append_document_begin(&filter, w->field, -1, &in);
    bson_append_array(&in, "$in", -1, &w->ids);
    bson_append_document_end(&filter, &in);
    const struct mongo_query q = {.collection = w->c->name, .filter = &filter, .hint = w->hint};
    int rc = scan_find(w->s->source, &q, scan_compare_add, c, e);
    bson_destroy(&filter);
    bson_reinit(&w->ids);
    w->n = 0;
    return rc;
}

static int choose(struct chosen *w, const struct inv_object *o, struct err *e) {
    char number[16];
    const char *key;
    bson_t parsed;
    struct docid id;
    bson_uint32_to_string(w->n, &key, number, sizeof number);
    if (o->id_is_string) {
        bson_append_utf8(&w->ids, key, -1, o->id, -1);
    } else {
        int rc = docid_parse(o->id, &parsed, e);
        if (rc < 0) {
            return rc;
        }
        if (docid_find(bson_get_data(&parsed), parsed.len, &id) == 1) {
            scan_append_value(&w->ids, key, &id);
        }
        bson_destroy(&parsed);
    }
    w->n++;
    return 0;
}

static int ask_all(struct chosen *w, size_t objects_of, struct scan_compare *c, struct err *e) {
    struct scan_state *s = w->s;
    int rc = 0;
    for (size_t i = s->first[objects_of]; rc == 0 && i < s->first[objects_of + 1]; i++) {
        if (s->reached[i]) {
            rc = choose(w, &s->inv->objects[i], e);
        }
        if (rc == 0 && w->n >= w->per_question) {
            rc = ask_chosen(w, c, e);
        }
    }
    return rc ? rc : ask_chosen(w, c, e);
}

static int compare_chosen(struct scan_state *s, size_t at, struct scan_compare *c, struct err *e) {
    struct chosen w = {
        .s = s, .c = &s->m->collections[at], .field = "_id", .per_question = IDS_PER_QUESTION};
    size_t objects_of = at;
    bson_t hint;
    bson_init(&hint);
    bson_init(&w.ids);
    int rc = 0;
    if (w.c->level == MODEL_SECOND) {
        bool there = false;
        bson_destroy(&hint);
        rc = mongo_index_on(s->source, w.c->name, w.c->parent_field, &there, &hint, e);
        w.field = w.c->parent_field;
        w.hint = there ? &hint : NULL;
        // Without an index every question reads the collection: there is to be one.
        w.per_question = there ? IDS_PER_QUESTION : UINT32_MAX;
        objects_of = model_index(s->m, w.c->parent);
    }
    rc = rc ? rc : ask_all(&w, objects_of, c, e);
    bson_destroy(&hint);
    bson_destroy(&w.ids);
    return rc;
}

// --- when the destination has none, all are new

static uint64_t documents_taken(const struct scan_state *s, size_t at) {
    const struct model_collection *c = &s->m->collections[at];
    uint64_t n = 0;
    if (s->scope->server) {
        return s->inv->collections[at].documents;
    }
    size_t objects_of = c->level == MODEL_SECOND ? model_index(s->m, c->parent) : at;
    for (size_t i = s->first[objects_of]; i < s->first[objects_of + 1]; i++) {
        if (s->reached[i]) {
            n += c->level == MODEL_SECOND ? s->inv->objects[i].children[at] : 1;
        }
    }
    return n;
}

static int forecast_collection(struct scan_state *s, size_t at, struct inv_forecast *out,
                               struct err *e) {
    // Statistics count wrong after a crash; one document does not.
    AUTO_BUF struct buf any = BUF_INIT(DOC_MAX);
    bson_t all = BSON_INITIALIZER;
    int rc = mongo_find_one(s->destination, s->m->collections[at].name, &all, &any, e);
    if (rc < 0) {
        return rc;
    }
    out->made = true;
    if (rc == 0) {
        out->fresh = documents_taken(s, at);
        return 0;
    }
    AUTO(scan_compare_free) struct scan_compare *c = NULL;
    rc = scan_compare_new(s, at, out, &c, e);
    if (rc == 0) {
        rc = s->scope->server ? compare_whole(s, at, c, e) : compare_chosen(s, at, c, e);
    }
    return rc ? rc : scan_compare_flush(c, e);
}

int scan_forecast(struct scan_state *s, struct err *e) {
    s->inv->forecast = arena_alloc(s->arena, s->m->n_collections * sizeof *s->inv->forecast);
    for (size_t i = 0; i < s->m->n_collections; i++) {
        if (s->inv->collections[i].exists && scan_takes(s, &s->m->collections[i])) {
            int rc = forecast_collection(s, i, &s->inv->forecast[i], e);
            if (rc < 0) {
                return err_wrap(e, "forecast of %s", s->m->collections[i].name);
            }
        }
    }
    return 0;
}
