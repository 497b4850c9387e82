// SPDX-License-Identifier: Apache-2.0
// What a pass has laid at the destination itself, for the passes behind it: a record for each
// document it inserted and each file it put in place, beside the dumps:
//
//     WORKDIR/pass-N/laid/documents/COLLECTION/HHHHHHHH.ATTEMPT
//     WORKDIR/pass-N/laid/files/HHHHHHHH.ATTEMPT
//
// H is the beginning of the step's hash; each attempt writes a file of its own. A file is a line,
// "mvimig-laid 2\n" for documents and "mvimig-laid 1\n" for files, and records:
//
//     length of the key (4 bytes, big endian), key, sum, check (8 bytes: hash_mix64 of all that
//     stands before it in the record)
//
// The key of a document is the type byte and the value of its _id, and the sum a checksum (16
// bytes) of the document as the server stores it (restore_checksum). The key of a file is its type
// ('f', 'd', 'l') and its path, and the sum SHA-256 (32 bytes) of its content, or of a symlink's
// target; zeros for a directory.
//
// A record is written after the destination has acknowledged what it tells of, and is not synced:
// what is lost with the machine's memory makes a later pass take the thing for somebody else's,
// which is never touched. A file ends at its first record that is not whole.
#pragma once

#include "executor/step.h"

struct laid_writer;
// For a restore: its collection; for a file step: NULL.
struct laid_writer *laid_writer_new(const struct step_run *s, const char *collection);
void laid_add(struct laid_writer *w, const void *key, size_t len, const uint8_t *sum);
// Writes what was added. The file is made by the first record.
int laid_flush(struct laid_writer *w, struct err *e);
void laid_writer_cleanup(struct laid_writer **w);
#define AUTO_LAID_WRITER AUTO(laid_writer_cleanup)

// Calls back with every record of passes up to `last_pass` in a work directory, of a collection or
// (NULL) of files. What is not there has none.
int laid_each(int workdir_fd, int last_pass, const char *collection,
              int (*each)(void *arg, const uint8_t *key, size_t len, const uint8_t *sum,
                          struct err *e),
              void *arg, struct err *e);
