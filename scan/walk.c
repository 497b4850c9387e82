// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "scan/internal.h"

#define WALK_TRIES 5
#define WALK_PAUSE_MS 500

struct page {
    const struct scan_walk *w;
    struct buf last; // {_id: ...} of the newest document, empty before the first
    uint64_t seen;   // documents of this page
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
    return p->w->each(p->w->arg, doc, len, e);
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
    p->seen = 1; // no page begins here
    int rc = mongo_find(p->w->session, &q, page_each, p, e);
    bson_destroy(&filter);
    return rc;
}

int scan_walk(const struct scan_walk *w, struct err *e) {
    struct page p = {.w = w, .last = BUF_INIT(DOC_MAX + 64)};
    int rc = 0;
    for (int tries = 0; tries < WALK_TRIES;) {
        rc = scan_stopped(e);
        rc = rc ? rc : walk_page(&p, e);
        if (rc == ERR_RETRY) {
            tries = p.seen > 1 ? 1 : tries + 1;
            clock_sleep_ms(WALK_PAUSE_MS << tries);
            continue;
        }
        tries = 0;
        if (rc < 0 || p.seen < (uint64_t)w->page) {
            break;
        }
    }
    rc = rc ? rc : walk_max_key(&p, e);
    buf_free(&p.last);
    return rc;
}
