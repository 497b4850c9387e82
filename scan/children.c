// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "scan/internal.h"

#define PROGRESS_EVERY 50000

struct orphans { // documents of one parent that is not there
    const char *parent;
    uint64_t n;
};

// Documents of one second-level collection by the object they belong to. An index gives them
// sorted, so that only the run that is being read is held; without one, the orphans of one parent
// come scattered, and such parents are held until the end.
struct counting {
    struct scan_state *s;
    const struct model_collection *c;
    size_t collection, parent;
    struct buf run; // {"": value} of the run
    uint64_t n;     // documents of the run
    uint64_t seen;
    bool sorted;
    struct strtab *known; // parents of orphans -> index + 1
    struct orphans *orphans;
    size_t n_orphans, cap_orphans;
    struct arena *scratch;
    struct buf text;
};

static int report_orphans(struct counting *c, const char *parent, uint64_t n, struct err *e) {
    char count[HUMAN_TEXT], detail[HUMAN_TEXT + 16];
    (void)snprintf(detail, sizeof detail, "%s document%s", human_count(n, count),
                   n == 1 ? "" : "s");
    return scan_report(c->s, FINDING_ORPHAN, c->c->name, parent, detail, e);
}

static int add_orphans(struct counting *c, const char *parent, struct err *e) {
    if (c->sorted) {
        return report_orphans(c, parent, c->n, e);
    }
    uintptr_t *at = strtab_slot(c->known, parent, strlen(parent), NULL);
    if (*at == 0) {
        ARENA_PUSH(c->scratch, c->orphans, c->n_orphans, c->cap_orphans,
                   (struct orphans){.parent = arena_strdup(c->scratch, parent)});
        *at = c->n_orphans;
    }
    c->orphans[*at - 1].n += c->n;
    return 0;
}

// A run without a value is one of documents that name no parent at all.
static void run_text(struct counting *c) {
    struct doc_element el;
    buf_clear(&c->text);
    if (doc_find(c->run.data, c->run.len, "", &el) == 1 && el.type != BSON_TYPE_NULL) {
        const struct docid value = {.type = el.type, .value = el.value, .len = el.value_len};
        (void)scan_id_text(&value, &c->text);
    }
}

static int end_run(struct counting *c, struct err *e) {
    if (c->n == 0) {
        return 0;
    }
    run_text(c);
    size_t at = scan_find_object(c->s, c->parent, buf_str(&c->text));
    if (at == (size_t)-1) {
        // What belongs to no object is in no scope but the server's.
        return c->s->scope->server ? add_orphans(c, buf_str(&c->text), e) : 0;
    }
    if (c->s->inv->objects[at].children) {
        c->s->inv->objects[at].children[c->collection] += c->n;
    }
    return 0;
}

static bool continues_run(const struct counting *c, const struct docid *value) {
    struct doc_element el;
    if (c->n == 0 || doc_find(c->run.data, c->run.len, "", &el) != 1) {
        return false;
    }
    const struct docid run = {.type = el.type, .value = el.value, .len = el.value_len};
    return docid_equal(&run, value);
}

static int count_each(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    struct counting *c = arg;
    struct docid value = {.type = BSON_TYPE_NULL};
    struct doc_element el;
    int rc = doc_find(doc, len, c->c->parent_field, &el);
    if (rc == 1) {
        value = (struct docid){.type = el.type, .value = el.value, .len = el.value_len};
    }
    rc = rc < 0 ? err_set(e, ERR_DATA, "a damaged document") : 0;
    if (rc == 0 && !continues_run(c, &value)) {
        rc = end_run(c, e);
        buf_clear(&c->run);
        docid_document(&value, "", &c->run);
        c->n = 0;
    }
    c->n++;
    if (rc == 0 && ++c->seen % PROGRESS_EVERY == 0) {
        scan_progress(c->s, c->c->name, c->seen);
        rc = scan_stopped(e);
    }
    return rc;
}

static int orphan_order(const void *a, const void *b) {
    return strcmp(((const struct orphans *)a)->parent, ((const struct orphans *)b)->parent);
}

static int report_held(struct counting *c, struct err *e) {
    int rc = 0;
    if (c->n_orphans > 1) {
        qsort(c->orphans, c->n_orphans, sizeof *c->orphans, orphan_order);
    }
    for (size_t i = 0; rc == 0 && i < c->n_orphans; i++) {
        rc = report_orphans(c, c->orphans[i].parent, c->orphans[i].n, e);
    }
    return rc;
}

static int count_walk(struct counting *c, struct err *e) {
    bson_t hint, fields;
    int rc = mongo_index_on(c->s->source, c->c->name, c->c->parent_field, &c->sorted, &hint, e);
    bson_init(&fields);
    bson_append_int32(&fields, c->c->parent_field, -1, 1);
    bson_append_int32(&fields, "_id", -1, 0);
    const struct mongo_query q = {
        .collection = c->c->name, .projection = &fields, .hint = c->sorted ? &hint : NULL};
    rc = rc ? rc : scan_find(c->s->source, &q, count_each, c, e);
    bson_destroy(&fields);
    bson_destroy(&hint);
    return rc;
}

static void counting_free(struct counting *c) {
    buf_free(&c->run);
    buf_free(&c->text);
    strtab_free(c->known);
    arena_free(c->scratch);
}

static int count_collection(struct scan_state *s, size_t at, struct err *e) {
    AUTO(counting_free)
    struct counting c = {.s = s,
                         .c = &s->m->collections[at],
                         .collection = at,
                         .run = BUF_INIT(DOC_MAX + 64),
                         .text = BUF_INIT(4 * DOC_MAX),
                         .known = strtab_new(),
                         .scratch = arena_new()};
    c.parent = model_index(s->m, c.c->parent);
    int rc = count_walk(&c, e);
    rc = rc ? rc : end_run(&c, e);
    return rc ? rc : report_held(&c, e);
}

int scan_children(struct scan_state *s, struct err *e) {
    for (size_t i = 0; i < s->m->n_collections; i++) {
        const struct model_collection *c = &s->m->collections[i];
        if (c->level == MODEL_SECOND && s->inv->collections[i].exists && scan_takes(s, c)) {
            int rc = count_collection(s, i, e);
            if (rc < 0) {
                return err_wrap(e, "scan of %s", c->name);
            }
        }
    }
    return 0;
}
