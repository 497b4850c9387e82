// SPDX-License-Identifier: Apache-2.0
// A dump file: BSON documents back to back, as mongodump writes them, in frames of zstd (RFC 8878),
// each with a checksum, but for those that hold noise as it is: `zstd -d` and then bsondump or
// mongorestore read it. A file cut at the end of a document looks whole by itself, so how many
// documents and bytes it must hold stands in the journal, with the digest of the file, and once
// more at the end of the file, in a skippable frame that zstd passes over (site/segment_private.h).
//
// Writing: segment_create, segment_add for each document, segment_publish (temp + fsync + rename).
// A writer that goes out of scope without it leaves nothing behind.
// Reading: segment_open; segment_check reads all bytes of the file once and compares digests, so
// that nothing is done with any document of a file that is damaged anywhere, or that is another
// dump than the journal knows (segment_check_written: below); then segment_next hands out the
// documents, with their frames, their count and zstd's checksums of them checked. A small file is
// kept in memory from the check on; a larger one is read again, and each piece compared with what
// was checked before it is used.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"
#include "base/checksum.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/must.h"

struct segment_sum {
    uint64_t documents, bytes; // of the uncompressed stream
    uint64_t file_bytes;       // of the file as it is on disk
    char digest[HASH_HEX];     // SHA-256 of the file, as sha256sum tells it
};

// What a process knows of a file that it has written itself: how each piece of it was, and which
// file it is and when it was changed last (st_ctim, which no program can set). 64 bytes for each
// MB.
struct segment_written {
    struct segment_sum sum;
    dev_t dev;
    ino_t ino;
    struct timespec changed;
    size_t pieces;
    uint8_t piece[][CHECKSUM_SIZE];
};

struct segment_writer;
// `path` is relative to dirfd; missing directories below it are made (0700).
int segment_create(int dirfd, const char *path, struct segment_writer **out, struct err *e);
// The document's frame is checked (ERR_DATA).
int segment_add(struct segment_writer *w, const uint8_t *doc, size_t len, struct err *e);
int segment_publish(struct segment_writer *w, struct segment_sum *sum, struct err *e);
// After segment_publish; the caller frees it.
struct segment_written *segment_written(const struct segment_writer *w);
void segment_writer_free(struct segment_writer *w);
void segment_writer_cleanup(struct segment_writer **w);
#define AUTO_SEGMENT_WRITER AUTO(segment_writer_cleanup)
// Removes the temporary files that writers of this path left when they were killed.
void segment_sweep(int dirfd, const char *path);

struct segment_reader;
// ERR_NOTFOUND when there is no such file.
int segment_open(int dirfd, const char *path, struct segment_reader **out, struct err *e);
// Reads the whole file and compares its digest with the one at its end, and that end with what was
// promised (documents, bytes, digest; NULL: nothing was). ERR_DATA says what differs. Afterwards
// the reader is at the first document.
int segment_check(struct segment_reader *r, const struct segment_sum *promised, struct err *e);
// The same for a file that this process has written: compares the checksums of its pieces in place
// of digests. A large file that nobody has touched since is not read for that; each of its pieces
// is compared when segment_next comes to it, before any of it is used. `written` outlives the
// reader.
int segment_check_written(struct segment_reader *r, const struct segment_written *written,
                          struct err *e);
// What the file holds, after segment_check.
const struct segment_sum *segment_reader_sum(const struct segment_reader *r);
// 1: the next document has *len bytes; 0: the end; negative: ERR_DATA (with the byte of the
// uncompressed stream), ERR_IO. Nothing may be called after an error.
int segment_peek(struct segment_reader *r, size_t *len, struct err *e);
// Appends the next document to `out`. As segment_peek; ERR_LIMIT when there is no room.
int segment_next(struct segment_reader *r, struct buf *out, struct err *e);
// Byte offset, in the uncompressed stream, of the document that segment_next will hand out next.
uint64_t segment_offset(const struct segment_reader *r);
void segment_reader_cleanup(struct segment_reader **r);
#define AUTO_SEGMENT_READER AUTO(segment_reader_cleanup)
