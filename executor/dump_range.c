// SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"
#include "base/stop.h"
#include "executor/dump.h"
#include "site/bson_frame.h"

// One question, and mostly one answer: some 6 MB of MVI's documents. An answer has 16 MB at most.
#define PAGE_DOCUMENTS 10000

struct page {
    struct dump *d;
    struct buf last; // {_id: last one seen}
    uint64_t seen;   // of this page
};

// A page begins with the last document of the one before, unless it was deleted since.
static bool is_last(const struct page *p, const struct docid *id) {
    struct docid last;
    return p->seen == 0 && p->last.len && docid_find(p->last.data, p->last.len, &last) == 1 &&
           docid_equal(&last, id);
}

static int one_document(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct page *p = arg;
    struct docid id;
    if (docid_find(doc, len, &id) != 1) {
        return err_set(e, ERR_DATA,
                       "%s: the source sent a document without _id, which could not be inserted "
                       "anywhere; find it there by {_id: {$exists: false}}, and give it one or "
                       "delete it",
                       p->d->s->step->collection);
    }
    bool again = is_last(p, &id);
    p->seen++;
    buf_clear(&p->last);
    docid_document(&id, "_id", &p->last);
    return again ? 0 : dump_document(p->d, doc, len, e);
}

static int read_page(struct page *p, const struct mongo_query *range, struct err *e) {
    // The page writes p->last while the query reads its own copy of it.
    AUTO_BUF struct buf from = BUF_INIT(DOC_MAX);
    struct mongo_query q = *range;
    bson_t min;
    if (p->last.len) {
        buf_put(&from, p->last.data, p->last.len);
        MUST(bson_init_static(&min, from.data, from.len));
        q.min = &min;
    }
    p->seen = 0;
    int fault = FAULT("dump.page");
    if (fault) {
        return err_sys(e, ERR_RETRY, fault, "%s: fault", q.collection);
    }
    return mongo_find(p->d->source, &q, one_document, p, e);
}

// An index scan with min and without max ends just before MaxKey (seen on 4.2 and 6.0), so the one
// document whose _id is MaxKey is asked for by itself.
static int read_max_key(struct page *p, const struct mongo_query *range, struct err *e) {
    struct docid last;
    bson_t filter, id, all;
    if (p->last.len && docid_find(p->last.data, p->last.len, &last) == 1 &&
        last.type == BSON_TYPE_MAXKEY) {
        return 0;
    }
    bson_init(&filter);
    BSON_APPEND_ARRAY_BEGIN(&filter, "$and", &all);
    BSON_APPEND_DOCUMENT_BEGIN(&all, "0", &id);
    BSON_APPEND_MAXKEY(&id, "_id");
    MUST(bson_append_document_end(&all, &id));
    if (range->filter) {
        BSON_APPEND_DOCUMENT(&all, "1", range->filter);
    }
    MUST(bson_append_array_end(&filter, &all));
    struct mongo_query q = {.collection = range->collection, .filter = &filter};
    int rc = mongo_find(p->d->source, &q, one_document, p, e);
    bson_destroy(&filter);
    return rc;
}

static int read_pages(struct dump *d, const struct mongo_query *q, struct err *e) {
    struct page p = {.d = d, .last = BUF_INIT(DOC_MAX)};
    int rc;
    do {
        rc = stop_asked() ? err_set(e, stop_error(), "stopped") : read_page(&p, q, e);
    } while (rc == 0 && p.seen == PAGE_DOCUMENTS);
    if (rc == 0 && !q->max) {
        rc = read_max_key(&p, q, e);
    }
    buf_free(&p.last);
    return rc;
}

static int parse_bound(const struct plan_step *s, const char *name, const char *text, bson_t *out,
                       struct err *e) {
    int rc = docid_parse(text, out, e);
    if (rc) {
        e->code = ERR_PLAN;
        return err_wrap(e, "%s: %s", s->id, name);
    }
    return 0;
}

int dump_range(struct dump *d, const bson_t *filter, struct err *e) {
    const struct plan_step *s = d->s->step;
    bson_t min, max, hint;
    struct mongo_query q = {.collection = s->collection,
                            .filter = filter,
                            .min = &min,
                            .hint = &hint,
                            .limit = PAGE_DOCUMENTS,
                            .batch_size = PAGE_DOCUMENTS};
    if (s->from_id) {
        int rc = parse_bound(s, "from_id", s->from_id, &min, e);
        if (rc) {
            return rc;
        }
    } else {
        bson_init(&min);
        BSON_APPEND_MINKEY(&min, "_id");
    }
    // Without to_id there is no max: a max of MaxKey would leave out an _id that is MaxKey.
    int rc = s->to_id ? parse_bound(s, "to_id", s->to_id, &max, e) : 0;
    if (rc == 0) {
        q.max = s->to_id ? &max : NULL;
        bson_init(&hint);
        BSON_APPEND_INT32(&hint, "_id", 1);
        rc = read_pages(d, &q, e);
        bson_destroy(&hint);
        if (s->to_id) {
            bson_destroy(&max);
        }
    }
    bson_destroy(&min);
    return rc;
}
