// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/escape.h"
#include "plans/range.h"
#include "scan/internal.h"
#include "schema/cut.h"

#define RANGE_DOCUMENTS 20000
// Ranges are the pieces that workers take: small ones keep all of them busy to the end, although
// only the average size of documents is known, and a few of megabytes may stand side by side. Of a
// large collection they grow, so that it has some thousands of them at most.
#define RANGE_BYTES (16u * 1000 * 1000)
#define RANGES_MANY 4096
#define BOUND_MAX 1000 // an ID longer than that makes no bound; its text is at most six times that
#define COVERED_PAGE 50000

struct scan_cutter {
    struct arena *arena;
    struct cut_limits limits;
    struct cut_state state;
    uint64_t stored, bytes; // documents and bytes by the server's statistics
    uint64_t weight;        // of a document, for the cuts
    uint64_t documents;     // of the range that is open
    const char *from;
    struct inv_range *ranges;
    size_t n, cap;
    uint64_t all;
};

// Cuts hang on the weight, and an average moves with every document: its order of magnitude does
// not.
static uint64_t power_of_two(uint64_t n) {
    uint64_t p = 1;
    while (p < n) {
        p *= 2;
    }
    return p;
}

struct scan_cutter *scan_cutter_new(struct arena *a, uint64_t documents, uint64_t bytes) {
    struct scan_cutter *c = must_calloc(1, sizeof *c);
    c->arena = a;
    uint64_t share = power_of_two(bytes / RANGES_MANY);
    c->limits = (struct cut_limits){.bytes = share > RANGE_BYTES ? share : RANGE_BYTES,
                                    .items = RANGE_DOCUMENTS};
    c->stored = documents > 0 ? documents : 1;
    c->bytes = bytes;
    c->weight = power_of_two(bytes / c->stored);
    return c;
}

static void cutter_close(struct scan_cutter *c, const char *to) {
    ARENA_PUSH(c->arena, c->ranges, c->n, c->cap,
               (struct inv_range){
                   .from_id = c->from,
                   .to_id = to,
                   .documents = c->documents,
                   .bytes = (uint64_t)((unsigned __int128)c->documents * c->bytes / c->stored)});
    c->from = to;
    c->documents = 0;
}

// Only strings bound ranges: every tool orders them alike, and so do people.
static const char *bound_text(const struct docid *id) {
    const struct doc_element el = {.type = id->type, .value = id->value, .value_len = id->len};
    const char *text;
    size_t len;
    if (!scan_string(&el, &text, &len) || len > BOUND_MAX || !escape_is_utf8(text, len)) {
        return NULL;
    }
    return text;
}

void scan_cutter_add(struct scan_cutter *c, const struct docid *id) {
    const char *text = bound_text(id);
    if (text && cut_before(&c->limits, &c->state, text, 0, c->weight)) {
        AUTO_BUF struct buf bound = BUF_INIT((size_t)8 * BOUND_MAX);
        range_put_string(&bound, text, strlen(text));
        cutter_close(c, arena_strdup(c->arena, buf_str(&bound)));
    }
    c->documents++;
    c->all++;
}

void scan_cutter_end(struct scan_cutter *c, struct inv_collection *out) {
    if (c->all > 0) {
        cutter_close(c, NULL);
    }
    out->ranges = c->ranges;
    out->n_ranges = c->n;
    out->documents = c->all;
}

void scan_cutter_free(struct scan_cutter **c) {
    free(*c);
    *c = NULL;
}

struct ranging {
    struct scan_state *s;
    struct scan_cutter *cutter;
    const char *collection;
};

static int range_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct ranging *r = arg;
    struct docid id;
    if (docid_find(doc, len, &id) != 1) {
        return err_set(e, ERR_DATA, "%s: a document without a readable _id", r->collection);
    }
    scan_cutter_add(r->cutter, &id);
    if (r->cutter->all % COVERED_PAGE == 0) {
        scan_progress(r->s, r->collection, r->cutter->all);
    }
    return 0;
}

static int range_collection(struct scan_state *s, size_t at, struct err *e) {
    struct inv_collection *c = &s->inv->collections[at];
    AUTO(scan_cutter_free)
    struct scan_cutter *cutter = scan_cutter_new(s->arena, c->documents, c->bytes);
    struct ranging r = {.s = s, .cutter = cutter, .collection = s->m->collections[at].name};
    bson_t only_id;
    bson_init(&only_id);
    BSON_APPEND_INT32(&only_id, "_id", 1);
    struct scan_walk w = {.session = s->source,
                          .collection = r.collection,
                          .projection = &only_id,
                          .page = COVERED_PAGE,
                          .each = range_each,
                          .arg = &r};
    int rc = scan_walk(&w, e);
    bson_destroy(&only_id);
    if (rc == 0) {
        scan_cutter_end(cutter, c);
    }
    return rc;
}

int scan_ranges(struct scan_state *s, struct err *e) {
    for (size_t i = 0; i < s->m->n_collections; i++) {
        const struct model_collection *c = &s->m->collections[i];
        if (c->level == MODEL_TOP || !s->inv->collections[i].exists || !scan_takes(s, c)) {
            continue;
        }
        int rc = range_collection(s, i, e);
        if (rc < 0) {
            return err_wrap(e, "scan of %s", c->name);
        }
    }
    return 0;
}
