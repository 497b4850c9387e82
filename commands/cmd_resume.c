// SPDX-License-Identifier: Apache-2.0
// mvimig resume: go on with what was unfinished, by the plan and configuration the journal knows.
#include "commands/command.h"
#include "commands/execution.h"
#include "commands/migration_dir.h"
#include "state/report.h"

// The configuration that apply used, from the journal; "" when it is not known. A journal that
// cannot be read is the error, not the configuration that is then not known.
static int known_config(struct command_context *c, const char *workdir, const char **out,
                        struct err *e) {
    struct report r = {0};
    AUTO_CLOSE int fd = -1;
    int rc = migration_dir_open(workdir, false, &fd, e);
    if (rc == 0)
        rc = report_read(fd, c->arena, &r, e);
    *out = r.config_path != NULL ? r.config_path : "";
    return rc;
}

static int resume(struct execution *x, struct err *e) {
    struct command_context *c = x->c;
    const char *word = c->options->n_words > 0 ? c->options->words[0] : NULL;
    const char *known = "";
    int rc = migration_dir_find(c, &x->ends, word, true, &x->workdir, e);
    if (rc == 0 && x->ends.config == NULL)
        rc = known_config(c, x->workdir, &known, e);
    if (rc == 0 && x->ends.config == NULL)
        rc = ends_configure(&x->ends, c, known, e);
    if (rc == 0)
        rc = execution_load(x, arena_printf(c->arena, "%s/" WORKDIR_PLAN, x->workdir), e);
    if (rc == 0)
        rc = execution_open_ends(x, e);
    if (rc == 0 && c->options->dry_run)
        return execution_dry_run(x, e);
    if (rc == 0)
        rc = execution_open_journal(x, false, e);
    return rc != 0 ? rc : execution_walk(x, e);
}

static int run(struct command_context *c, struct err *e) {
    return execution_run(c, resume, e);
}

const struct command command_resume = {
    .name = "resume",
    .bit = C_RESUME,
    .synopsis = "[NAME | DIR]",
    .summary = "go on with an unfinished migration",
    .max_words = 1,
    .run = run,
};
