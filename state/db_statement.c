// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdint.h>

#include "state/db.h"

static const char *const sql_texts[N_SQL] = {
#define SQL(name, text) text,
#include "state/sql.tbl.h"
#undef SQL
};

static int64_t db_int(uint64_t n) {
    MUST(n <= INT64_MAX);
    return (int64_t)n;
}

static int bind_counters(sqlite3_stmt *s, int at, const struct step_result *r) {
    const uint64_t values[] = {r->files,      r->documents, r->bytes,     r->sent,
                               r->sent_bytes, r->present,   r->conflicts, r->rejected};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof values / sizeof values[0] && rc == SQLITE_OK; i++) {
        rc = sqlite3_bind_int64(s, at + (int)i, db_int(values[i]));
    }
    return rc;
}

// Binds one argument and moves *at behind it.
static int bind_one(sqlite3_stmt *s, int *at, char type, va_list *ap) {
    int here = *at;
    *at += type == 'c' ? 8 : 1;
    if (type == 'i') {
        return sqlite3_bind_int64(s, here, va_arg(*ap, int64_t));
    }
    if (type == 'u') {
        return sqlite3_bind_int64(s, here, db_int(va_arg(*ap, uint64_t)));
    }
    if (type == 't') {
        return sqlite3_bind_text(s, here, va_arg(*ap, const char *), -1, SQLITE_STATIC);
    }
    if (type == 'n') {
        (void)va_arg(*ap, uint64_t);
        return sqlite3_bind_null(s, here);
    }
    if (type == 'c') {
        return bind_counters(s, here, va_arg(*ap, const struct step_result *));
    }
    MUST(type == 'b');
    const void *bytes = va_arg(*ap, const void *);
    size_t len = va_arg(*ap, size_t);
    return sqlite3_bind_blob64(s, here, bytes, len, SQLITE_STATIC);
}

static int db_vquery(struct db *db, sqlite3_stmt **row, struct err *e, enum sql_id id,
                     const char *types, va_list *ap) {
    sqlite3_stmt **s = &db->statements[id];
    int rc = SQLITE_OK;
    if (*s == NULL) {
        rc = sqlite3_prepare_v3(db->handle, sql_texts[id], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    }
    int at = 1;
    for (const char *t = types; *t != 0 && rc == SQLITE_OK; t++) {
        rc = bind_one(*s, &at, *t, ap);
    }
    if (rc != SQLITE_OK) {
        return db_error(db, rc, e);
    }
    MUST(at - 1 == sqlite3_bind_parameter_count(*s));
    *row = *s;
    return 0;
}

int db_query(struct db *db, sqlite3_stmt **row, struct err *e, enum sql_id id, const char *types,
             ...) {
    va_list ap;
    va_start(ap, types);
    int rc = db_vquery(db, row, e, id, types, &ap);
    va_end(ap);
    return rc;
}

int db_next(struct db *db, sqlite3_stmt *row, struct err *e) {
    int rc = sqlite3_step(row);
    if (rc == SQLITE_ROW) {
        return 1;
    }
    return rc == SQLITE_DONE ? 0 : db_error(db, rc, e);
}

int db_row(struct db *db, sqlite3_stmt **row, struct err *e, enum sql_id id, const char *types,
           ...) {
    va_list ap;
    va_start(ap, types);
    int rc = db_vquery(db, row, e, id, types, &ap);
    va_end(ap);
    if (rc == 0) {
        rc = db_next(db, *row, e);
        rc = rc == 0 ? err_set(e, ERR_NOTFOUND, "no such row") : rc;
    }
    return rc == 1 ? 0 : rc;
}

int db_run(struct db *db, struct err *e, enum sql_id id, const char *types, ...) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    va_list ap;
    va_start(ap, types);
    int rc = db_vquery(db, &row, e, id, types, &ap);
    va_end(ap);
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        rc = 0;
    }
    return rc;
}

void db_reset(sqlite3_stmt **row) {
    if (*row != NULL) {
        sqlite3_reset(*row);
        sqlite3_clear_bindings(*row);
        *row = NULL;
    }
}

int db_script(struct db *db, const char *sql, struct err *e) {
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(db, rc, e);
}

const char *db_text(sqlite3_stmt *row, int column) {
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text == NULL ? "" : text;
}

uint64_t db_uint(sqlite3_stmt *row, int column) {
    int64_t n = sqlite3_column_int64(row, column);
    return n < 0 ? 0 : (uint64_t)n;
}

void db_counters(sqlite3_stmt *row, int column, struct step_result *out) {
    uint64_t *const fields[] = {&out->files,      &out->documents, &out->bytes,     &out->sent,
                                &out->sent_bytes, &out->present,   &out->conflicts, &out->rejected};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *fields[i] = db_uint(row, column + (int)i);
    }
}
