// SPDX-License-Identifier: Apache-2.0
// What the readers of the forms of a backup share.
#pragma once

#include "base/hash.h"
#include "site/backup_in.h"
#include "site/backup_read.h"

#define BACKUP_COLLECTIONS_MAX 10000
#define BACKUP_MANIFEST_MAX (16u << 20)

// What was read of a collection.
struct backup_seen {
    char *collection;
    bool take;
    uint64_t documents, bytes;
    char digest[HASH_HEX];
};

struct backup_reading {
    const struct backup_taker *taker;
    struct backup_facts *facts;
    const char *path; // for texts
    struct backup_seen *seen;
    size_t n, cap;
    char *manifest; // its text; NULL: none was found
};
// Asks the taker; the collection is r->seen[r->n - 1] afterwards. ERR_DATA when it was seen before.
int backup_see(struct backup_reading *r, const char *collection, struct err *e);
// Reads documents back to back to the end of the stream, of the collection seen last.
int backup_take_all(struct backup_reading *r, struct backup_in *in, struct err *e);
// The name of a collection in a file name ("a%2Fb.bson" and suffix ".bson": "a/b"); NULL when the
// name does not end so. The caller frees it.
char *backup_collection_of(const char *file, const char *suffix);
// Which database of several: the one asked for, else the only one that is not the server's own.
// Points into `names`. ERR_USAGE names them.
int backup_choose(const struct backup_reading *r, char *const *names, size_t n, const char **out,
                  struct err *e);

int backup_read_folder(struct backup_reading *r, struct err *e);
int backup_read_zip(struct backup_reading *r, struct err *e);
// `in` is at the magic number.
int backup_read_archive(struct backup_reading *r, struct backup_in *in, struct err *e);
// An array of JSON documents, of the collection seen last.
int backup_read_json(struct backup_reading *r, struct backup_in *in, struct err *e);
#define BACKUP_ARCHIVE_MAGIC "\x6d\xe2\x99\x81"
