// SPDX-License-Identifier: Apache-2.0
#include "state/report.h"

#include <string.h>

#include "state/lock.h"
#include "state/owner.h"
#include "state/report_open.h"
#include "state/report_work.h"

static const char *copy(struct arena *a, sqlite3_stmt *row, int column) {
    return arena_strdup(a, db_text(row, column));
}

static int read_migration(struct db *db, struct arena *a, struct report *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(db, &row, e, SQL_REPORT_MIGRATION, "");
    if (rc == 0) {
        out->name = copy(a, row, 0);
        out->plan_digest = copy(a, row, 1);
        out->config_path = copy(a, row, 2);
        out->program_version = copy(a, row, 3);
    }
    return rc;
}

static int read_run(struct db *db, struct arena *a, struct report *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    out->started = out->ended = out->outcome = "";
    int rc = db_query(db, &row, e, SQL_REPORT_RUN, "");
    if (rc == 0) {
        rc = db_next(db, row, e);
    }
    if (rc == 1) {
        out->program_version = copy(a, row, 0);
        out->started = copy(a, row, 1);
        out->ended = copy(a, row, 2);
        out->outcome = copy(a, row, 3);
        out->runs = sqlite3_column_int64(row, 4);
    }
    return rc < 0 ? rc : 0;
}

static int read_stages(struct db *db, struct arena *a, struct report *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    size_t cap = 0;
    out->finished = true;
    int rc = db_query(db, &row, e, SQL_REPORT_STAGES, "");
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        struct report_stage s = {.stage = copy(a, row, 0),
                                 .steps = db_uint(row, 1),
                                 .done = db_uint(row, 2),
                                 .running = db_uint(row, 3),
                                 .failed = db_uint(row, 4),
                                 .expected_items = db_uint(row, 5),
                                 .expected_bytes = db_uint(row, 6),
                                 .items = db_uint(row, 7),
                                 .bytes = db_uint(row, 8)};
        out->finished = out->finished && s.done == s.steps;
        ARENA_PUSH(a, out->stages, out->n_stages, cap, s);
        rc = 0;
    }
    return rc;
}

static int read_findings(struct db *db, struct report *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(db, &row, e, SQL_REPORT_FINDINGS, "");
    if (rc == 0) {
        out->conflicts = db_uint(row, 0);
        out->problems = db_uint(row, 1);
    }
    return rc;
}

static int read_failures(struct db *db, struct arena *a, struct report *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    size_t cap = 0;
    int rc = db_query(db, &row, e, SQL_REPORT_FAILURES, "");
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        struct report_failure f = {.step = copy(a, row, 0),
                                   .attempts = sqlite3_column_int64(row, 1),
                                   .error = copy(a, row, 2)};
        ARENA_PUSH(a, out->failures, out->n_failures, cap, f);
        rc = 0;
    }
    return rc;
}

static int read_owner(struct db *db, struct arena *a, struct report *out, struct err *e) {
    struct owner o;
    int64_t version;
    out->beat_at = "";
    int rc = db_pragma(db, "user_version", &version, e);
    if (rc != 0 || version < 2) { // made by an earlier version, and not written since
        return rc;
    }
    rc = owner_read(db, &o, e);
    out->generation = o.generation;
    out->beat = o.beat;
    out->owned = o.held;
    out->beat_at = arena_strdup(a, o.beat_at);
    return rc;
}

// One transaction, so that all of it is of one moment.
static int read_all(struct db *db, struct arena *a, struct report *out, struct err *e) {
    int rc = db_script(db, "BEGIN", e);
    if (rc == 0) {
        rc = read_migration(db, a, out, e);
    }
    if (rc == 0) {
        rc = read_run(db, a, out, e);
    }
    if (rc == 0) {
        rc = read_stages(db, a, out, e);
    }
    if (rc == 0) {
        rc = read_findings(db, out, e);
    }
    if (rc == 0) {
        rc = report_read_work(db, a, out, e);
    }
    if (rc == 0) {
        rc = read_owner(db, a, out, e);
    }
    return rc == 0 ? read_failures(db, a, out, e) : rc;
}

int report_read(int workdir_fd, struct arena *a, struct report *out, struct err *e) {
    memset(out, 0, sizeof *out);
    struct patience patience;
    AUTO_DB struct db db = {0};
    char holder[LOCK_HOLDER_TEXT];
    int rc = report_open(workdir_fd, &db, &patience, e);
    if (rc == 0 && read_all(&db, a, out, e) != 0) {
        rc = err_wrap(e, "journal.db");
    }
    if (rc == 0) {
        rc = lock_holder(workdir_fd, &out->held, holder, e);
        out->holder = arena_strdup(a, holder);
    }
    return rc;
}

int report_step(int workdir_fd, const char *hash, struct arena *a, struct report_step *out,
                struct err *e) {
    struct patience patience;
    AUTO_DB struct db db = {0};
    AUTO_RESET sqlite3_stmt *row = NULL;
    *out = (struct report_step){"", 0, "", ""};
    int rc = report_open(workdir_fd, &db, &patience, e);
    rc = rc == 0 ? db_query(&db, &row, e, SQL_REPORT_STEP, "t", hash) : rc;
    rc = rc == 0 ? db_next(&db, row, e) : rc;
    if (rc == 1) {
        *out = (struct report_step){.state = copy(a, row, 0),
                                    .attempts = sqlite3_column_int64(row, 1),
                                    .ended = copy(a, row, 2),
                                    .error = copy(a, row, 3)};
    }
    return rc < 0 ? err_wrap(e, "journal.db") : 0;
}
