// SPDX-License-Identifier: Apache-2.0
// The yardstick of script/bench documents: copies a collection with nothing but the driver, j:true,
// unordered inserts of 1,000 documents or 8 MiB, one thread per range of _id. No checks, no dump
// files, no journal, no retries.
//
//     raw_copy FROM-URI TO-URI DATABASE COLLECTION BOUND...      ranges below, between, above
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 1000
#define BATCH_BYTES (8 << 20)

struct range {
    char **argv;
    const char *from, *to; // NULL: open
};

static void fail(const char *what, const bson_error_t *e) {
    fprintf(stderr, "raw_copy: %s: %s\n", what, e->message);
    exit(1);
}

static mongoc_collection_t *open_collection(const struct range *r, int uri) {
    mongoc_client_t *client = mongoc_client_new(r->argv[uri]);
    if (!client) {
        fprintf(stderr, "raw_copy: not a MongoDB URI: %s\n", r->argv[uri]);
        exit(2);
    }
    return mongoc_client_get_collection(client, r->argv[3], r->argv[4]); // the client stays
}

static mongoc_cursor_t *find_range(mongoc_collection_t *from, const struct range *r) {
    bson_t *opts = BCON_NEW("hint", "{", "_id", BCON_INT32(1), "}");
    bson_t bound;
    if (r->from) {
        bson_append_document_begin(opts, "min", -1, &bound);
        bson_append_utf8(&bound, "_id", -1, r->from, -1);
        bson_append_document_end(opts, &bound);
    }
    if (r->to) {
        bson_append_document_begin(opts, "max", -1, &bound);
        bson_append_utf8(&bound, "_id", -1, r->to, -1);
        bson_append_document_end(opts, &bound);
    }
    bson_t *all = bson_new();
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(from, all, opts, NULL);
    bson_destroy(all);
    bson_destroy(opts);
    return cursor;
}

static void insert(mongoc_collection_t *to, bson_t **batch, size_t n) {
    bson_error_t e;
    bson_t *opts = BCON_NEW("ordered", BCON_BOOL(false), "validate", BCON_BOOL(false),
                            "writeConcern", "{", "w", "majority", "j", BCON_BOOL(true), "}");
    if (n > 0 && !mongoc_collection_insert_many(to, (const bson_t **)batch, n, opts, NULL, &e)) {
        fail("insert", &e);
    }
    for (size_t i = 0; i < n; i++) {
        bson_destroy(batch[i]);
    }
    bson_destroy(opts);
}

static void *copy(void *arg) {
    struct range *r = arg;
    mongoc_collection_t *from = open_collection(r, 1), *to = open_collection(r, 2);
    mongoc_cursor_t *cursor = find_range(from, r);
    bson_t *batch[BATCH];
    const bson_t *doc;
    bson_error_t e;
    size_t n = 0, bytes = 0;
    while (mongoc_cursor_next(cursor, &doc)) {
        if (n == BATCH || (n > 0 && bytes + doc->len > BATCH_BYTES)) {
            insert(to, batch, n);
            n = bytes = 0;
        }
        batch[n++] = bson_copy(doc);
        bytes += doc->len;
    }
    if (mongoc_cursor_error(cursor, &e)) {
        fail("find", &e);
    }
    insert(to, batch, n);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: raw_copy FROM-URI TO-URI DATABASE COLLECTION BOUND...\n");
        return 2;
    }
    mongoc_init();
    int n = argc - 4;
    struct range *ranges = calloc((size_t)n, sizeof *ranges);
    pthread_t *threads = calloc((size_t)n, sizeof *threads);
    for (int i = 0; i < n; i++) {
        ranges[i] =
            (struct range){argv, i > 0 ? argv[4 + i] : NULL, i < n - 1 ? argv[5 + i] : NULL};
        if (pthread_create(&threads[i], NULL, copy, &ranges[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
