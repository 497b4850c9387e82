// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/escape.h"
#include "base/path.h"
#include "scan/internal.h"

#define OBJECT_PAGE 20000
#define NAME_MAX_KEPT 1000 // bytes of a name; people read no further

bool scan_string(const struct doc_element *el, const char **text, size_t *len) {
    if (el->type != BSON_TYPE_UTF8 || el->value_len < 5) {
        return false;
    }
    *text = (const char *)el->value + 4; // behind its length, which counts the final zero
    *len = el->value_len - 5;
    return memchr(*text, 0, *len) == NULL;
}

bool scan_id_text(const struct docid *id, struct buf *out) {
    const struct doc_element el = {.type = id->type, .value = id->value, .value_len = id->len};
    const char *text;
    size_t len;
    buf_clear(out);
    if (scan_string(&el, &text, &len) && escape_is_utf8(text, len)) {
        buf_put(out, text, len);
        return true;
    }
    docid_text(id, out);
    return false;
}

size_t scan_find_object(const struct scan_state *s, size_t collection, const char *id) {
    size_t low = s->first[collection], high = s->first[collection + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(s->inv->objects[middle].id, id);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (size_t)-1;
}

static int ref_value(const struct doc_element *el, int (*each)(void *, const char *, struct err *),
                     void *arg, struct err *e) {
    const char *text;
    size_t len;
    if (el->type == BSON_TYPE_NULL || el->type == BSON_TYPE_UNDEFINED ||
        (scan_string(el, &text, &len) && len == 0)) {
        return 0;
    }
    AUTO_BUF struct buf id = BUF_INIT(4 * DOC_MAX);
    const struct docid value = {.type = el->type, .value = el->value, .len = el->value_len};
    (void)scan_id_text(&value, &id);
    return each(arg, buf_str(&id), e);
}

int scan_each_ref(const struct doc_element *el,
                  int (*each)(void *arg, const char *id, struct err *e), void *arg, struct err *e) {
    if (el->type != BSON_TYPE_ARRAY) {
        return ref_value(el, each, arg, e);
    }
    struct doc_iter it;
    struct doc_element item;
    int rc = 0;
    for (doc_iter_init(&it, el->value, el->value_len); rc == 0 && doc_next(&it, &item) == 1;) {
        rc = ref_value(&item, each, arg, e);
    }
    return rc;
}

// --- one collection

struct gathering {
    struct scan_state *s;
    const struct model_collection *c;
    size_t collection;
    struct inv_object *objects; // grows outside the arena, which would keep every smaller copy
    size_t n, cap;
    struct scan_cutter *cutter; // NULL: no ranges
    size_t ref;                 // the reference that is being read
    size_t cap_refs, cap_paths; // of the object that is being read
    struct buf text;
};

static const char *shared_text(struct scan_state *s, const char *text, size_t len) {
    const char *kept = strtab_pointer(s->texts, text, len);
    if (kept == NULL) {
        kept = arena_strndup(s->arena, text, len);
        *strtab_slot(s->texts, text, len, &(bool){0}) = (uintptr_t)kept;
    }
    return kept;
}

static void object_owner(struct scan_state *s, struct inv_object *o, const struct doc_element *el) {
    const char *text;
    size_t len;
    if (scan_string(el, &text, &len)) {
        o->owner = shared_text(s, text, len);
        o->owner_is_safe = path_component_ok(text, len);
    }
}

// Cut at a whole character.
static size_t name_length(const char *text, size_t len) {
    if (len > NAME_MAX_KEPT) {
        len = NAME_MAX_KEPT;
        while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    return len;
}

static int object_ref(void *arg, const char *id, struct err *e) {
    struct gathering *g = arg;
    const struct model_ref *ref = &g->c->refs[g->ref];
    struct inv_object *o = &g->objects[g->n];
    (void)e;
    ARENA_PUSH(g->s->arena, o->refs, o->n_refs, g->cap_refs,
               (struct inv_ref){.collection = model_index(g->s->m, ref->collection),
                                .id = shared_text(g->s, id, strlen(id)),
                                .follow = ref->follow});
    return 0;
}

// Whether there is such a file is seen later (paths.c).
static void object_path(struct gathering *g, const struct doc_element *el) {
    struct inv_object *o = &g->objects[g->n];
    const char *text;
    size_t len;
    for (size_t i = 0; i < g->c->n_paths; i++) {
        const struct model_path *p = &g->c->paths[i];
        if (strcmp(el->name, p->field) != 0 || !scan_string(el, &text, &len)) {
            continue;
        }
        const char *path = model_path_relative(p, text);
        if (path) {
            ARENA_PUSH(g->s->arena, o->paths, o->n_paths, g->cap_paths,
                       (struct inv_path){.path = arena_strdup(g->s->arena, path)});
        }
    }
}

static int object_field(struct gathering *g, const struct doc_element *el, struct err *e) {
    struct inv_object *o = &g->objects[g->n];
    const struct model_collection *c = g->c;
    const char *text;
    size_t len;
    if (c->owner_field && strcmp(el->name, c->owner_field) == 0) {
        object_owner(g->s, o, el);
    }
    if (c->project_field && strcmp(el->name, c->project_field) == 0 &&
        scan_string(el, &text, &len) && len > 0) {
        o->project = shared_text(g->s, text, len);
    }
    if (c->name_field && strcmp(el->name, c->name_field) == 0 && scan_string(el, &text, &len)) {
        o->name = arena_strndup(g->s->arena, text, name_length(text, len));
    }
    object_path(g, el);
    int rc = 0;
    for (g->ref = 0; rc == 0 && g->ref < c->n_refs; g->ref++) {
        if (strcmp(el->name, c->refs[g->ref].field) == 0) {
            rc = scan_each_ref(el, object_ref, g, e);
        }
    }
    return rc;
}

static bool is_parent(const struct model *m, const struct model_collection *c) {
    for (size_t i = 0; i < m->n_collections; i++) {
        const char *parent = m->collections[i].parent;
        if (parent && strcmp(parent, c->name) == 0) {
            return true;
        }
    }
    return false;
}

static void object_begin(struct gathering *g, const struct docid *id) {
    struct inv_object *o = &g->objects[g->n];
    struct arena *a = g->s->arena;
    bool as_it_is = scan_id_text(id, &g->text);
    *o = (struct inv_object){.collection = g->collection,
                             .id = arena_strndup(a, buf_str(&g->text), g->text.len),
                             .id_is_string = as_it_is};
    o->id_is_safe = as_it_is && path_component_ok(o->id, g->text.len);
    if (g->c->n_files > 0) {
        o->files = arena_alloc(a, g->c->n_files * sizeof *o->files);
    }
    if (!g->s->scope->server && is_parent(g->s->m, g->c)) {
        o->children = arena_alloc(a, g->s->m->n_collections * sizeof *o->children);
    }
    g->cap_refs = g->cap_paths = 0;
}

static void gathering_room(struct gathering *g) {
    if (g->n == g->cap) {
        g->cap = g->cap ? g->cap * 3 / 2 : 256;
        g->objects = must_realloc(g->objects, g->cap, sizeof *g->objects);
    }
}

static int gather_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct gathering *g = arg;
    struct docid id;
    if (docid_find(doc, len, &id) != 1) {
        return err_set(e, ERR_DATA, "%s: a document without a readable _id", g->c->name);
    }
    if (g->cutter) {
        scan_cutter_add(g->cutter, &id);
    }
    gathering_room(g);
    object_begin(g, &id);
    struct doc_iter it;
    struct doc_element el;
    int rc = 0;
    for (doc_iter_init(&it, doc, len); rc == 0 && doc_next(&it, &el) == 1;) {
        rc = object_field(g, &el, e);
    }
    g->n++;
    if (g->n % OBJECT_PAGE == 0) {
        scan_progress(g->s, g->c->name, g->n);
    }
    return rc;
}

static void project_field(bson_t *fields, const char *name) {
    if (name && !bson_has_field(fields, name)) {
        bson_append_int32(fields, name, -1, 1);
    }
}

static void projection_of(const struct model_collection *c, bson_t *fields) {
    bson_init(fields);
    project_field(fields, "_id");
    project_field(fields, c->owner_field);
    project_field(fields, c->project_field);
    project_field(fields, c->name_field);
    for (size_t i = 0; i < c->n_refs; i++) {
        project_field(fields, c->refs[i].field);
    }
    for (size_t i = 0; i < c->n_paths; i++) {
        project_field(fields, c->paths[i].field);
    }
}

static int gather_walk(struct gathering *g, struct err *e) {
    bson_t fields;
    projection_of(g->c, &fields);
    struct scan_walk w = {.session = g->s->source,
                          .collection = g->c->name,
                          .projection = &fields,
                          .page = OBJECT_PAGE,
                          .each = gather_each,
                          .arg = g};
    int rc = scan_walk(&w, e);
    bson_destroy(&fields);
    return rc < 0 ? err_wrap(e, "scan of %s", g->c->name) : 0;
}

static int gather_collection(struct gathering *g, struct err *e) {
    struct inv_collection *known = &g->s->inv->collections[g->collection];
    if (!known->exists) {
        return 0;
    }
    AUTO(scan_cutter_free) struct scan_cutter *cutter = NULL;
    if (g->s->scope->server && !g->s->scope->files_only) {
        cutter = scan_cutter_new(g->s->arena, known->documents, known->bytes);
    }
    g->cutter = cutter;
    size_t before = g->n;
    int rc = gather_walk(g, e);
    known->documents = g->n - before;
    if (rc == 0 && cutter) {
        scan_cutter_end(cutter, known);
    }
    return rc;
}

static int object_order(const void *a, const void *b) {
    const struct inv_object *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order ? order : (int)x->id_is_string - (int)y->id_is_string;
}

static void gathering_free(struct gathering *g) {
    free(g->objects);
    buf_free(&g->text);
}

int scan_objects(struct scan_state *s, struct err *e) {
    AUTO(gathering_free)
    struct gathering g = {.s = s, .text = BUF_INIT(4 * DOC_MAX)};
    s->first = must_calloc(s->m->n_collections + 1, sizeof *s->first);
    for (size_t i = 0; i < s->m->n_collections; i++) {
        s->first[i] = g.n;
        g.c = &s->m->collections[i];
        g.collection = i;
        int rc = g.c->level == MODEL_TOP ? gather_collection(&g, e) : 0;
        if (rc < 0) {
            return rc;
        }
        if (g.n > s->first[i]) {
            qsort(g.objects + s->first[i], g.n - s->first[i], sizeof *g.objects, object_order);
        }
    }
    s->first[s->m->n_collections] = g.n;
    s->inv->objects = arena_alloc(s->arena, (g.n + 1) * sizeof *g.objects);
    if (g.n > 0) {
        memcpy(s->inv->objects, g.objects, g.n * sizeof *g.objects);
    }
    s->inv->n_objects = g.n;
    return 0;
}
