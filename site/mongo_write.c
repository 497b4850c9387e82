// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/must.h"
#include "site/bson_frame.h"
#include "site/mongo_private.h"

#define ERROR_TEXT_MAX 1024

void mongo_append_write_concern(bson_t *opts) {
    bson_t wc;
    BSON_APPEND_DOCUMENT_BEGIN(opts, "writeConcern", &wc);
    BSON_APPEND_UTF8(&wc, "w", "majority");
    BSON_APPEND_BOOL(&wc, "j", true);
    bson_append_document_end(opts, &wc);
}

void mongo_insert_reply_clear(struct mongo_insert_reply *r) {
    for (size_t i = 0; i < r->n_errors; i++) {
        if (r->errors[i].key_pattern) {
            bson_destroy(r->errors[i].key_pattern);
        }
        if (r->errors[i].key_value) {
            bson_destroy(r->errors[i].key_value);
        }
        free(r->errors[i].text);
    }
    free(r->errors);
    *r = (struct mongo_insert_reply){0};
}

static void need_views(struct mongo *m, size_t n) {
    if (m->n_views < n) {
        free(m->views);
        m->views = aligned_alloc(_Alignof(bson_t), n * sizeof *m->views);
        MUST(m->views);
        m->n_views = n;
    }
}

// The driver adds an _id of its own where it sees none.
static int view_documents(struct mongo *m, const uint8_t *const *docs, const size_t *lens, size_t n,
                          const bson_t **views, struct err *e) {
    need_views(m, n);
    for (size_t i = 0; i < n; i++) {
        bson_iter_t it;
        if (!doc_framed(docs[i], lens[i]) || !bson_init_static(&m->views[i], docs[i], lens[i]) ||
            !bson_iter_init_find(&it, &m->views[i], "_id")) {
            return err_set(e, ERR_DATA, "document %zu of a batch has no _id or a false length", i);
        }
        views[i] = &m->views[i];
    }
    return 0;
}

static bson_t *subdocument(const bson_iter_t *parent, const char *name) {
    bson_iter_t it;
    if (!bson_iter_recurse(parent, &it) || !bson_iter_find(&it, name) ||
        !BSON_ITER_HOLDS_DOCUMENT(&it)) {
        return NULL;
    }
    uint32_t len;
    const uint8_t *data;
    bson_iter_document(&it, &len, &data);
    return bson_new_from_data(data, len);
}

static bool read_write_error(const bson_iter_t *at, size_t n, struct mongo_write_error *we) {
    bson_iter_t it;
    *we = (struct mongo_write_error){0};
    if (!BSON_ITER_HOLDS_DOCUMENT(at) || !bson_iter_recurse(at, &it) ||
        !bson_iter_find(&it, "index") || !BSON_ITER_HOLDS_NUMBER(&it)) {
        return false;
    }
    int64_t index = bson_iter_as_int64(&it);
    if (index < 0 || (uint64_t)index >= n || !bson_iter_recurse(at, &it) ||
        !bson_iter_find(&it, "code") || !BSON_ITER_HOLDS_NUMBER(&it)) {
        return false;
    }
    we->index = (uint32_t)index;
    we->code = (int32_t)bson_iter_as_int64(&it);
    uint32_t len = 0;
    const char *text = "";
    if (bson_iter_recurse(at, &it) && bson_iter_find(&it, "errmsg") && BSON_ITER_HOLDS_UTF8(&it)) {
        text = bson_iter_utf8(&it, &len);
    }
    we->text = must_calloc(1, ERROR_TEXT_MAX);
    escape_into(we->text, ERROR_TEXT_MAX, text, len);
    we->key_pattern = subdocument(at, "keyPattern");
    we->key_value = subdocument(at, "keyValue");
    return true;
}

static bool read_write_errors(const bson_t *reply, size_t n, struct mongo_insert_reply *out) {
    bson_iter_t it, each;
    if (!bson_iter_init_find(&it, reply, "writeErrors")) {
        return true;
    }
    if (!BSON_ITER_HOLDS_ARRAY(&it) || !bson_iter_recurse(&it, &each)) {
        return false;
    }
    out->errors = must_calloc(n, sizeof *out->errors);
    while (bson_iter_next(&each)) {
        if (out->n_errors == n || !read_write_error(&each, n, &out->errors[out->n_errors])) {
            return false;
        }
        out->n_errors++;
    }
    return true;
}

// ok:1 with a writeConcernError is not success: the documents may be there, but not for good.
static int write_concern_error(const struct mongo *m, const bson_t *reply, const char *what,
                               struct err *e) {
    bson_iter_t it, list, each;
    if (!bson_iter_init_find(&it, reply, "writeConcernErrors") || !bson_iter_recurse(&it, &list) ||
        !bson_iter_next(&list) || !bson_iter_recurse(&list, &each)) {
        return 0;
    }
    int code = 0;
    const char *text = "write concern not met";
    while (bson_iter_next(&each)) {
        if (strcmp(bson_iter_key(&each), "code") == 0) {
            code = (int)bson_iter_as_int64(&each);
        } else if (strcmp(bson_iter_key(&each), "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(&each)) {
            text = bson_iter_utf8(&each, NULL);
        }
    }
    return mongo_fail_code(m->end, code, text, what, e);
}

// A document that met a passing failure of its own (a stepdown in mid-batch) is not rejected.
static int passing_error(const struct mongo *m, const struct mongo_insert_reply *r,
                         const char *what, struct err *e) {
    for (size_t i = 0; i < r->n_errors; i++) {
        if (mongo_class_of(r->errors[i].code) != ERR_FAILED) {
            return mongo_fail_code(m->end, r->errors[i].code, r->errors[i].text, what, e);
        }
    }
    return 0;
}

static int64_t count_in(const bson_t *reply, const char *name) {
    bson_iter_t it;
    return bson_iter_init_find(&it, reply, name) && BSON_ITER_HOLDS_NUMBER(&it)
               ? bson_iter_as_int64(&it)
               : -1;
}

static int judge_reply(const struct mongo *m, const char *what, size_t n, const bson_t *reply,
                       const bson_error_t *be, struct mongo_insert_reply *out, struct err *e) {
    bool whole = read_write_errors(reply, n, out);
    int64_t inserted = count_in(reply, "insertedCount");
    int rc = write_concern_error(m, reply, what, e);
    if (rc == 0) {
        rc = passing_error(m, out, what, e);
    }
    if (rc) {
        return rc;
    }
    if (whole && inserted >= 0 && (uint64_t)inserted + out->n_errors == n) {
        out->inserted = (uint64_t)inserted;
        return 0;
    }
    if (be->code) {
        return mongo_fail(m->end, be, NULL, what, e);
    }
    return err_set(
        e, ERR_RETRY, "%s mongodb at %s: %s: the answer accounts for %lld of %zu documents",
        m->end->label, m->end->place, what, (long long)inserted + (long long)out->n_errors, n);
}

int mongo_insert(struct mongo *m, const char *collection, const uint8_t *const *docs,
                 const size_t *lens, size_t n, struct mongo_insert_reply *reply, struct err *e) {
    MUST(n > 0);
    *reply = (struct mongo_insert_reply){0};
    AUTO_FREE const bson_t **views = must_calloc(n, sizeof *views);
    int rc = view_documents(m, docs, lens, n, views, e);
    if (rc) {
        return rc;
    }
    bson_t opts, raw;
    bson_error_t be = {0};
    bson_init(&opts);
    BSON_APPEND_BOOL(&opts, "ordered", false);
    BSON_APPEND_BOOL(&opts, "validate", false);
    mongo_append_write_concern(&opts);
    mongoc_collection_t *c = mongoc_client_get_collection(m->client, m->end->database, collection);
    (void)mongoc_collection_insert_many(c, views, n, &opts, &raw, &be);
    mongoc_collection_destroy(c);
    bson_destroy(&opts);
    rc = judge_reply(m, collection, n, &raw, &be, reply, e);
    bson_destroy(&raw);
    if (rc) {
        mongo_insert_reply_clear(reply);
    }
    return rc;
}

// For single writes, whose refusal is the item's, not the step's.
static int fail_write(const struct mongo *m, const char *collection, const bson_error_t *be,
                      const bson_t *reply, struct err *e) {
    int rc = write_concern_error(m, reply, collection, e);
    if (rc) {
        return rc;
    }
    rc = mongo_fail(m->end, be, NULL, collection, e);
    if (rc == ERR_FAILED) {
        e->code = rc = ERR_REJECTED;
    }
    return rc;
}

static mongoc_collection_t *open_collection(struct mongo *m, const char *name, bson_t *opts) {
    bson_init(opts);
    mongo_append_write_concern(opts);
    return mongoc_client_get_collection(m->client, m->end->database, name);
}

int mongo_delete_id(struct mongo *m, const char *collection, const struct docid *id, int *deleted,
                    struct err *e) {
    bson_t opts, filter, reply;
    bson_error_t be = {0};
    docid_filter(id, &filter);
    mongoc_collection_t *c = open_collection(m, collection, &opts);
    bool ok = mongoc_collection_delete_one(c, &filter, &opts, &reply, &be);
    int rc = ok ? write_concern_error(m, &reply, collection, e)
                : fail_write(m, collection, &be, &reply, e);
    *deleted = count_in(&reply, "deletedCount") > 0;
    mongoc_collection_destroy(c);
    bson_destroy(&opts);
    bson_destroy(&filter);
    bson_destroy(&reply);
    return rc;
}

int mongo_update_id(struct mongo *m, const char *collection, const struct docid *id,
                    const bson_t *update, int *matched, struct err *e) {
    bson_t opts, filter, reply;
    bson_error_t be = {0};
    docid_filter(id, &filter);
    mongoc_collection_t *c = open_collection(m, collection, &opts);
    bool ok = mongoc_collection_update_one(c, &filter, update, &opts, &reply, &be);
    int rc = ok ? write_concern_error(m, &reply, collection, e)
                : fail_write(m, collection, &be, &reply, e);
    *matched = count_in(&reply, "matchedCount") > 0;
    mongoc_collection_destroy(c);
    bson_destroy(&opts);
    bson_destroy(&filter);
    bson_destroy(&reply);
    return rc;
}

int mongo_settle(struct mongo *m, const char *collection, struct err *e) {
    int deleted;
    bson_t opts, filter, in, list, reply;
    bson_error_t be = {0};
    bson_init(&filter);
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    bson_append_array_end(&in, &list);
    bson_append_document_end(&filter, &in);
    mongoc_collection_t *c = open_collection(m, collection, &opts);
    bool ok = mongoc_collection_delete_one(c, &filter, &opts, &reply, &be);
    int rc = ok ? write_concern_error(m, &reply, collection, e)
                : fail_write(m, collection, &be, &reply, e);
    deleted = count_in(&reply, "deletedCount") > 0;
    MUST(rc || !deleted);
    mongoc_collection_destroy(c);
    bson_destroy(&opts);
    bson_destroy(&filter);
    bson_destroy(&reply);
    return rc;
}
