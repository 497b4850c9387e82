// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "scan/internal.h"

// A number is one key whatever its type: to an index 1, NumberLong(1) and 1.0 are the same.
static bool whole_number(const struct docid *v, int64_t *out) {
    if (v->type == BSON_TYPE_INT32 && v->len == 4) {
        int32_t n;
        memcpy(&n, v->value, sizeof n);
        *out = (int32_t)BSON_UINT32_FROM_LE((uint32_t)n);
        return true;
    }
    if (v->type == BSON_TYPE_INT64 && v->len == 8) {
        memcpy(out, v->value, sizeof *out);
        *out = (int64_t)BSON_UINT64_FROM_LE((uint64_t)*out);
        return true;
    }
    if (v->type == BSON_TYPE_DOUBLE && v->len == 8) {
        double d;
        memcpy(&d, v->value, sizeof d);
        d = BSON_DOUBLE_FROM_LE(d);
        if (d >= -0x1p63 && d < 0x1p63 && (double)(int64_t)d == d) {
            *out = (int64_t)d;
            return true;
        }
    }
    return false;
}

void scan_key_put(struct buf *out, const struct docid *v) {
    int64_t n;
    uint8_t type = v->type;
    size_t len = v->len;
    if (whole_number(v, &n)) {
        type = BSON_TYPE_INT64;
        len = sizeof n;
        buf_put(out, &type, 1);
        buf_put(out, &len, sizeof len);
        buf_put(out, &n, len);
        return;
    }
    buf_put(out, &type, 1);
    buf_put(out, &len, sizeof len);
    if (len > 0) {
        buf_put(out, v->value, len);
    }
}

int scan_find_path(const uint8_t *doc, size_t len, const char *path, struct docid *out) {
    struct doc_element el;
    char name[256];
    *out = (struct docid){.type = BSON_TYPE_NULL};
    for (;;) {
        const char *dot = strchr(path, '.');
        size_t n = dot ? (size_t)(dot - path) : strlen(path);
        if (n >= sizeof name) {
            return -1;
        }
        memcpy(name, path, n);
        name[n] = 0;
        int rc = doc_find(doc, len, name, &el);
        if (rc != 1) {
            return rc;
        }
        if (!dot) {
            *out = (struct docid){.type = el.type, .value = el.value, .len = el.value_len};
            return 1;
        }
        if (el.type != BSON_TYPE_DOCUMENT) {
            return el.type == BSON_TYPE_ARRAY ? -1 : 0;
        }
        doc = el.value;
        len = el.value_len;
        path = dot + 1;
    }
}

void scan_append_value(bson_t *to, const char *key, const struct docid *v) {
    AUTO_BUF struct buf raw = BUF_INIT(DOC_MAX + 64);
    bson_t doc;
    bson_iter_t it;
    docid_document(v, "v", &raw);
    MUST(bson_init_static(&doc, raw.data, raw.len));
    MUST(bson_iter_init_find(&it, &doc, "v"));
    MUST(bson_append_iter(to, key, -1, &it));
}
