// SPDX-License-Identifier: Apache-2.0
// The documents of a backup as dump files (site/segment.h), from which restore steps read them: cut
// at so many documents or bytes, the same for the same backup, whatever the order of its
// collections.
#pragma once

#include "site/segment.h"

#define BACKUP_LOAD_DOCUMENTS 100000
#define BACKUP_LOAD_BYTES (64u << 20)

struct backup_segment {
    const char *collection; // borrowed from the load
    size_t number;          // from 1, within its collection
    char path[64];          // below the folder
    struct segment_sum sum;
};

struct backup_load;
// Files go below the folder. dirfd -1: nothing is written, only counted.
struct backup_load *backup_load_new(int dirfd);
int backup_load_add(struct backup_load *l, const char *collection, const uint8_t *doc, size_t len,
                    struct err *e);
int backup_load_finish(struct backup_load *l, struct err *e);
// Sorted by collection and number, after finish.
const struct backup_segment *backup_load_segments(const struct backup_load *l, size_t *n);
void backup_load_free(struct backup_load *l);
