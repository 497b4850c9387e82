// SPDX-License-Identifier: Apache-2.0
// A stream of bytes out of a backup, from which documents are taken one by one. The buffer grows to
// one document and no further.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/must.h"

struct backup_in {
    const char *name; // for texts
    // Up to len bytes; 0: the end; negative: an error.
    long (*read)(void *arg, void *out, size_t len, struct err *e);
    void *arg;
    uint64_t offset; // of what was taken
    uint8_t *data;   // from `start` to `stop` not taken yet
    size_t start, stop, cap;
    bool ended;
};
// 1: at least `need` bytes lie at in->data + in->start; 0: the stream ends before that.
int backup_in_fill(struct backup_in *in, size_t need, struct err *e);
void backup_in_take(struct backup_in *in, size_t len);
// 1: a document, checked with all that is nested in it, valid until the next call; 0: the end;
// ERR_DATA with the byte otherwise.
int backup_in_document(struct backup_in *in, const uint8_t **doc, size_t *len, struct err *e);
// ERR_DATA: "NAME: byte N: WHAT".
int backup_in_damaged(const struct backup_in *in, const char *what, struct err *e);
void backup_in_free(struct backup_in *in);

// A file, decompressed when it is gzip: then its length and CRC-32 (RFC 1952) are compared with
// what stands at its end.
struct backup_file;
int backup_file_open(int dirfd, const char *path, struct backup_file **out, struct err *e);
struct backup_in *backup_file_in(struct backup_file *f);
void backup_file_cleanup(struct backup_file **f);
#define AUTO_BACKUP_FILE AUTO(backup_file_cleanup)
