// SPDX-License-Identifier: Apache-2.0
// A look at the far side of a command prefix, by one line to its shell: who one is there, what the
// data directory is like, what the clock says. For checks before a migration.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct far_facts {
    bool there, writable; // the data directory
    uint64_t closed;      // folders in it that cannot be written
    char first[256];      // the name of the first of them, escaped
    uint64_t free_bytes;  // on its file system; 0 when df does not tell
    long uid, gid;
    int64_t clock_s; // since 1970
    char machine[64];
};
// ERR_RETRY when the command does not answer, with what it said; ERR_NOTFOUND when there is no such
// program here.
int far_look(const char *label, const char *const *prefix, const char *const *env, const char *root,
             int timeout_ms, struct far_facts *out, struct err *e);
