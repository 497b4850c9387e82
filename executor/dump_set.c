// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/stop.h"
#include "executor/dump.h"
#include "site/bson_frame.h"

#define IDS_PER_QUERY 1000
#define BATCH_DOCUMENTS 1000

// The set's IDs, each once, in the order of the plan.
struct id_list {
    const char **items;
    size_t n;
};

static void list_ids(const struct plan_step *s, struct id_list *l) {
    AUTO_STRTAB struct strtab *seen = strtab_new();
    size_t all = 0;
    for (size_t i = 0; i < s->n_sets; i++) {
        all += s->sets[i]->n;
    }
    l->items = must_calloc(all + 1, sizeof *l->items);
    for (size_t i = 0; i < s->n_sets; i++) {
        for (size_t k = 0; k < s->sets[i]->n; k++) {
            bool added;
            const char *id = s->sets[i]->ids[k];
            (void)strtab_slot(seen, id, strlen(id), &added);
            if (added) {
                l->items[l->n++] = id;
            }
        }
    }
}

static int one_document(void *arg, const uint8_t *doc, size_t len, struct err *e) {
    return dump_document(arg, doc, len, e);
}

// {BY: {$in: ids}}
static void in_filter(const char *by, const char *const *ids, size_t n, bson_t *filter) {
    bson_t in, list;
    bson_init(filter);
    MUST(bson_append_document_begin(filter, by, -1, &in));
    MUST(BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list));
    for (size_t i = 0; i < n; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "%zu", i);
        MUST(BSON_APPEND_UTF8(&list, key, ids[i]));
    }
    MUST(bson_append_array_end(&in, &list));
    MUST(bson_append_document_end(filter, &in));
}

// One query per `step` IDs, drained at once.
static int by_index(struct dump *d, const struct id_list *l, const bson_t *hint, size_t step,
                    struct err *e) {
    for (size_t i = 0; i < l->n; i += step) {
        bson_t filter;
        if (stop_asked()) {
            return err_set(e, stop_error(), "stopped");
        }
        if (FAULT("dump.set")) {
            return err_set(e, ERR_RETRY, "%s: fault", d->s->step->collection);
        }
        in_filter(d->by, l->items + i, l->n - i < step ? l->n - i : step, &filter);
        struct mongo_query q = {.collection = d->s->step->collection,
                                .filter = &filter,
                                .hint = hint,
                                .batch_size = BATCH_DOCUMENTS};
        int rc = mongo_find(d->source, &q, one_document, d, e);
        bson_destroy(&filter);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

// Without an index on the field, every query would read the whole collection: one pass does.
static int by_pass(struct dump *d, const struct id_list *l, struct err *e) {
    bson_t filter;
    run_log(d->s->run, RUN_LOG_INFO, d->s->step->id,
            "%s has no index on %s at the source: reading the whole collection once",
            d->s->step->collection, d->by);
    in_filter(d->by, l->items, l->n, &filter);
    int rc = dump_range(d, &filter, e);
    bson_destroy(&filter);
    return rc;
}

int dump_set(struct dump *d, struct err *e) {
    struct id_list l = {0};
    bool id_itself = strcmp(d->by, "_id") == 0, indexed = false;
    bson_t hint;
    int rc = mongo_index_on(d->source, d->s->step->collection, d->by, &indexed, &hint, e);
    if (rc == 0) {
        list_ids(d->s->step, &l);
        // A query per ID where an ID has many documents: in the order of the index, no sort.
        rc = indexed ? by_index(d, &l, &hint, id_itself ? IDS_PER_QUERY : 1, e) : by_pass(d, &l, e);
    }
    bson_destroy(&hint);
    free(l.items);
    return rc;
}
