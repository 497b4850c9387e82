// SPDX-License-Identifier: Apache-2.0
// What mongodump keeps of a collection beside its documents.
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "site/mongo_private.h"

struct metadata {
    bson_t *out;
    bson_t *indexes;
    unsigned n;
    bool there;
};

static void append_uuid(bson_t *out, const bson_iter_t *binary) {
    bson_subtype_t subtype;
    uint32_t len;
    const uint8_t *bytes;
    char hex[33];
    bson_iter_binary(binary, &subtype, &len, &bytes);
    if (len != 16) {
        return;
    }
    for (int i = 0; i < 16; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    }
    MUST(BSON_APPEND_UTF8(out, "uuid", hex));
}

static int take_collection(void *arg, const uint8_t *data, size_t len, struct err *e) {
    struct metadata *m = arg;
    bson_t doc;
    bson_iter_t it, uuid;
    if (!bson_init_static(&doc, data, len)) {
        return err_set(e, ERR_DATA, "listCollections: damaged answer");
    }
    m->there = true;
    if (bson_iter_init_find(&it, &doc, "options") && BSON_ITER_HOLDS_DOCUMENT(&it)) {
        MUST(bson_append_iter(m->out, "options", -1, &it));
    }
    if (bson_iter_init(&it, &doc) && bson_iter_find_descendant(&it, "info.uuid", &uuid) &&
        BSON_ITER_HOLDS_BINARY(&uuid)) {
        append_uuid(m->out, &uuid);
    }
    return 0;
}

static int take_index(void *arg, const bson_t *spec) {
    struct metadata *m = arg;
    char key[16];
    (void)snprintf(key, sizeof key, "%u", m->n++);
    MUST(BSON_APPEND_DOCUMENT(m->indexes, key, spec));
    return 0;
}

static int read_collection(struct mongo *m, const char *collection, struct metadata *out,
                           struct err *e) {
    bson_t command, filter;
    bson_init(&command);
    BSON_APPEND_INT32(&command, "listCollections", 1);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    BSON_APPEND_UTF8(&filter, "name", collection);
    bson_append_document_end(&command, &filter);
    int rc = mongo_drain(m, &command, "$cmd.listCollections", 0, take_collection, out, e);
    bson_destroy(&command);
    return rc;
}

int mongo_metadata(struct mongo *m, const char *collection, struct buf *json, struct err *e) {
    bson_t doc, indexes;
    struct metadata out = {.out = &doc, .indexes = &indexes};
    bson_init(&doc);
    bson_init(&indexes);
    int rc = read_collection(m, collection, &out, e);
    if (rc == 0 && !out.there) {
        rc = err_set(e, ERR_NOTFOUND, "%s is not at the source any more; plan again", collection);
    }
    if (rc == 0) {
        rc = mongo_indexes(m, collection, take_index, &out, e);
    }
    MUST(BSON_APPEND_ARRAY(&doc, "indexes", &indexes));
    MUST(BSON_APPEND_UTF8(&doc, "collectionName", collection));
    MUST(BSON_APPEND_UTF8(&doc, "type", "collection"));
    size_t len = 0;
    char *text = rc == 0 ? bson_as_canonical_extended_json(&doc, &len) : NULL;
    if (rc == 0 && !text) {
        rc = err_set(e, ERR_DATA, "%s: its options or indexes are damaged", collection);
    }
    if (rc == 0) {
        rc = buf_append(json, text, len, e);
    }
    bson_free(text);
    bson_destroy(&doc);
    bson_destroy(&indexes);
    return rc;
}
