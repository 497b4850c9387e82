// SPDX-License-Identifier: Apache-2.0
// A backup: documents of a database in the layout of mongodump, so that mongorestore and bsondump
// read it, as a folder or, when its name ends in ".zip", as that folder's tree in one zip:
//
//     DATABASE/COLLECTION.bson            BSON documents back to back
//     DATABASE/COLLECTION.metadata.json   options, indexes and UUID, as mongodump writes them
//     mvimig-manifest.json                how many documents and bytes each .bson holds, and its
//                                         SHA-256
//
// backup_create, then for each collection backup_begin, backup_add..., backup_end; backup_publish
// gives it its name. Until then everything lies in a folder of its own beside that name,
// ".NAME.XXXXXXXX.tmp", locked as long as its writer lives: a writer that goes out of scope removes
// it, and what a killed one has left is removed by the next for the same name. Memory does not grow
// with the backup.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

#define BACKUP_MANIFEST "mvimig-manifest.json"

struct backup_entry {
    char *collection;
    uint64_t documents, bytes; // of its .bson
    char digest[HASH_HEX];     // SHA-256 of its .bson
};

struct backup_writer;
// ERR_USAGE when something stands at `path` already (an empty folder may), or its folder is
// missing.
int backup_create(const char *path, const char *database, struct backup_writer **out,
                  struct err *e);
// A folder in it for what is only needed until it is published.
int backup_spool(const struct backup_writer *w);
// `bytes` is how many bytes backup_add will bring.
int backup_begin(struct backup_writer *w, const char *collection, uint64_t bytes, struct err *e);
int backup_add(struct backup_writer *w, const uint8_t *doc, size_t len, struct err *e);
// `metadata` is the text of COLLECTION.metadata.json.
int backup_end(struct backup_writer *w, const char *metadata, struct err *e);
// Writes the manifest, syncs all of it and renames it into place.
int backup_publish(struct backup_writer *w, struct err *e);
const struct backup_entry *backup_entries(const struct backup_writer *w, size_t *n);
void backup_writer_free(struct backup_writer *w);
void backup_writer_cleanup(struct backup_writer **w);
#define AUTO_BACKUP_WRITER AUTO(backup_writer_cleanup)
