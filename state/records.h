// SPDX-License-Identifier: Apache-2.0
// What a step has recorded beside its own row - batches, conflicts, problems - as digests, one for
// each table. `step-done` holds them, so that the event chain covers these rows as well.
//
// A digest is SHA-256 over the rows of one step, batches by position and the others by id, each
// column that never changes after as its length (8 bytes, big endian) and its bytes as text.
// Whether a row was superseded or forgotten since is not in it.
#pragma once

#include "base/hash.h"
#include "state/db.h"

enum { RECORDS_BATCH, RECORDS_CONFLICT, RECORDS_PROBLEM, N_RECORDS };
extern const char *const records_tables[N_RECORDS];

struct records {
    char hex[N_RECORDS][HASH_HEX]; // "" where the step has no row
};
int records_read(struct db *db, int64_t step, struct records *out, struct err *e);

// The first table whose rows are not those that the detail of a step-done event tells of; -1 when
// all are, or when the event was written before events told of them.
int records_differ(const struct records *r, const char *detail);
