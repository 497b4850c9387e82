// SPDX-License-Identifier: Apache-2.0
// Reads backups: what backup_write makes, as folder or zip; a folder that mongodump has written,
// also with --gzip; an archive of `mongodump --archive`, also with --gzip; and the zip of JSON
// arrays of the migration scripts that came before. Which it is, its content says, not its name.
//
// Documents are handed out one by one, those of an archive in the order in which they stand there,
// collections mixed. Whether all of it is whole is known when backup_read returns 0, and not
// before: each frame with all that is nested in it, the count, length and SHA-256 of each
// collection where there is a manifest, every checksum that the format has, and that nothing is
// missing at the end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum backup_form { BACKUP_OURS, BACKUP_MONGODUMP, BACKUP_ARCHIVE, BACKUP_JSON };

struct backup_taker {
    const char *database; // which one, where a backup has several; NULL: there is to be one only
    // Whether the documents of a collection are wanted; once for each that the backup has.
    int (*collection)(void *arg, const char *collection, bool *take, struct err *e);
    int (*document)(void *arg, const char *collection, const uint8_t *doc, size_t len,
                    struct err *e);
    void *arg;
};
struct backup_facts {
    enum backup_form form;
    char database[256]; // "" for the zip of JSON arrays
};
// ERR_USAGE when there is no such file or it is no backup; ERR_DATA says what is damaged.
int backup_read(const char *path, const struct backup_taker *t, struct backup_facts *facts,
                struct err *e);
