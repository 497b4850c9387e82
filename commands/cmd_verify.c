// SPDX-License-Identifier: Apache-2.0
// mvimig verify: the destination against what was read from the source, or, with --live, against
// the source as it is now.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "commands/command.h"
#include "commands/execution.h"
#include "commands/migration_dir.h"
#include "commands/progress.h"
#include "commands/verify_record.h"
#include "executor/verify.h"

static void record_cleanup(struct verify_record **v) {
    verify_record_close(*v);
}

static int show_difference(void *arg, const struct plan_step *s, const struct step_difference *d,
                           struct err *e) {
    struct command_context *c = arg;
    (void)e;
    c->differ += strcmp(d->what, "source changed") != 0;
    c->kept += strcmp(d->what, "kept") == 0;
    if (!c->options->json) {
        out_result(c->out, "%s: %s %s: %s%s%s\n", s->id, d->object, d->id, d->what,
                   d->detail != NULL && *d->detail != 0 ? ": " : "",
                   d->detail != NULL ? d->detail : "");
        return 0;
    }
    json_t *line =
        json_pack("{ss ss ss ss ss ss}", "type", "difference", "step", s->id, "object", d->object,
                  "id", d->id, "what", d->what, "detail", d->detail != NULL ? d->detail : "");
    out_json(c->out, line, true);
    return 0;
}

struct verifying {
    struct execution *x;
    struct verify_record *record;
};

static int on_difference(void *arg, const struct plan_step *s, const struct step_difference *d,
                         struct err *e) {
    struct verifying *v = arg;
    int rc = show_difference(v->x->c, s, d, e);
    return rc == 0 ? verify_record_difference(v->record, s, d, e) : rc;
}

static int on_verified(void *arg, const struct plan_step *s, const struct step_verify *sv,
                       struct err *e) {
    struct verifying *v = arg;
    int64_t attempts = v->x->run.known[s - v->x->plan->steps].attempts;
    return verify_record_step(v->record, s, attempts, sv, e);
}

// Compares what an unfinished verify before has not; *out is of both together.
static int compare(struct execution *x, struct verify_outcome *out, struct err *e) {
    AUTO(record_cleanup) struct verify_record *record = NULL;
    struct verify_outcome before = {0};
    struct progress progress;
    char n[HUMAN_TEXT];
    bool *passed = arena_alloc(x->c->arena, (x->plan->n_steps + 1) * sizeof *passed);
    x->run.known = arena_alloc(x->c->arena, (x->plan->n_steps + 1) * sizeof *x->run.known);
    int rc = journal_steps(x->journal, x->plan, x->run.known, e);
    if (rc == 0)
        rc = verify_record_open(&x->run, x->c->options->live, passed, &before, show_difference,
                                x->c, &record, e);
    if (rc != 0)
        return rc;
    if (before.steps > 0)
        out_log(x->c->out, OUT_INFO, NULL,
                "going on with the verify that began at %s: %s step(s) were compared then",
                verify_record_began(record), human_count(before.steps, n));
    progress_begin_verify(&progress, x->c->out, &x->run, passed);
    struct verifying v = {.x = x, .record = record};
    struct verify_job job = {.run = &x->run,
                             .passed = passed,
                             .live = x->c->options->live,
                             .difference = on_difference,
                             .verified = on_verified,
                             .arg = &v,
                             .tick = progress_tick,
                             .tick_arg = &progress};
    rc = verify_steps(&job, out, e);
    out_progress_end(x->c->out);
    out->steps += before.steps;
    out->compared += before.compared;
    out->same += before.same;
    out->differ += before.differ;
    out->changed += before.changed;
    return rc == 0 ? verify_record_end(record, e) : rc;
}

static void tell(struct command_context *c, const struct verify_outcome *o) {
    char n[4][HUMAN_TEXT];
    if (c->options->json) {
        out_result(c->out,
                   "{\"type\":\"summary\",\"steps\":%llu,\"notDone\":%llu,\"compared\":%llu,"
                   "\"same\":%llu,\"differ\":%llu,\"sourceChanged\":%llu}\n",
                   (unsigned long long)o->steps, (unsigned long long)o->not_done,
                   (unsigned long long)o->compared, (unsigned long long)o->same,
                   (unsigned long long)o->differ, (unsigned long long)o->changed);
        return;
    }
    out_result(c->out, "%s files and documents compared: %s same, %s differ",
               human_count(o->compared, n[0]), human_count(o->same, n[1]),
               human_count(o->differ, n[2]));
    if (o->changed > 0)
        out_result(c->out, ", %s changed at the source since (the next pass brings them)",
                   human_count(o->changed, n[3]));
    if (o->not_done > 0)
        out_result(c->out, "; %s step(s) are not done and were not compared",
                   human_count(o->not_done, n[3]));
    out_result(c->out, "\n");
}

static int verify(struct execution *x, struct err *e) {
    struct command_context *c = x->c;
    struct verify_outcome outcome;
    int rc = execution_load(x, c->options->words[0], e);
    if (rc == 0)
        rc = ends_configure(&x->ends, c, NULL, e);
    if (rc == 0)
        rc = execution_open_ends(x, e);
    if (rc == 0)
        rc = migration_dir_path(c, &x->ends, x->plan->name, &x->workdir, e);
    if (rc == 0)
        rc = execution_open_journal(x, false, e);
    if (rc != 0)
        return rc;
    execution_fill_run(x);
    rc = compare(x, &outcome, e);
    if (rc != 0)
        return rc;
    tell(c, &outcome);
    return outcome.differ > 0 ? ERR_DIFFERS : outcome.not_done > 0 ? ERR_LEFTOVER : 0;
}

static int run(struct command_context *c, struct err *e) {
    return execution_run(c, verify, e);
}

const struct command command_verify = {
    .name = "verify",
    .bit = C_VERIFY,
    .synopsis = "PLAN -c FILE [--live]",
    .summary = "compare the destination with what was read from the source",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
