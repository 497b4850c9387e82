// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "state/journal_parts.h"
#include "state/workdir.h"
#include "state/writer.h"

#define SEALED_NEW ".journal-sealed.db.new"

static int seal_copy(struct journal *j, const char *path, struct err *e) {
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", path);
    MUST(sql != NULL);
    // VACUUM attaches its target, which nothing else here may do.
    sqlite3_limit(j->db.handle, SQLITE_LIMIT_ATTACHED, 1);
    int rc = db_script(&j->db, sql, e);
    sqlite3_limit(j->db.handle, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_free(sql);
    // A copy that failed, on a full disk say, has not touched the journal itself.
    j->db.fatal = false;
    return rc;
}

static int seal_sync(int dirfd, struct err *e) {
    AUTO_CLOSE int fd = openat(dirfd, SEALED_NEW, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0400) != 0 || fsync(fd) != 0) {
        return err_sys(e, ERR_JOURNAL, errno, "it cannot be synced to disk");
    }
    return 0;
}

int journal_copy_as(struct journal *j, const char *name, struct err *e) {
    AUTO_FREE char *path = NULL;
    int rc = workdir_path(j->dirfd, SEALED_NEW, &path, e);
    if (rc == 0) {
        rc = workdir_make_file(j->dirfd, SEALED_NEW, e); // VACUUM INTO takes an empty file
    }
    if (rc == 0) {
        rc = seal_copy(j, path, e);
    }
    if (rc == 0) {
        rc = seal_sync(j->dirfd, e);
    }
    if (rc == 0) {
        rc = workdir_publish(j->dirfd, SEALED_NEW, name, true, e);
    }
    if (rc != 0) {
        unlinkat(j->dirfd, SEALED_NEW, 0);
        return err_wrap(e, "the journal's copy %s", name);
    }
    return 0;
}

static int seal_apply(struct journal *j, void *arg, struct err *e) {
    (void)arg;
    return journal_copy_as(j, JOURNAL_SEALED, e);
}

int journal_seal(struct journal *j, struct err *e) {
    struct operation op = {.apply = seal_apply, .alone = true};
    return writer_submit(j, &op, e);
}
