// SPDX-License-Identifier: Apache-2.0
// mvimig apply: do what a plan says.
#include "commands/command.h"
#include "commands/execution.h"
#include "commands/migration_dir.h"
#include "commands/plan_file.h"

static int apply(struct execution *x, struct err *e) {
    struct command_context *c = x->c;
    int rc = execution_load(x, c->options->words[0], e);
    if (rc == 0)
        rc = plan_file_check_digest(x->plan, c->options->digest, e);
    if (rc == 0)
        rc = ends_configure(&x->ends, c, NULL, e);
    if (rc == 0)
        rc = execution_open_ends(x, e);
    if (rc == 0)
        rc = migration_dir_path(c, &x->ends, x->plan->name, &x->workdir, e);
    if (rc == 0 && c->options->dry_run)
        return execution_dry_run(x, e);
    if (rc == 0)
        rc = execution_open_journal(x, true, e);
    return rc != 0 ? rc : execution_walk(x, e);
}

static int run(struct command_context *c, struct err *e) {
    return execution_run(c, apply, e);
}

const struct command command_apply = {
    .name = "apply",
    .bit = C_APPLY,
    .synopsis = "PLAN -c FILE",
    .summary = "do what a plan says; what is done already is skipped",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
