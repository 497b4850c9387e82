// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state/bounded.h"
#include "state/event.h"
#include "state/host.h"
#include "state/workdir.h"
#include "state/writer.h"

struct run_args {
    const char *command, *plan_digest;
    const char *outcome;
    int exit_status;
    int64_t id; // of the run that began
};

// Ends one attempt of a run that is dead; the caller has read the row to its end.
static int run_interrupt_attempt(struct journal *j, sqlite3_stmt *row, struct err *e) {
    int64_t attempt = sqlite3_column_int64(row, 0), step = sqlite3_column_int64(row, 1);
    int rc = event_append(j, "step-interrupted", db_text(row, 3), e, "attempt=%" PRId64 " hash=%s",
                          (int64_t)sqlite3_column_int64(row, 2), db_text(row, 4));
    if (rc == 0) {
        rc = db_run(&j->db, e, SQL_ATTEMPT_INTERRUPT, "ii", attempt, j->chain.seq);
    }
    return rc == 0 ? db_run(&j->db, e, SQL_STEP_PENDING, "i", step) : rc;
}

// One at a time and asked anew, since each changes what the query walks over.
static int run_interrupt_attempts(struct journal *j, struct err *e) {
    for (;;) {
        AUTO_RESET sqlite3_stmt *row = NULL;
        int rc = db_query(&j->db, &row, e, SQL_ATTEMPT_OPEN, "");
        if (rc == 0) {
            rc = db_next(&j->db, row, e);
        }
        if (rc <= 0) {
            return rc;
        }
        rc = run_interrupt_attempt(j, row, e);
        if (rc != 0) {
            return rc;
        }
    }
}

static int run_interrupt_runs(struct journal *j, struct err *e) {
    for (;;) {
        AUTO_RESET sqlite3_stmt *row = NULL;
        int rc = db_query(&j->db, &row, e, SQL_RUN_OPEN, "");
        if (rc == 0) {
            rc = db_next(&j->db, row, e);
        }
        if (rc <= 0) {
            return rc;
        }
        int64_t id = sqlite3_column_int64(row, 0);
        rc = db_run(&j->db, e, SQL_RUN_INTERRUPT, "i", id);
        if (rc == 0) {
            rc = event_append(j, "run-interrupted", NULL, e, "run=%" PRId64, id);
        }
        if (rc != 0) {
            return rc;
        }
    }
}

static int run_insert(struct journal *j, struct run_args *a, struct err *e) {
    struct host host;
    char file_system[20];
    host_read(&host);
    workdir_file_system(j->dirfd, file_system);
    struct stamp now = stamp_now();
    int rc = db_run(&j->db, e, SQL_RUN_ADD, "ttttttitt", a->command, a->plan_digest,
                    j->program_version, sqlite3_libversion(), file_system, host.name,
                    (int64_t)getpid(), host.boot_id, now.text);
    a->id = sqlite3_last_insert_rowid(j->db.handle);
    return rc;
}

static int run_begin(struct journal *j, void *arg, struct err *e) {
    struct run_args *a = arg;
    j->run = 0; // what is said of dead runs is said outside of any
    int rc = run_interrupt_attempts(j, e);
    if (rc == 0) {
        rc = run_interrupt_runs(j, e);
    }
    if (rc == 0) {
        rc = run_insert(j, a, e);
    }
    if (rc != 0) {
        return rc;
    }
    j->run = a->id;
    return event_append(j, "run-begin", NULL, e, "command=%s plan=%s program=%s", a->command,
                        a->plan_digest, j->program_version);
}

int journal_run_begin(struct journal *j, const char *command, const char *plan_digest,
                      struct err *e) {
    struct run_args args = {.command = command, .plan_digest = plan_digest};
    return WRITER_QUICK(j, run_begin, &args, e);
}

static int run_end(struct journal *j, void *arg, struct err *e) {
    struct run_args *a = arg;
    if (j->run == 0) {
        return err_set(e, ERR_FAILED, "no run has begun");
    }
    struct stamp now = stamp_now();
    int rc = db_run(&j->db, e, SQL_RUN_END, "titi", now.text, (int64_t)a->exit_status, a->outcome,
                    j->run);
    if (rc == 0) {
        rc = event_append(j, "run-end", NULL, e, "exit=%d outcome=%s", a->exit_status, a->outcome);
    }
    if (rc == 0) {
        j->run = 0;
    }
    return rc;
}

int journal_run_end(struct journal *j, int exit_status, const char *outcome, struct err *e) {
    struct run_args args = {.exit_status = exit_status, .outcome = outcome};
    return WRITER_QUICK(j, run_end, &args, e);
}

static int nothing(struct journal *j, void *arg, struct err *e) {
    (void)j;
    (void)arg;
    (void)e;
    return 0;
}

int journal_settle(struct journal *j, struct err *e) {
    return WRITER_QUICK(j, nothing, NULL, e);
}

// What was told was made in a transaction that is committed already, or will be by the next commit.
uint64_t journal_mark(const struct journal *j) {
    return j->commits + 1;
}

bool journal_settled(const struct journal *j, uint64_t mark) {
    return j->commits >= mark;
}

struct event_args {
    const char *kind, *step, *detail;
};

static int event_apply(struct journal *j, void *arg, struct err *e) {
    const struct event_args *a = arg;
    return event_append(j, a->kind, a->step, e, "%s", a->detail);
}

int journal_event(struct journal *j, const char *kind, const char *step_id, const char *detail,
                  struct err *e) {
    AUTO_FREE char *bounded = bounded_copy(detail);
    struct event_args args = {kind, step_id, bounded};
    return WRITER_RUN(j, event_apply, &args, e);
}

static int head_read(struct journal *j, void *arg, struct err *e) {
    (void)e;
    struct chain *head = arg;
    *head = j->chain;
    return 0;
}

int journal_head(struct journal *j, char *out, size_t size, struct err *e) {
    struct chain head = CHAIN_START;
    char hex[HASH_HEX];
    int rc = WRITER_READ(j, head_read, &head, e);
    if (rc == 0) {
        hash_hex(head.hash, hex);
        snprintf(out, size, "seq=%" PRId64 " sha256=%s", head.seq, hex);
    }
    return rc;
}
