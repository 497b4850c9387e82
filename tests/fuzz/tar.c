// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as the tar stream of a batch. Headers get a checksum that fits, which
// would keep every mutation out; the first byte says in which pieces the stream comes. What is
// handed out has safe paths, and content that fills each file and no more.
//
//     clang ... -fsanitize=fuzzer,address,undefined tests/fuzz/tar.c site/tar_*.c base/*.c ... -o
//     tar
//     ./tar CORPUS tests/fuzz/tar_corpus
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "site/tar_header.h"
#include "site/tar_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    bool inside;
    uint64_t size, end; // of the member's content
    char type;
};

static int on_member(void *arg, const struct tar_member *m, struct err *e) {
    struct seen *s = arg;
    (void)e;
    MUST(!s->inside && path_relative_ok(m->path) && m->mode <= 07777);
    MUST(m->type == TREE_FILE || m->type == TREE_DIR || m->type == TREE_LINK ||
         m->type == TAR_HARD);
    MUST((m->type == TREE_LINK || m->type == TAR_HARD) == (m->target[0] != 0));
    MUST(m->type != TAR_HARD || path_relative_ok(m->target));
    for (size_t i = 0; i < m->n_xattrs; i++) {
        MUST(m->type == TREE_FILE && strncmp(m->xattrs[i].name, "user.", 5) == 0);
    }
    *s = (struct seen){.inside = true, .size = m->size, .type = m->type};
    return 0;
}

static int on_data(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *e) {
    struct seen *s = arg;
    (void)e;
    MUST(s->inside && s->type == TREE_FILE && len > 0 && data != NULL);
    MUST(offset >= s->end && offset <= s->size && len <= s->size - offset);
    s->end = offset + len;
    return 0;
}

static int on_end(void *arg, struct err *e) {
    struct seen *s = arg;
    (void)e;
    MUST(s->inside);
    s->inside = false;
    return 0;
}

static void mend_checksum(uint8_t *block) {
    unsigned sum = 0;
    if (memcmp(block + 257, "ustar", 5) != 0) {
        return;
    }
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sum += block[i];
    }
    snprintf((char *)block + 148, 8, "%06o", sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct seen seen = {0};
    const struct tar_sink sink = {
        .arg = &seen, .member = on_member, .data = on_data, .end = on_end};
    struct err e = {0};
    if (size == 0) {
        return 0;
    }
    size_t piece = data[0] == 0 ? size : data[0] * (size_t)7;
    AUTO_FREE uint8_t *copy = must_calloc(1, size);
    memcpy(copy, data + 1, --size);
    for (size_t at = 0; at + TAR_BLOCK <= size; at += TAR_BLOCK) {
        mend_checksum(copy + at);
    }
    struct tar_reader *r = tar_reader_new(&sink);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < size; at += piece) {
        // Each piece where reading behind it is seen.
        size_t len = size - at < piece ? size - at : piece;
        AUTO_FREE uint8_t *part = must_calloc(1, len);
        memcpy(part, copy + at, len);
        rc = tar_reader_feed(r, part, len, &e);
    }
    rc = rc == 0 ? tar_reader_finish(r, &e) : rc;
    MUST(rc <= 0 && (rc == 0 || e.text[0] != 0) && (rc < 0 || !seen.inside));
    tar_reader_free(r);
    return 0;
}
