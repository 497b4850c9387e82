// SPDX-License-Identifier: Apache-2.0
// A server replaces Timestamp(0, 0) at the top level of an inserted document by its own time. An
// update does not: $set for fields with plain names, and for the others (empty, with a dot or a
// dollar) $setField in a pipeline, which MongoDB has from 5.0 on.
#include <stdlib.h>
#include <string.h>

#include "executor/restore.h"
#include "site/bson_frame.h"

#define WIRE_SET_FIELD 13

static bool zero_time(const struct doc_element *el) {
    static const uint8_t zero[8];
    return el->type == BSON_TYPE_TIMESTAMP && memcmp(el->value, zero, sizeof zero) == 0 &&
           strcmp(el->name, "_id") != 0;
}

static bool plain_name(const char *name) {
    return name[0] != '\0' && !strchr(name, '.') && !strchr(name, '$');
}

// {$set: {NAME: Timestamp(0, 0), ...}} for plain names; false when there are none.
static bool make_set(const struct restore_doc *d, bson_t *update) {
    bson_t set;
    struct doc_iter it;
    struct doc_element el;
    bool any = false;
    bson_init(update);
    MUST(BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set));
    doc_iter_init(&it, d->expected, d->expected_len);
    while (doc_next(&it, &el) > 0) {
        // The server sets a name that stands twice only once, and refuses it twice in $set.
        if (zero_time(&el) && plain_name(el.name) && !bson_has_field(&set, el.name)) {
            MUST(bson_append_timestamp(&set, el.name, -1, 0, 0));
            any = true;
        }
    }
    MUST(bson_append_document_end(update, &set));
    return any;
}

static void append_set_field(bson_t *pipeline, unsigned at, const char *name) {
    bson_t stage, set_field, args, literal, value;
    char key[16];
    (void)snprintf(key, sizeof key, "%u", at);
    MUST(bson_append_document_begin(pipeline, key, -1, &stage));
    MUST(BSON_APPEND_DOCUMENT_BEGIN(&stage, "$replaceWith", &set_field));
    MUST(BSON_APPEND_DOCUMENT_BEGIN(&set_field, "$setField", &args));
    MUST(BSON_APPEND_DOCUMENT_BEGIN(&args, "field", &literal));
    MUST(BSON_APPEND_UTF8(&literal, "$literal", name));
    MUST(bson_append_document_end(&args, &literal));
    MUST(BSON_APPEND_UTF8(&args, "input", "$$ROOT"));
    MUST(BSON_APPEND_DOCUMENT_BEGIN(&args, "value", &value));
    MUST(bson_append_timestamp(&value, "$literal", -1, 0, 0));
    MUST(bson_append_document_end(&args, &value));
    MUST(bson_append_document_end(&set_field, &args));
    MUST(bson_append_document_end(&stage, &set_field));
    MUST(bson_append_document_end(pipeline, &stage));
}

static bool make_pipeline(const struct restore_doc *d, bson_t *pipeline) {
    struct doc_iter it;
    struct doc_element el;
    unsigned n = 0;
    bson_init(pipeline);
    doc_iter_init(&it, d->expected, d->expected_len);
    while (doc_next(&it, &el) > 0) {
        if (zero_time(&el) && !plain_name(el.name)) {
            append_set_field(pipeline, n++, el.name);
        }
    }
    return n > 0;
}

static int problem(struct restore *r, const struct restore_doc *d, const char *why, struct err *e) {
    char id[RESTORE_ID_MAX];
    AUTO_FREE char *detail =
        must_sprintf("the server put its own time in place of a zero Timestamp: %s", why);
    struct problem_record p = {.object = r->collection,
                               .id = restore_id_text(&d->id, id),
                               .class = "timestamp",
                               .detail = detail};
    return step_problem(r->s, &p, e);
}

static int update(struct restore *r, struct restore_doc *d, const bson_t *change, struct err *e) {
    int matched;
    int rc = mongo_update_id(r->destination, r->collection, &d->id, change, &matched, e);
    return rc == ERR_REJECTED ? 0 : rc; // it shows when the document is compared
}

static int mend(struct restore *r, struct restore_doc *d, struct err *e) {
    bson_t set, pipeline;
    int wire = mongo_end_server(r->s->run->destination_db)->wire_version;
    int rc = make_set(d, &set) ? update(r, d, &set, e) : 0;
    bool odd = make_pipeline(d, &pipeline);
    if (rc == 0 && odd && wire >= WIRE_SET_FIELD) {
        rc = update(r, d, &pipeline, e);
    }
    bson_destroy(&set);
    bson_destroy(&pipeline);
    if (rc) {
        return rc;
    }
    AUTO_BUF struct buf there = BUF_INIT(DOC_MAX);
    rc = restore_fetch(r->destination, r->collection, &d->id, &there, e);
    if (rc == 1 && restore_compare(d, there.data, there.len) != VERDICT_SAME) {
        return problem(r, d, odd ? "the field's name cannot be set" : "it could not be set back",
                       e);
    }
    return rc < 0 ? rc : 0;
}

int restore_mend_time(struct restore *r, struct restore_batch *b, struct err *e) {
    for (size_t i = 0; i < b->n; i++) {
        struct restore_doc *d = &b->docs[i];
        if (d->zero_time && (d->state == DOC_SENT || d->state == DOC_REPLACED)) {
            int rc = mend(r, d, e);
            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}
