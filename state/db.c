// SPDX-License-Identifier: Apache-2.0
#include "state/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "state/workdir.h"

// A replaced document is kept whole: 16 MiB is MongoDB's limit for one.
#define DB_VALUE_MAX (32 << 20)
#define DB_HEAP_MAX (512 << 20) // a damaged file must not make SQLite take all memory

struct db_setting {
    const char *pragma;
    const char *value;
    int64_t back; // what reading it back must give
};

static const struct db_setting db_settings[] = {
    {"synchronous", "EXTRA", 3},
    {"foreign_keys", "ON", 1},
    {"cell_size_check", "ON", 1},
    {"trusted_schema", "OFF", 0},
    {"mmap_size", "0", 0},
    {"temp_store", "MEMORY", 2},
    // A transaction that outgrows the cache would lock readers out before its commit.
    {"cache_spill", "OFF", 0},
};

static const struct {
    int option, value;
} db_configs[] = {
    {SQLITE_DBCONFIG_DEFENSIVE, 1},
    {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {SQLITE_DBCONFIG_DQS_DDL, 0},
    {SQLITE_DBCONFIG_DQS_DML, 0},
};

static const struct {
    int limit, value;
} db_limits[] = {
    {SQLITE_LIMIT_LENGTH, DB_VALUE_MAX}, {SQLITE_LIMIT_SQL_LENGTH, 100000},
    {SQLITE_LIMIT_ATTACHED, 0},          {SQLITE_LIMIT_COLUMN, 100},
    {SQLITE_LIMIT_EXPR_DEPTH, 100},      {SQLITE_LIMIT_FUNCTION_ARG, 20},
    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},     {SQLITE_LIMIT_WORKER_THREADS, 0},
};

// What a person can do about it; NULL when only SQLite's own words help.
static const char *db_mend(int rc) {
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return "the disk is full: free space, then resume";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "the file is damaged: keep a copy, then " JOURNAL_MEND;
    case SQLITE_READONLY:
        return "it cannot be written: run as its owner, on a volume mounted for writing";
    case SQLITE_IOERR:
        return "its volume fails: mend that, then resume";
    case SQLITE_BUSY:
        return "another program holds it: wait for that one, or end it";
    default:
        return NULL;
    }
}

static bool db_is_fatal(int rc) {
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_BUSY:
        return false;
    default:
        return true;
    }
}

int db_error(struct db *db, int rc, struct err *e) {
    db->last = rc;
    if (db_is_fatal(rc)) {
        db->fatal = true;
    }
    bool told = db->handle != NULL && sqlite3_extended_errcode(db->handle) == rc;
    err_set(e, (rc & 0xff) == SQLITE_BUSY ? ERR_LOCKED : ERR_JOURNAL, "%s (SQLite error %d)",
            told ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc), rc);
    const char *mend = db_mend(rc);
    return mend == NULL ? e->code : err_append(e, "; %s", mend);
}

int db_pragma(struct db *db, const char *name, int64_t *out, struct err *e) {
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA %s", name);
    sqlite3_stmt *row = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &row, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(row);
    }
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(row, 0) : -1;
    sqlite3_finalize(row);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : db_error(db, rc, e);
}

static int db_set(struct db *db, const struct db_setting *s, struct err *e) {
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA %s=%s", s->pragma, s->value);
    int64_t back;
    int rc = db_script(db, sql, e);
    if (rc == 0) {
        rc = db_pragma(db, s->pragma, &back, e);
    }
    if (rc == 0 && back != s->back && !(s->back == 0 && back == -1)) {
        rc = err_set(e, ERR_JOURNAL,
                     "SQLite %s does not take the setting %s=%s (it says %" PRId64 ")",
                     sqlite3_libversion(), s->pragma, s->value, back);
    }
    return rc;
}

int db_set_journal_mode(struct db *db, struct err *e) {
    sqlite3_stmt *row = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode=TRUNCATE", -1, &row, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(row);
    }
    bool ok = rc == SQLITE_ROW && strcmp(db_text(row, 0), "truncate") == 0;
    sqlite3_finalize(row);
    if (rc != SQLITE_ROW) {
        return db_error(db, rc, e);
    }
    return ok ? 0 : err_set(e, ERR_JOURNAL, "SQLite does not take journal_mode=TRUNCATE");
}

static int db_configure(struct db *db, struct err *e) {
    sqlite3_extended_result_codes(db->handle, 1);
    for (size_t i = 0; i < sizeof db_configs / sizeof db_configs[0]; i++) {
        int got = -1;
        int rc = sqlite3_db_config(db->handle, db_configs[i].option, db_configs[i].value, &got);
        if (rc != SQLITE_OK || got != db_configs[i].value) {
            return err_set(e, ERR_JOURNAL, "SQLite %s does not know setting %d",
                           sqlite3_libversion(), db_configs[i].option);
        }
    }
    for (size_t i = 0; i < sizeof db_limits / sizeof db_limits[0]; i++) {
        sqlite3_limit(db->handle, db_limits[i].limit, db_limits[i].value);
        MUST(sqlite3_limit(db->handle, db_limits[i].limit, -1) == db_limits[i].value);
    }
    int rc = 0;
    for (size_t i = 0; i < sizeof db_settings / sizeof db_settings[0] && rc == 0; i++) {
        rc = db_set(db, &db_settings[i], e);
    }
    return rc;
}

int db_open(struct db *db, const char *path, enum db_mode mode, int (*busy)(void *, int), void *arg,
            struct err *e) {
    static const int flags[] = {
        [DB_WRITE] = SQLITE_OPEN_READWRITE,
        [DB_READ] = SQLITE_OPEN_READONLY,
        [DB_MAKE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
    };
    MUST(sqlite3_threadsafe() != 0);
    memset(db, 0, sizeof *db);
    sqlite3_hard_heap_limit64(DB_HEAP_MAX);
    int rc = sqlite3_open_v2(path, &db->handle,
                             flags[mode] | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX, NULL);
    if (rc != SQLITE_OK) {
        return db_error(db, rc, e);
    }
    sqlite3_busy_handler(db->handle, busy, arg);
    return db_configure(db, e);
}

void db_close(struct db *db) {
    for (size_t i = 0; i < N_SQL; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    MUST(sqlite3_close(db->handle) == SQLITE_OK);
    db->handle = NULL;
}
