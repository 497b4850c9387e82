// SPDX-License-Identifier: Apache-2.0
// mvimig audit: whether the record was altered. The event chain, the rows against the events, and
// the dump files against the digests that the journal has of them.
#include <string.h>

#include "base/human.h"
#include "base/stop.h"
#include "commands/command.h"
#include "commands/migration_dir.h"
#include "executor/step.h"
#include "site/segment.h"
#include "state/audit.h"
#include "state/report.h"

struct dumps {
    size_t same, gone, differ;
};

static void tell(void *arg, const char *text) {
    struct command_context *c = arg;
    out_result(c->out, "BAD  %s\n", text);
}

static int check_dump(struct command_context *c, int fd, const struct plan *p, size_t i,
                      const struct step_brief *known, struct dumps *d, struct err *e) {
    AUTO_SEGMENT_READER struct segment_reader *r = NULL;
    struct segment_sum promised = {.documents = known->documents, .bytes = known->bytes};
    struct err why = {0};
    char path[STEP_PRODUCT_MAX];
    if (stop_asked())
        return err_set(e, stop_error(), "stopped before all dump files were read");
    step_product_path(p, &p->steps[i], path);
    memcpy(promised.digest, known->digest, sizeof promised.digest);
    int rc = segment_open(fd, path, &r, &why);
    if (rc == 0)
        rc = segment_check(r, &promised, &why);
    d->same += rc == 0;
    d->gone += rc == ERR_NOTFOUND;
    d->differ += rc != 0 && rc != ERR_NOTFOUND;
    if (rc != 0 && rc != ERR_NOTFOUND)
        out_result(c->out, "BAD  dump file %s: %s\n", path, why.text);
    return 0;
}

// Dumps of the plan that was applied last; those of earlier passes belong to its bases.
static int check_dumps(struct command_context *c, int fd, const char *dir, struct dumps *d,
                       struct err *e) {
    AUTO_PLAN struct plan *p = NULL;
    int rc = plan_read_file(arena_printf(c->arena, "%s/" WORKDIR_PLAN, dir), &p, e);
    struct step_brief *known = NULL;
    if (rc == 0) {
        known = arena_alloc(c->arena, (p->n_steps + 1) * sizeof *known);
        rc = report_steps(fd, p, known, e);
    }
    for (size_t i = 0; rc == 0 && i < p->n_steps; i++)
        if (p->steps[i].kind == KIND_DUMP && known[i].state == STEP_DONE)
            rc = check_dump(c, fd, p, i, &known[i], d, e);
    return rc;
}

static int audit(struct command_context *c, const char *dir, int fd, struct err *e) {
    struct audit_report a;
    struct dumps d = {0};
    char n[3][HUMAN_TEXT];
    int rc = audit_journal(fd, tell, c, &a, e);
    if (rc != 0)
        return rc;
    rc = check_dumps(c, fd, dir, &d, e);
    if (rc != 0)
        return rc;
    out_result(c->out, "journal: %zu of %zu checks hold; head %s\n",
               a.findings < a.checks ? a.checks - a.findings : 0, a.checks, a.head);
    out_result(c->out, "dump files: %s as recorded, %s differ, %s no longer there\n",
               human_count(d.same, n[0]), human_count(d.differ, n[1]), human_count(d.gone, n[2]));
    if (a.findings > 0)
        return err_set(e, ERR_JOURNAL,
                       "%s: the record was altered; keep a copy, compare the head with the logs, "
                       "and put journal-sealed.db or a backup back",
                       dir);
    return d.differ > 0
               ? err_set(
                     e, ERR_DIFFERS,
                     "%s: %zu dump file(s) are not what was recorded; they are named "
                     "above: put them back, or read them again with `mvimig apply PLAN --rerun=db`",
                     dir, d.differ)
               : 0;
}

static int run(struct command_context *c, struct err *e) {
    AUTO_CLOSE int fd = -1;
    const char *dir = NULL;
    int rc = migration_dir_named(c, &dir, &fd, e);
    return rc == 0 ? audit(c, dir, fd, e) : rc;
}

const struct command command_audit = {
    .name = "audit",
    .bit = C_AUDIT,
    .synopsis = "[NAME | DIR]",
    .summary = "check that the record of a migration was not altered",
    .max_words = 1,
    .run = run,
};
