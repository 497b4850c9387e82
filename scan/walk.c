// SPDX-License-Identifier: Apache-2.0
#include "base/backoff.h"
#include "base/clock.h"
#include "scan/internal.h"

// True when it is worth asking again: the answer broke off in passing, and `each` did not fail. The
// sessions are patient about all else.
static bool try_again(int rc, bool each_failed, struct backoff *b, bool progress) {
    if (rc != ERR_RETRY || each_failed) {
        return false;
    }
    if (progress) {
        *b = (struct backoff){0};
    }
    int64_t wait = backoff_next(b);
    if (wait >= 0) {
        clock_sleep_ms(wait);
    }
    return wait >= 0;
}

// --- one question

struct question {
    int (*each)(void *arg, const uint8_t *doc, size_t len, struct err *e);
    void *arg;
    uint64_t seen; // handed on
    uint64_t skip; // of the answer to the same question, asked again
    bool failed;   // `each` did
};

static int answer_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct question *q = arg;
    if (q->skip > 0) {
        q->skip--;
        return 0;
    }
    q->seen++;
    int rc = q->each(q->arg, doc, len, e);
    q->failed = rc < 0;
    return rc;
}

int scan_find(struct mongo *session, const struct mongo_query *query,
              int (*each)(void *arg, const uint8_t *doc, size_t len, struct err *e), void *arg,
              struct err *e) {
    struct question q = {.each = each, .arg = arg};
    uint64_t before = 0;
    for (struct backoff backoff = {0};; before = q.seen) {
        int rc = scan_stopped(e);
        q.skip = q.seen;
        rc = rc ? rc : mongo_find(session, query, answer_each, &q, e);
        if (!try_again(rc, q.failed, &backoff, q.seen > before)) {
            return rc;
        }
    }
}

// --- a collection in pages

struct page {
    const struct scan_walk *w;
    struct buf last; // {_id: ...} of the newest document, empty before the first
    uint64_t seen;   // documents of this page
    bool failed;     // `each` did
};

// The first document of a page is the last of the one before, unless it has gone meanwhile.
static bool page_repeats(const struct page *p, const struct docid *id) {
    struct docid last;
    return p->seen == 1 && p->last.len > 0 && docid_find(p->last.data, p->last.len, &last) == 1 &&
           docid_equal(&last, id);
}

static int page_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct page *p = arg;
    struct docid id;
    p->seen++;
    if (docid_find(doc, len, &id) != 1) {
        return err_set(e, ERR_DATA, "%s: a document without a readable _id", p->w->collection);
    }
    if (page_repeats(p, &id)) {
        return 0;
    }
    buf_clear(&p->last);
    docid_document(&id, "_id", &p->last);
    int rc = p->w->each(p->w->arg, doc, len, e);
    p->failed = rc < 0;
    return rc;
}

static int walk_page(struct page *p, struct err *e) {
    bson_t by_id, from;
    bson_init(&by_id);
    BSON_APPEND_INT32(&by_id, "_id", 1);
    struct mongo_query q = {.collection = p->w->collection,
                            .projection = p->w->projection,
                            .sort = &by_id,
                            .hint = &by_id,
                            .limit = p->w->page,
                            .batch_size = (int32_t)p->w->page};
    // A copy, since the query reads it while the page moves on.
    AUTO_BUF struct buf start = BUF_INIT(DOC_MAX + 64);
    if (p->last.len > 0) {
        buf_put(&start, p->last.data, p->last.len);
        MUST(bson_init_static(&from, start.data, start.len));
        q.min = &from;
    }
    p->seen = 0;
    int rc = mongo_find(p->w->session, &q, page_each, p, e);
    bson_destroy(&by_id);
    return rc;
}

// An index scan with `min` and without `max` ends before MaxKey (as an _id it is unlikely, not
// impossible).
static int walk_max_key(struct page *p, struct err *e) {
    struct docid last;
    if (p->last.len == 0 || docid_find(p->last.data, p->last.len, &last) != 1 ||
        last.type == BSON_TYPE_MAXKEY) {
        return 0;
    }
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_MAXKEY(&filter, "_id");
    const struct mongo_query q = {.collection = p->w->collection,
                                  .filter = &filter,
                                  .projection = p->w->projection,
                                  .limit = 1};
    int rc = scan_find(p->w->session, &q, p->w->each, p->w->arg, e);
    bson_destroy(&filter);
    return rc;
}

static int walk_pages(struct page *p, struct err *e) {
    for (struct backoff backoff = {0};;) {
        int rc = scan_stopped(e);
        rc = rc ? rc : walk_page(p, e);
        if (rc == 0 && p->seen < (uint64_t)p->w->page) {
            return 0;
        }
        if (rc < 0 && !try_again(rc, p->failed, &backoff, p->seen > 1)) {
            return rc;
        }
    }
}

int scan_walk(const struct scan_walk *w, struct err *e) {
    struct page p = {.w = w, .last = BUF_INIT(DOC_MAX + 64)};
    int rc = walk_pages(&p, e);
    rc = rc ? rc : walk_max_key(&p, e);
    buf_free(&p.last);
    return rc;
}
