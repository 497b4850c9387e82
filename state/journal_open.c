// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/attempt.h"
#include "state/event.h"
#include "state/journal_bind.h"
#include "state/journal_parts.h"
#include "state/journal_schema.h"
#include "state/owner.h"
#include "state/workdir.h"
#include "state/writer.h"

static struct journal *journal_new(const struct journal_options *o) {
    struct journal *j = must_calloc(1, sizeof *j);
    j->magic = JOURNAL_MAGIC;
    j->dirfd = -1;
    j->chain = CHAIN_START;
    j->program_version = must_strdup(o->program_version);
    j->on_wait = o->on_wait;
    j->on_wait_arg = o->arg;
    j->before_commit = o->before_commit;
    j->before_arg = o->before_arg;
    j->patience_ns = o->patience_ms * 1000000;
    return j;
}

void journal_close(struct journal *j) {
    if (j == NULL) {
        return;
    }
    MUST(j->magic == JOURNAL_MAGIC);
    writer_stop(j);
    attempt_forget_all(j);
    if (j->db.handle != NULL) {
        db_close(&j->db);
    }
    auto_close(&j->dirfd);
    free(j->path);
    free(j->program_version);
    free(j);
}

static void journal_cleanup(struct journal **j) {
    journal_close(*j);
}
#define AUTO_JOURNAL AUTO(journal_cleanup)

// A descriptor of our own, readable, so that the directory can be synced.
static int journal_enter(struct journal *j, int workdir_fd, const char *name, struct err *e) {
    j->dirfd = openat(workdir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->dirfd < 0) {
        return err_sys(e, ERR_JOURNAL, errno, "the work directory cannot be read");
    }
    return workdir_path(j->dirfd, name, &j->path, e);
}

// An older program's journal is kept as it was; then all steps up to our version are one
// transaction. What it was stays in use when any of this fails.
static int journal_bring_up(struct journal *j, int64_t version, struct err *e) {
    char copy[40];
    if (version == JOURNAL_VERSION) {
        return 0;
    }
    snprintf(copy, sizeof copy, "journal-version-%d.db", (int)version);
    int rc = journal_copy_as(j, copy, e);
    return rc == 0 ? schema_migrate(&j->db, version, e) : rc;
}

static int journal_open_db(struct journal *j, struct err *e) {
    int64_t version;
    int rc = workdir_check_journal(j->dirfd, true, e);
    if (rc == 0) {
        rc = db_open(&j->db, j->path, DB_WRITE, writer_busy, j, e);
    }
    if (rc == 0 && sqlite3_db_readonly(j->db.handle, "main") != 0) {
        rc = err_set(e, ERR_JOURNAL,
                     "it cannot be written; run as its owner, on a volume mounted "
                     "for writing");
    }
    if (rc == 0) {
        rc = schema_check(&j->db, &version, e);
    }
    if (rc == 0) {
        rc = db_set_journal_mode(&j->db, e);
    }
    if (rc == 0) {
        rc = journal_bring_up(j, version, e);
    }
    return rc == 0 ? chain_verify(&j->db, &j->chain, e) : rc;
}

static int journal_open_at(struct journal *j, int workdir_fd, const struct journal_options *o,
                           struct err *e) {
    int rc = journal_enter(j, workdir_fd, JOURNAL_NAME, e);
    if (rc == 0 && journal_open_db(j, e) != 0) {
        // Whatever it was, a caller of journal_open hears of the journal.
        err_wrap(e, "%s", j->path);
        rc = e->code = e->code == ERR_LOCKED ? ERR_LOCKED : ERR_JOURNAL;
    }
    if (rc == 0 && o->command != NULL) {
        rc = owner_claim(j, o->command, o->take_over, e);
        if (rc != 0) {
            err_wrap(e, "%s", j->path);
        }
    }
    return rc == 0 ? writer_start(j, e) : rc;
}

bool journal_taken_over(struct journal *j) {
    return j->taken_over;
}

static int fence_apply(struct journal *j, void *arg, struct err *e) {
    (void)arg;
    struct owner now;
    int rc = j->generation != 0 ? owner_read(&j->db, &now, e) : 0;
    if (rc == 0 && j->generation != 0 && now.generation != j->generation) {
        j->taken_over = true;
        rc = err_set(e, ERR_JOURNAL, "mvimig %s on %s has taken this migration over", now.command,
                     now.host);
    }
    return rc;
}

int journal_fence(struct journal *j, struct err *e) {
    return WRITER_READ(j, fence_apply, NULL, e);
}

int journal_open(int workdir_fd, const struct journal_options *o, struct journal **out,
                 struct err *e) {
    AUTO_JOURNAL struct journal *j = journal_new(o);
    int rc = journal_open_at(j, workdir_fd, o, e);
    if (rc == 0) {
        *out = STEAL(j);
    }
    return rc;
}

// What undoes a transaction of a journal that is gone would be played into the new one.
static int journal_refuse_leftover(int dirfd, struct err *e) {
    struct stat st;
    if (fstatat(dirfd, JOURNAL_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return err_set(e, ERR_JOURNAL, "it is there already; resume it, or use another name");
    }
    if (fstatat(dirfd, JOURNAL_ROLLBACK, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    if (st.st_size > 0) {
        return err_set(e, ERR_JOURNAL,
                       "it is missing, but " JOURNAL_ROLLBACK
                       " of a killed run is there; put " JOURNAL_NAME
                       " back beside it, or move both away to start over");
    }
    return unlinkat(dirfd, JOURNAL_ROLLBACK, 0) == 0
               ? 0
               : err_sys(e, ERR_JOURNAL, errno, JOURNAL_ROLLBACK " cannot be removed");
}

// The tables and the plan's rows, in one transaction of a file that has no name yet.
static int journal_fill(struct journal *j, const struct plan *p, struct err *e) {
    int rc = db_set_journal_mode(&j->db, e);
    if (rc == 0) {
        rc = db_script(&j->db, "BEGIN IMMEDIATE", e);
    }
    if (rc == 0) {
        rc = schema_make(&j->db, e);
    }
    if (rc == 0) {
        rc = bind_create(j, p, e);
    }
    return rc == 0 ? db_script(&j->db, "COMMIT", e) : rc;
}

static int journal_make(int workdir_fd, const struct plan *p, const struct journal_options *o,
                        struct err *e) {
    AUTO_JOURNAL struct journal *j = journal_new(o);
    int rc = journal_enter(j, workdir_fd, JOURNAL_NEW, e);
    if (rc == 0) {
        // Best effort: the files are closed to others by their own modes.
        (void)fchmod(j->dirfd, 0700);
        rc = journal_refuse_leftover(j->dirfd, e);
    }
    if (rc == 0) {
        unlinkat(j->dirfd, JOURNAL_NEW "-journal", 0); // of a run killed here
        rc = workdir_make_file(j->dirfd, JOURNAL_NEW, e);
    }
    if (rc == 0) {
        rc = db_open(&j->db, j->path, DB_WRITE, writer_busy, j, e);
    }
    if (rc == 0) {
        rc = journal_fill(j, p, e);
    }
    if (rc == 0) {
        db_close(&j->db);
        unlinkat(j->dirfd, JOURNAL_NEW "-journal", 0);
        rc = workdir_publish(j->dirfd, JOURNAL_NEW, JOURNAL_NAME, false, e);
    }
    return rc;
}

int journal_create(int workdir_fd, const struct plan *p, const struct journal_options *o,
                   struct journal **out, struct err *e) {
    if (journal_make(workdir_fd, p, o, e) != 0) {
        return err_wrap(e, JOURNAL_NAME);
    }
    return journal_open(workdir_fd, o, out, e);
}
