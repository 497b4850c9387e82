// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strtab.h"
#include "executor/restore.h"
#include "site/bson_frame.h"

struct look {
    struct restore_batch *batch;
    enum doc_state from;
    struct strtab *by_id; // type byte and value of the _id -> 1 + index
    struct buf key;
};

static void make_key(struct look *l, const struct docid *id) {
    buf_clear(&l->key);
    buf_put(&l->key, &id->type, 1);
    if (id->len) {
        buf_put(&l->key, id->value, id->len);
    }
}

static void judge(struct restore_doc *d, const uint8_t *there, size_t len) {
    switch (restore_compare(d, there, len)) {
    case VERDICT_SAME:
        d->state = DOC_PRESENT;
        return;
    case VERDICT_UNFIXED:
    case VERDICT_TIME:
        d->state = DOC_UNFIXED;
        d->class = "unfixed";
        break;
    case VERDICT_DIFFERENT:
        d->state = DOC_DIFFERS;
        d->class = "different";
        free(d->detail);
        d->detail = restore_differences(d->expected, d->expected_len, there, len);
        restore_checksum(there, len, d->there_sum);
        break;
    }
    restore_digest(there, len, d->there);
}

static int one_there(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct look *l = arg;
    struct docid id;
    if (docid_find(doc, len, &id) != 1) {
        return err_set(e, ERR_DATA, "the destination sent a document without _id");
    }
    make_key(l, &id);
    uintptr_t at = strtab_get(l->by_id, l->key.data, l->key.len, 0);
    // An _id may match another of equal value, 1 and 1.0: that one is fetched by itself.
    if (at && l->batch->docs[at - 1].state == l->from) {
        judge(&l->batch->docs[at - 1], doc, len);
    }
    return 0;
}

static int look_together(struct mongo *m, const char *collection, struct look *l, struct err *e) {
    struct docid ids[RESTORE_BATCH_DOCUMENTS];
    size_t n = 0;
    for (size_t i = 0; i < l->batch->n; i++) {
        struct restore_doc *d = &l->batch->docs[i];
        if (d->state == l->from && d->id.type) {
            make_key(l, &d->id);
            *strtab_slot(l->by_id, l->key.data, l->key.len, NULL) = i + 1;
            ids[n++] = d->id;
        }
    }
    if (n == 0) {
        return 0;
    }
    bson_t filter;
    docid_filter_in(ids, n, &filter);
    struct mongo_query q = {
        .collection = collection, .filter = &filter, .batch_size = RESTORE_BATCH_DOCUMENTS + 1};
    int rc = mongo_find(m, &q, one_there, l, e);
    bson_destroy(&filter);
    return rc;
}

int restore_fetch(struct mongo *m, const char *collection, const struct docid *id, struct buf *out,
                  struct err *e) {
    bson_t filter;
    docid_filter(id, &filter);
    int rc = mongo_find_one(m, collection, &filter, out, e);
    bson_destroy(&filter);
    return rc;
}

// Those that the server calls duplicates but that did not come under exactly their own _id.
static int look_singly(struct mongo *m, const char *collection, struct look *l, struct err *e) {
    AUTO_BUF struct buf there = BUF_INIT(DOC_MAX);
    for (size_t i = 0; i < l->batch->n; i++) {
        struct restore_doc *d = &l->batch->docs[i];
        if (d->state != DOC_CLAIMED) {
            continue;
        }
        int rc = restore_fetch(m, collection, &d->id, &there, e);
        if (rc < 0) {
            return rc;
        }
        if (rc == 1) {
            judge(d, there.data, there.len);
        }
    }
    return 0;
}

int restore_look(struct mongo *m, const char *collection, struct restore_batch *b,
                 enum doc_state from, struct err *e) {
    AUTO_STRTAB struct strtab *by_id = strtab_new();
    struct look l = {.batch = b, .from = from, .by_id = by_id, .key = BUF_INIT(DOC_MAX)};
    int rc = look_together(m, collection, &l, e);
    if (rc == 0 && from == DOC_CLAIMED) {
        rc = look_singly(m, collection, &l, e);
    }
    buf_free(&l.key);
    return rc;
}

const char *restore_id_text(const struct docid *id, char out[RESTORE_ID_MAX]) {
    AUTO_BUF struct buf text = BUF_INIT(128u * 1024 * 1024);
    if (id->type) {
        docid_text(id, &text);
    } else {
        buf_puts(&text, "(none)");
    }
    size_t cut = text.len;
    if (cut > RESTORE_ID_MAX - 4) {
        cut = RESTORE_ID_MAX - 4;
        while (cut > 0 && (text.data[cut] & 0xc0) == 0x80) {
            cut--;
        }
    }
    (void)snprintf(out, RESTORE_ID_MAX, "%.*s%s", (int)cut, buf_str(&text),
                   cut < text.len ? "..." : "");
    return out;
}
