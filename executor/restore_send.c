// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "executor/restore.h"

// A document that was there when the insert came and gone when we looked is inserted again.
#define ROUNDS 3

struct sending {
    struct restore_doc *docs[RESTORE_BATCH_DOCUMENTS]; // in the order they are sent
    const uint8_t *bytes[RESTORE_BATCH_DOCUMENTS];
    size_t lens[RESTORE_BATCH_DOCUMENTS];
    size_t n;
};

static void reject(struct restore_doc *d, char *why) {
    d->state = DOC_REJECTED;
    free(d->detail);
    d->detail = why;
}

static void collect(struct restore_batch *b, struct sending *s) {
    s->n = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct restore_doc *d = &b->docs[i];
        if (d->state != DOC_MISSING) {
            continue;
        }
        if (!d->id.type) {
            reject(d, must_sprintf("document at byte %llu of the dump has no _id",
                                   (unsigned long long)d->offset));
            continue;
        }
        s->docs[s->n] = d;
        s->bytes[s->n] = d->expected;
        s->lens[s->n++] = d->expected_len;
    }
}

static bool on_id(const struct mongo_write_error *we) {
    return we->key_pattern && bson_count_keys(we->key_pattern) == 1 &&
           bson_has_field(we->key_pattern, "_id");
}

// Documents that the server took are sent; about the others its word is only a claim.
static void take_reply(struct sending *s, const struct mongo_insert_reply *reply) {
    for (size_t i = 0; i < s->n; i++) {
        s->docs[i]->state = DOC_SENT;
    }
    for (size_t i = 0; i < reply->n_errors; i++) {
        s->docs[reply->errors[i].index]->state = DOC_CLAIMED;
    }
}

// After the look: what became of a document that the server would not insert.
static int take_claim(struct restore *r, struct restore_doc *d, const struct mongo_write_error *we,
                      struct err *e) {
    if (d->state == DOC_PRESENT) {
        return 0; // a validator refuses what stands there already, too
    }
    if (we->code != MONGO_DUPLICATE_KEY) {
        reject(d, must_sprintf("the destination refused it: %s (code %d)", we->text, we->code));
        return 0;
    }
    if (d->state == DOC_CLAIMED && on_id(we)) {
        d->state = DOC_MISSING;
        return 0;
    }
    return d->state == DOC_CLAIMED ? restore_unique_clash(r, d, we, e) : 0;
}

static int take_claims(struct restore *r, struct restore_batch *b, struct sending *s,
                       const struct mongo_insert_reply *reply, struct err *e) {
    int rc = restore_look(r->destination, r->collection, b, DOC_CLAIMED, e);
    for (size_t i = 0; rc == 0 && i < reply->n_errors; i++) {
        rc = take_claim(r, s->docs[reply->errors[i].index], &reply->errors[i], e);
    }
    return rc;
}

static int send_round(struct restore *r, struct restore_batch *b, struct sending *s,
                      struct err *e) {
    struct mongo_insert_reply reply;
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->n; i++) {
        bytes += s->lens[i];
    }
    int fault = FAULT("restore.insert");
    if (fault) {
        return err_sys(e, ERR_RETRY, fault, "%s: fault", r->collection);
    }
    int rc = rate_wait(r->s->run->rate, bytes, NULL, NULL, e);
    if (rc == 0) {
        rc = mongo_insert(r->destination, r->collection, s->bytes, s->lens, s->n, &reply, e);
    }
    if (rc) {
        return rc;
    }
    take_reply(s, &reply);
    if (reply.n_errors) {
        rc = take_claims(r, b, s, &reply, e);
    }
    mongo_insert_reply_clear(&reply);
    return rc;
}

int restore_send(struct restore *r, struct restore_batch *b, struct err *e) {
    AUTO_FREE struct sending *s = must_calloc(1, sizeof *s);
    for (int round = 0; round < ROUNDS; round++) {
        collect(b, s);
        if (s->n == 0) {
            return 0;
        }
        int rc = send_round(r, b, s, e);
        if (rc) {
            return rc;
        }
    }
    collect(b, s);
    return s->n == 0 ? 0
                     : err_set(e, ERR_RETRY,
                               "%s: documents come and go at the destination while they are "
                               "restored; stop MVI there",
                               r->collection);
}
