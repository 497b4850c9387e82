// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "scan/internal.h"

#define FIELDS_MAX 32 // of a compound index, as the server has it

struct unique_index {
    struct unique_index *next;
    size_t n;
    bool sparse;
    char *fields[FIELDS_MAX];
};
struct scan_unique {
    struct unique_index *first;
    char *collection;
};

void scan_unique_free(struct scan_unique *u) {
    for (struct unique_index *x = u ? u->first : NULL, *next; x; x = next) {
        next = x->next;
        for (size_t i = 0; i < x->n; i++) {
            free(x->fields[i]);
        }
        free(x);
    }
    if (u) {
        free(u->collection);
    }
    free(u);
}

bool scan_unique_none(const struct scan_unique *u) {
    return u->first == NULL;
}

static bool flag(const bson_t *spec, const char *name) {
    bson_iter_t it;
    return bson_iter_init_find(&it, spec, name) && bson_iter_as_bool(&it);
}

// Partial indexes and those with a collation are left out: whether a document is in one, and what
// it equals there, only the server can say.
static bool is_plain_unique(const bson_t *spec) {
    return flag(spec, "unique") && !bson_has_field(spec, "partialFilterExpression") &&
           !bson_has_field(spec, "collation");
}

static int take_index(void *arg, const bson_t *spec) {
    struct scan_unique *u = arg;
    bson_iter_t it, key;
    if (!is_plain_unique(spec) || !bson_iter_init_find(&it, spec, "key") ||
        !BSON_ITER_HOLDS_DOCUMENT(&it) || !bson_iter_recurse(&it, &key)) {
        return 0;
    }
    struct unique_index *x = must_calloc(1, sizeof *x);
    x->sparse = flag(spec, "sparse");
    while (x->n < FIELDS_MAX && bson_iter_next(&key)) {
        x->fields[x->n++] = must_strdup(bson_iter_key(&key));
    }
    x->next = u->first;
    u->first = x;
    return 0;
}

int scan_unique_new(struct mongo *destination, const char *collection, struct scan_unique **out,
                    struct err *e) {
    *out = must_calloc(1, sizeof **out);
    (*out)->collection = must_strdup(collection);
    return mongo_indexes(destination, collection, take_index, *out, e);
}

// --- the keys of documents

struct looking {
    const struct unique_index *x;
    struct strtab *there; // keys that the destination has
    struct buf key;
};

// False when the key cannot be told here: an array in a compound key or on the way to a field, a
// pattern, which a query would match with; or when the index does not hold the document.
static bool key_values(const struct unique_index *x, const struct scan_doc *d,
                       struct docid values[FIELDS_MAX]) {
    size_t absent = 0;
    for (size_t i = 0; i < x->n; i++) {
        int rc = scan_find_path(d->data, d->len, x->fields[i], &values[i]);
        bool array = values[i].type == BSON_TYPE_ARRAY && x->n > 1;
        if (rc < 0 || array || values[i].type == BSON_TYPE_REGEX) {
            return false;
        }
        absent += rc == 0;
    }
    return !(x->sparse && absent == x->n);
}

// Calls back with each key of a document: one, or one for each item of an array.
static void each_key(const struct unique_index *x, const struct scan_doc *d,
                     void (*each)(void *arg, const struct docid *values), void *arg) {
    struct docid values[FIELDS_MAX] = {{0}};
    if (!key_values(x, d, values)) {
        return;
    }
    if (values[0].type != BSON_TYPE_ARRAY) {
        each(arg, values);
        return;
    }
    struct doc_iter it;
    struct doc_element el;
    for (doc_iter_init(&it, values[0].value, values[0].len); doc_next(&it, &el) == 1;) {
        const struct docid item = {.type = el.type, .value = el.value, .len = el.value_len};
        if (item.type != BSON_TYPE_REGEX) {
            each(arg, &item);
        }
    }
}

static void make_key(struct looking *l, const struct docid *values) {
    buf_clear(&l->key);
    for (size_t i = 0; i < l->x->n; i++) {
        scan_key_put(&l->key, &values[i]);
    }
}

static void note_there(void *arg, const struct docid *values) {
    struct looking *l = arg;
    make_key(l, values);
    *strtab_slot(l->there, l->key.data, l->key.len, NULL) = 1;
}

static int found_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct looking *l = arg;
    const struct scan_doc d = {.data = doc, .len = len};
    (void)e;
    each_key(l->x, &d, note_there, l);
    return 0;
}

struct matching {
    struct looking *l;
    bool clash;
};

static void match_key(void *arg, const struct docid *values) {
    struct matching *m = arg;
    make_key(m->l, values);
    m->clash = m->clash || strtab_has(m->l->there, m->l->key.data, m->l->key.len);
}

// --- the question: {$or: [{FIELD: {$eq: VALUE}, ...}, ...]}, one alternative for each key

struct asking {
    bson_t alternatives;
    const struct unique_index *x;
    uint32_t n;
};

static void ask_key(void *arg, const struct docid *values) {
    struct asking *a = arg;
    char number[16];
    const char *key;
    bson_t one, eq;
    bson_uint32_to_string(a->n++, &key, number, sizeof number);
    bson_append_document_begin(&a->alternatives, key, -1, &one);
    for (size_t i = 0; i < a->x->n; i++) {
        bson_append_document_begin(&one, a->x->fields[i], -1, &eq);
        scan_append_value(&eq, "$eq", &values[i]);
        bson_append_document_end(&one, &eq);
    }
    bson_append_document_end(&a->alternatives, &one);
}

static int ask(struct scan_unique *u, struct mongo *destination, struct looking *l,
               const struct asking *a, struct err *e) {
    bson_t filter, fields;
    bson_init(&filter);
    bson_init(&fields);
    bson_append_array(&filter, "$or", -1, &a->alternatives);
    bson_append_int32(&fields, "_id", -1, 0);
    for (size_t i = 0; i < l->x->n; i++) {
        bson_append_int32(&fields, l->x->fields[i], -1, 1);
    }
    const struct mongo_query q = {
        .collection = u->collection, .filter = &filter, .projection = &fields};
    int rc = a->n > 0 ? scan_find(destination, &q, found_each, l, e) : 0;
    bson_destroy(&filter);
    bson_destroy(&fields);
    return rc;
}

static int look_in(struct scan_unique *u, const struct unique_index *x, struct mongo *destination,
                   const struct scan_doc *docs, size_t n, bool *clash, struct err *e) {
    AUTO_STRTAB struct strtab *there = strtab_new();
    struct looking l = {.x = x, .there = there, .key = BUF_INIT(2 * DOC_MAX)};
    struct asking a = {.x = x};
    bson_init(&a.alternatives);
    for (size_t i = 0; i < n; i++) {
        each_key(x, &docs[i], ask_key, &a);
    }
    int rc = ask(u, destination, &l, &a, e);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct matching m = {.l = &l, .clash = clash[i]};
        each_key(x, &docs[i], match_key, &m);
        clash[i] = m.clash;
    }
    bson_destroy(&a.alternatives);
    buf_free(&l.key);
    return rc;
}

int scan_unique_look(struct scan_unique *u, struct mongo *destination, const struct scan_doc *docs,
                     size_t n, bool *clash, struct err *e) {
    int rc = 0;
    for (const struct unique_index *x = u->first; rc == 0 && x; x = x->next) {
        rc = look_in(u, x, destination, docs, n, clash, e);
    }
    return rc;
}
