// SPDX-License-Identifier: Apache-2.0
#include "commands/left.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tempfile.h"
#include "state/report.h"

struct writing {
    struct tempfile file;
    const char *type;
    uint64_t lines;
    struct err failure; // of a row's own, which the reader of views does not know
};

static int put(struct writing *w, json_t *line, struct err *e) {
    AUTO_FREE char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    MUST(text != NULL);
    w->lines++;
    int rc = tempfile_write(&w->file, text, strlen(text), e);
    return rc == 0 ? tempfile_write(&w->file, "\n", 1, e) : rc;
}

static bool is(const char *name, const char *value, const char *column, const char *expected) {
    return strcmp(name, column) == 0 && strcmp(value, expected) == 0;
}

// Columns of a view under their own names; conflicts that were settled are no one's work.
static int put_row(void *arg, int n, const char *const *names, const char *const *values) {
    struct writing *w = arg;
    json_t *line = json_pack("{ss}", "type", w->type);
    MUST(line != NULL);
    for (int i = 0; i < n; i++) {
        if (is(names[i], values[i], "decision", "replaced") ||
            is(names[i], values[i], "decision", "deleted")) {
            json_decref(line);
            return 0;
        }
        if (is(names[i], values[i], "decision", "failed"))
            json_object_set_new(line, "type", json_string("conflict"));
        json_t *value = json_string(values[i]);
        json_object_set_new(line, names[i], value != NULL ? value : json_string("(not UTF-8)"));
    }
    return put(w, line, &w->failure);
}

static int put_view(struct execution *x, struct writing *w, const char *view, const char *type,
                    struct err *e) {
    w->type = type;
    int rc = report_view(x->workdir_fd, view, put_row, w, e);
    if (rc != 0 && w->failure.code != 0)
        *e = w->failure;
    return rc;
}

static int put_steps(struct execution *x, struct writing *w, struct err *e) {
    const struct plan *p = x->plan;
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_FREE struct step_brief *known = must_calloc(p->n_steps + 1, sizeof *known);
    struct report r = {0};
    int rc = report_read(x->workdir_fd, a, &r, e);
    if (rc == 0)
        rc = journal_steps(x->journal, p, known, e);
    for (size_t i = 0; rc == 0 && i < r.n_failures; i++)
        rc = put(w,
                 json_pack("{ss ss ss sI}", "type", "failed", "step", r.failures[i].step, "error",
                           r.failures[i].error, "attempts", (json_int_t)r.failures[i].attempts),
                 e);
    for (size_t i = 0; rc == 0 && i < p->n_steps; i++)
        if (known[i].state == STEP_PENDING)
            rc = put(w, json_pack("{ss ss}", "type", "not reached", "step", p->steps[i].id), e);
    return rc;
}

int left_write(struct execution *x, uint64_t *lines, struct err *e) {
    struct writing w = {.file = TEMPFILE_INIT};
    int rc = tempfile_create(&w.file, x->workdir_fd, LEFT_FILE, 0600, e);
    if (rc == 0)
        rc = put_view(x, &w, "problems", "rejected", e);
    if (rc == 0)
        rc = put_view(x, &w, "conflicts", "kept", e);
    if (rc == 0)
        rc = put_steps(x, &w, e);
    *lines = w.lines;
    if (rc == 0 && w.lines > 0)
        rc = tempfile_publish(&w.file, e);
    else if (rc == 0 && unlinkat(x->workdir_fd, LEFT_FILE, 0) != 0 && errno != ENOENT)
        rc = err_sys(e, ERR_IO, errno, LEFT_FILE " of an earlier run cannot be removed");
    tempfile_drop(&w.file);
    return rc;
}
