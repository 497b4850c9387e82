// SPDX-License-Identifier: Apache-2.0
// mvimig check: everything that can be wrong before a migration, a line each with the mend. It
// changes nothing but one file that it lays at the destination and takes away again, to see that it
// is not the source's own directory.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/check.h"
#include "commands/plan_file.h"

static const char *const state_names[] = {"ok", "note", "bad"};

void check_tell(struct check *k, const char *end, const char *what, enum check_state state,
                const char *fmt, ...) {
    static const char *const marks[] = {"ok", "note", "BAD"};
    char text[ERR_TEXT_MAX + 256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    k->n_ok += state == CHECK_OK;
    k->n_notes += state == CHECK_NOTE;
    k->n_bad += state == CHECK_BAD;
    if (k->rows != NULL) {
        json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "end", end, "what", what, "state",
                                state_names[state], "text", text);
        if (row != NULL)
            json_array_append_new(k->rows, row);
        return;
    }
    out_result(k->c->out, "%-4s  %-11s  %-12s  %s\n", marks[state], end, what, text);
}

bool check_bad(struct check *k, const char *end, const char *what, const struct err *e) {
    if (k->first == 0)
        k->first = e->code;
    check_tell(k, end, what, CHECK_BAD, "%s", e->text);
    return false;
}

static bool read_inputs(struct check *k) {
    const struct options *o = k->c->options;
    struct err e = {0};
    if (ends_configure(&k->ends, k->c, NULL, &e) != 0)
        return check_bad(k, "", "config", &e);
    check_tell(k, "", "config", CHECK_OK, "%s", k->ends.config->path);
    if (read_schema(k->c, &k->model, &e) != 0)
        return check_bad(k, "", "schema", &e);
    if (o->n_words == 0)
        return true;
    if (plan_file_read(k->c, k->model, o->words[0], &k->plan, &e) != 0)
        return check_bad(k, "", "plan", &e);
    check_tell(k, "", "plan", CHECK_OK, "%s, %zu steps", k->plan->name, k->plan->n_steps);
    return true;
}

static void check_distinct(struct check *k) {
    struct err e = {0};
    if (ends_check_distinct(&k->ends, &e) != 0)
        check_bad(k, "", "two ends", &e);
    else
        check_tell(k, "", "two ends", CHECK_OK, "source and destination are not the same");
}

static void check_all(struct check *k) {
    if (!read_inputs(k))
        return;
    check_products(k);
    bool source = check_source_files(k);
    bool destination = check_destination_files(k);
    bool databases = check_databases(k);
    if (databases || (source && destination))
        check_distinct(k);
}

static int run(struct command_context *c, struct err *e) {
    struct check k = {.c = c, .ends = ENDS_INIT, .rows = c->options->json ? json_array() : NULL};
    check_all(&k);
    ends_close(&k.ends);
    plan_free(k.plan);
    model_free(k.model);
    if (k.rows != NULL)
        out_json(c->out, k.rows, false);
    else
        out_result(c->out, "%zu ok, %zu to note, %zu bad\n", k.n_ok, k.n_notes, k.n_bad);
    (void)e;
    return k.n_bad > 0 && k.first == 0 ? ERR_FAILED : k.first;
}

const struct command command_check = {
    .name = "check",
    .bit = C_CHECK,
    .synopsis = "-c FILE [PLAN]",
    .summary = "look at both ends before a migration; a line each with the mend",
    .max_words = 1,
    .run = run,
};
