// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fault.h"
#include "executor/base.h"
#include "executor/restore.h"
#include "site/bson_frame.h"

#define ROUNDS 3 // of a replace whose document changes under our hands

static enum conflict_policy policy(const struct restore *r) {
    return r->s->step->on_conflict;
}

static void keep(struct restore *r, struct restore_doc *d) {
    d->state = DOC_KEPT;
    r->failed += policy(r) == CONFLICT_FAIL;
}

// {FIELD: {$eq: VALUE}} for every field of the index: never a value that reads as an operator.
static void key_filter(const bson_t *key_value, bson_t *filter) {
    bson_iter_t it;
    bson_init(filter);
    for (bool more = bson_iter_init(&it, key_value) && bson_iter_next(&it); more;
         more = bson_iter_next(&it)) {
        bson_t eq;
        MUST(bson_append_document_begin(filter, bson_iter_key(&it), -1, &eq));
        MUST(bson_append_iter(&eq, "$eq", -1, &it));
        MUST(bson_append_document_end(filter, &eq));
    }
}

static char *json_text(const bson_t *doc) {
    char *json = bson_as_relaxed_extended_json(doc, NULL);
    char safe[512];
    escape_into(safe, sizeof safe, json ? json : "?", json ? strlen(json) : 1);
    bson_free(json);
    return must_strdup(safe);
}

int restore_unique_clash(struct restore *r, struct restore_doc *d,
                         const struct mongo_write_error *we, struct err *e) {
    d->class = "unique-clash";
    free(d->detail);
    d->detail = must_strdup(we->text);
    keep(r, d);
    if (!we->key_pattern || !we->key_value) {
        return 0; // an older server: its message is all there is
    }
    AUTO_BUF struct buf other = BUF_INIT(DOC_MAX);
    bson_t filter;
    key_filter(we->key_value, &filter);
    int rc = mongo_find_one(r->destination, r->collection, &filter, &other, e);
    bson_destroy(&filter);
    if (rc <= 0) {
        return rc;
    }
    struct docid id;
    char id_text[RESTORE_ID_MAX];
    AUTO_FREE char *index = json_text(we->key_pattern);
    (void)docid_find(other.data, other.len, &id);
    restore_digest(other.data, other.len, d->there);
    free(d->detail);
    d->detail = must_sprintf("unique index %s: the destination's document %s holds this key", index,
                             restore_id_text(&id, id_text));
    return 0;
}

static int intend(struct restore *r, struct restore_doc *d, const struct buf *there,
                  struct err *e) {
    char id[RESTORE_ID_MAX], ours[HASH_HEX];
    restore_digest(d->expected, d->expected_len, ours);
    restore_digest(there->data, there->len, d->there);
    AUTO_FREE char *differences =
        restore_differences(d->expected, d->expected_len, there->data, there->len);
    struct conflict_record c = {.object = r->collection,
                                .id = restore_id_text(&d->id, id),
                                .class = d->class,
                                .decision = "replaced",
                                .source_digest = ours,
                                .destination_digest = d->there,
                                .detail = differences,
                                .old_bytes = there->data,
                                .old_len = there->len};
    int rc = journal_intent(r->s->run->journal, r->s->step, r->s->attempt, &c, e);
    if (rc == 0 && !d->journaled) {
        d->journaled = true;
        r->s->result.conflicts++;
        r->s->run->progress.conflicts++;
    }
    return rc;
}

// One document into a place that was just emptied; 0, or why it could not be (rc and text in
// `refusal`, which is empty for a failure of the call itself).
static int put(struct restore *r, const uint8_t *doc, size_t len, char **refusal, struct err *e) {
    struct mongo_insert_reply reply;
    int rc = mongo_insert(r->destination, r->collection, &doc, &len, 1, &reply, e);
    if (rc) {
        return rc;
    }
    if (reply.n_errors) {
        *refusal = must_sprintf("%s (code %d)", reply.errors[0].text, reply.errors[0].code);
    }
    mongo_insert_reply_clear(&reply);
    return 0;
}

// The destination took the old document's removal but not ours: the old one comes back.
static int put_back(struct restore *r, struct restore_doc *d, const struct buf *old, char *refusal,
                    struct err *e) {
    AUTO_FREE char *again = NULL;
    int rc = put(r, old->data, old->len, &again, e);
    d->state = DOC_REJECTED;
    free(d->detail);
    d->detail = again ? must_sprintf("not replaced: %s; the document that was there could not be "
                                     "put back either: %s; its bytes are in the journal",
                                     refusal, again)
                      : must_sprintf("not replaced: %s; what was there stays", refusal);
    free(refusal);
    return rc;
}

// 1: nothing of this document changed in between and it is gone; 0: look again.
static int remove_old(struct restore *r, struct restore_doc *d, const struct docid *id,
                      struct err *e) {
    AUTO_BUF struct buf again = BUF_INIT(DOC_MAX);
    char digest[HASH_HEX];
    int deleted = 0;
    int rc = restore_fetch(r->destination, r->collection, id, &again, e);
    if (rc <= 0) {
        return rc;
    }
    restore_digest(again.data, again.len, digest);
    if (strcmp(digest, d->there) != 0) {
        return 0;
    }
    rc = journal_fence(r->s->run->journal, e);
    rc = rc ? rc : mongo_delete_id(r->destination, r->collection, id, &deleted, e);
    return rc ? rc : deleted;
}

// 1: resolved; 0: it changed under our hands.
static int replace_once(struct restore *r, struct restore_doc *d, struct err *e) {
    AUTO_BUF struct buf old = BUF_INIT(DOC_MAX);
    int rc = restore_fetch(r->destination, r->collection, &d->id, &old, e);
    if (rc < 0) {
        return rc;
    }
    if (rc == 1) {
        if (restore_compare(d, old.data, old.len) == VERDICT_SAME) {
            d->state = DOC_PRESENT;
            return 1;
        }
        struct docid id;
        char now[HASH_HEX];
        restore_digest(old.data, old.len, now);
        if (d->updated && strcmp(now, d->there) != 0) { // no longer as the base left it
            d->updated = false;
            d->class = "different";
            if (policy(r) != CONFLICT_REPLACE) {
                memcpy(d->there, now, sizeof now);
                keep(r, d);
                return 1;
            }
        }
        (void)docid_find(old.data, old.len, &id);
        rc = intend(r, d, &old, e);
        if (rc == 0) {
            rc =
                FAULT("restore.intent") ? err_set(e, ERR_RETRY, "fault") : remove_old(r, d, &id, e);
        }
        if (rc <= 0) {
            return rc;
        }
        (void)FAULT("restore.removed");
    }
    char *refusal = NULL;
    rc = put(r, d->expected, d->expected_len, &refusal, e);
    if (rc) {
        free(refusal);
        return rc;
    }
    if (refusal) {
        rc = old.len ? put_back(r, d, &old, refusal, e) : 0;
        return rc ? rc : 1;
    }
    d->state = DOC_REPLACED;
    return 1;
}

static int replace(struct restore *r, struct restore_doc *d, struct err *e) {
    // Not while its place is empty.
    int waited = rate_wait(r->s->run->rate, d->expected_len, NULL, NULL, e);
    if (waited) {
        return waited;
    }
    for (int round = 0; round < ROUNDS; round++) {
        int rc = replace_once(r, d, e);
        if (rc) {
            return rc < 0 ? rc : 0;
        }
    }
    char id[RESTORE_ID_MAX];
    return err_set(e, ERR_RETRY,
                   "%s %s: somebody changes it at the destination at this moment; stop MVI there",
                   r->collection, restore_id_text(&d->id, id));
}

// Sets d->updated when what stands there is what the base laid: only the source has changed since.
static int compare_base(struct restore *r, struct restore_doc *d, struct err *e) {
    AUTO_BUF struct buf key = BUF_INIT(DOC_MAX);
    if (r->s->run->base == NULL) {
        return 0;
    }
    restore_key(&d->id, &key);
    int rc =
        base_has(r->s->run->base, r->collection, key.data, key.len, d->there_sum, &d->updated, e);
    d->class = d->updated ? "updated" : d->class;
    return rc;
}

int restore_resolve(struct restore *r, struct restore_batch *b, struct err *e) {
    for (size_t i = 0; i < b->n; i++) {
        struct restore_doc *d = &b->docs[i];
        int rc = d->state == DOC_DIFFERS ? compare_base(r, d, e) : 0;
        if (rc) {
            return rc;
        }
        if (d->state == DOC_UNFIXED ||
            (d->state == DOC_DIFFERS && (d->updated || policy(r) == CONFLICT_REPLACE))) {
            rc = replace(r, d, e);
        } else if (d->state == DOC_DIFFERS) {
            keep(r, d);
        }
        if (rc) {
            return rc;
        }
    }
    return 0;
}
