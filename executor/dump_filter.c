// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "executor/dump.h"
#include "site/bson_frame.h"

// The counters of the progress line are shared: touched for each document they cost more than what
// else is done about a small one here.
#define PROGRESS_DOCUMENTS 100
#define PROGRESS_BYTES (1u << 20)

// The string value of the step's field: 1, 0 when it is missing or no string, -1 damaged.
static int string_value(const struct dump *d, const uint8_t *doc, size_t len, const char **text,
                        size_t *text_len) {
    struct doc_element el;
    int rc = doc_find(doc, len, d->by, &el);
    if (rc != 1 || el.type != BSON_TYPE_UTF8) {
        return rc < 0 ? -1 : 0;
    }
    *text = (const char *)el.value + 4;
    *text_len = el.value_len - 5;
    return 1;
}

// A document goes when its value is in the set; with orphansOf also when it is no string, or the
// _id of nothing. An array that holds an ID is no string: exactly one step takes it.
static int wanted(const struct dump *d, const uint8_t *doc, size_t len) {
    const char *text;
    size_t text_len;
    if (!d->ids) {
        return 1;
    }
    int rc = string_value(d, doc, len, &text, &text_len);
    if (rc <= 0) {
        return rc < 0 ? -1 : d->known != NULL;
    }
    return strtab_has(d->ids, text, text_len) ||
           (d->known && !strtab_has(d->known, text, text_len));
}

void dump_progress(struct dump *d) {
    step_progress(d->s, d->documents - d->shown, d->bytes - d->shown_bytes);
    d->shown = d->documents;
    d->shown_bytes = d->bytes;
}

int dump_document(struct dump *d, const uint8_t *doc, size_t len, struct err *e) {
    int take = wanted(d, doc, len);
    if (take < 0) {
        return err_set(e, ERR_DATA,
                       "%s: the source sent a damaged document; have mongod validate the "
                       "collection there",
                       d->s->step->collection);
    }
    if (!take) {
        return 0;
    }
    int rc = d->out != NULL ? segment_add(d->out, doc, len, e) : d->take(d->take_arg, doc, len, e);
    if (rc == 0) {
        d->documents++;
        d->bytes += len;
        if (d->documents - d->shown == PROGRESS_DOCUMENTS ||
            d->bytes - d->shown_bytes >= PROGRESS_BYTES) {
            dump_progress(d);
        }
    }
    return rc;
}

static int keep_id(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct docid id;
    if (docid_find(doc, len, &id) < 0) {
        return err_set(e, ERR_DATA,
                       "the source sent a damaged document; have mongod validate "
                       "the collection there");
    }
    if (id.type == BSON_TYPE_UTF8 && plan_id_ok((const char *)id.value + 4, id.len - 5)) {
        *strtab_slot(arg, id.value + 4, id.len - 5, NULL) = 1;
    }
    return 0;
}

int dump_known_ids(struct step_run *s, struct mongo *source, const char *collection,
                   struct strtab *out, struct err *e) {
    bson_t by_id;
    (void)s;
    bson_init(&by_id);
    BSON_APPEND_INT32(&by_id, "_id", 1);
    // Hint and projection make it a covered query: the documents themselves are not read.
    struct mongo_query q = {.collection = collection, .projection = &by_id, .hint = &by_id};
    int rc = mongo_find(source, &q, keep_id, out, e);
    bson_destroy(&by_id);
    return rc;
}
