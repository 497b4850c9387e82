// SPDX-License-Identifier: Apache-2.0
// Inside the journal: the writer thread, its queue, and group commit.
//
// A call of state/journal.h packs its arguments into an operation on its own stack, submits it and
// sleeps. The writer thread runs each as it comes, in a savepoint of one open transaction, which
// shuts nobody out; it commits now and then, and wakes the callers. An operation that fails is
// rolled back alone; a failure after which the connection is not trusted (struct db, fatal), or any
// failure of the commit, kills the journal: those who wait and every later call get ERR_JOURNAL
// with the reason. A failed commit is never tried again, since nobody knows what of it reached the
// disk; the next open finds out.
//
// Nobody else can read while a commit is on its way to the disk, and sqlite3 as it comes does not
// wait. So the writer leaves a gap between commits, in proportion to how long the last one took:
// readers nearly always get in, and what is submitted in the gap shares a commit. Nobody waits for
// the gap but those to whom it matters that their change is durable; an `early` operation's caller
// goes on once it is applied, and a `quick` one's commit does not keep it.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "state/db.h"
#include "state/journal.h"

// The newest event: what the next one is chained to.
struct chain {
    int64_t seq; // -1: none yet
    uint8_t hash[HASH_SIZE];
};

struct finding; // state/finding.h

// What this process remembers of an attempt that goes on.
struct attempt_memory {
    int64_t id;
    int64_t began_mono_ns;
    struct finding *first, **last; // collected conflicts and problems, oldest first
    size_t n, bytes;
    struct attempt_memory *next;
};

struct operation {
    int (*apply)(struct journal *j, void *arg, struct err *e); // on the writer thread
    void *arg;
    bool reads; // changes nothing
    bool early; // need not be durable before the caller goes on: to lose it is to do it again
    bool alone; // outside any transaction (VACUUM INTO)
    bool quick; // nothing else is written about then: its commit keeps no distance to the last
    // The rest is the writer's.
    int rc;
    bool done;
    struct err *e;
    struct operation *next;
};

#define JOURNAL_MAGIC 0x6A6E6C31
struct journal {
    unsigned magic;
    int dirfd;  // our own duplicate
    char *path; // of journal.db
    char *program_version;
    void (*on_wait)(void *arg, const char *text);
    void *on_wait_arg;
    int (*before_commit)(void *arg, struct err *e);
    void *before_arg;
    int64_t patience_ns; // 0: for ever

    // The writer thread's own; nobody else touches them while it runs.
    struct db db;
    struct chain chain;
    int64_t run;                   // 0: none has begun
    int64_t wait_began, wait_said; // monotonic; 0: not waiting, nothing said yet
    int64_t gap_end;               // monotonic: no commit before
    int64_t generation;            // ours (state/owner.h); 0: not claimed
    int64_t next_beat;             // monotonic
    _Atomic bool taken_over;       // somebody else has a later generation
    _Atomic uint64_t commits;      // that succeeded
    bool open;                     // a transaction with changes is open
    bool hurry;                    // it holds a quick one
    struct operation *held;        // applied in it; their callers wait for the commit
    struct err dead;               // code 0 while it lives

    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; // of all below
    pthread_cond_t queued, finished;
    struct operation *first, **last;
    bool closing;
    struct attempt_memory *attempts;
};

// Runs the operation on the writer thread and waits until it is durable; an early one, applied.
int writer_submit(struct journal *j, struct operation *op, struct err *e);
#define WRITER_RUN(j, fn, argp, e)                                                                 \
    writer_submit((j), &(struct operation){.apply = (fn), .arg = (argp)}, (e))
#define WRITER_EARLY(j, fn, argp, e)                                                               \
    writer_submit((j), &(struct operation){.apply = (fn), .arg = (argp), .early = true}, (e))
#define WRITER_QUICK(j, fn, argp, e)                                                               \
    writer_submit((j), &(struct operation){.apply = (fn), .arg = (argp), .quick = true}, (e))
#define WRITER_READ(j, fn, argp, e)                                                                \
    writer_submit((j), &(struct operation){.apply = (fn), .arg = (argp), .reads = true}, (e))

int writer_start(struct journal *j, struct err *e);
void writer_stop(struct journal *j); // waits for what is queued
// The busy handler of the writing connection; `arg` is the journal. Gives up only when the journal
// was opened with a patience, and that is over.
int writer_busy(void *arg, int count);

// Now, as the tables have it.
struct stamp {
    char text[CLOCK_TEXT];
};
struct stamp stamp_now(void);
