// SPDX-License-Identifier: Apache-2.0
// What a database holds: collections, their UUIDs and sizes, indexes.
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/strtab.h"
#include "site/mongo_private.h"

#define NAMESPACE_NOT_FOUND 26
#define UUID_BYTES 16

struct one_collection {
    const char *name, *type;
    const uint8_t *uuid; // NULL when the server gives none
};
typedef int each_collection(void *arg, const struct one_collection *c, struct err *e);

struct collection_list {
    each_collection *each;
    void *arg;
};

static const char *text_of(const bson_t *doc, const char *name) {
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : "";
}

static const uint8_t *uuid_of(const bson_t *doc) {
    bson_iter_t it, uuid;
    bson_subtype_t subtype;
    uint32_t len = 0;
    const uint8_t *bytes = NULL;
    if (bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, "info.uuid", &uuid) &&
        BSON_ITER_HOLDS_BINARY(&uuid)) {
        bson_iter_binary(&uuid, &subtype, &len, &bytes);
    }
    return len == UUID_BYTES ? bytes : NULL;
}

static int one_listed(void *arg, const uint8_t *data, size_t len, struct err *e) {
    struct collection_list *l = arg;
    bson_t doc;
    if (!bson_init_static(&doc, data, len)) {
        return err_set(e, ERR_DATA, "listCollections: damaged answer");
    }
    struct one_collection c = {
        .name = text_of(&doc, "name"), .type = text_of(&doc, "type"), .uuid = uuid_of(&doc)};
    return l->each(l->arg, &c, e);
}

static int list_collections(struct mongo *m, const char *name, each_collection *each, void *arg,
                            struct err *e) {
    bson_t command, filter;
    struct collection_list l = {.each = each, .arg = arg};
    bson_init(&command);
    BSON_APPEND_INT32(&command, "listCollections", 1);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    BSON_APPEND_UTF8(&filter, "type", "collection");
    if (name) {
        BSON_APPEND_UTF8(&filter, "name", name);
    }
    bson_append_document_end(&command, &filter);
    int rc = mongo_drain(m, &command, "$cmd.listCollections", 0, one_listed, &l, e);
    bson_destroy(&command);
    return rc;
}

struct names_out {
    int (*each)(void *arg, const char *name);
    void *arg;
};

static int hand_name(void *arg, const struct one_collection *c, struct err *e) {
    struct names_out *o = arg;
    (void)e;
    return o->each(o->arg, c->name);
}

int mongo_collections(struct mongo *m, int (*each)(void *arg, const char *name), void *arg,
                      struct err *e) {
    struct names_out o = {.each = each, .arg = arg};
    return list_collections(m, NULL, hand_name, &o, e);
}

struct uuid_search {
    const char *const *identity;
    size_t best; // position in identity
    uint8_t uuid[UUID_BYTES];
};

static int best_identity(void *arg, const struct one_collection *c, struct err *e) {
    struct uuid_search *s = arg;
    (void)e;
    for (size_t i = 0; c->uuid && i < s->best; i++) {
        if (strcmp(s->identity[i], c->name) == 0) {
            s->best = i;
            memcpy(s->uuid, c->uuid, UUID_BYTES);
        }
    }
    return 0;
}

static void uuid_text(const uint8_t uuid[UUID_BYTES], char out[37]) {
    char *p = out;
    for (int i = 0; i < UUID_BYTES; i++) {
        p += snprintf(p, (size_t)(out + 37 - p), "%s%02x",
                      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    }
}

int mongo_fingerprint(struct mongo *m, const char *const *identity, size_t n, char *out,
                      size_t size, struct err *e) {
    struct uuid_search s = {.identity = identity, .best = n};
    MUST(size > 0);
    out[0] = '\0';
    int rc = list_collections(m, NULL, best_identity, &s, e);
    if (rc == 0 && s.best < n) {
        char text[37];
        uuid_text(s.uuid, text);
        MUST((size_t)snprintf(out, size, "%s=%s", identity[s.best], text) < size);
    }
    return rc;
}

static int keep_uuid(void *arg, const struct one_collection *c, struct err *e) {
    (void)e;
    if (c->uuid) {
        *strtab_slot(arg, c->uuid, UUID_BYTES, NULL) = 1;
    }
    return 0;
}

struct uuid_match {
    const struct strtab *known;
    bool same;
};

static int match_uuid(void *arg, const struct one_collection *c, struct err *e) {
    struct uuid_match *u = arg;
    (void)e;
    u->same |= c->uuid && strtab_has(u->known, c->uuid, UUID_BYTES);
    return 0;
}

int mongo_same_database(struct mongo *a, struct mongo *b, bool *same, struct err *e) {
    AUTO_STRTAB struct strtab *known = strtab_new();
    struct uuid_match u = {.known = known};
    int rc = list_collections(a, NULL, keep_uuid, known, e);
    if (rc == 0) {
        rc = list_collections(b, NULL, match_uuid, &u, e);
    }
    *same = u.same;
    return rc;
}

static uint64_t size_of(const bson_t *doc, const char *name) {
    bson_iter_t it;
    int64_t n = bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_NUMBER(&it)
                    ? bson_iter_as_int64(&it)
                    : 0;
    return n > 0 ? (uint64_t)n : 0;
}

static int note_exists(void *arg, const struct one_collection *c, struct err *e) {
    (void)c;
    (void)e;
    *(bool *)arg = true;
    return 0;
}

int mongo_collection_info(struct mongo *m, const char *collection,
                          struct mongo_collection_info *out, struct err *e) {
    *out = (struct mongo_collection_info){0};
    int rc = list_collections(m, collection, note_exists, &out->exists, e);
    if (rc || !out->exists) {
        return rc;
    }
    bson_t command, reply;
    bson_init(&command);
    BSON_APPEND_UTF8(&command, "collStats", collection);
    rc = mongo_command(m, &command, &reply, e);
    if (rc == 0) {
        out->documents = size_of(&reply, "count");
        out->bytes = size_of(&reply, "size");
        out->average = size_of(&reply, "avgObjSize");
    }
    bson_destroy(&command);
    bson_destroy(&reply);
    return rc;
}

struct index_list {
    int (*each)(void *arg, const bson_t *spec);
    void *arg;
};

static int one_index(void *arg, const uint8_t *data, size_t len, struct err *e) {
    struct index_list *l = arg;
    bson_t spec;
    if (!bson_init_static(&spec, data, len)) {
        return err_set(e, ERR_DATA, "listIndexes: damaged answer");
    }
    return l->each(l->arg, &spec);
}

int mongo_indexes(struct mongo *m, const char *collection,
                  int (*each)(void *arg, const bson_t *spec), void *arg, struct err *e) {
    bool there = false;
    int rc = list_collections(m, collection, note_exists, &there, e);
    if (rc || !there) {
        return rc;
    }
    struct index_list l = {.each = each, .arg = arg};
    bson_t command;
    bson_init(&command);
    BSON_APPEND_UTF8(&command, "listIndexes", collection);
    rc = mongo_drain(m, &command, collection, 0, one_index, &l, e);
    bson_destroy(&command);
    return rc;
}

struct index_search {
    const char *field;
    bool found, alone;
    bson_t *hint;
};

// True when every document with a value in the field stands in the index, in plain order.
static bool plain_index(const bson_t *spec) {
    return !bson_has_field(spec, "partialFilterExpression") && !bson_has_field(spec, "collation") &&
           !bson_has_field(spec, "sparse") && !bson_has_field(spec, "hidden");
}

static int match_index(void *arg, const bson_t *spec) {
    struct index_search *s = arg;
    bson_iter_t it, key;
    if (!plain_index(spec) || !bson_iter_init_find(&it, spec, "key") ||
        !BSON_ITER_HOLDS_DOCUMENT(&it) || !bson_iter_recurse(&it, &key) || !bson_iter_next(&key)) {
        return 0;
    }
    if (strcmp(bson_iter_key(&key), s->field) != 0 || !BSON_ITER_HOLDS_NUMBER(&key)) {
        return 0;
    }
    bool alone = !bson_iter_next(&key);
    if (s->found && (s->alone || !alone)) {
        return 0;
    }
    uint32_t len;
    const uint8_t *data;
    bson_t pattern;
    bson_iter_document(&it, &len, &data);
    MUST(bson_init_static(&pattern, data, len));
    bson_reinit(s->hint);
    bson_concat(s->hint, &pattern);
    s->found = true;
    s->alone = alone;
    return 0;
}

int mongo_index_on(struct mongo *m, const char *collection, const char *field, bool *there,
                   bson_t *hint, struct err *e) {
    struct index_search s = {.field = field, .hint = hint};
    bson_init(hint);
    int rc = mongo_indexes(m, collection, match_index, &s, e);
    *there = s.found;
    return rc;
}
