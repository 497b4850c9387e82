// SPDX-License-Identifier: Apache-2.0
// Site -> inventory: what is there, how much, what does not fit together, what would conflict.
// Only reads. Memory grows with the number of objects and directories, not of documents or files.
#pragma once

#include <stdatomic.h>

#include "schema/inventory.h"
#include "schema/scope.h"
#include "site/mongo.h"

struct scan_options {
    const struct model *model;
    const struct scope *scope; // as asked: decides what needs counting (server: ranges; otherwise
                               // second-level documents per object)
    struct mongo_end *source, *destination;   // destination may be NULL
    int source_root;                          // -1: no files
    const char *source_dir, *destination_dir; // for people
    bool predict;
    // Every finding in full, as it is found (for --report); may be NULL. The callbacks come from
    // several threads, one at a time; the order of findings is the same for the same server.
    int (*finding)(void *arg, const struct inv_finding *f);
    void *arg;
    // Progress: what is being scanned and how much of it was seen.
    void (*progress)(void *arg, const char *what, uint64_t seen);
};
// `inventory_free` gives it back. Errors as of the ends: ERR_LOGIN, ERR_UNREACHABLE, ERR_IO.
int scan(const struct scan_options *o, struct inventory **out, struct err *e);
