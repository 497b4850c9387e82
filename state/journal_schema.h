// SPDX-License-Identifier: Apache-2.0
// The tables: made for a new journal, brought up to date in an older one, recognised in any.
#pragma once

#include "base/err.h"
#include "state/db.h"

extern const char journal_sql[]; // state/journal.sql, put into the program by the build

// Makes the tables and views in an empty database. Inside a transaction.
int schema_make(struct db *db, struct err *e);
// ERR_JOURNAL with the mend when the database is not a journal of mvimig's or was written by a
// newer one. Changes nothing. `*version` is its user_version.
int schema_identify(struct db *db, int64_t *version, struct err *e);
// The same, and when it is damaged (quick_check).
int schema_check(struct db *db, int64_t *version, struct err *e);
// Brings an older journal to JOURNAL_VERSION, each version in a transaction of its own.
int schema_migrate(struct db *db, int64_t version, struct err *e);
