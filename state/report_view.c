// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "state/report.h"
#include "state/report_open.h"

// Rows are read in portions and told between them, so that a slow listener (a pager, say) never
// holds the journal against the run that writes it.
#define PORTION 5000

struct portion {
    struct arena *arena;
    const char *const *names;
    const char *const *values; // n_rows times n_columns
    size_t n_rows;
    int n_columns;
};

static int view_check(struct db *db, const char *view, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(db, &row, e, SQL_REPORT_VIEW, "t", view);
    return rc == ERR_NOTFOUND ? err_set(e, ERR_NOTFOUND, "the journal has no view %s", view) : rc;
}

static void view_finalize(sqlite3_stmt **s) {
    sqlite3_finalize(*s);
}

static int view_prepare(struct db *db, const char *view, sqlite3_stmt **out, struct err *e) {
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" LIMIT %d OFFSET ?", view, PORTION);
    MUST(sql != NULL);
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, out, NULL);
    sqlite3_free(sql);
    return rc == SQLITE_OK ? 0 : db_error(db, rc, e);
}

static void view_read_row(sqlite3_stmt *row, struct portion *p, const char **values) {
    for (int i = 0; i < p->n_columns; i++) {
        values[(p->n_rows * (size_t)p->n_columns) + (size_t)i] =
            arena_strdup(p->arena, db_text(row, i));
    }
    p->n_rows++;
}

static int view_read(struct db *db, sqlite3_stmt *row, size_t offset, struct portion *p,
                     struct err *e) {
    p->n_columns = sqlite3_column_count(row);
    p->n_rows = 0;
    const char **names = arena_alloc(p->arena, (size_t)p->n_columns * sizeof *names);
    const char **values = arena_alloc(p->arena, PORTION * (size_t)p->n_columns * sizeof *values);
    sqlite3_bind_int64(row, 1, (int64_t)offset);
    int rc = 0;
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        view_read_row(row, p, values);
        rc = 0;
    }
    for (int i = 0; i < p->n_columns; i++) {
        names[i] = arena_strdup(p->arena, sqlite3_column_name(row, i));
    }
    sqlite3_reset(row);
    p->names = names;
    p->values = values;
    return rc;
}

int report_view(int workdir_fd, const char *view,
                int (*row)(void *arg, int n, const char *const *names, const char *const *values),
                void *arg, struct err *e) {
    struct patience patience;
    AUTO_DB struct db db = {0};
    AUTO(view_finalize) sqlite3_stmt *query = NULL; // finalized before the connection is closed
    int rc = report_open(workdir_fd, &db, &patience, e);
    if (rc == 0) {
        rc = view_check(&db, view, e);
    }
    if (rc == 0) {
        rc = view_prepare(&db, view, &query, e);
    }
    size_t offset = 0, got = PORTION;
    while (rc == 0 && got == PORTION) {
        AUTO_ARENA struct arena *arena = arena_new();
        struct portion p = {.arena = arena};
        rc = view_read(&db, query, offset, &p, e);
        for (size_t i = 0; i < p.n_rows && rc == 0; i++) {
            rc = row(arg, p.n_columns, p.names, p.values + (i * (size_t)p.n_columns));
        }
        got = p.n_rows;
        offset += got;
    }
    return rc;
}
