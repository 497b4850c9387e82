// SPDX-License-Identifier: Apache-2.0
// Small files cost by the item, large ones by the byte, and nobody knows beforehand which of the
// two the rest of a server is. So the time left is a range: what is left of each stage times its
// cost by the item, and times its cost by the byte. Costs are those of the newest run, in time that
// workers were busy; how many of them were at a time is what the run itself shows.
#include "state/report_work.h"

#include <string.h>

struct costs {
    double busy_ms, items, bytes; // of all stages
    struct stage_cost {
        double items_left, bytes_left, ms, items, bytes;
    } stages[16];
    size_t n;
};

static int read_totals(struct db *db, struct arena *a, struct report *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(db, &row, e, SQL_REPORT_TOTALS, "");
    if (rc == 0) {
        out->items = db_uint(row, 0);
        out->expected_items = db_uint(row, 1);
        out->bytes = db_uint(row, 2);
        out->expected_bytes = db_uint(row, 3);
        out->share = sqlite3_column_double(row, 4);
        out->run_items = db_uint(row, 5);
        out->run_bytes = db_uint(row, 6);
        out->seconds = sqlite3_column_double(row, 7);
        out->as_of = arena_strdup(a, db_text(row, 8));
        out->files = db_uint(row, 9);
        out->documents = db_uint(row, 10);
    }
    return rc;
}

static int read_costs(struct db *db, const struct report *r, struct costs *c, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_query(db, &row, e, SQL_REPORT_COSTS, "t", r->as_of);
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        struct stage_cost s = {sqlite3_column_double(row, 1), sqlite3_column_double(row, 2),
                               sqlite3_column_double(row, 3), sqlite3_column_double(row, 4),
                               sqlite3_column_double(row, 5)};
        c->busy_ms += s.ms;
        c->items += s.items;
        c->bytes += s.bytes;
        if (c->n < sizeof c->stages / sizeof *c->stages) {
            c->stages[c->n++] = s;
        }
        rc = 0;
    }
    return rc;
}

// A few small steps at the start of a stage say little of the rest of it.
#define TRUSTED_SHARE 0.05

// Milliseconds of work left by one measure: at the stage's own cost, or at that of all stages when
// it has not shown one yet.
static double left_ms(double left, double ms, double handled, const struct costs *c,
                      double all_handled) {
    if (left <= 0) {
        return 0;
    }
    if (ms > 0 && handled > TRUSTED_SHARE * (handled + left)) {
        return left * ms / handled;
    }
    return all_handled > 0 ? left * c->busy_ms / all_handled : 0;
}

static void estimate(const struct costs *c, struct report *out) {
    double low = 0, high = 0;
    out->eta_low = out->eta_high = -1;
    if (c->busy_ms <= 0 || c->items <= 0 || out->seconds < 1 || out->share < 0.01) {
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct stage_cost *s = &c->stages[i];
        double by_item = left_ms(s->items_left, s->ms, s->items, c, c->items);
        double by_byte = left_ms(s->bytes_left, s->ms, s->bytes, c, c->bytes);
        if (s->bytes_left <= 0) {
            by_byte = by_item;
        }
        low += by_item < by_byte ? by_item : by_byte;
        high += by_item < by_byte ? by_byte : by_item;
    }
    double at_a_time = c->busy_ms / (out->seconds * 1000);
    at_a_time = at_a_time < 1 ? 1 : at_a_time;
    out->eta_low = low / at_a_time / 1000;
    out->eta_high = high / at_a_time / 1000;
}

static int read_running(struct db *db, struct arena *a, struct report *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    size_t cap = 0;
    int rc = db_query(db, &row, e, SQL_REPORT_RUNNING, "");
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        struct report_running s = {.step = arena_strdup(a, db_text(row, 0)),
                                   .since = arena_strdup(a, db_text(row, 1)),
                                   .items = db_uint(row, 2),
                                   .expected_items = db_uint(row, 3),
                                   .bytes = db_uint(row, 4)};
        ARENA_PUSH(a, out->running, out->n_running, cap, s);
        rc = 0;
    }
    return rc;
}

int report_read_work(struct db *db, struct arena *a, struct report *out, struct err *e) {
    struct costs costs = {0};
    int rc = read_totals(db, a, out, e);
    out->eta_low = out->eta_high = -1;
    if (rc == 0 && out->ended[0] == 0 && out->runs > 0) {
        rc = read_costs(db, out, &costs, e);
        estimate(&costs, out);
    }
    return rc == 0 ? read_running(db, a, out, e) : rc;
}
