// SPDX-License-Identifier: Apache-2.0
#include "site/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (256u << 10)

void content_open(struct content *c) {
    *c = (struct content){
        .hash = hash_new(), .checksum = checksum_new(), .buffer = must_calloc(1, PIECE)};
}

void content_close(struct content *c) {
    hash_free(c->hash);
    checksum_free(c->checksum);
    free(c->buffer);
    *c = (struct content){0};
}

size_t content_size(enum content_kind kind) {
    return kind == CONTENT_SHA256 ? HASH_SIZE : CHECKSUM_SIZE;
}

static void finish(struct content *c, enum content_kind kind, uint8_t out[HASH_SIZE]) {
    memset(out, 0, HASH_SIZE);
    if (kind == CONTENT_SHA256) {
        hash_final(c->hash, out);
    } else {
        checksum_final(c->checksum, out);
    }
}

static int read_all(struct content *c, struct wire *w, int fd, enum content_kind kind,
                    uint64_t *size, struct err *e) {
    for (*size = 0;;) {
        ssize_t got = pread(fd, c->buffer, PIECE, (off_t)*size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_sys(e, ERR_IO, errno, "cannot be read back");
        }
        if (kind == CONTENT_SHA256) {
            hash_update(c->hash, c->buffer, (size_t)got);
        } else {
            checksum_update(c->checksum, c->buffer, (size_t)got);
        }
        *size += (uint64_t)got;
        if ((size_t)got < PIECE) {
            return 0; // a short count is the end of a regular file
        }
        int rc = w == NULL ? 0 : wire_alive(w, e);
        if (rc < 0) {
            return rc;
        }
    }
}

int content_read(struct content *c, struct wire *w, int fd, enum content_kind kind,
                 uint8_t out[HASH_SIZE], uint64_t *size, struct err *e) {
    int rc = read_all(c, w, fd, kind, size, e);
    finish(c, kind, out);
    return rc;
}
