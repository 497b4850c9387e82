// SPDX-License-Identifier: Apache-2.0
#include "state/report_open.h"

#include <time.h>

#include "base/clock.h"
#include "state/journal_schema.h"
#include "state/lock.h"
#include "state/workdir.h"

#define PATIENCE_NS (30 * INT64_C(1000000000))
#define POLL_NS 500000 // a busy writer leaves gaps of about this length
#define RECOVERY_POLL_MS 20

static int report_busy(void *arg, int count) {
    (void)count;
    const struct patience *p = arg;
    struct timespec pause = {0, POLL_NS};
    nanosleep(&pause, NULL);
    return clock_mono_ns() < p->deadline_mono_ns;
}

static int report_open_as(const char *path, enum db_mode mode, struct db *db, struct patience *p,
                          struct err *e) {
    int64_t version;
    int rc = db_open(db, path, mode, report_busy, p, e);
    if (rc == 0) {
        rc = db_script(db, "PRAGMA query_only=ON", e);
    }
    return rc == 0 ? schema_identify(db, &version, e) : rc;
}

static bool report_needs_rollback(const struct db *db) {
    return db->last == SQLITE_READONLY_ROLLBACK || db->last == SQLITE_READONLY_RECOVERY;
}

static int report_open_path(int workdir_fd, const char *path, struct db *db, struct patience *p,
                            struct err *e) {
    for (;;) {
        int rc = report_open_as(path, DB_READ, db, p, e);
        if (rc == 0 || !report_needs_rollback(db) || clock_mono_ns() >= p->deadline_mono_ns) {
            return rc;
        }
        bool held;
        char holder[LOCK_HOLDER_TEXT];
        db_close(db);
        rc = lock_holder(workdir_fd, &held, holder, e);
        if (rc != 0 || !held) {
            return rc != 0 ? rc : report_open_as(path, DB_WRITE, db, p, e);
        }
        clock_sleep_ms(RECOVERY_POLL_MS);
    }
}

int report_open(int workdir_fd, struct db *db, struct patience *patience, struct err *e) {
    AUTO_FREE char *path = NULL;
    patience->deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    int rc = workdir_path(workdir_fd, JOURNAL_NAME, &path, e);
    if (rc != 0) {
        return rc;
    }
    rc = workdir_check_journal(workdir_fd, false, e);
    if (rc == 0) {
        rc = report_open_path(workdir_fd, path, db, patience, e);
    }
    return rc == 0 ? 0 : err_wrap(e, "%s", path);
}
