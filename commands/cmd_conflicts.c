// SPDX-License-Identifier: Apache-2.0
// mvimig conflicts: what stood at the destination with other content, and what was decided.
#include <jansson.h>
#include <stdlib.h>

#include "commands/command.h"
#include "commands/ends.h"
#include "commands/migration_dir.h"
#include "state/report.h"

struct listing {
    struct command_context *c;
    uint64_t rows;
};

static int show_row(void *arg, int n, const char *const *names, const char *const *values) {
    struct listing *l = arg;
    l->rows++;
    if (!l->c->options->json) {
        for (int i = 0; i < n; i++)
            out_result(l->c->out, "%s%s", i > 0 ? "\t" : "", values[i]);
        out_result(l->c->out, "\n");
        return 0;
    }
    json_t *line = json_object();
    for (int i = 0; i < n; i++)
        json_object_set_new(line, names[i], json_string(values[i]));
    out_json(l->c->out, line, true);
    return 0;
}

static int list(struct command_context *c, struct ends *ends, struct err *e) {
    struct listing l = {.c = c};
    const char *dir = NULL;
    AUTO_CLOSE int fd = -1;
    int rc = c->options->config != NULL ? ends_configure(ends, c, NULL, e) : 0;
    if (rc == 0)
        rc = migration_dir_find(c, ends, c->options->n_words > 0 ? c->options->words[0] : NULL,
                                false, &dir, e);
    if (rc == 0)
        rc = migration_dir_open(dir, false, &fd, e);
    if (rc == 0)
        rc = report_view(fd, "conflicts", show_row, &l, e);
    if (rc == 0 && l.rows == 0 && !c->options->json)
        out_result(c->out, "No conflicts.\n");
    return rc;
}

static int run(struct command_context *c, struct err *e) {
    AUTO_ENDS struct ends ends = ENDS_INIT;
    return list(c, &ends, e);
}

const struct command command_conflicts = {
    .name = "conflicts",
    .bit = C_CONFLICTS,
    .synopsis = "[NAME | DIR] [--json]",
    .summary = "list what stood at the destination with other content, and what was decided",
    .max_words = 1,
    .run = run,
};
