// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "executor/restore.h"
#include "site/bson_frame.h"

static bool equal(const uint8_t *doc, size_t len, const uint8_t *there, size_t there_len) {
    if (len != there_len) {
        return false;
    }
    if (memcmp(doc, there, len) == 0) {
        return true;
    }
    AUTO_BUF struct buf moved = BUF_INIT(2u * DOC_MAX);
    return docid_front(doc, len, &moved) && memcmp(moved.data, there, len) == 0;
}

// True when the two differ in nothing but Timestamps that are zero in ours.
static bool equal_but_time(const uint8_t *doc, size_t len, const uint8_t *there, size_t there_len) {
    static const uint8_t zero[8];
    struct doc_iter a, b;
    struct doc_element x, y;
    if (len != there_len) {
        return false;
    }
    AUTO_BUF struct buf moved = BUF_INIT(2u * DOC_MAX);
    doc_iter_init(&a, docid_front(doc, len, &moved) ? moved.data : doc, len);
    doc_iter_init(&b, there, there_len);
    while (doc_next(&a, &x) > 0) {
        if (doc_next(&b, &y) <= 0 || x.type != y.type || strcmp(x.name, y.name) != 0 ||
            x.value_len != y.value_len) {
            return false;
        }
        bool replaced = x.type == BSON_TYPE_TIMESTAMP && strcmp(x.name, "_id") != 0 &&
                        memcmp(x.value, zero, sizeof zero) == 0;
        if (!replaced && memcmp(x.value, y.value, x.value_len) != 0) {
            return false;
        }
    }
    return doc_next(&b, &y) == 0;
}

enum restore_verdict restore_compare(const struct restore_doc *d, const uint8_t *there,
                                     size_t len) {
    if (equal(d->expected, d->expected_len, there, len)) {
        return VERDICT_SAME;
    }
    if (d->fixed && equal(d->source, d->source_len, there, len)) {
        return VERDICT_UNFIXED;
    }
    if (d->zero_time && equal_but_time(d->expected, d->expected_len, there, len)) {
        return VERDICT_TIME;
    }
    return VERDICT_DIFFERENT;
}

void restore_digest_bytes(const uint8_t *doc, size_t len, uint8_t out[HASH_SIZE]) {
    AUTO_BUF struct buf moved = BUF_INIT(2u * DOC_MAX);
    hash_bytes(docid_front(doc, len, &moved) ? moved.data : doc, len, out);
}

void restore_digest(const uint8_t *doc, size_t len, char out[HASH_HEX]) {
    uint8_t digest[HASH_SIZE];
    restore_digest_bytes(doc, len, digest);
    hash_hex(digest, out);
}

void restore_checksum(const uint8_t *doc, size_t len, uint8_t out[CHECKSUM_SIZE]) {
    AUTO_BUF struct buf moved = BUF_INIT(2u * DOC_MAX);
    checksum_bytes(docid_front(doc, len, &moved) ? moved.data : doc, len, out);
}
