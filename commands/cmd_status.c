// SPDX-License-Identifier: Apache-2.0
// mvimig status: how far a migration is, from its journal, also while it runs.
#include <jansson.h>
#include <stdlib.h>

#include "base/human.h"
#include "commands/command.h"
#include "commands/ends.h"
#include "commands/migration_dir.h"
#include "state/report.h"

static const char *state_of(const struct report *r) {
    if (r->finished)
        return "finished";
    if (r->held)
        return "running";
    return r->runs == 0 ? "not started" : "stopped; `mvimig resume` goes on";
}

static void show_stages(struct buf *b, const struct report *r) {
    char n[5][HUMAN_TEXT];
    buf_printf(b, "\n%-10s %14s %8s %8s %22s %12s\n", "stage", "steps done", "running", "failed",
               "items", "bytes");
    for (size_t i = 0; i < r->n_stages; i++) {
        const struct report_stage *s = &r->stages[i];
        AUTO_FREE char *steps =
            must_sprintf("%s/%s", human_count(s->done, n[0]), human_count(s->steps, n[1]));
        AUTO_FREE char *items = must_sprintf("%s/%s", human_count(s->items, n[2]),
                                             human_count(s->expected_items, n[3]));
        buf_printf(b, "%-10s %14s %8llu %8llu %22s %12s\n", s->stage, steps,
                   (unsigned long long)s->running, (unsigned long long)s->failed, items,
                   human_bytes(s->bytes, n[4]));
    }
}

static void show_text(struct command_context *c, const struct report *r, const char *dir) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 24);
    buf_printf(&b, "%s: %s\n", r->name, state_of(r));
    if (r->held)
        buf_printf(&b, "held by %s\n", r->holder);
    if (r->runs > 0)
        buf_printf(&b, "run %lld began %s%s%s%s%s\n", (long long)r->runs, r->started,
                   r->ended[0] != 0 ? ", ended " : "", r->ended, r->outcome[0] != 0 ? ": " : "",
                   r->outcome);
    show_stages(&b, r);
    buf_printf(&b, "\nconflicts %llu, problems %llu; journal %s/" WORKDIR_JOURNAL "\n",
               (unsigned long long)r->conflicts, (unsigned long long)r->problems, dir);
    for (size_t i = 0; i < r->n_failures; i++)
        buf_printf(&b, "failed: %s (attempt %lld): %s\n", r->failures[i].step,
                   (long long)r->failures[i].attempts, r->failures[i].error);
    out_result_text(c->out, buf_str(&b));
}

static json_t *json_stage(const struct report_stage *s) {
    return json_pack("{ss sI sI sI sI sI sI sI sI}", "stage", s->stage, "steps",
                     (json_int_t)s->steps, "done", (json_int_t)s->done, "running",
                     (json_int_t)s->running, "failed", (json_int_t)s->failed, "items",
                     (json_int_t)s->items, "expectedItems", (json_int_t)s->expected_items, "bytes",
                     (json_int_t)s->bytes, "expectedBytes", (json_int_t)s->expected_bytes);
}

static void show_json(struct command_context *c, const struct report *r) {
    json_t *stages = json_array(), *failures = json_array();
    for (size_t i = 0; i < r->n_stages; i++)
        json_array_append_new(stages, json_stage(&r->stages[i]));
    for (size_t i = 0; i < r->n_failures; i++)
        json_array_append_new(failures, json_pack("{ss ss sI}", "step", r->failures[i].step,
                                                  "error", r->failures[i].error, "attempts",
                                                  (json_int_t)r->failures[i].attempts));
    json_t *all =
        json_pack("{ss sb sb ss sI ss ss ss ss sI sI so so}", "name", r->name, "finished",
                  r->finished, "held", r->held, "holder", r->holder, "runs", (json_int_t)r->runs,
                  "started", r->started, "ended", r->ended, "outcome", r->outcome, "planDigest",
                  r->plan_digest, "conflicts", (json_int_t)r->conflicts, "problems",
                  (json_int_t)r->problems, "stages", stages, "failures", failures);
    AUTO_FREE char *text = all != NULL ? json_dumps(all, JSON_INDENT(2)) : NULL;
    MUST(text != NULL);
    out_result(c->out, "%s\n", text);
    json_decref(all);
}

static int run(struct command_context *c, struct err *e) {
    AUTO_ENDS struct ends ends = ENDS_INIT;
    AUTO_CLOSE int fd = -1;
    const char *dir = NULL;
    struct report r = {0};
    int rc = c->options->config != NULL ? ends_configure(&ends, c, NULL, e) : 0;
    if (rc == 0)
        rc = migration_dir_find(c, &ends, c->options->n_words > 0 ? c->options->words[0] : NULL,
                                false, &dir, e);
    if (rc == 0)
        rc = migration_dir_open(dir, false, &fd, e);
    if (rc == 0)
        rc = report_read(fd, c->arena, &r, e);
    if (rc != 0)
        return rc;
    if (c->options->json)
        show_json(c, &r);
    else
        show_text(c, &r, dir);
    return 0;
}

const struct command command_status = {
    .name = "status",
    .bit = C_STATUS,
    .synopsis = "[NAME | DIR] [--json]",
    .summary = "how far a migration is, also while it runs",
    .max_words = 1,
    .run = run,
};
