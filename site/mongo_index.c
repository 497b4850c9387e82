// SPDX-License-Identifier: Apache-2.0
#include "base/must.h"
#include "site/mongo_private.h"

static int code_of(const bson_t *reply) {
    bson_iter_t it;
    return bson_iter_init_find(&it, reply, "code") && BSON_ITER_HOLDS_NUMBER(&it)
               ? (int)bson_iter_as_int64(&it)
               : 0;
}

static void copy_key(const bson_t *reply, bson_t *duplicate) {
    bson_iter_t it;
    uint32_t len;
    const uint8_t *data;
    bson_t key;
    if (bson_iter_init_find(&it, reply, "keyValue") && BSON_ITER_HOLDS_DOCUMENT(&it)) {
        bson_iter_document(&it, &len, &data);
        if (bson_init_static(&key, data, len)) {
            MUST(bson_concat(duplicate, &key));
        }
    }
}

// ok:1 with a writeConcernError is not success.
static int write_concern(const struct mongo *m, const bson_t *reply, const char *what,
                         struct err *e) {
    bson_iter_t it, code;
    if (!bson_iter_init_find(&it, reply, "writeConcernError") || !bson_iter_recurse(&it, &code)) {
        return 0;
    }
    bool known = bson_iter_find(&code, "code") && BSON_ITER_HOLDS_NUMBER(&code);
    return mongo_fail_code(m->end, known ? (int)bson_iter_as_int64(&code) : 0,
                           "write concern not met", what, e);
}

int mongo_create_index(struct mongo *m, const char *collection, const bson_t *spec,
                       bson_t *duplicate, struct err *e) {
    bson_t command, list, reply;
    bson_error_t be = {0};
    bson_init(duplicate);
    bson_init(&command);
    MUST(BSON_APPEND_UTF8(&command, "createIndexes", collection));
    MUST(BSON_APPEND_ARRAY_BEGIN(&command, "indexes", &list));
    MUST(BSON_APPEND_DOCUMENT(&list, "0", spec));
    MUST(bson_append_array_end(&command, &list));
    mongo_append_write_concern(&command);
    int rc = 0;
    if (mongoc_client_command_simple(m->client, m->end->database, &command, m->primary, &reply,
                                     &be)) {
        rc = write_concern(m, &reply, collection, e);
    } else {
        int code = code_of(&reply);
        rc = mongo_fail(m->end, &be, &reply, collection, e);
        if (code == MONGO_DUPLICATE_KEY) {
            copy_key(&reply, duplicate);
            e->code = rc = ERR_REJECTED;
        }
    }
    bson_destroy(&command);
    bson_destroy(&reply);
    return rc;
}
