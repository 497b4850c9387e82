// SPDX-License-Identifier: Apache-2.0
#include "state/steps.h"

#include <stdio.h>
#include <string.h>

#include "base/strtab.h"
#include "state/event.h"
#include "state/journal_parts.h"
#include "state/report.h"
#include "state/report_open.h"

static int brief_of(sqlite3_stmt *row, struct step_brief *out, struct err *e) {
    const char *state = db_text(row, 1);
    out->attempts = sqlite3_column_int64(row, 2);
    out->documents = db_uint(row, 3);
    out->bytes = db_uint(row, 4);
    snprintf(out->digest, sizeof out->digest, "%s", db_text(row, 5));
    for (size_t i = 0; i < sizeof step_state_names / sizeof *step_state_names; i++) {
        if (strcmp(state, step_state_names[i]) == 0) {
            out->state = (enum step_state)i;
            return 0;
        }
    }
    return err_set(e, ERR_JOURNAL, "the journal is damaged: a step is in no known state");
}

// Fills `out` (n_steps of the plan) by the steps' hashes.
static int steps_read(struct db *db, const struct plan *p, struct step_brief *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    AUTO_STRTAB struct strtab *places = strtab_new();
    bool added;
    memset(out, 0, p->n_steps * sizeof *out);
    for (size_t i = 0; i < p->n_steps; i++) {
        *strtab_slot(places, p->steps[i].hash, HASH_SIZE, &added) = i + 1;
    }
    int rc = db_query(db, &row, e, SQL_STEP_ALL, "");
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        uint8_t hash[HASH_SIZE];
        uintptr_t place =
            hash_unhex(db_text(row, 0), hash) == 0 ? strtab_get(places, hash, HASH_SIZE, 0) : 0;
        rc = place > 0 ? brief_of(row, &out[place - 1], e) : 0;
    }
    return rc;
}

struct steps_args {
    const struct plan *plan;
    struct step_brief *out;
    const bool *marked;
};

static int steps_apply(struct journal *j, void *arg, struct err *e) {
    const struct steps_args *a = arg;
    return steps_read(&j->db, a->plan, a->out, e);
}

int journal_steps(struct journal *j, const struct plan *p, struct step_brief *out, struct err *e) {
    struct steps_args args = {.plan = p, .out = out};
    return WRITER_READ(j, steps_apply, &args, e);
}

int report_steps(int workdir_fd, const struct plan *p, struct step_brief *out, struct err *e) {
    struct patience patience;
    AUTO_DB struct db db = {0};
    int rc = report_open(workdir_fd, &db, &patience, e);
    return rc == 0 ? steps_read(&db, p, out, e) : rc;
}

static int rerun_apply(struct journal *j, void *arg, struct err *e) {
    const struct steps_args *a = arg;
    int rc = 0;
    for (size_t i = 0; i < a->plan->n_steps && rc == 0; i++) {
        if (a->marked[i]) {
            rc = step_send_back(j, &a->plan->steps[i], "asked for by --rerun", e);
        }
    }
    return rc;
}

int journal_rerun(struct journal *j, const struct plan *p, const bool *marked, struct err *e) {
    struct steps_args args = {.plan = p, .marked = marked};
    return WRITER_RUN(j, rerun_apply, &args, e);
}
