// SPDX-License-Identifier: Apache-2.0
// The documents of a plan's dump steps into a backup (site/backup_write.h), without a journal. Each
// step is read into a file of the backup's spool first, so that one that fails in passing (network,
// stepdown) is read again from its beginning; a collection's steps are then put together. Memory
// does not grow with the documents; the disk holds the largest collection once more, compressed.
#pragma once

#include "executor/run.h"
#include "site/backup_write.h"

struct export_options {
    const struct plan *plan; // validated; steps of other kinds are passed over
    struct mongo_end *source;
    struct backup_writer *out;
    void (*log)(void *arg, enum run_log_level level, const char *step, const char *text);
    void (*progress)(void *arg, const char *collection, uint64_t documents); // read so far
    void *arg;
};
int export_documents(const struct export_options *o, struct err *e);
