// SPDX-License-Identifier: Apache-2.0
#include "commands/execution.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/tempfile.h"
#include "commands/ends.h"
#include "commands/migration_dir.h"
#include "commands/outcome.h"
#include "commands/plan_file.h"
#include "commands/progress.h"
#include "commands/status.h"
#include "commands/taken_out.h"
#include "executor/base.h"
#include "executor/parts.h"
#include "executor/walk.h"
#include "plans/params.h"
#include "state/owner.h"
#include "state/report.h"

#define JOBS_DEFAULT 4
#define PLAN_MAX (64 << 20)

static void log_decision(void *arg, const char *step, bool runs, const char *why) {
    out_log(arg, OUT_DEBUG, step, "%s: %s", runs ? "run" : "pass over", why);
}

static void tell_decision(void *arg, const char *step, bool runs, const char *why) {
    out_result(arg, "%-5s %s: %s\n", runs ? "run" : "pass", step, why);
}

static void log_run(void *arg, enum run_log_level level, const char *step, const char *text) {
    out_log(arg, (enum out_level)level, step, "%s", text);
}

void execution_init(struct execution *x, struct command_context *c) {
    memset(x, 0, sizeof *x);
    x->c = c;
    x->ends = (struct ends)ENDS_INIT;
    x->workdir_fd = -1;
    unsynced_init(&x->unsynced);
    x->rate = c->options->bwlimit > 0 ? rate_new(c->options->bwlimit) : NULL;
}

void execution_close(struct execution *x) {
    base_close(STEAL(x->base));
    rate_free(STEAL(x->rate));
    journal_close(STEAL(x->journal));
    unsynced_free(&x->unsynced);
    lock_release(STEAL(x->lock));
    auto_close(&x->workdir_fd);
    ends_close(&x->ends);
    plan_free(STEAL(x->plan));
    model_free(STEAL(x->model));
}

int execution_run(struct command_context *c, int (*work)(struct execution *x, struct err *e),
                  struct err *e) {
    struct execution x;
    execution_init(&x, c);
    int rc = work(&x, e);
    execution_close(&x);
    return rc;
}

int execution_load(struct execution *x, const char *plan_path, struct err *e) {
    x->plan_path = plan_path;
    int rc = read_schema(x->c, &x->model, e);
    if (rc == 0)
        rc = plan_file_read(x->c, x->model, plan_path, &x->plan, e);
    const struct options *o = x->c->options;
    return rc != 0 ? rc : walk_check_words(x->plan, o->only, o->rerun, e);
}

static unsigned needed_ends(const struct plan *p) {
    unsigned need = 0;
    for (size_t i = 0; i < p->n_steps; i++)
        need |= plan_step_ends(&p->steps[i]);
    return need;
}

// An end is the plan's when it still has the collection that the plan knows it by. An end that was
// empty when the plan was made has none, and is bound when it has.
static int check_end(struct execution *x, struct mongo_end *db, const struct plan_end *planned,
                     const char *label, struct err *e) {
    AUTO(mongo_cleanup) struct mongo *m = NULL;
    char found[400] = "";
    if (db == NULL || planned->fingerprint == NULL || planned->fingerprint[0] == 0)
        return 0;
    const char *equals = strchr(planned->fingerprint, '=');
    const char *collection = arena_strndup(x->c->arena, planned->fingerprint,
                                           equals != NULL ? (size_t)(equals - planned->fingerprint)
                                                          : strlen(planned->fingerprint));
    int rc = ends_session(db, &m, e);
    if (rc == 0)
        rc = mongo_fingerprint(m, &collection, 1, found, sizeof found, e);
    if (rc != 0 || strcmp(found, planned->fingerprint) == 0)
        return rc;
    return err_set(e, ERR_PLAN,
                   "the %s is not the one the plan was made for: it has %s, the plan says %s; "
                   "mend the configuration, or plan again",
                   label, found[0] != 0 ? found : arena_printf(x->c->arena, "no %s", collection),
                   planned->fingerprint);
}

int execution_open_ends(struct execution *x, struct err *e) {
    int rc = ends_open(&x->ends, needed_ends(x->plan), e);
    if (rc == 0)
        rc = ends_check_distinct(&x->ends, e);
    if (rc == 0)
        rc = check_end(x, x->ends.source_db, &x->plan->source, "source", e);
    if (rc == 0)
        rc = check_end(x, x->ends.destination_db, &x->plan->destination, "destination", e);
    return rc;
}

int execution_open_source(struct execution *x, struct err *e) {
    int rc = ends_open(&x->ends, needed_ends(x->plan) & (ENDS_SOURCE_DB | ENDS_SOURCE_FILES), e);
    return rc == 0 ? check_end(x, x->ends.source_db, &x->plan->source, "source", e) : rc;
}

static void log_wait(void *arg, const char *text) {
    out_log(arg, OUT_INFO, NULL, "%s", text);
}

// The plan as it is applied is kept for resume, status and the next pass.
static int keep_plan(struct execution *x, struct err *e) {
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    int rc = file_read(AT_FDCWD, x->plan_path, PLAN_MAX, &text, &len, e);
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX];
    if (rc != 0)
        return rc;
    hash_bytes(text, len, digest);
    hash_hex(digest, hex);
    if (strcmp(hex, x->plan->digest) != 0)
        return err_set(e, ERR_PLAN, "%s was changed while it was read; apply it again",
                       x->plan_path);
    return tempfile_put(x->workdir_fd, WORKDIR_PLAN, 0600, text, len, e);
}

// What only a run with a journal can have left.
static bool worked_here(int workdir_fd) {
    struct stat st;
    return fstatat(workdir_fd, "journal-sealed.db", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
           fstatat(workdir_fd, "pass-1", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

// The plan is kept before the journal is made: a journal without its plan could not be resumed.
static int create_journal(struct execution *x, const struct journal_options *o, struct err *e) {
    int rc = keep_plan(x, e);
    if (rc == 0)
        rc = journal_create(x->workdir_fd, x->plan, o, &x->journal, e);
    return rc == 0 ? journal_bind(x->journal, x->plan, x->ends.config->path, e) : rc;
}

static int make_journal(struct execution *x, bool create, const struct journal_options *o,
                        struct err *e) {
    if (!create || worked_here(x->workdir_fd))
        return err_set(e, ERR_JOURNAL,
                       "the journal %s is missing, though there was one; put it back from "
                       "journal-sealed.db or a backup, or begin it anew with `mvimig apply PLAN "
                       "--rebuild-journal`",
                       WORKDIR_JOURNAL);
    return create_journal(x, o, e);
}

// The plan is kept only when it is the journal's.
static int take_journal(struct execution *x, bool create, const struct journal_options *o,
                        struct err *e) {
    int rc = journal_open(x->workdir_fd, o, &x->journal, e);
    if (rc != 0)
        return rc; // names the file
    rc = journal_bind(x->journal, x->plan, x->ends.config->path, e);
    if (rc == 0 && create)
        rc = taken_out_tell(x, e);
    if (rc == 0 && create)
        rc = keep_plan(x, e);
    return rc == 0 ? 0 : err_wrap(e, "%s", x->workdir);
}

// A lock that is held elsewhere, by a run that shows no sign of life, is passed by.
static int take_lock(struct execution *x, struct err *e) {
    int64_t timeout_ms = x->c->options->lock_timeout * 1000;
    bool silent = false, held;
    char holder[LOCK_HOLDER_TEXT] = "";
    struct err ignored = {0};
    int rc = lock_take(x->workdir_fd, x->c->name, timeout_ms, &x->lock, e);
    if (rc != ERR_LOCKED ||
        owner_watch(x->workdir_fd, log_wait, x->c->out, &silent, &ignored) != 0 || !silent)
        return rc;
    lock_holder(x->workdir_fd, &held, holder, &ignored);
    out_log(x->c->out, OUT_WARNING, NULL,
            "another run holds the lock and gives no sign of life: %s; this run takes it over",
            holder);
    rc = lock_break(x->workdir_fd, e);
    return rc == 0 ? lock_take(x->workdir_fd, x->c->name, 0, &x->lock, e) : rc;
}

// What is left of the journal before, and its sealed copy, stay beside the new one.
static int put_aside(struct execution *x, struct err *e) {
    static const char *const names[] = {"journal.db-journal", WORKDIR_JOURNAL, "journal-sealed.db"};
    char now[CLOCK_TEXT];
    struct stat st;
    clock_format(clock_wall_ns(), now);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *aside = arena_printf(x->c->arena, "replaced-%s-%s", now, names[i]);
        if (fstatat(x->workdir_fd, names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (renameat(x->workdir_fd, names[i], x->workdir_fd, aside) != 0)
            return err_sys(e, ERR_JOURNAL, errno, "%s cannot be put aside", names[i]);
        out_log(x->c->out, OUT_WARNING, NULL, "%s is kept as %s", names[i], aside);
    }
    return fsync(x->workdir_fd) == 0
               ? 0
               : err_sys(e, ERR_JOURNAL, errno, "the work directory cannot be synced");
}

static int rebuild_journal(struct execution *x, const struct journal_options *o, struct err *e) {
    int rc = put_aside(x, e);
    if (rc == 0)
        rc = create_journal(x, o, e);
    return rc == 0 ? journal_event(x->journal, "rebuilt", NULL,
                                   "the journal before was put aside; what is at the destination "
                                   "is found there again",
                                   e)
                   : rc;
}

static int note_insecure(struct execution *x, struct err *e) {
    const struct config *c = x->ends.config;
    bool token = c != NULL && (c->source.cluster_token != NULL || c->destination.cluster_token);
    return x->c->options->insecure && token
               ? journal_event(x->journal, "insecure", NULL,
                               "the certificate of the cluster's API is not checked (--insecure)",
                               e)
               : 0;
}

int execution_open_journal(struct execution *x, bool create, struct err *e) {
    struct journal_options o = {.program_version = MVIMIG_VERSION,
                                .command = x->c->name,
                                .on_wait = log_wait,
                                .arg = x->c->out,
                                .before_commit = unsynced_sync,
                                .before_arg = &x->unsynced};
    struct stat st;
    int rc = migration_dir_open(x->workdir, create, &x->workdir_fd, e);
    x->unsynced.workdir_fd = x->workdir_fd;
    if (rc == 0)
        rc = take_lock(x, e);
    if (rc != 0)
        return rc;
    if (x->c->options->rebuild_journal) {
        rc = rebuild_journal(x, &o, e);
        return rc == 0 ? 0 : err_wrap(e, "%s", x->workdir);
    }
    bool there = fstatat(x->workdir_fd, WORKDIR_JOURNAL, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && (rc = take_journal(x, create, &o, e)) != 0)
        return rc;
    if (!there)
        rc = make_journal(x, create, &o, e);
    if (rc == 0)
        rc = note_insecure(x, e);
    if (rc == 0)
        rc = base_open(x->plan, x->workdir_fd, &x->base, e);
    return rc == 0 ? 0 : err_wrap(e, "%s", x->workdir);
}

void execution_fill_run(struct execution *x) {
    const struct options *o = x->c->options;
    x->run = (struct run){.plan = x->plan,
                          .journal = x->journal,
                          .workdir_fd = x->workdir_fd,
                          .source_db = x->ends.source_db,
                          .destination_db = x->ends.destination_db,
                          .source_root = x->ends.source_root,
                          .destination_files = x->ends.destination_files,
                          .base = x->base,
                          .unsynced = &x->unsynced,
                          .rate = x->rate,
                          .jobs = o->jobs > 0 ? (int)o->jobs : JOBS_DEFAULT,
                          .fail_fast = o->fail_fast,
                          .checksum = o->checksum,
                          .only = o->only,
                          .rerun = o->rerun,
                          .explain = log_decision,
                          .explain_arg = x->c->out,
                          .log = log_run,
                          .log_arg = x->c->out};
}

static void log_head(struct execution *x) {
    char head[200];
    struct err ignored = {0};
    if (journal_head(x->journal, head, sizeof head, &ignored) == 0)
        out_log(x->c->out, OUT_INFO, NULL, "journal %s", head);
}

// A destination that was empty when the plan was made is known by its collections from now on. One
// that was not keeps what it is known by, also when a better collection has come since.
static int bind_destination(struct execution *x, struct err *e) {
    AUTO(mongo_cleanup) struct mongo *m = NULL;
    char found[400] = "";
    const char *known = x->plan->destination.fingerprint;
    if (x->ends.destination_db == NULL || (known != NULL && known[0] != 0))
        return 0;
    int rc = ends_session(x->ends.destination_db, &m, e);
    if (rc == 0)
        rc = mongo_fingerprint(m, x->model->identity, x->model->n_identity, found, sizeof found, e);
    return rc != 0 || found[0] == 0 ? rc : journal_set_fingerprint(x->journal, false, found, e);
}

static void write_status(struct execution *x, bool ended) {
    struct err e = {0};
    if (status_write(x->workdir_fd, ended, &e) != 0)
        out_log(x->c->out, OUT_DEBUG, NULL, STATUS_FILE ": %s", e.text);
}

static int end_run(struct execution *x, int code, const struct err *failure, struct err *e) {
    struct err late = {0};
    int rc = code == 0 ? bind_destination(x, &late) : 0;
    if (rc == 0)
        rc = journal_run_end(x->journal, err_exit_status(code), code == 0 ? "done" : err_name(code),
                             &late);
    if (rc == 0)
        rc = journal_seal(x->journal, &late);
    write_status(x, true);
    log_head(x);
    if (code != 0) {
        *e = *failure;
        return code;
    }
    if (rc != 0)
        *e = late;
    return rc;
}

int execution_dry_run(struct execution *x, struct err *e) {
    struct walk_outcome o;
    struct stat st;
    char n[3][HUMAN_TEXT];
    execution_fill_run(x);
    x->run.dry_run = true;
    x->run.explain = tell_decision;
    x->run.known = arena_alloc(x->c->arena, x->plan->n_steps * sizeof *x->run.known);
    // Where there is no work directory or journal yet, nothing was done yet.
    x->run.workdir_fd = open(x->workdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    x->workdir_fd = x->run.workdir_fd;
    int rc = 0;
    if (x->workdir_fd >= 0 &&
        fstatat(x->workdir_fd, WORKDIR_JOURNAL, &st, AT_SYMLINK_NOFOLLOW) == 0)
        rc = report_steps(x->workdir_fd, x->plan, x->run.known, e);
    if (rc == 0)
        rc = walk(&x->run, NULL, NULL, &o, e);
    if (rc != 0)
        return rc;
    out_result(x->c->out, "Dry run: %s step(s) would run, %s were done before",
               human_count(o.done, n[0]), human_count(o.skipped, n[1]));
    if (o.left_out > 0)
        out_result(x->c->out, ", %s left out", human_count(o.left_out, n[2]));
    out_result(x->c->out, "; nothing was touched\n");
    return 0;
}

#define STATUS_EVERY_NS INT64_C(5000000000)

struct ticker {
    struct execution *x;
    struct progress progress;
    int64_t status_ns; // when status.json was written last
};

static void tick(void *arg) {
    struct ticker *t = arg;
    int64_t now = clock_mono_ns();
    progress_tick(&t->progress);
    if (now - t->status_ns < STATUS_EVERY_NS)
        return;
    t->status_ns = now;
    write_status(t->x, false);
}

int execution_walk(struct execution *x, struct err *e) {
    struct walk_outcome outcome;
    struct ticker ticker = {.x = x};
    struct err failure = {0};
    execution_fill_run(x);
    int rc = journal_run_begin(x->journal, x->c->name, x->plan->digest, e);
    if (rc != 0)
        return rc;
    log_head(x);
    if (x->rate != NULL) {
        char n[HUMAN_TEXT];
        out_log(x->c->out, OUT_INFO, NULL, "sending at most %s a second (--bwlimit)",
                human_bytes(x->c->options->bwlimit, n));
    }
    int64_t began = clock_mono_ns();
    if (x->c->options->max_duration > 0)
        x->run.deadline_mono_ns = began + x->c->options->max_duration * INT64_C(1000000000);
    progress_begin(&ticker.progress, x->c->out, &x->run, "apply");
    rc = walk(&x->run, tick, &ticker, &outcome, &failure);
    out_progress_end(x->c->out);
    if (rc == ERR_JOURNAL) { // nothing more can be recorded
        *e = failure;
        return journal_taken_over(x->journal) ? e->code = ERR_LOCKED : rc;
    }
    struct outcome_left left = {0};
    // The outcome is read as others read it: a step that failed just now is no row to them yet.
    struct err unsettled = {0};
    int settled = journal_settle(x->journal, &unsettled);
    if (rc == 0 && settled != 0) {
        rc = settled;
        failure = unsettled;
    }
    if (rc == 0 && outcome.done > 0 && parts_forget(&x->run, &unsettled) != 0)
        out_log(x->c->out, OUT_WARNING, NULL,
                "%s; what is named .mvimig-parts-* in its data directory can be removed",
                unsettled.text);
    if (rc == 0)
        rc = outcome_code(x, &left, &failure);
    x->c->unfinished = outcome.failed + outcome.not_reached;
    outcome_tell(x, &outcome, &left, clock_mono_ns() - began);
    return end_run(x, rc, &failure, e);
}
