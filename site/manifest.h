// SPDX-License-Identifier: Apache-2.0
// A manifest: what a file step has moved, or found moved, written beside the dumps. verify reads
// it, the next pass takes it for its base, and people can read it. Lines end in \n, fields are
// separated by one space:
//
//     mvimig-manifest 1
//     under PATH                   what the step's paths begin with, "." for the data directory
//     except PATH                  any number
//     f = 644 1000 1000 2048 1700000000123456789 SHA256 alice/datasets/9ab2/image.jpg
//     d = 755 1000 1000 0 1700000000123456789 - alice/datasets/9ab2/labels
//     l = 777 1000 1000 9 1700000000123456789 - alice/datasets/9ab2/last<TAB>image.jpg
//     end COUNT SHA256
//
// Entries: type (f file, d directory, l symlink), mark (= the destination has it, k another content
// was kept there), mode (octal), uid, gid, size, mtime (nanoseconds since 1970), SHA-256 of a
// file's content or "-" when it was not read, path, and behind a tab the target of a symlink. They
// stand in the order of tree_compare. Paths and targets are written as base/escape.h has it. The
// last line holds the number of entries and the SHA-256 of all bytes above it, so that a file that
// was cut or changed shows. Its own digest (`sha256sum FILE`) is the one in the journal.
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/path.h"

struct manifest_entry {
    char type, mark;
    uint32_t mode, uid, gid;
    uint64_t size;
    int64_t mtime_ns;
    char digest[HASH_HEX];     // "" when it is not known
    const char *path, *target; // target: "" but for symlinks
};

struct manifest_writer;
// Writes from the descriptor's position on; `fd` is borrowed.
struct manifest_writer *manifest_writer_new(int fd, const char *under, const char *const *except,
                                            size_t n_except);
int manifest_write(struct manifest_writer *w, const struct manifest_entry *m, struct err *e);
// Writes what is left and the last line. Syncing the file is the caller's business.
int manifest_finish(struct manifest_writer *w, char digest[HASH_HEX], struct err *e);
void manifest_writer_free(struct manifest_writer *w);

struct manifest_reader;
// Reads from the start of a descriptor that can seek (borrowed). ERR_DATA when it is no manifest.
int manifest_reader_new(int fd, struct manifest_reader **out, struct err *e);
const char *manifest_under(const struct manifest_reader *r);
const char *const *manifest_except(const struct manifest_reader *r, size_t *n);
// 1: an entry, valid until the next call; 0: the end, and everything was there; ERR_DATA, ERR_IO.
int manifest_next(struct manifest_reader *r, struct manifest_entry *m, struct err *e);
// Digest of the whole file, once manifest_next has returned 0.
void manifest_digest(const struct manifest_reader *r, char digest[HASH_HEX]);
void manifest_reader_free(struct manifest_reader *r);
