// SPDX-License-Identifier: Apache-2.0
#include "state/writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "base/human.h"
#include "base/must.h"
#include "state/owner.h"

#define WAIT_POLL_NS 1000000
#define WAIT_POLLS 20                           // then ten times slower
#define WAIT_QUIET_NS (2 * INT64_C(1000000000)) // ordinary reads end within this
#define WAIT_LINE_NS (60 * INT64_C(1000000000))
#define GAP_FACTOR 19 // readers have 19 of 20 parts of the time, while the cap allows
#define GAP_MAX_NS INT64_C(500000000)

struct stamp stamp_now(void) {
    struct stamp s;
    clock_format(clock_wall_ns(), s.text);
    return s;
}

static void writer_say_waiting(struct journal *j, int64_t now) {
    char waited[HUMAN_TEXT], line[256];
    snprintf(line, sizeof line,
             "journal.db is held by another program for %s; waiting for it to let go (nothing is "
             "lost; close any open query on it)",
             human_duration(now - j->wait_began, waited));
    j->wait_said = now;
    if (j->on_wait != NULL) {
        j->on_wait(j->on_wait_arg, line);
    }
}

int writer_busy(void *arg, int count) {
    struct journal *j = arg;
    int64_t now = clock_mono_ns();
    if (count == 0) {
        j->wait_began = now;
    }
    if (j->patience_ns > 0 && now - j->wait_began >= j->patience_ns) {
        return 0;
    }
    if (now - j->wait_began >= WAIT_QUIET_NS &&
        (j->wait_said == 0 || now - j->wait_said >= WAIT_LINE_NS)) {
        writer_say_waiting(j, now);
    }
    // Not clock_sleep_ms: after a signal that would spin.
    struct timespec pause = {0, count < WAIT_POLLS ? WAIT_POLL_NS : 10 * WAIT_POLL_NS};
    nanosleep(&pause, NULL);
    return 1;
}

static int writer_exec(struct journal *j, const char *sql, struct err *e) {
    return db_script(&j->db, sql, e);
}

static void writer_apply(struct journal *j, struct operation *op) {
    struct chain chain = j->chain;
    op->rc = writer_exec(j, "SAVEPOINT operation", op->e);
    if (op->rc != 0) {
        return;
    }
    op->rc = op->apply(j, op->arg, op->e);
    if (op->rc < 0 && !j->db.fatal) {
        struct err undo = {0};
        writer_exec(j, "ROLLBACK TO operation", &undo);
        j->chain = chain;
    }
    struct err release = {0};
    if (!j->db.fatal && writer_exec(j, "RELEASE operation", &release) != 0) {
        j->db.fatal = true;
    }
}

static int writer_pretend(int errnum, const char *when, struct err *e) {
    return errnum == 0 ? 0 : err_sys(e, ERR_JOURNAL, errnum, "fault point %s the commit", when);
}

static int writer_sync(struct journal *j, struct err *e) {
    int rc = writer_pretend(FAULT("journal-before-commit"), "before", e);
    if (rc != 0) {
        return rc;
    }
    int64_t began = clock_mono_ns();
    if (j->before_commit != NULL && j->before_commit(j->before_arg, e) != 0) {
        return e->code;
    }
    do {
        rc = sqlite3_exec(j->db.handle, "COMMIT", NULL, NULL, NULL);
    } while ((rc & 0xff) == SQLITE_BUSY);
    if (rc != SQLITE_OK) {
        return db_error(&j->db, rc, e);
    }
    int64_t now = clock_mono_ns(), gap = GAP_FACTOR * (now - began);
    j->gap_end = now + (gap < GAP_MAX_NS ? gap : GAP_MAX_NS);
    return writer_pretend(FAULT("journal-after-commit"), "after", e);
}

// True when the failure of an operation took the whole transaction with it.
static bool writer_lost(struct journal *j, const struct operation *op, struct err *e) {
    if (!j->db.fatal && sqlite3_get_autocommit(j->db.handle) == 0) {
        return false;
    }
    if (op->rc < 0) {
        *e = *op->e;
    } else {
        err_set(e, ERR_JOURNAL, "the transaction was lost");
    }
    return true;
}

// Wakes the caller of one operation, which is gone from then on.
static void writer_finish(struct journal *j, struct operation *op) {
    pthread_mutex_lock(&j->lock);
    op->done = true;
    pthread_cond_broadcast(&j->finished);
    pthread_mutex_unlock(&j->lock);
}

static void writer_fail(struct journal *j, struct operation *op, const struct err *why) {
    op->rc = why->code;
    *op->e = *why;
    writer_finish(j, op);
}

// Wakes those who waited for the commit: with success, or with why it failed.
static void writer_release(struct journal *j, const struct err *why) {
    for (struct operation *op = j->held, *next; op != NULL; op = next) {
        next = op->next;
        if (why == NULL) {
            writer_finish(j, op);
        } else {
            writer_fail(j, op, why);
        }
    }
    j->held = NULL;
}

static void writer_die(struct journal *j, struct err *why) {
    sqlite3_exec(j->db.handle, "ROLLBACK", NULL, NULL, NULL); // fails when it is gone already
    j->open = false;
    err_wrap(why, "journal.db");
    why->code = ERR_JOURNAL;
    j->dead = *why;
    writer_release(j, why);
}

static void writer_commit(struct journal *j) {
    struct err e = {0};
    if (!j->open) {
        return;
    }
    if (writer_sync(j, &e) != 0) {
        writer_die(j, &e);
        return;
    }
    j->open = j->hurry = false;
    j->commits++;
    writer_release(j, NULL);
}

static int writer_begin(struct journal *j, struct err *e) {
    int rc = writer_exec(j, "BEGIN IMMEDIATE", e);
    j->open = rc == 0;
    return rc == 0 ? owner_check(j, e) : rc;
}

// An idle writer shows that it lives.
static void writer_beat(struct journal *j) {
    struct err e = {0};
    if (j->generation == 0 || j->open || j->dead.code != 0 || clock_mono_ns() < j->next_beat) {
        return;
    }
    if (writer_begin(j, &e) != 0) {
        writer_die(j, &e);
    }
    writer_commit(j);
}

static void writer_write(struct journal *j, struct operation *op) {
    struct err e = {0};
    int rc = j->open ? 0 : writer_begin(j, &e);
    if (rc == 0) {
        writer_apply(j, op);
        rc = writer_lost(j, op, &e) ? ERR_JOURNAL : 0;
    }
    if (rc != 0) {
        writer_die(j, &e);
        writer_fail(j, op, &j->dead);
    } else if (op->early || op->reads || op->rc < 0) {
        writer_finish(j, op);
    } else {
        op->next = j->held;
        j->held = op;
        j->hurry = j->hurry || op->quick;
    }
}

// Outside of any transaction of the writer's: what only reads, and what must stand alone.
static void writer_apart(struct journal *j, struct operation *op) {
    op->rc = op->apply(j, op->arg, op->e);
    if (j->db.fatal) {
        struct err e = *op->e;
        writer_die(j, &e);
    }
    writer_finish(j, op);
}

static void writer_run(struct journal *j, struct operation *op) {
    if (op->alone) {
        writer_commit(j);
    }
    if (j->dead.code != 0) {
        writer_fail(j, op, &j->dead);
    } else if (op->alone || (op->reads && !j->open)) {
        writer_apart(j, op);
    } else {
        writer_write(j, op);
    }
}

// Waits until there is something to do, and takes what is queued: NULL when it is time to commit.
// False at the end.
static bool writer_take(struct journal *j, struct operation **queue) {
    pthread_mutex_lock(&j->lock);
    bool beats = j->generation != 0 && j->dead.code == 0;
    while (j->first == NULL && !j->closing && !(j->open && clock_mono_ns() >= j->gap_end) &&
           !(beats && clock_mono_ns() >= j->next_beat)) {
        if (j->open || beats) {
            int64_t at = j->open ? j->gap_end : j->next_beat;
            struct timespec until = {at / 1000000000, at % 1000000000};
            pthread_cond_timedwait(&j->queued, &j->lock, &until);
        } else {
            pthread_cond_wait(&j->queued, &j->lock);
        }
    }
    *queue = j->first;
    j->first = NULL;
    j->last = &j->first;
    bool goes_on = *queue != NULL || !j->closing;
    pthread_mutex_unlock(&j->lock);
    return goes_on;
}

static void *writer_main(void *arg) {
    struct journal *j = arg;
    for (struct operation *op; writer_take(j, &op);) {
        for (struct operation *next; op != NULL; op = next) {
            next = op->next;
            op->next = NULL;
            writer_run(j, op);
        }
        if (j->hurry || clock_mono_ns() >= j->gap_end) {
            writer_commit(j);
        }
        writer_beat(j);
    }
    writer_commit(j);
    owner_release(j);
    return NULL;
}

int writer_submit(struct journal *j, struct operation *op, struct err *e) {
    MUST(j->magic == JOURNAL_MAGIC && op->next == NULL);
    op->e = e;
    pthread_mutex_lock(&j->lock);
    MUST(!j->closing);
    *j->last = op;
    j->last = &op->next;
    pthread_cond_signal(&j->queued);
    while (!op->done) {
        pthread_cond_wait(&j->finished, &j->lock);
    }
    pthread_mutex_unlock(&j->lock);
    return op->rc;
}

int writer_start(struct journal *j, struct err *e) {
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&j->queued, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&j->finished, NULL);
    j->last = &j->first;
    int errnum = pthread_create(&j->thread, NULL, writer_main, j);
    j->has_thread = errnum == 0;
    return errnum == 0 ? 0 : err_sys(e, ERR_FAILED, errnum, "no thread for the journal");
}

void writer_stop(struct journal *j) {
    if (!j->has_thread) {
        return;
    }
    pthread_mutex_lock(&j->lock);
    j->closing = true;
    pthread_cond_signal(&j->queued);
    pthread_mutex_unlock(&j->lock);
    MUST(pthread_join(j->thread, NULL) == 0);
    j->has_thread = false;
}
