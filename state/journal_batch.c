// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "state/event.h"
#include "state/journal_parts.h"

struct batch_args {
    const struct plan_step *step;
    int64_t attempt;
    const struct batch_record *batch;
    const struct finding *findings;
};

static int batch_insert(struct journal *j, const struct batch_args *a, const struct step_row *step,
                        struct err *e) {
    const struct batch_record *b = a->batch;
    struct stamp now = stamp_now();
    int rc = db_run(&j->db, e, SQL_BATCH_ADD, "iiuuttc", step->id, a->attempt, b->position, b->end,
                    now.text, b->result.digest, &b->result);
    if (rc != 0) {
        return rc;
    }
    int64_t batch = sqlite3_last_insert_rowid(j->db.handle);
    rc = findings_write(j, a->step, step, a->attempt, a->findings, e);
    return rc == 0 ? findings_join_batch(j, step, a->attempt, batch, e) : rc;
}

static int batch_apply(struct journal *j, void *arg, struct err *e) {
    const struct batch_args *a = arg;
    struct step_row step = {0};
    int rc = step_find_attempt(j, a->step, a->attempt, &step, e);
    if (rc == 0) {
        rc = batch_insert(j, a, &step, e);
    }
    if (rc == 0) {
        rc = db_run(&j->db, e, SQL_ATTEMPT_ADD_COUNTS, "ci", &a->batch->result, a->attempt);
    }
    return rc == 0 ? db_run(&j->db, e, SQL_STEP_ADD_COUNTS, "ci", &a->batch->result, step.id) : rc;
}

int journal_batch(struct journal *j, const struct plan_step *s, int64_t attempt,
                  const struct batch_record *b, struct err *e) {
    struct finding *findings = attempt_take(j, attempt);
    struct batch_args args = {s, attempt, b, findings};
    int rc = WRITER_EARLY(j, batch_apply, &args, e);
    if (rc != 0) {
        attempt_give_back(j, attempt, findings);
        return err_wrap(e, "%s: recording the batch at %" PRIu64, s->id, b->position);
    }
    finding_free_list(findings);
    return 0;
}

struct batches_args {
    const char *hash;
    struct batch_record *items;
    size_t n, cap;
};

static int batches_read(struct journal *j, void *arg, struct err *e) {
    struct batches_args *a = arg;
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_query(&j->db, &row, e, SQL_BATCH_ALL, "t", a->hash);
    while (rc == 0 && (rc = db_next(&j->db, row, e)) == 1) {
        if (a->n == a->cap) {
            a->cap = a->cap == 0 ? 64 : 2 * a->cap;
            a->items = must_realloc(a->items, a->cap, sizeof *a->items);
        }
        struct batch_record *b = &a->items[a->n++];
        *b = (struct batch_record){.position = db_uint(row, 0), .end = db_uint(row, 1)};
        snprintf(b->result.digest, sizeof b->result.digest, "%s", db_text(row, 2));
        db_counters(row, 3, &b->result);
        rc = 0;
    }
    return rc;
}

int journal_batches(struct journal *j, const struct plan_step *s,
                    int (*each)(void *arg, const struct batch_record *b), void *arg,
                    struct err *e) {
    struct batches_args args = {.hash = s->hash_text};
    int rc = WRITER_READ(j, batches_read, &args, e);
    for (size_t i = 0; i < args.n && rc == 0; i++) {
        rc = each(arg, &args.items[i]);
    }
    free(args.items);
    return rc;
}

int batches_forget(struct journal *j, const struct step_row *step, struct err *e) {
    static const enum sql_id statements[] = {SQL_BATCH_FORGET, SQL_STEP_CLEAR_COUNTS,
                                             SQL_CONFLICT_SUPERSEDE_ALL, SQL_PROBLEM_SUPERSEDE_ALL};
    int rc = 0;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && rc == 0; i++) {
        rc = db_run(&j->db, e, statements[i], "i", step->id);
    }
    return rc;
}

struct forget_args {
    const struct plan_step *step;
};

static int batches_forget_apply(struct journal *j, void *arg, struct err *e) {
    const struct plan_step *s = ((const struct forget_args *)arg)->step;
    struct step_row step = {0};
    int rc = step_find(j, s, &step, e);
    if (rc == 0) {
        rc = batches_forget(j, &step, e);
    }
    return rc == 0 ? event_append(j, "batches-forgotten", s->id, e, "hash=%s", s->hash_text) : rc;
}

int journal_batches_forget(struct journal *j, const struct plan_step *s, struct err *e) {
    struct forget_args args = {s};
    int rc = WRITER_RUN(j, batches_forget_apply, &args, e);
    return rc == 0 ? 0 : err_wrap(e, "%s: forgetting its batches", s->id);
}
