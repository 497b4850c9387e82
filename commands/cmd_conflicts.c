// SPDX-License-Identifier: Apache-2.0
// mvimig conflicts: what stood at the destination with other content, and what was decided.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "commands/command.h"
#include "commands/migration_dir.h"
#include "state/report.h"

#define DIGEST_SHOWN 12 // characters of a digest that people compare by eye

struct listing {
    struct command_context *c;
    uint64_t rows;
};

static int show_json(struct listing *l, int n, const char *const *names,
                     const char *const *values) {
    json_t *line = json_object();
    for (int i = 0; i < n; i++)
        json_object_set_new(line, names[i], json_string(values[i]));
    out_json(l->c->out, line, true);
    return 0;
}

static const char *value_of(int n, const char *const *names, const char *const *values,
                            const char *name) {
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return values[i];
    MUST(!"the view has such a column");
    return "";
}

// InferenceOps "00000003": different, kept
//     x: source 1, destination 2
//     source 99bf4226e574, destination 4b133d8dbcee; restore/InferenceOps/0001, 2026-11-28T...
static int show_row(void *arg, int n, const char *const *names, const char *const *values) {
    struct listing *l = arg;
    struct out *o = l->c->out;
    l->rows++;
    if (l->c->options->json)
        return show_json(l, n, names, values);
#define VALUE(name) value_of(n, names, values, name)
    out_result(o, "%s %s: %s, %s\n", VALUE("object"), VALUE("object_id"), VALUE("class"),
               VALUE("decision"));
    if (*VALUE("detail") != 0)
        out_result(o, "    %s\n", VALUE("detail"));
    out_result(o, "    source %.*s, destination %.*s; %s, %s\n", DIGEST_SHOWN,
               VALUE("source_digest"), DIGEST_SHOWN, VALUE("destination_digest"), VALUE("step"),
               VALUE("recorded"));
    if (*VALUE("old_bytes_kept") != 0)
        out_result(o, "    the journal holds what stood there: %s bytes\n",
                   VALUE("old_bytes_kept"));
#undef VALUE
    return 0;
}

static int run(struct command_context *c, struct err *e) {
    struct listing l = {.c = c};
    const char *dir = NULL;
    AUTO_CLOSE int fd = -1;
    int rc = migration_dir_named(c, &dir, &fd, e);
    if (rc == 0)
        rc = report_view(fd, "conflicts", show_row, &l, e);
    if (rc != 0 || c->options->json)
        return rc;
    if (l.rows == 0)
        out_result(c->out, "No conflicts.\n");
    else
        out_result(c->out, "\n%llu conflict%s; --json tells them with whole digests.\n",
                   (unsigned long long)l.rows, l.rows == 1 ? "" : "s");
    return rc;
}

const struct command command_conflicts = {
    .name = "conflicts",
    .bit = C_CONFLICTS,
    .synopsis = "[NAME | DIR] [--json]",
    .summary = "list what stood at the destination with other content, and what was decided",
    .max_words = 1,
    .run = run,
};
