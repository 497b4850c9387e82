// SPDX-License-Identifier: Apache-2.0
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/tempfile.h"
#include "commands/status.h"

static json_t *json_stage(const struct report_stage *s) {
    return json_pack("{ss sI sI sI sI sI sI sI sI}", "stage", s->stage, "steps",
                     (json_int_t)s->steps, "done", (json_int_t)s->done, "running",
                     (json_int_t)s->running, "failed", (json_int_t)s->failed, "items",
                     (json_int_t)s->items, "expectedItems", (json_int_t)s->expected_items, "bytes",
                     (json_int_t)s->bytes, "expectedBytes", (json_int_t)s->expected_bytes);
}

static json_t *json_lists(const struct report *r) {
    json_t *stages = json_array(), *failures = json_array(), *running = json_array();
    for (size_t i = 0; i < r->n_stages; i++)
        json_array_append_new(stages, json_stage(&r->stages[i]));
    for (size_t i = 0; i < r->n_failures; i++)
        json_array_append_new(failures, json_pack("{ss ss sI}", "step", r->failures[i].step,
                                                  "error", r->failures[i].error, "attempts",
                                                  (json_int_t)r->failures[i].attempts));
    for (size_t i = 0; i < r->n_running; i++)
        json_array_append_new(running, json_pack("{ss ss sI sI sI}", "step", r->running[i].step,
                                                 "since", r->running[i].since, "items",
                                                 (json_int_t)r->running[i].items, "expectedItems",
                                                 (json_int_t)r->running[i].expected_items, "bytes",
                                                 (json_int_t)r->running[i].bytes));
    return json_pack("{so so so}", "stages", stages, "failures", failures, "running", running);
}

static json_t *json_work(const struct report *r) {
    double seconds = r->seconds > 0 ? r->seconds : 1;
    json_t *eta = r->eta_high >= 0 && r->held
                      ? json_pack("{sf sf}", "lowSeconds", r->eta_low, "highSeconds", r->eta_high)
                      : json_null();
    return json_pack("{sf sI sI sI sI sI sI sf sf so ss}", "percent", 100 * r->share, "items",
                     (json_int_t)r->items, "expectedItems", (json_int_t)r->expected_items, "files",
                     (json_int_t)r->files, "documents", (json_int_t)r->documents, "bytes",
                     (json_int_t)r->bytes, "expectedBytes", (json_int_t)r->expected_bytes,
                     "itemsPerSecond", (double)r->run_items / seconds, "bytesPerSecond",
                     (double)r->run_bytes / seconds, "timeLeft", eta, "asOf", r->as_of);
}

static json_t *json_head(const struct report *r) {
    char now[CLOCK_TEXT];
    clock_format(clock_wall_ns(), now);
    return json_pack("{ss ss ss sb sb ss ss sI sI ss ss ss ss sI sI}", "name", r->name, "state",
                     status_word(r), "written", now, "finished", r->finished, "held", r->held,
                     "holder", r->holder, "lastSignOfLife", r->beat_at, "generation",
                     (json_int_t)r->generation, "runs", (json_int_t)r->runs, "started", r->started,
                     "ended", r->ended, "outcome", r->outcome, "planDigest", r->plan_digest,
                     "conflicts", (json_int_t)r->conflicts, "problems", (json_int_t)r->problems);
}

void status_json(const struct report *r, struct buf *out) {
    json_t *all = json_head(r), *work = json_work(r), *lists = json_lists(r);
    MUST(all != NULL && work != NULL && lists != NULL);
    MUST(json_object_update(all, work) == 0 && json_object_update(all, lists) == 0);
    if (strcmp(status_word(r), "stale") == 0)
        json_object_set_new(all, "staleSince", json_string(r->beat_at));
    AUTO_FREE char *text = json_dumps(all, JSON_INDENT(2));
    MUST(text != NULL);
    buf_printf(out, "%s\n", text);
    json_decref(all);
    json_decref(work);
    json_decref(lists);
}

int status_write(int workdir_fd, bool ended, struct err *e) {
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_BUF struct buf text = BUF_INIT(1 << 26);
    struct report r = {0};
    int rc = report_read(workdir_fd, a, &r, e);
    if (rc != 0)
        return rc;
    if (ended) {
        r.held = false;
        r.holder = "";
    }
    status_json(&r, &text);
    return tempfile_put(workdir_fd, STATUS_FILE, 0600, buf_str(&text), text.len, e);
}
