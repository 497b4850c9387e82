// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "scan/internal.h"

// --- objects among themselves

static bool needs_owner(const struct model_collection *c) {
    for (size_t i = 0; i < c->n_files; i++) {
        if (strstr(c->files[i].under, "{owner}")) {
            return true;
        }
    }
    return false;
}

static int check_safe(struct scan_state *s, const struct inv_object *o, struct err *e) {
    const struct model_collection *c = &s->m->collections[o->collection];
    int rc = 0;
    if (c->n_files > 0 && !o->id_is_safe) {
        rc = scan_report(s, FINDING_UNSAFE_ID, c->name, o->id, o->owner ? o->owner : "", e);
    }
    if (rc == 0 && needs_owner(c) && !o->owner_is_safe) {
        rc = scan_report(s, FINDING_UNSAFE_OWNER, c->name, o->id,
                         o->owner ? o->owner : "it has no owner", e);
    }
    return rc;
}

static int report_dangling(struct scan_state *s, const struct model_collection *c, const char *id,
                           const char *to, const char *missing, struct err *e) {
    AUTO_FREE char *detail = must_sprintf("%s %s", to, missing);
    return scan_report(s, FINDING_DANGLING_REFERENCE, c->name, id, detail, e);
}

static int check_refs(struct scan_state *s, const struct inv_object *o, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->n_refs; i++) {
        const struct inv_ref *r = &o->refs[i];
        if (scan_find_object(s, r->collection, r->id) == (size_t)-1) {
            rc = report_dangling(s, &s->m->collections[o->collection], o->id,
                                 s->m->collections[r->collection].name, r->id, e);
        }
    }
    return rc;
}

int scan_crosscheck_objects(struct scan_state *s, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->inv->n_objects; i++) {
        if (s->reached[i]) {
            rc = check_safe(s, &s->inv->objects[i], e);
            rc = rc ? rc : check_refs(s, &s->inv->objects[i], e);
        }
    }
    return rc ? rc : scan_other_refs(s, e);
}

// --- documents that are no objects, and their references

struct other {
    struct scan_state *s;
    const struct model_collection *c;
    const char *id; // of the document
    size_t ref;
};

static int other_ref(void *arg, const char *target, struct err *e) {
    struct other *o = arg;
    const char *to = o->c->refs[o->ref].collection;
    if (scan_find_object(o->s, model_index(o->s->m, to), target) != (size_t)-1) {
        return 0;
    }
    return report_dangling(o->s, o->c, o->id, to, target, e);
}

static int other_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct other *o = arg;
    AUTO_BUF struct buf text = BUF_INIT(4 * DOC_MAX);
    struct docid id;
    struct doc_element el;
    if (docid_find(doc, len, &id) == 1) {
        (void)scan_id_text(&id, &text);
    }
    o->id = buf_str(&text);
    int rc = 0;
    for (o->ref = 0; rc == 0 && o->ref < o->c->n_refs; o->ref++) {
        if (doc_find(doc, len, o->c->refs[o->ref].field, &el) == 1) {
            rc = scan_each_ref(&el, other_ref, o, e);
        }
    }
    return rc;
}

static int other_walk(struct scan_state *s, const struct model_collection *c, struct err *e) {
    struct other o = {.s = s, .c = c};
    bson_t fields;
    bson_init(&fields);
    BSON_APPEND_INT32(&fields, "_id", 1);
    for (size_t i = 0; i < c->n_refs; i++) {
        if (!bson_has_field(&fields, c->refs[i].field)) {
            bson_append_int32(&fields, c->refs[i].field, -1, 1);
        }
    }
    struct scan_walk w = {.session = s->source,
                          .collection = c->name,
                          .projection = &fields,
                          .page = 20000,
                          .each = other_each,
                          .arg = &o};
    int rc = scan_walk(&w, e);
    bson_destroy(&fields);
    return rc < 0 ? err_wrap(e, "scan of %s", c->name) : 0;
}

int scan_other_refs(struct scan_state *s, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->m->n_collections; i++) {
        const struct model_collection *c = &s->m->collections[i];
        if (c->level != MODEL_TOP && c->n_refs > 0 && s->inv->collections[i].exists &&
            s->scope->server && scan_takes(s, c)) {
            rc = other_walk(s, c, e);
        }
    }
    return rc;
}

// --- objects and their files

static int check_missing(struct scan_state *s, const struct scan_places *p, size_t at,
                         struct err *e) {
    const struct inv_object *o = &s->inv->objects[at];
    const struct model_collection *c = &s->m->collections[o->collection];
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < c->n_files; k++) {
        const struct model_files *f = &c->files[k];
        bool placed = o->id_is_safe && (o->owner_is_safe || !strstr(f->under, "{owner}"));
        if (!f->required || !placed || (p->found[at] & 1u << k)) {
            continue;
        }
        AUTO_ARENA struct arena *scratch = arena_new();
        const char *under = model_under(f, o->owner, scratch);
        rc = scan_report(s, FINDING_MISSING_FILES, c->name, o->id, under ? under : "", e);
    }
    return rc;
}

static int check_documented(struct scan_state *s, const struct scan_place *p, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        const struct scan_entry *t = &p->entries[i];
        if (!t->inv.documented && !t->place && !t->excluded) {
            AUTO_FREE char *path = must_sprintf("%s/%s", p->path, t->inv.name);
            rc = scan_report(s, FINDING_NO_DOCUMENT, "", path, "", e);
        }
    }
    return rc;
}

int scan_crosscheck_files(struct scan_state *s, const struct scan_places *p, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->inv->n_objects; i++) {
        if (s->reached[i]) {
            rc = check_missing(s, p, i, e);
        }
    }
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        if (p->items[i].reached) {
            rc = check_documented(s, &p->items[i], e);
        }
    }
    return rc;
}
