// SPDX-License-Identifier: Apache-2.0
// What a plan would bring, as its source has it now: documents and files, without moving anything.
#pragma once

#include "base/buf.h"
#include "base/hash.h"
#include "executor/run.h"
#include "site/tree.h"

struct collect {
    // A document that a dump takes and a restore brings: key as in executor/laid.h, the _id as text
    // (cut at 1 kB), and the digest of what would arrive.
    int (*document)(void *arg, const char *collection, const struct buf *key, const char *id,
                    const uint8_t digest[HASH_SIZE], struct err *e);
    int (*file)(void *arg, const struct tree_entry *t, struct err *e);
    void *arg;
};
// r->plan, r->source_db and r->source_root are needed.
int collect(struct run *r, const struct collect *c, struct err *e);
