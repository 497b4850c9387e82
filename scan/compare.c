// SPDX-License-Identifier: Apache-2.0
// Documents of the source, a page at a time, against those of the destination that have their _id.
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"
#include "schema/fixup.h"

#define PAGE_DOCUMENTS 1000
#define PAGE_BYTES (8u * 1024 * 1024)

struct item {
    size_t at, len;             // as the source has it, in `data`
    size_t fixed_at, fixed_len; // as the destination should have it, in `fixed`; 0: the same
    bool there;
};

struct scan_compare {
    struct scan_state *s;
    const char *collection;
    struct inv_forecast *out;
    struct fixups *fixups;
    struct scan_unique *unique;
    struct buf data, fixed, scratch;
    struct item items[PAGE_DOCUMENTS];
    size_t n;
    struct strtab *by_id; // key of _id -> index + 1
};

int scan_compare_new(struct scan_state *s, size_t collection, struct inv_forecast *out,
                     struct scan_compare **made, struct err *e) {
    struct scan_compare *c = must_calloc(1, sizeof *c);
    *made = c;
    c->s = s;
    c->collection = s->m->collections[collection].name;
    c->out = out;
    c->data = (struct buf)BUF_INIT(PAGE_BYTES + 2 * (size_t)DOC_MAX);
    c->fixed = (struct buf)BUF_INIT(SIZE_MAX / 4);
    c->scratch = (struct buf)BUF_INIT(2 * (size_t)DOC_MAX);
    int rc = fixups_compile(s->m->fixups, s->m->n_fixups, c->collection, &c->fixups, e);
    return rc ? rc : scan_unique_new(s->destination, c->collection, &c->unique, e);
}

void scan_compare_free(struct scan_compare **c) {
    if (*c) {
        fixups_free((*c)->fixups);
        scan_unique_free((*c)->unique);
        strtab_free((*c)->by_id);
        buf_free(&(*c)->data);
        buf_free(&(*c)->fixed);
        buf_free(&(*c)->scratch);
        free(*c);
    }
    *c = NULL;
}

static bool equal(struct scan_compare *c, const uint8_t *ours, size_t len, const uint8_t *theirs,
                  size_t their_len) {
    if (len != their_len) {
        return false;
    }
    buf_clear(&c->scratch);
    return memcmp(ours, theirs, len) == 0 ||
           (docid_front(ours, len, &c->scratch) && memcmp(c->scratch.data, theirs, len) == 0);
}

static int compare_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct scan_compare *c = arg;
    struct docid id;
    (void)e;
    if (docid_find(doc, len, &id) != 1) {
        return 0;
    }
    buf_clear(&c->scratch);
    scan_key_put(&c->scratch, &id);
    uintptr_t at = strtab_get(c->by_id, c->scratch.data, c->scratch.len, 0);
    if (at == 0) {
        return 0;
    }
    struct item *t = &c->items[at - 1];
    const uint8_t *source = c->data.data + t->at;
    bool fixed = t->fixed_len > 0;
    t->there = true;
    if (equal(c, fixed ? c->fixed.data + t->fixed_at : source, fixed ? t->fixed_len : t->len, doc,
              len)) {
        c->out->identical++;
    } else if (fixed && equal(c, source, t->len, doc, len)) {
        c->out->unfixed++;
    } else {
        c->out->different++;
    }
    return 0;
}

static int ask_by_id(struct scan_compare *c, struct err *e) {
    struct docid ids[PAGE_DOCUMENTS];
    bson_t filter;
    strtab_free(c->by_id);
    c->by_id = strtab_new();
    for (size_t i = 0; i < c->n; i++) {
        MUST(docid_find(c->data.data + c->items[i].at, c->items[i].len, &ids[i]) == 1);
        buf_clear(&c->scratch);
        scan_key_put(&c->scratch, &ids[i]);
        *strtab_slot(c->by_id, c->scratch.data, c->scratch.len, NULL) = i + 1;
    }
    docid_filter_in(ids, c->n, &filter);
    const struct mongo_query q = {.collection = c->collection, .filter = &filter};
    int rc = scan_find(c->s->destination, &q, compare_each, c, e);
    bson_destroy(&filter);
    return rc;
}

static int ask_by_keys(struct scan_compare *c, struct err *e) {
    AUTO_FREE struct scan_doc *docs = must_calloc(PAGE_DOCUMENTS, sizeof *docs);
    AUTO_FREE bool *clash = must_calloc(PAGE_DOCUMENTS, sizeof *clash);
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct item *t = &c->items[i];
        if (!t->there) {
            bool fixed = t->fixed_len > 0;
            docs[n++] = (struct scan_doc){.data = fixed ? c->fixed.data + t->fixed_at
                                                        : c->data.data + t->at,
                                          .len = fixed ? t->fixed_len : t->len};
        }
    }
    int rc = n > 0 && !scan_unique_none(c->unique)
                 ? scan_unique_look(c->unique, c->s->destination, docs, n, clash, e)
                 : 0;
    for (size_t i = 0; i < n; i++) {
        c->out->clash += clash[i];
        c->out->fresh += !clash[i];
    }
    return rc;
}

int scan_compare_flush(struct scan_compare *c, struct err *e) {
    if (c->n == 0) {
        return 0;
    }
    int rc = scan_stopped(e);
    rc = rc ? rc : ask_by_id(c, e);
    rc = rc ? rc : ask_by_keys(c, e);
    buf_clear(&c->data);
    buf_clear(&c->fixed);
    c->n = 0;
    return rc;
}

// What cannot be fixed up is compared as it is: it is for restore to reject it.
static void fix(struct scan_compare *c, struct item *t, const uint8_t *doc) {
    struct err ignored = {0};
    buf_clear(&c->scratch);
    if (!fixups_empty(c->fixups) &&
        fixups_apply(c->fixups, doc, t->len, &c->scratch, &ignored) == 1) {
        t->fixed_at = c->fixed.len;
        t->fixed_len = c->scratch.len;
        buf_put(&c->fixed, c->scratch.data, c->scratch.len);
    }
}

int scan_compare_add(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct scan_compare *c = arg;
    struct docid id;
    if (docid_find(doc, len, &id) != 1) {
        return err_set(e, ERR_DATA, "a document without a readable _id");
    }
    struct item *t = &c->items[c->n++];
    *t = (struct item){.at = c->data.len, .len = len};
    buf_put(&c->data, doc, len);
    fix(c, t, doc);
    bool full = c->n == PAGE_DOCUMENTS || c->data.len >= PAGE_BYTES;
    return full ? scan_compare_flush(c, e) : 0;
}
