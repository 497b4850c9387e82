// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/stop.h"
#include "base/strtab.h"
#include "executor/base.h"
#include "executor/delete.h"
#include "executor/restore.h"
#include "site/bson_frame.h"

#define IDS 1000      // in one question to the source
#define DELETIONS 100 // whose rows become durable together

struct gone {       // an _id that the base has laid
    size_t at, len; // its key in d->keys
    bool there;     // at the source
};
struct deletion {
    struct step_run *s;
    const char *collection;
    struct mongo *source, *destination;
    struct strtab *seen;
    struct buf keys; // of the batch that is looked at
    struct gone batch[IDS];
    size_t n;
    struct buf wanted; // keys of what is to be deleted, each with its length in front
    size_t n_wanted;
    uint64_t looked;
    bool counting; // nothing else: no record, no deletion
};

static struct docid id_of(const uint8_t *key, size_t len) {
    return (struct docid){.type = key[0], .value = key + 1, .len = len - 1};
}

static struct docid id_at(const struct deletion *d, size_t i) {
    return id_of(d->keys.data + d->batch[i].at, d->batch[i].len);
}

static int mark_there(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct deletion *d = arg;
    struct docid id;
    AUTO_BUF struct buf key = BUF_INIT(DOC_MAX);
    if (docid_find(doc, len, &id) != 1) {
        return err_set(e, ERR_DATA, "the source sent a document without _id");
    }
    restore_key(&id, &key);
    uintptr_t at = strtab_get(d->seen, key.data, key.len, 0);
    if (at > 0 && at <= d->n) {
        d->batch[at - 1].there = true;
    }
    return 0;
}

static int ask_source(struct deletion *d, struct err *e) {
    struct docid ids[IDS];
    bson_t filter, projection;
    for (size_t i = 0; i < d->n; i++) {
        ids[i] = id_at(d, i);
    }
    docid_filter_in(ids, d->n, &filter);
    bson_init(&projection);
    MUST(BSON_APPEND_INT32(&projection, "_id", 1));
    struct mongo_query q = {.collection = d->collection,
                            .filter = &filter,
                            .projection = &projection,
                            .batch_size = IDS + 1};
    int rc = mongo_find(d->source, &q, mark_there, d, e);
    bson_destroy(&projection);
    bson_destroy(&filter);
    return rc;
}

// The document at the destination under this _id: 1 as it was laid, 0 not there or not ours; of the
// latter a conflict is recorded.
static int look(struct deletion *d, const uint8_t *key, size_t len, struct buf *there,
                char digest[HASH_HEX], bool record, struct err *e) {
    struct docid id = id_of(key, len);
    char text[RESTORE_ID_MAX];
    uint8_t sum[CHECKSUM_SIZE];
    bool ours;
    int rc = restore_fetch(d->destination, d->collection, &id, there, e);
    if (rc <= 0) {
        return rc;
    }
    restore_digest(there->data, there->len, digest);
    restore_checksum(there->data, there->len, sum);
    rc = base_has(d->s->run->base, d->collection, key, len, sum, &ours, e);
    if (rc != 0 || ours) {
        return rc != 0 ? rc : 1;
    }
    struct delete_row row = {
        .object = d->collection, .id = restore_id_text(&id, text), .digest = digest};
    return record ? delete_record(d->s, &row, e) : 0;
}

// Another number of equal value counts as there: the server takes them for one _id.
static int is_gone(struct deletion *d, size_t i, struct err *e) {
    AUTO_BUF struct buf doc = BUF_INIT(DOC_MAX);
    struct docid id = id_at(d, i);
    int rc = d->batch[i].there ? 1 : restore_fetch(d->source, d->collection, &id, &doc, e);
    return rc < 0 ? rc : rc == 0;
}

static int end_batch(struct deletion *d, struct err *e) {
    if (stop_asked()) {
        return err_set(e, stop_error(), "stopped");
    }
    int rc = d->n > 0 ? ask_source(d, e) : 0;
    for (size_t i = 0; rc == 0 && i < d->n; i++) {
        AUTO_BUF struct buf there = BUF_INIT(DOC_MAX);
        char digest[HASH_HEX];
        const uint8_t *key = d->keys.data + d->batch[i].at;
        uint32_t len = (uint32_t)d->batch[i].len;
        rc = is_gone(d, i, e);
        rc = rc == 1 ? look(d, key, len, &there, digest, !d->counting, e) : rc;
        if (rc == 1) {
            if (!d->counting) {
                buf_put(&d->wanted, &len, sizeof len);
                buf_put(&d->wanted, key, len);
            }
            d->n_wanted++;
            rc = 0;
        }
    }
    // Keys of this batch stay in `seen`, with numbers that no later batch asks for.
    for (size_t i = 0; i < d->n; i++) {
        *strtab_slot(d->seen, d->keys.data + d->batch[i].at, d->batch[i].len, &(bool){0}) =
            UINTPTR_MAX;
    }
    d->looked += d->n;
    d->n = 0;
    buf_clear(&d->keys);
    return rc;
}

static int add_key(void *arg, const uint8_t *key, size_t len, const uint8_t *sum, struct err *e) {
    struct deletion *d = arg;
    bool added;
    (void)sum;
    uintptr_t *slot = strtab_slot(d->seen, key, len, &added);
    if (!added) {
        return 0;
    }
    *slot = d->n + 1;
    d->batch[d->n++] = (struct gone){.at = d->keys.len, .len = len};
    buf_put(&d->keys, key, len);
    return d->n == IDS || d->keys.len > RESTORE_BATCH_BYTES ? end_batch(d, e) : 0;
}

// --- the deeds

struct wanted {
    const uint8_t *key;
    size_t len;
    bool deletes;
    char digest[HASH_HEX];
};

static int intend(struct deletion *d, struct wanted *w, bool last, struct err *e) {
    AUTO_BUF struct buf there = BUF_INIT(DOC_MAX);
    char text[RESTORE_ID_MAX];
    struct docid id = id_of(w->key, w->len);
    int rc = look(d, w->key, w->len, &there, w->digest, true, e);
    w->deletes = rc == 1;
    struct delete_row row = {.object = d->collection,
                             .id = restore_id_text(&id, text),
                             .digest = w->digest,
                             .old = &there,
                             .deleted = true,
                             .last = last};
    return rc == 1 ? delete_record(d->s, &row, e) : rc;
}

static int delete_one(struct deletion *d, const struct wanted *w, struct err *e) {
    AUTO_BUF struct buf there = BUF_INIT(DOC_MAX);
    char digest[HASH_HEX];
    int deleted = 0;
    int rc = look(d, w->key, w->len, &there, digest, true, e);
    if (rc != 1) {
        return rc;
    }
    struct docid id;
    (void)docid_find(there.data, there.len, &id);
    rc = journal_fence(d->s->run->journal, e);
    rc = rc != 0 ? rc : mongo_delete_id(d->destination, d->collection, &id, &deleted, e);
    d->s->result.sent += rc == 0 && deleted > 0;
    (void)FAULT("delete.deleted");
    return rc;
}

static int delete_some(struct deletion *d, struct wanted *w, size_t n, struct err *e) {
    int rc = 0;
    if (stop_asked()) {
        return err_set(e, stop_error(), "stopped");
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = intend(d, &w[i], i + 1 == n, e);
    }
    // The last one may have gone meanwhile, and its row with it.
    if (rc == 0 && !w[n - 1].deletes) {
        for (size_t i = n; rc == 0 && i > 0; i--) {
            if (w[i - 1].deletes) {
                rc = intend(d, &w[i - 1], true, e);
                break;
            }
        }
    }
    (void)FAULT("delete.intended");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = w[i].deletes ? delete_one(d, &w[i], e) : 0;
    }
    return rc;
}

static int delete_all(struct deletion *d, struct err *e) {
    struct wanted w[DELETIONS];
    size_t at = 0, n = 0;
    int rc = 0;
    while (rc == 0 && at < d->wanted.len) {
        uint32_t len;
        memcpy(&len, d->wanted.data + at, sizeof len);
        w[n++] = (struct wanted){.key = d->wanted.data + at + sizeof len, .len = len};
        at += sizeof len + len;
        if (n == DELETIONS || at == d->wanted.len) {
            rc = delete_some(d, w, n, e);
            n = 0;
        }
    }
    return rc;
}

static int look_at_all(struct deletion *d, struct err *e) {
    int rc = step_source_db(d->s, &d->source, e);
    rc = rc == 0 ? step_destination_db(d->s, &d->destination, e) : rc;
    rc = rc == 0 ? base_each(d->s->run->base, d->collection, add_key, d, e) : rc;
    return rc == 0 ? end_batch(d, e) : rc;
}

static int delete_from(struct deletion *d, struct err *e) {
    int rc = look_at_all(d, e);
    rc = rc == 0 ? delete_begin(d->s, d->n_wanted, "documents", e) : rc;
    if (rc == 0) {
        uint64_t before = d->s->result.sent;
        rc = delete_all(d, e);
        delete_end(d->s, d->n_wanted, d->s->result.sent - before);
    }
    d->s->result.documents = d->looked;
    d->s->result.present = d->looked - d->n_wanted;
    return rc;
}

static struct deletion *deletion_new(struct step_run *s) {
    struct deletion *d = must_calloc(1, sizeof *d);
    d->s = s;
    d->collection = s->step->collection;
    d->seen = strtab_new();
    d->keys = (struct buf)BUF_INIT((size_t)64 << 20);
    d->wanted = (struct buf)BUF_INIT((size_t)4 << 30);
    return d;
}

static void deletion_free(struct deletion *d) {
    buf_free(&d->keys);
    buf_free(&d->wanted);
    strtab_free(d->seen);
    free(d);
}

int delete_documents(struct step_run *s, struct err *e) {
    struct deletion *d = deletion_new(s);
    int rc = delete_from(d, e);
    deletion_free(d);
    return rc;
}

int delete_documents_count(struct step_run *s, uint64_t *n, struct err *e) {
    struct deletion *d = deletion_new(s);
    d->counting = true;
    int rc = look_at_all(d, e);
    *n = d->n_wanted;
    deletion_free(d);
    return rc;
}
