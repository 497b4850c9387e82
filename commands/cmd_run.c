// SPDX-License-Identifier: Apache-2.0
// mvimig run: the command of a container. It plans if there is no plan yet, applies, verifies, and
// then idles, so that log and status can be read; started again, it finds everything done. Failures
// that the same try would meet again (configuration, plan, login, conflicts, items that do not
// move) are idled on with the reason rather than tried for ever; an end that is away is waited for,
// and steps that failed are tried some times more.
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/stop.h"
#include "commands/command.h"
#include "commands/ends.h"
#include "commands/migration_dir.h"
#include "commands/plan_file.h"

#define RETRY_FIRST_MS 5000
#define RETRY_MAX_MS 300000
#define RETRIES_OF_STEPS 8                  // a quarter of an hour
#define IDLE_LINE_MS (INT64_C(3600) * 1000) // a sign of life for those who read the log

static bool exits(const struct command_context *c) {
    return c->options->then != NULL && strcmp(c->options->then, "exit") == 0;
}

// One of the program's commands with these options but for the words and the output.
static int call(struct command_context *c, const struct command *command, const char *word,
                const char *output, struct command_context *after, struct err *e) {
    struct options o = *c->options;
    const char *words[] = {word};
    o.words = words;
    o.n_words = word != NULL ? 1 : 0;
    o.output = output;
    struct command_context sub = {.name = c->name, .out = c->out, .options = &o, .arena = c->arena};
    int rc = command->run(&sub, e);
    if (after != NULL)
        *after = sub;
    return rc;
}

static int find_plan(struct command_context *c, const char **plan, struct err *e) {
    AUTO_ENDS struct ends ends = ENDS_INIT;
    AUTO_CLOSE int fd = -1;
    const char *dir = NULL, *name = NULL;
    int rc = ends_configure(&ends, c, NULL, e);
    if (rc == 0)
        rc = plan_name_from_options(c, &name, e);
    if (rc == 0)
        rc = migration_dir_path(c, &ends, name, &dir, e);
    if (rc == 0)
        rc = migration_dir_open(dir, true, &fd, e);
    if (rc == 0)
        *plan = arena_printf(c->arena, "%s/" WORKDIR_PLAN, dir);
    return rc;
}

// Whether the plan is of --pass or a later one.
static int has_pass(struct command_context *c, const char *path, bool *there, struct err *e) {
    struct plan *p = NULL;
    int rc = plan_read_file(path, &p, e);
    if (rc == 0)
        *there = p->pass >= c->options->pass;
    plan_free(p);
    return rc;
}

// Conflicts that were kept and items that do not move do not keep from verifying the rest; steps
// that are tried again do, until they are done or given up.
static bool verifies(struct command_context *c, int applied, uint64_t unfinished, bool last) {
    if (applied == 0 || applied == ERR_CONFLICTS || applied == ERR_LEFTOVER) {
        if (unfinished == 0 || last)
            return true;
        out_log(c->out, OUT_INFO, NULL, "verify waits until the steps that are not done are done");
    }
    return false;
}

static int verify_after(struct command_context *c, const char *plan, int applied, struct err *e) {
    struct command_context after = {0};
    int rc = call(c, &command_verify, plan, NULL, &after, e);
    // That a conflict was kept is what apply came to already.
    if (rc == ERR_DIFFERS && applied == ERR_CONFLICTS && after.differ == after.kept)
        return applied;
    // What did not move is missing: verify has said so, and more cannot be told by one status.
    if (applied == ERR_LEFTOVER && (rc == 0 || rc == ERR_DIFFERS || rc == ERR_LEFTOVER))
        return applied;
    return rc != 0 ? rc : applied;
}

// 0, or what the first of the three that did not end well came to. `last`: what fails now is not
// tried again.
static int once(struct command_context *c, bool last, uint64_t *unfinished, struct err *e) {
    const char *plan = NULL;
    struct stat st;
    struct err kept = {0};
    int rc = find_plan(c, &plan, e);
    bool there = rc == 0 && stat(plan, &st) == 0;
    if (there && c->options->pass > 0)
        rc = has_pass(c, plan, &there, e);
    if (rc == 0 && !there)
        rc = call(c, &command_plan, NULL, plan, NULL, e);
    if (rc != 0 || c->options->plan_only)
        return rc;
    struct command_context applied = {0};
    if (rc == 0)
        rc = call(c, &command_apply, plan, NULL, &applied, &kept);
    *unfinished = applied.unfinished;
    if (verifies(c, rc, *unfinished, last))
        return verify_after(c, plan, rc, e);
    if (kept.text[0] != 0)
        *e = kept;
    return rc;
}

static const char *reason(int code) {
    static const struct {
        int code;
        const char *text;
    } rows[] = {
#define ERRCODE(name, code, exit, meaning) {code, meaning},
#include "base/errcodes.tbl.h"
#undef ERRCODE
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return rows[i].text;
    return "done";
}

static bool idles_on(int code) {
    return code == 0 || code == ERR_USAGE || code == ERR_LEFTOVER || code == ERR_CONFLICTS ||
           code == ERR_DIFFERS || code == ERR_PLAN || code == ERR_LOGIN;
}

// Until a signal comes.
static void idle(struct command_context *c, int code) {
    while (!stop_asked()) {
        out_log(c->out, code == 0 ? OUT_INFO : OUT_WARNING, NULL,
                "idle: %s%s; this process stays so that its log and `mvimig status` can be read",
                code == 0 ? "done" : reason(code),
                code == 0 ? "" : " (starting again would end the same way)");
        clock_sleep_ms(IDLE_LINE_MS);
    }
}

// An end that is away is waited for; so are failed steps, unless the time that --max-duration gave
// is over.
static bool tries_again(const struct command_context *c, int code, uint64_t unfinished, int tried) {
    if (stop_asked())
        return false;
    return err_exit_status(code) == err_exit_status(ERR_UNREACHABLE) ||
           (code == ERR_LEFTOVER && unfinished > 0 && tried < RETRIES_OF_STEPS &&
            c->options->max_duration == 0);
}

static int run(struct command_context *c, struct err *e) {
    const char *then = c->options->then;
    if (then != NULL && strcmp(then, "idle") != 0 && strcmp(then, "exit") != 0)
        return err_set(e, ERR_USAGE, "--then is idle or exit");
    int64_t wait = RETRY_FIRST_MS;
    for (int tried = 0;; tried++, wait = wait * 2 < RETRY_MAX_MS ? wait * 2 : RETRY_MAX_MS) {
        char text[HUMAN_TEXT];
        uint64_t unfinished = 0;
        int rc = once(c, tried == RETRIES_OF_STEPS || c->options->max_duration > 0, &unfinished, e);
        // To a pipe it is held back, and nothing follows for hours.
        struct err ignored = {0}; // whoever read the log is gone; the migration goes on
        out_finish(c->out, &ignored);
        if (tries_again(c, rc, unfinished, tried)) {
            out_log(c->out, OUT_WARNING, NULL, "%s; trying again in %s",
                    e->text[0] != 0 ? e->text : reason(rc), human_duration(wait * 1000000, text));
            e->text[0] = 0;
            clock_sleep_ms(wait);
            if (!stop_asked())
                continue;
            return err_set(e, stop_error(), "stopped while waiting to try again");
        }
        if (rc != 0 && e->text[0] != 0)
            out_log(c->out, OUT_ERROR, NULL, "%s", e->text);
        e->text[0] = 0;
        if (!exits(c) && idles_on(rc) && !stop_asked())
            idle(c, rc);
        return rc;
    }
}

const struct command command_run = {
    .name = "run",
    .bit = C_RUN,
    .synopsis = "-c FILE (--server | --users A,B | --projects P,Q) [--then idle | exit]",
    .summary = "plan if there is no plan, apply, verify, idle: safe to start again for ever",
    .max_words = 0,
    .run = run,
};
