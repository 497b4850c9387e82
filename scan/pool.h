// SPDX-License-Identifier: Apache-2.0
// Counting is cut into units, a tree each, which several threads take in order. What they find is
// told in the order of the units as well, so that the same server gives the same report; a thread
// that is ahead keeps its findings, and waits for its turn when many are kept.
//
// Calling sequence: pool_init; pool_add for each tree; pool_run; read the units' counts; pool_free.
#pragma once

#include "scan/internal.h"

struct unit {
    const char *path; // of a directory; what is below it is counted, not itself
    size_t object;    // whose directory it is, when its members are to be checked; (size_t)-1
    struct inv_count count;
    bool done;
    struct kept { // a finding that was not told yet
        enum inv_finding_kind kind;
        const char *collection; // of the model, or ""
        char *id, *detail;
    } * kept;
    size_t n_kept, cap_kept;
};

struct pool {
    struct scan_state *s;
    const char **apart; // directories that are left out of the trees above them
    size_t n_apart;
    struct pattern *const *excludes;
    size_t n_excludes;
    const struct scan_members *members;
    struct unit *units;
    size_t n, cap;
    pthread_mutex_t lock; // around all below
    pthread_cond_t turn;
    size_t next, told; // the unit to take; the one whose findings are told
    size_t kept;       // findings that wait
    uint64_t files;
    bool failed;
    struct err err; // the first
};

void pool_init(struct pool *p, struct scan_state *s);
void pool_add(struct pool *p, const char *path, size_t object);
int pool_run(struct pool *p, struct err *e);
void pool_free(struct pool *p);
