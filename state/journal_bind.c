// SPDX-License-Identifier: Apache-2.0
#include "state/journal_bind.h"

#include <inttypes.h>
#include <string.h>

#include "state/event.h"

static const char *text_or_empty(const char *s) {
    return s == NULL ? "" : s;
}

static int bind_step_same(struct journal *j, const struct plan *p, size_t place, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    const struct plan_step *s = &p->steps[place];
    const struct plan_expect *x = &s->expect;
    int rc = db_query(&j->db, &row, e, SQL_STEP_SAME, x->any ? "ttiuuu" : "ttinnn", s->hash_text,
                      s->id, (int64_t)place, x->files, x->documents, x->bytes);
    return rc == 0 ? db_next(&j->db, row, e) : rc;
}

static int bind_step(struct journal *j, const struct plan *p, size_t place, struct err *e) {
    const struct plan_step *s = &p->steps[place];
    const struct plan_expect *x = &s->expect;
    return db_run(&j->db, e, SQL_STEP_ADD, x->any ? "tttiiuuu" : "tttiinnn", s->hash_text, s->id,
                  plan_kinds[s->kind].name, (int64_t)p->pass, (int64_t)place, x->files,
                  x->documents, x->bytes);
}

struct step_count {
    int64_t all, in_plan;
};

static int bind_count(struct journal *j, struct step_count *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(&j->db, &row, e, SQL_STEP_COUNT, "");
    if (rc == 0) {
        out->all = sqlite3_column_int64(row, 0);
        out->in_plan = sqlite3_column_int64(row, 1);
    }
    return rc;
}

// 1 when the step rows are those of the plan already: applying a plan again writes none.
static int bind_steps_same(struct journal *j, const struct plan *p, struct err *e) {
    struct step_count count;
    int rc = bind_count(j, &count, e);
    if (rc != 0 || count.in_plan != (int64_t)p->n_steps) {
        return rc;
    }
    rc = 1;
    for (size_t i = 0; i < p->n_steps && rc == 1; i++) {
        rc = bind_step_same(j, p, i, e);
    }
    return rc;
}

static int bind_steps(struct journal *j, const struct plan *p, struct err *e) {
    int rc = bind_steps_same(j, p, e);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    rc = db_run(&j->db, e, SQL_STEP_TAKE_OUT, "");
    for (size_t i = 0; i < p->n_steps && rc == 0; i++) {
        rc = bind_step(j, p, i, e);
        if (rc != 0) {
            err_wrap(e, "step %s", p->steps[i].id);
        }
    }
    struct step_count count;
    if (rc == 0) {
        rc = bind_count(j, &count, e);
    }
    if (rc == 0 && count.in_plan != (int64_t)p->n_steps) {
        rc = err_set(e, ERR_PLAN, "two steps of the plan do the same; take one out");
    }
    return rc;
}

// Event 0 repeats the migration row, so that the chain covers it.
static int bind_origin_event(struct journal *j, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(&j->db, &row, e, SQL_EVENT_ORIGIN, "");
    return rc == 0 ? event_append(j, "created", NULL, e, "%s", db_text(row, 0)) : rc;
}

int bind_create(struct journal *j, const struct plan *p, struct err *e) {
    const struct plan_end *s = &p->source, *d = &p->destination;
    struct stamp now = stamp_now();
    int rc = db_run(&j->db, e, SQL_MIGRATION_ADD, "titttttttttttt", p->name, (int64_t)p->pass,
                    text_or_empty(p->scope), text_or_empty(s->server), text_or_empty(s->database),
                    text_or_empty(s->root), text_or_empty(s->fingerprint), text_or_empty(d->server),
                    text_or_empty(d->database), text_or_empty(d->root),
                    text_or_empty(d->fingerprint), p->digest, j->program_version, now.text);
    if (rc == 0) {
        rc = bind_origin_event(j, e);
    }
    return rc == 0 ? bind_steps(j, p, e) : rc;
}

// An end whose fingerprint either side does not know yet is not held against the plan.
static int bind_check_end(const char *which, const char *ours, const char *theirs, struct err *e) {
    if (*ours == 0 || *theirs == 0 || strcmp(ours, theirs) == 0) {
        return 0;
    }
    return err_set(e, ERR_PLAN,
                   "this journal is of a migration with another %s (its fingerprint is %s, not "
                   "%s); use another name or work directory",
                   which, ours, theirs);
}

static int bind_check(struct journal *j, const struct plan *p, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(&j->db, &row, e, SQL_MIGRATION, "");
    if (rc != 0) {
        return rc;
    }
    if (strcmp(db_text(row, 0), p->name) != 0) {
        return err_set(e, ERR_PLAN,
                       "the plan is of migration %s, the journal of %s; use another work directory",
                       p->name, db_text(row, 0));
    }
    // It would take the place of the newer plan, whose pass would then be planned a second time.
    int64_t pass = sqlite3_column_int64(row, 3);
    if (p->pass < pass) {
        return err_set(e, ERR_PLAN,
                       "the plan is stale: it is of pass %d, and pass %lld was applied since; plan "
                       "again",
                       p->pass, (long long)pass);
    }
    rc = bind_check_end("source", db_text(row, 1), text_or_empty(p->source.fingerprint), e);
    if (rc == 0) {
        rc = bind_check_end("destination", db_text(row, 2),
                            text_or_empty(p->destination.fingerprint), e);
    }
    return rc;
}

struct fingerprint_args {
    bool source;
    const char *value;
};

static int bind_fingerprint(struct journal *j, void *arg, struct err *e) {
    const struct fingerprint_args *a = arg;
    const char *which = a->source ? "source" : "destination";
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(&j->db, &row, e, SQL_MIGRATION, "");
    if (rc == 0) {
        rc = bind_check_end(which, db_text(row, a->source ? 1 : 2), a->value, e);
    }
    if (rc != 0 || strcmp(db_text(row, a->source ? 1 : 2), a->value) == 0 || *a->value == 0) {
        return rc;
    }
    rc = db_run(&j->db, e, a->source ? SQL_MIGRATION_SOURCE : SQL_MIGRATION_DESTINATION, "t",
                a->value);
    return rc == 0 ? event_append(j, "fingerprint", NULL, e, "%s %s", which, a->value) : rc;
}

int journal_set_fingerprint(struct journal *j, bool source, const char *fingerprint,
                            struct err *e) {
    struct fingerprint_args args = {source, fingerprint};
    return WRITER_RUN(j, bind_fingerprint, &args, e);
}

struct bind_args {
    const struct plan *plan;
    const char *config_path;
};

static int bind_plan(struct journal *j, const struct plan *p, const char *config_path,
                     struct err *e) {
    struct step_count before = {0}, after = {0};
    int rc = bind_count(j, &before, e);
    if (rc == 0) {
        rc = bind_steps(j, p, e);
    }
    if (rc == 0) {
        rc = bind_count(j, &after, e);
    }
    if (rc == 0) {
        rc = db_run(&j->db, e, SQL_MIGRATION_BIND, "ittt", (int64_t)p->pass,
                    text_or_empty(p->scope), p->digest, text_or_empty(config_path));
    }
    if (rc == 0) {
        rc = event_append(
            j, "bound", NULL, e, "plan=%s pass=%d steps=%zu new=%" PRId64 " not-in-plan=%" PRId64,
            p->digest, p->pass, p->n_steps, after.all - before.all, after.all - after.in_plan);
    }
    return rc;
}

static int bind_apply(struct journal *j, void *arg, struct err *e) {
    const struct bind_args *a = arg;
    int rc = bind_check(j, a->plan, e);
    struct fingerprint_args source = {true, text_or_empty(a->plan->source.fingerprint)};
    struct fingerprint_args destination = {false, text_or_empty(a->plan->destination.fingerprint)};
    if (rc == 0) {
        rc = bind_fingerprint(j, &source, e);
    }
    if (rc == 0) {
        rc = bind_fingerprint(j, &destination, e);
    }
    return rc == 0 ? bind_plan(j, a->plan, a->config_path, e) : rc;
}

int journal_bind(struct journal *j, const struct plan *p, const char *config_path, struct err *e) {
    struct bind_args args = {p, config_path};
    return WRITER_RUN(j, bind_apply, &args, e);
}
