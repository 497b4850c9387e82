// SPDX-License-Identifier: Apache-2.0
// Files of the work directory that are in place and not on the disk yet. They are made safe
// together, right before the journal commits what it says of them (journal_before_commit): a sync
// for each by itself costs a run of many small steps more than all else that is recorded.
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "base/err.h"

#define UNSYNCED_FEW 2

struct unsynced {
    int workdir_fd; // borrowed, and set before the first is added
    pthread_mutex_t lock, syncing;
    size_t n;
    int file[UNSYNCED_FEW], folder[UNSYNCED_FEW]; // of the first ones
    struct err failed;                            // a sync that did is never tried again
};
void unsynced_init(struct unsynced *u);
void unsynced_free(struct unsynced *u); // what is not safe by then stays so
// Takes over the descriptors of a file and of the folder that it has its name in. The record that
// speaks of it goes to the journal after this. Where a file system tells no errors of a syncfs, it
// syncs by itself what has come together.
int unsynced_add(struct unsynced *u, int file, int folder, struct err *e);
// For journal_before_commit.
int unsynced_sync(void *unsynced, struct err *e);
