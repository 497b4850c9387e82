// SPDX-License-Identifier: Apache-2.0
#include "state/journal_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "state/workdir.h"

// What leads from one user_version to the next. A version is never changed after a release: a new
// one is a row here, and journal.sql is what a new journal starts with.
#define VERSION_2                                                                                  \
    "CREATE TABLE owner (\n"                                                                       \
    "    id INTEGER PRIMARY KEY CHECK (id = 1),\n"                                                 \
    "    generation INTEGER NOT NULL CHECK (generation >= 0),\n"                                   \
    "    held INTEGER NOT NULL CHECK (held IN (0, 1)),\n"                                          \
    "    command TEXT NOT NULL,\n"                                                                 \
    "    host TEXT NOT NULL,\n"                                                                    \
    "    process INTEGER NOT NULL,\n"                                                              \
    "    boot_id TEXT NOT NULL,\n"                                                                 \
    "    since TEXT NOT NULL,\n"                                                                   \
    "    beat INTEGER NOT NULL CHECK (beat >= 0),\n"                                               \
    "    beat_at TEXT NOT NULL\n"                                                                  \
    ") STRICT;\n"                                                                                  \
    "INSERT INTO owner VALUES (1, 0, 0, '', '', 0, '', '', 0, '');\n"

static const struct {
    int64_t to;
    const char *sql;
} schema_steps[] = {
    {1, journal_sql},
    {2, VERSION_2},
};

static int schema_set_version(struct db *db, int64_t version, struct err *e) {
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%" PRId64,
             JOURNAL_APPLICATION_ID, version);
    return db_script(db, sql, e);
}

int schema_make(struct db *db, struct err *e) {
    int rc = db_script(db, journal_sql, e);
    return rc == 0 ? schema_set_version(db, JOURNAL_VERSION, e) : rc;
}

static int schema_migrate_one(struct db *db, size_t i, struct err *e) {
    int rc = FAULT("schema-migrate") == 0 ? db_script(db, schema_steps[i].sql, e)
                                          : err_set(e, ERR_JOURNAL, "fault point schema-migrate");
    return rc == 0 ? schema_set_version(db, schema_steps[i].to, e) : rc;
}

int schema_migrate(struct db *db, int64_t version, struct err *e) {
    size_t n = sizeof schema_steps / sizeof schema_steps[0];
    struct err undo = {0};
    MUST(schema_steps[n - 1].to == JOURNAL_VERSION);
    int rc = db_script(db, "BEGIN IMMEDIATE", e);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (schema_steps[i].to > version && (rc = schema_migrate_one(db, i, e)) != 0) {
            err_wrap(e, "making version %" PRId64 " of the tables from version %" PRId64,
                     schema_steps[i].to, version);
        }
    }
    rc = rc == 0 ? db_script(db, "COMMIT", e) : rc;
    if (rc != 0) {
        (void)db_script(db, "ROLLBACK", &undo); // fails when it is gone already
    }
    return rc;
}

int schema_identify(struct db *db, int64_t *version, struct err *e) {
    int64_t application;
    int rc = db_pragma(db, "application_id", &application, e);
    if (rc == 0) {
        rc = db_pragma(db, "user_version", version, e);
    }
    if (rc != 0) {
        return rc;
    }
    if (application != JOURNAL_APPLICATION_ID) {
        return err_set(e, ERR_JOURNAL,
                       "it is a database, but not a journal of mvimig's (application_id %" PRId64
                       "); move it away and put the journal back, or use another work directory",
                       application);
    }
    if (*version > JOURNAL_VERSION) {
        return err_set(e, ERR_JOURNAL,
                       "it was written by a newer mvimig (version %" PRId64 " of the tables; this "
                       "program knows up to %d); use that program or a newer one",
                       *version, JOURNAL_VERSION);
    }
    if (*version < 1) {
        return err_set(e, ERR_JOURNAL,
                       "its tables have no version (user_version %" PRId64 "); " JOURNAL_MEND,
                       *version);
    }
    return 0;
}

static int schema_quick_check(struct db *db, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(db, &row, e, SQL_QUICK_CHECK, "");
    if (rc == 0 && strcmp(db_text(row, 0), "ok") != 0) {
        rc = err_set(e, ERR_JOURNAL, "it is damaged (%s); keep a copy, then " JOURNAL_MEND,
                     db_text(row, 0));
    }
    return rc;
}

int schema_check(struct db *db, int64_t *version, struct err *e) {
    int rc = schema_identify(db, version, e);
    return rc == 0 ? schema_quick_check(db, e) : rc;
}
