// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"
#include "site/tree.h"

// --- names

struct scan_names {
    struct buf text; // the names, each with its zero
    size_t *at;      // where each begins
    size_t n, cap;
};

struct scan_names *scan_names_new(void) {
    struct scan_names *n = must_calloc(1, sizeof *n);
    n->text = (struct buf)BUF_INIT(SIZE_MAX / 4);
    return n;
}

void scan_names_free(struct scan_names *n) {
    if (n) {
        buf_free(&n->text);
        free(n->at);
        free(n);
    }
}

void scan_names_clear(struct scan_names *n) {
    buf_clear(&n->text);
    n->n = 0;
}

void scan_names_add(struct scan_names *n, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (n->n == n->cap) {
        n->cap = n->cap ? 2 * n->cap : 1024;
        n->at = must_realloc(n->at, n->cap, sizeof *n->at);
    }
    n->at[n->n++] = n->text.len;
    buf_put(&n->text, name, strlen(name) + 1);
}

static int name_order(const void *a, const void *b, void *text) {
    const char *names = text;
    return strcmp(names + *(const size_t *)a, names + *(const size_t *)b);
}

void scan_names_sort(struct scan_names *n) {
    if (n->n > 1) {
        qsort_r(n->at, n->n, sizeof *n->at, name_order, n->text.data);
    }
}

bool scan_names_have(const struct scan_names *n, const char *id) {
    const char *names = (const char *)n->text.data;
    size_t low = 0, high = n->n, len = strlen(id);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(names + n->at[middle], id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; len > 0 && low < n->n && strncmp(names + n->at[low], id, len) == 0; low++) {
        if (tree_name_of_id(names + n->at[low], id)) {
            return true;
        }
    }
    return false;
}

// --- collections with member files

struct member {
    const struct model_collection *c;
    size_t parent;
    bson_t hint;
};
struct scan_members {
    size_t n;
    struct member items[];
};

void scan_members_free(struct scan_members *m) {
    for (size_t i = 0; m && i < m->n; i++) {
        bson_destroy(&m->items[i].hint);
    }
    free(m);
}

static void members_cleanup(struct scan_members **m) {
    scan_members_free(*m);
}

static int member_add(struct scan_state *s, struct scan_members *m, size_t at, struct err *e) {
    const struct model_collection *c = &s->m->collections[at];
    bool there = false;
    struct member *item = &m->items[m->n];
    int rc = mongo_index_on(s->source, c->name, c->parent_field, &there, &item->hint, e);
    if (rc < 0) {
        return rc;
    }
    if (!there) {
        bson_destroy(&item->hint);
        AUTO_FREE char *why = must_sprintf("not checked: there is no index on %s", c->parent_field);
        return scan_report(s, FINDING_MISSING_MEMBER, c->name, "", why, e);
    }
    item->c = c;
    item->parent = model_index(s->m, c->parent);
    m->n++;
    return 0;
}

int scan_members_new(struct scan_state *s, struct scan_members **out, struct err *e) {
    AUTO(members_cleanup)
    struct scan_members *m = must_calloc(1, sizeof *m + s->m->n_collections * sizeof m->items[0]);
    for (size_t i = 0; i < s->m->n_collections; i++) {
        const struct model_collection *c = &s->m->collections[i];
        if (c->member_file.field && c->level == MODEL_SECOND && s->inv->collections[i].exists) {
            int rc = member_add(s, m, i, e);
            if (rc < 0) {
                return rc;
            }
        }
    }
    *out = STEAL(m);
    return 0;
}

bool scan_members_of(const struct scan_members *m, size_t collection) {
    for (size_t i = 0; i < m->n; i++) {
        if (m->items[i].parent == collection) {
            return true;
        }
    }
    return false;
}

struct checking {
    const struct member *item;
    const struct scan_names *names;
    const struct scan_member_sink *sink;
    struct buf text, id;
};

static int check_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct checking *c = arg;
    struct doc_element el;
    struct docid id;
    bool text = false;
    buf_clear(&c->text);
    if (doc_find(doc, len, c->item->c->member_file.field, &el) == 1) {
        const struct docid value = {.type = el.type, .value = el.value, .len = el.value_len};
        text = scan_id_text(&value, &c->text);
    }
    if (text && scan_names_have(c->names, buf_str(&c->text))) {
        return 0;
    }
    buf_clear(&c->id);
    if (docid_find(doc, len, &id) == 1) {
        (void)scan_id_text(&id, &c->id);
    }
    return c->sink->missing(c->sink->arg, c->item->c->name, buf_str(&c->id), "", e);
}

static int check_one(struct checking *c, struct mongo *session, const char *object, struct err *e) {
    const struct model_collection *m = c->item->c;
    bson_t filter, fields;
    bson_init(&filter);
    bson_init(&fields);
    bson_append_utf8(&filter, m->parent_field, -1, object, -1);
    bson_append_int32(&fields, "_id", -1, 1);
    if (strcmp(m->member_file.field, "_id") != 0) {
        bson_append_int32(&fields, m->member_file.field, -1, 1);
    }
    struct mongo_query q = {
        .collection = m->name, .filter = &filter, .projection = &fields, .hint = &c->item->hint};
    int rc = scan_find(session, &q, check_each, c, e);
    bson_destroy(&filter);
    bson_destroy(&fields);
    buf_free(&c->text);
    buf_free(&c->id);
    return rc < 0 ? err_wrap(e, "scan of %s", m->name) : 0;
}

int scan_members_check(const struct scan_members *m, struct mongo *session, size_t collection,
                       const char *object, const struct scan_names *names,
                       const struct scan_member_sink *sink, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->n; i++) {
        if (m->items[i].parent == collection) {
            struct checking c = {.item = &m->items[i],
                                 .names = names,
                                 .sink = sink,
                                 .text = BUF_INIT(4 * DOC_MAX),
                                 .id = BUF_INIT(4 * DOC_MAX)};
            rc = check_one(&c, session, object, e);
        }
    }
    return rc;
}
