// SPDX-License-Identifier: Apache-2.0
// mvimig unlock: take a migration away from a run that cannot be reached, for people who know
// better than the lock. The run that had it writes no more to the journal, whenever it wakes up.
#include "base/fault.h"
#include "commands/command.h"
#include "commands/migration_dir.h"
#include "state/journal.h"
#include "state/lock.h"
#include "state/report.h"

static void log_wait(void *arg, const char *text) {
    out_log(arg, OUT_INFO, NULL, "%s", text);
}

// Longer than any commit of a run that lives.
#define PATIENCE_MS 30000
#define PATIENCE_SHORT_MS 1500 // with the fault point, for tests

// The kernel keeps the locks of a process that was stopped in the middle of a write; nobody can
// write before that is gone, and what it began is then undone.
static int held_fast(const char *name, const char *holder, struct err *e) {
    return err_set(e, ERR_LOCKED,
                   "%s: %s holds journal.db in the middle of a write and does not let go: it, or "
                   "its disk, is frozen; end that process where it runs (kill -9), or wake it "
                   "(kill -CONT), then unlock again",
                   name, holder);
}

// The journal comes first: once its generation is ours the other run writes no more, whatever
// becomes of the lock; and a lock is not broken where the journal cannot be had.
static int unlock(struct command_context *c, int fd, const struct report *r, struct err *e) {
    struct journal_options o = {.program_version = MVIMIG_VERSION,
                                .command = c->name,
                                .take_over = true,
                                .patience_ms = FAULT("unlock-short-wait") != 0 ? PATIENCE_SHORT_MS
                                                                               : PATIENCE_MS,
                                .on_wait = log_wait,
                                .arg = c->out};
    struct journal *j = NULL;
    struct lock *lock = NULL;
    int rc = journal_open(fd, &o, &j, e);
    if (rc == ERR_LOCKED && r->held)
        return held_fast(r->name, r->holder, e);
    if (rc == 0 && r->held)
        rc = lock_break(fd, e);
    if (rc == 0)
        rc = lock_take(fd, c->name, 0, &lock, e);
    if (rc == 0)
        rc =
            journal_event(j, "unlocked", NULL,
                          r->held ? r->holder : "nobody held the lock; the owner was forgotten", e);
    journal_close(j);
    lock_release(lock);
    return rc;
}

// Who stops even readers is told, too.
static int read_report(int fd, const char *dir, struct arena *a, struct report *r, struct err *e) {
    char holder[LOCK_HOLDER_TEXT];
    bool held = false;
    struct err ignored = {0};
    int rc = report_read(fd, a, r, e);
    if (rc == ERR_LOCKED && lock_holder(fd, &held, holder, &ignored) == 0 && held)
        rc = held_fast(dir, holder, e);
    return rc;
}

static int run(struct command_context *c, struct err *e) {
    AUTO_CLOSE int fd = -1;
    const char *dir = NULL;
    struct report r = {0};
    int rc = migration_dir_named(c, &dir, &fd, e);
    if (rc == 0)
        rc = read_report(fd, dir, c->arena, &r, e);
    if (rc != 0)
        return rc;
    if (!r.held && !r.owned) {
        out_result(c->out, "%s: nobody holds it\n", r.name);
        return 0;
    }
    if (r.held && !c->options->force)
        return err_set(e, ERR_LOCKED,
                       "%s is held by %s, last heard of at %s; stop that run instead, or if it "
                       "cannot be reached, add --force",
                       r.name, r.holder, r.beat_at[0] != 0 ? r.beat_at : "(never)");
    rc = unlock(c, fd, &r, e);
    if (rc == 0)
        out_result(c->out,
                   "%s: unlocked; the run before can write no more. Next: mvimig resume %s\n",
                   r.name, dir);
    return rc;
}

const struct command command_unlock = {
    .name = "unlock",
    .bit = C_UNLOCK,
    .synopsis = "NAME | DIR",
    .summary = "take a migration away from a run that cannot be reached",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
