// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "state/event.h"
#include "state/journal_parts.h"

// A replace destroys something: the chain itself says so, not the conflict row alone.
static int finding_event(struct journal *j, const struct plan_step *s, const struct finding *f,
                         struct err *e) {
    if (strcmp(f->decision, "replaced") != 0) {
        return 0;
    }
    return event_append(j, "replace", s->id, e, "object=%s id=%s source=%s destination=%s",
                        f->object, f->id, f->source_digest, f->destination_digest);
}

static int finding_write(struct journal *j, const struct plan_step *s, const struct step_row *step,
                         int64_t attempt, const struct finding *f, struct err *e) {
    struct stamp now = stamp_now();
    if (!f->is_conflict) {
        return db_run(&j->db, e, SQL_PROBLEM_ADD, "iittttt", step->id, attempt, now.text, f->object,
                      f->id, f->class, f->detail);
    }
    int rc = db_run(&j->db, e, SQL_CONFLICT_ADD, "iittttttttb", step->id, attempt, now.text,
                    f->object, f->id, f->class, f->decision, f->source_digest,
                    f->destination_digest, f->detail, f->old_bytes, f->old_len);
    return rc == 0 ? finding_event(j, s, f, e) : rc;
}

int findings_write(struct journal *j, const struct plan_step *s, const struct step_row *step,
                   int64_t attempt, const struct finding *list, struct err *e) {
    int rc = 0;
    for (const struct finding *f = list; f != NULL && rc == 0; f = f->next) {
        rc = finding_write(j, s, step, attempt, f, e);
        if (rc != 0) {
            err_wrap(e, "%s %s", f->object, f->id);
        }
    }
    return rc;
}

int findings_join_batch(struct journal *j, const struct step_row *step, int64_t attempt,
                        int64_t batch, struct err *e) {
    int rc = db_run(&j->db, e, SQL_CONFLICT_JOIN_BATCH, "iii", batch, step->id, attempt);
    return rc == 0 ? db_run(&j->db, e, SQL_PROBLEM_JOIN_BATCH, "iii", batch, step->id, attempt)
                   : rc;
}

struct flush_args {
    const struct plan_step *step;
    int64_t attempt;
    const struct finding *findings;
};

static int flush_apply(struct journal *j, void *arg, struct err *e) {
    const struct flush_args *a = arg;
    struct step_row step = {0};
    int rc = step_find_attempt(j, a->step, a->attempt, &step, e);
    return rc == 0 ? findings_write(j, a->step, &step, a->attempt, a->findings, e) : rc;
}

// Writes what is collected, ahead of the batch or end that it belongs to.
static int findings_flush(struct journal *j, const struct plan_step *s, int64_t attempt,
                          struct err *e) {
    struct finding *list = attempt_take(j, attempt);
    struct flush_args args = {s, attempt, list};
    int rc = WRITER_RUN(j, flush_apply, &args, e);
    if (rc != 0) {
        attempt_give_back(j, attempt, list);
        return err_wrap(e, "%s: recording findings", s->id);
    }
    finding_free_list(list);
    return 0;
}

static int finding_add(struct journal *j, const struct plan_step *s, int64_t attempt,
                       struct finding *f, bool now, struct err *e) {
    bool full = false;
    int rc = attempt_collect(j, attempt, f, &full, e);
    if (rc != 0) {
        return err_wrap(e, "%s", s->id);
    }
    return full || now ? findings_flush(j, s, attempt, e) : 0;
}

int journal_conflict(struct journal *j, const struct plan_step *s, int64_t attempt,
                     const struct conflict_record *c, struct err *e) {
    return finding_add(j, s, attempt, finding_of_conflict(c), false, e);
}

int journal_problem(struct journal *j, const struct plan_step *s, int64_t attempt,
                    const struct problem_record *p, struct err *e) {
    return finding_add(j, s, attempt, finding_of_problem(p), false, e);
}

int journal_intent(struct journal *j, const struct plan_step *s, int64_t attempt,
                   const struct conflict_record *c, struct err *e) {
    return finding_add(j, s, attempt, finding_of_conflict(c), true, e);
}
