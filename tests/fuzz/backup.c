// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as what a backup holds: documents back to back, blocks of an archive, an
// array of JSON documents. The first byte chooses. What is handed out is well formed.
//
//     clang ... -fsanitize=fuzzer,address,undefined tests/fuzz/backup.c site/backup_*.c
//         site/bson_frame.c base/*.c ... -o backup
//     ./backup -max_len=65536 CORPUS tests/fuzz/backup_corpus
#include <stdlib.h>
#include <string.h>

#include "site/backup_private.h"
#include "site/bson_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *at;
    size_t left;
};

// In small pieces, so that documents lie across them.
static long read_some(void *arg, void *out, size_t len, struct err *e) {
    struct bytes *b = arg;
    size_t n = len < 50 ? len : 50;
    (void)e;
    n = n < b->left ? n : b->left;
    memcpy(out, b->at, n);
    b->at += n;
    b->left -= n;
    return (long)n;
}

static int want(void *arg, const char *collection, bool *take, struct err *e) {
    (void)arg;
    (void)e;
    *take = strlen(collection) % 3 != 0;
    return 0;
}

static int look(void *arg, const char *collection, const uint8_t *doc, size_t len, struct err *e) {
    size_t offset;
    (void)arg;
    (void)e;
    MUST(collection != NULL && doc_framed(doc, len) && doc_check(doc, len, &offset) == NULL);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct bytes b = {data + 1, size - 1};
    struct backup_in in = {.name = "fuzz", .read = read_some, .arg = &b};
    const struct backup_taker taker = {.collection = want, .document = look};
    struct backup_facts facts = {0};
    struct backup_reading r = {.taker = &taker, .facts = &facts, .path = "fuzz"};
    struct err e = {0};
    int rc = 0;
    if (data[0] % 3 == 0) {
        rc = backup_in_fill(&in, 4, &e) == 1 ? backup_read_archive(&r, &in, &e) : 0;
    } else {
        MUST(backup_see(&r, "name", &e) == 0);
        rc = data[0] % 3 == 1 ? backup_take_all(&r, &in, &e) : backup_read_json(&r, &in, &e);
    }
    MUST(rc <= 0 && (rc == 0 || (e.code != 0 && e.text[0] != 0)));
    for (size_t i = 0; i < r.n; i++) {
        free(r.seen[i].collection);
    }
    free(r.seen);
    backup_in_free(&in);
    return 0;
}
