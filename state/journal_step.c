// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "state/attempt.h"
#include "state/event.h"
#include "state/journal_parts.h"

const char *const step_state_names[4] = {"pending", "running", "done", "failed"};

static int state_of(const char *name, enum step_state *out, struct err *e) {
    for (size_t i = 0; i < sizeof step_state_names / sizeof step_state_names[0]; i++) {
        if (strcmp(step_state_names[i], name) == 0) {
            *out = (enum step_state)i;
            return 0;
        }
    }
    return err_set(e, ERR_JOURNAL, "the journal is damaged: a step is in no known state");
}

int step_find(struct journal *j, const struct plan_step *s, struct step_row *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(&j->db, &row, e, SQL_STEP_FIND, "t", s->hash_text);
    if (rc == ERR_NOTFOUND) {
        return err_set(e, ERR_NOTFOUND, "the journal has no such step; bind the plan first");
    }
    if (rc == 0) {
        out->id = sqlite3_column_int64(row, 0);
        out->attempts = sqlite3_column_int64(row, 2);
        rc = state_of(db_text(row, 1), &out->state, e);
    }
    return rc;
}

int step_find_attempt(struct journal *j, const struct plan_step *s, int64_t attempt,
                      struct step_row *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = step_find(j, s, out, e);
    if (rc == 0) {
        rc = db_row(&j->db, &row, e, SQL_ATTEMPT_FIND, "ii", attempt, out->id);
    }
    if (rc == ERR_NOTFOUND || (rc == 0 && strcmp(db_text(row, 0), "running") != 0)) {
        return err_set(e, ERR_FAILED, "attempt %" PRId64 " is not going on", attempt);
    }
    if (rc == 0) {
        out->attempt_number = sqlite3_column_int64(row, 1);
    }
    return rc;
}

static int step_may_begin(struct journal *j, const struct step_row *step, struct err *e) {
    if (j->run == 0) {
        return err_set(e, ERR_FAILED, "no run has begun");
    }
    if (step->state == STEP_DONE || step->state == STEP_RUNNING) {
        return err_set(e, ERR_FAILED, "it is %s", step_state_names[step->state]);
    }
    return 0;
}

static int step_add_attempt(struct journal *j, const struct plan_step *s,
                            const struct step_row *step, struct err *e) {
    int64_t number = step->attempts + 1;
    struct stamp now = stamp_now();
    int rc = event_append(j, "step-begin", s->id, e, "attempt=%" PRId64 " hash=%s", number,
                          s->hash_text);
    return rc == 0 ? db_run(&j->db, e, SQL_ATTEMPT_ADD, "iiiti", step->id, j->run, number, now.text,
                            j->chain.seq)
                   : rc;
}

struct begin_args {
    const struct plan_step *step;
    int64_t attempt;
};

static int step_begin(struct journal *j, void *arg, struct err *e) {
    struct begin_args *a = arg;
    struct step_row step = {0};
    int rc = step_find(j, a->step, &step, e);
    if (rc == 0) {
        rc = step_may_begin(j, &step, e);
    }
    if (rc == 0) {
        rc = step_add_attempt(j, a->step, &step, e);
    }
    if (rc != 0) {
        return rc;
    }
    a->attempt = sqlite3_last_insert_rowid(j->db.handle);
    rc = db_run(&j->db, e, SQL_STEP_BEGIN, "i", step.id);
    if (rc == 0) {
        rc = db_run(&j->db, e, SQL_CONFLICT_SUPERSEDE, "i", step.id);
    }
    return rc == 0 ? db_run(&j->db, e, SQL_PROBLEM_SUPERSEDE, "i", step.id) : rc;
}

int journal_step_begin(struct journal *j, const struct plan_step *s, int64_t *attempt,
                       struct err *e) {
    struct begin_args args = {.step = s};
    if (WRITER_EARLY(j, step_begin, &args, e) != 0) {
        return err_wrap(e, "%s: beginning the step", s->id);
    }
    attempt_remember(j, args.attempt);
    *attempt = args.attempt;
    return 0;
}

struct reset_args {
    const struct plan_step *step;
    const char *why;
};

// What is sent back on purpose is done again from its start.
int step_send_back(struct journal *j, const struct plan_step *s, const char *why, struct err *e) {
    struct step_row step = {0};
    int rc = step_find(j, s, &step, e);
    if (rc == 0 && step.state == STEP_RUNNING) {
        rc = err_set(e, ERR_FAILED, "it is running");
    }
    if (rc == 0) {
        rc = db_run(&j->db, e, SQL_STEP_PENDING, "i", step.id);
    }
    if (rc == 0) {
        rc = batches_forget(j, &step, e);
    }
    return rc == 0 ? event_append(j, "step-reset", s->id, e, "hash=%s: %s", s->hash_text, why) : rc;
}

static int step_reset(struct journal *j, void *arg, struct err *e) {
    const struct reset_args *a = arg;
    return step_send_back(j, a->step, a->why, e);
}

int journal_step_reset(struct journal *j, const struct plan_step *s, const char *why,
                       struct err *e) {
    struct reset_args args = {s, why};
    int rc = WRITER_RUN(j, step_reset, &args, e);
    return rc == 0 ? 0 : err_wrap(e, "%s: sending the step back", s->id);
}

struct status_args {
    const char *hash;
    struct step_status *out;
};

static int status_error(struct journal *j, int64_t step, struct step_status *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_query(&j->db, &row, e, SQL_ATTEMPT_ERROR, "i", step);
    if (rc == 0) {
        rc = db_next(&j->db, row, e);
    }
    if (rc == 1) {
        snprintf(out->error, sizeof out->error, "%s", db_text(row, 0));
    }
    return rc < 0 ? rc : 0;
}

static int status_last_result(struct journal *j, int64_t step, struct step_status *out,
                              struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_query(&j->db, &row, e, SQL_ATTEMPT_LAST, "i", step);
    if (rc == 0) {
        rc = db_next(&j->db, row, e);
    }
    if (rc == 1) {
        snprintf(out->result.digest, sizeof out->result.digest, "%s", db_text(row, 0));
        db_counters(row, 1, &out->result);
    }
    return rc < 0 ? rc : 0;
}

static int status_read(struct journal *j, void *arg, struct err *e) {
    const struct status_args *a = arg;
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(&j->db, &row, e, SQL_STEP_STATUS, "t", a->hash);
    if (rc != 0) {
        return rc;
    }
    int64_t step = sqlite3_column_int64(row, 0);
    a->out->attempts = sqlite3_column_int64(row, 2);
    rc = state_of(db_text(row, 1), &a->out->state, e);
    if (rc == 0 && a->out->state == STEP_DONE) {
        snprintf(a->out->result.digest, sizeof a->out->result.digest, "%s", db_text(row, 3));
        db_counters(row, 4, &a->out->result);
    } else if (rc == 0) {
        rc = status_last_result(j, step, a->out, e);
    }
    return rc == 0 ? status_error(j, step, a->out, e) : rc;
}

int journal_step(struct journal *j, const char hash_text[HASH_HEX], struct step_status *out,
                 struct err *e) {
    memset(out, 0, sizeof *out);
    struct status_args args = {hash_text, out};
    return WRITER_READ(j, status_read, &args, e);
}

struct given_up {
    int (*each)(void *arg, const char *kind, const char *hash_text, struct err *e);
    void *arg;
};

static int given_up_read(struct journal *j, void *arg, struct err *e) {
    const struct given_up *g = arg;
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_query(&j->db, &row, e, SQL_STEP_GIVEN_UP, "");
    while (rc == 0 && (rc = db_next(&j->db, row, e)) == 1) {
        rc = g->each(g->arg, db_text(row, 0), db_text(row, 1), e);
    }
    return rc;
}

int journal_given_up(struct journal *j,
                     int (*each)(void *arg, const char *kind, const char *hash_text, struct err *e),
                     void *arg, struct err *e) {
    struct given_up args = {each, arg};
    return WRITER_READ(j, given_up_read, &args, e);
}
