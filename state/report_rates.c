// SPDX-License-Identifier: Apache-2.0
#include "state/report_rates.h"

#include <string.h>

#include "state/report_open.h"

static const char *const stages[N_REPORT_STAGES] = {
    [REPORT_FILES] = "files", [REPORT_DUMP] = "dump", [REPORT_RESTORE] = "restore"};

static void add(struct report_rates *r, const char *stage, enum report_work work, double ms,
                double items, double bytes) {
    for (size_t i = 0; i < N_REPORT_STAGES; i++) {
        if (strcmp(stage, stages[i]) == 0) {
            r->rates[i][work].ms += ms;
            r->rates[i][work].items += items;
            r->rates[i][work].bytes += bytes;
            r->busy_ms += ms;
        }
    }
}

static int read_rates(struct db *db, struct report_rates *r, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_query(db, &row, e, SQL_REPORT_RATES, "");
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        add(r, db_text(row, 0), db_uint(row, 1) != 0 ? REPORT_COMPARED : REPORT_MOVED,
            sqlite3_column_double(row, 2), sqlite3_column_double(row, 3),
            sqlite3_column_double(row, 4));
        rc = 0;
    }
    return rc;
}

int report_rates_add(int workdir_fd, struct report_rates *r, struct err *e) {
    AUTO_DB struct db db = {0};
    struct patience patience;
    int rc = report_open(workdir_fd, &db, &patience, e);
    if (rc == 0) {
        rc = read_rates(&db, r, e);
    }
    AUTO_RESET sqlite3_stmt *row = NULL;
    if (rc == 0) {
        rc = db_row(&db, &row, e, SQL_REPORT_ELAPSED, "");
    }
    if (rc == 0) {
        r->elapsed_ms += sqlite3_column_double(row, 0);
    }
    return rc;
}
