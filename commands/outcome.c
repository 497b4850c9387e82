// SPDX-License-Identifier: Apache-2.0
#include "commands/outcome.h"

#include <string.h>

#include "base/human.h"
#include "commands/left.h"
#include "state/report.h"

static const char *column(int n, const char *const *names, const char *const *values,
                          const char *wanted) {
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], wanted) == 0)
            return values[i];
    return "";
}

static int count_conflict(void *arg, int n, const char *const *names, const char *const *values) {
    struct outcome_left *left = arg;
    const char *decision = column(n, names, values, "decision");
    if (strcmp(column(n, names, values, "class"), "updated") == 0)
        left->updated++;
    else if (strcmp(decision, "deleted") == 0)
        left->deleted++;
    else if (strcmp(decision, "replaced") == 0)
        left->replaced++;
    else
        left->kept++;
    return 0;
}

static int count_problem(void *arg, int n, const char *const *names, const char *const *values) {
    struct outcome_left *left = arg;
    const char *class = column(n, names, values, "class");
    if (strcmp(class, "special") == 0 || strcmp(class, "vanished") == 0)
        left->noted++;
    else
        left->rejected++;
    return 0;
}

int outcome_code(struct execution *x, struct outcome_left *left, struct err *e) {
    int rc = report_view(x->workdir_fd, "conflicts", count_conflict, left, e);
    if (rc == 0)
        rc = report_view(x->workdir_fd, "problems", count_problem, left, e);
    if (rc != 0)
        return rc;
    return left->rejected > 0 ? ERR_LEFTOVER : left->kept > 0 ? ERR_CONFLICTS : 0;
}

static void tell_steps(struct out *out, const struct walk_outcome *o, int64_t ns) {
    char n[4][HUMAN_TEXT];
    out_result(out, "%s step(s) done in %s", human_count(o->done, n[0]), human_duration(ns, n[1]));
    if (o->skipped > 0)
        out_result(out, ", %s done before", human_count(o->skipped, n[0]));
    if (o->failed > 0)
        out_result(out, ", %s failed", human_count(o->failed, n[0]));
    if (o->not_reached > 0)
        out_result(out, ", %s not reached", human_count(o->not_reached, n[0]));
    if (o->left_out > 0)
        out_result(out, ", %s left out by --only", human_count(o->left_out, n[0]));
    out_result(out, "\n%s files and %s documents looked at, %s written (%s), %s there already\n",
               human_count(o->totals.files, n[0]), human_count(o->totals.documents, n[1]),
               human_count(o->totals.sent, n[2]), human_bytes(o->totals.sent_bytes, n[3]),
               human_count(o->totals.present, (char[HUMAN_TEXT]){0}));
}

static void tell_left(struct out *out, const struct outcome_left *left, const char *workdir) {
    char n[HUMAN_TEXT];
    if (left->kept > 0)
        out_result(out,
                   "%s conflict(s) kept as they stand at the destination: mvimig conflicts %s\n",
                   human_count(left->kept, n), workdir);
    if (left->updated > 0)
        out_result(out, "%s updated: they stood there as earlier passes had left them\n",
                   human_count(left->updated, n));
    if (left->deleted > 0)
        out_result(out, "%s deleted, as at the source: mvimig conflicts %s\n",
                   human_count(left->deleted, n), workdir);
    if (left->replaced > 0)
        out_result(out, "%s replaced at the destination: mvimig conflicts %s\n",
                   human_count(left->replaced, n), workdir);
    if (left->rejected > 0)
        out_result(out, "%s item(s) not moved\n", human_count(left->rejected, n));
    if (left->noted > 0)
        out_result(out, "%s special or vanished file(s) left out: see the view problems\n",
                   human_count(left->noted, n));
}

// What to do now, the most pressing first.
static void tell_next(struct execution *x, const struct walk_outcome *o,
                      const struct outcome_left *left, uint64_t lines) {
    struct out *out = x->c->out;
    char n[HUMAN_TEXT];
    if (lines > 0)
        out_result(out, "Each of the %s left over: %s/" LEFT_FILE "\n", human_count(lines, n),
                   x->workdir);
    if (o->failed > 0)
        out_result(out, "Next: mend what failed, then mvimig resume %s\n", x->workdir);
    else if (o->not_reached > 0 || o->left_out > 0)
        out_result(out, "Next: mvimig resume %s\n", x->workdir);
    else if (left->rejected > 0)
        out_result(out, "Next: mend what kept the items not moved, as " LEFT_FILE
                        " tells of each, then plan again under this name\n");
    else if (left->kept > 0)
        out_result(out, "Next: look at the conflicts: mvimig conflicts %s\n", x->workdir);
}

void outcome_tell(struct execution *x, const struct walk_outcome *o,
                  const struct outcome_left *left, int64_t ns) {
    struct out *out = x->c->out;
    struct err e = {0};
    uint64_t lines = 0;
    if (left_write(x, &lines, &e) != 0)
        out_log(out, OUT_WARNING, NULL, LEFT_FILE ": %s", e.text);
    if (x->quiet)
        return;
    if (o->done == 0 && o->failed == 0 && o->not_reached == 0 && o->left_out > 0)
        out_result(out, "Nothing to do: what --only names was done before\n");
    else if (o->done == 0 && o->failed == 0 && o->not_reached == 0)
        out_result(out, "Nothing to do: all %zu steps were done before\n", x->plan->n_steps);
    else
        tell_steps(out, o, ns);
    tell_left(out, left, x->workdir);
    tell_next(x, o, left, lines);
}
