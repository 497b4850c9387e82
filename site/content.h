// SPDX-License-Identifier: Apache-2.0
// Reads a file's content from its start to what tells it from another: SHA-256, which is kept, or
// the checksum by which both sides of a transport see that it is the same.
#pragma once

#include "base/checksum.h"
#include "base/hash.h"
#include "site/protocol.h"

enum content_kind { CONTENT_SHA256, CONTENT_CHECKSUM };

struct content { // of one thread
    struct hash *hash;
    struct checksum *checksum;
    uint8_t *buffer;
};
void content_open(struct content *c);
void content_close(struct content *c);

// How many bytes of a digest the kind has; the others are zeros.
size_t content_size(enum content_kind kind);
// *size is what was read. Says ALIVE on the wire, whose errors are ERR_RETRY; NULL: none.
int content_read(struct content *c, struct wire *w, int fd, enum content_kind kind,
                 uint8_t out[HASH_SIZE], uint64_t *size, struct err *e);
