// SPDX-License-Identifier: Apache-2.0
#include "state/owner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/stop.h"
#include "state/event.h"
#include "state/host.h"
#include "state/report_open.h"

#define WATCH_MS 60000
#define WATCH_SHORT_MS 1500 // with the fault point, for tests
#define WATCH_POLL_MS 200

int owner_read(struct db *db, struct owner *out, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(db, &row, e, SQL_OWNER, "");
    memset(out, 0, sizeof *out);
    if (rc != 0) {
        return rc == ERR_NOTFOUND
                   ? err_set(e, ERR_JOURNAL, "the journal is damaged: its owner row is missing")
                   : rc;
    }
    out->generation = sqlite3_column_int64(row, 0);
    out->held = sqlite3_column_int(row, 1) == 1;
    snprintf(out->command, sizeof out->command, "%s", db_text(row, 2));
    snprintf(out->host, sizeof out->host, "%s", db_text(row, 3));
    out->process = sqlite3_column_int64(row, 4);
    snprintf(out->boot_id, sizeof out->boot_id, "%s", db_text(row, 5));
    snprintf(out->since, sizeof out->since, "%s", db_text(row, 6));
    out->beat = sqlite3_column_int64(row, 7);
    snprintf(out->beat_at, sizeof out->beat_at, "%s", db_text(row, 8));
    return 0;
}

static bool is_elsewhere(const struct owner *o) {
    struct host here;
    host_read(&here);
    return o->held && strcmp(o->boot_id, here.boot_id) != 0;
}

static int64_t watch_ms(void) {
    return FAULT("owner-short-watch") != 0 ? WATCH_SHORT_MS : WATCH_MS;
}

static void say_watching(const struct owner *o, void (*say)(void *arg, const char *text),
                         void *arg) {
    char line[600];
    snprintf(line, sizeof line,
             "the journal was last written by mvimig %s on %s (process %" PRId64 ", since %s, last "
             "heard of at %s); watching for %d s whether it lives",
             o->command, o->host, o->process, o->since, o->beat_at, (int)(watch_ms() / 1000));
    if (say != NULL) {
        say(arg, line);
    }
}

// Until the beat moves or the time is over.
static int watch_beat(struct db *db, const struct owner *first, bool *silent, struct err *e) {
    int64_t end = clock_mono_ns() + watch_ms() * 1000000;
    *silent = false;
    while (clock_mono_ns() < end) {
        struct owner now;
        if (stop_asked()) {
            return err_set(e, stop_error(), "stopped while waiting for the journal's owner");
        }
        int rc = owner_read(db, &now, e);
        if (rc != 0 || now.beat != first->beat || !now.held) {
            return rc;
        }
        clock_sleep_ms(WATCH_POLL_MS);
    }
    *silent = true;
    return 0;
}

int owner_watch(int workdir_fd, void (*say)(void *arg, const char *text), void *arg, bool *silent,
                struct err *e) {
    struct patience patience;
    AUTO_DB struct db db = {0};
    struct owner o;
    *silent = false;
    int rc = report_open(workdir_fd, &db, &patience, e);
    if (rc == 0) {
        patience.deadline_mono_ns += watch_ms() * 1000000;
        rc = owner_read(&db, &o, e);
    }
    if (rc != 0 || !is_elsewhere(&o)) {
        return rc;
    }
    say_watching(&o, say, arg);
    return watch_beat(&db, &o, silent, e);
}

static int claim_wait(struct journal *j, const struct owner *o, struct err *e) {
    bool silent;
    say_watching(o, j->on_wait, j->on_wait_arg);
    int rc = watch_beat(&j->db, o, &silent, e);
    struct owner now = *o;
    if (rc == 0 && !silent) {
        rc = owner_read(&j->db, &now, e);
    }
    if (rc == 0 && !silent && now.held) {
        rc = err_set(e, ERR_LOCKED,
                     "another run writes this journal: mvimig %s on %s (process %" PRId64
                     ") since %s; wait for it to end, or stop it",
                     now.command, now.host, now.process, now.since);
    }
    return rc;
}

static int claim_rows(struct journal *j, const char *command, const struct owner *before,
                      struct err *e) {
    struct host host;
    struct stamp now = stamp_now();
    host_read(&host);
    int rc = db_run(&j->db, e, SQL_OWNER_CLAIM, "ttittt", command, host.name, (int64_t)getpid(),
                    host.boot_id, now.text, now.text);
    if (rc == 0 && is_elsewhere(before)) {
        rc = event_append(j, "taken-over", NULL, e,
                          "generation=%" PRId64 " by=%s from=%s process=%" PRId64 " since=%s",
                          before->generation + 1, host.name, before->host, before->process,
                          before->since);
    }
    return rc;
}

int owner_claim(struct journal *j, const char *command, bool force, struct err *e) {
    struct owner before;
    int rc = owner_read(&j->db, &before, e);
    if (rc == 0 && !force && is_elsewhere(&before)) {
        rc = claim_wait(j, &before, e);
    }
    if (rc == 0) {
        rc = db_script(&j->db, "BEGIN IMMEDIATE", e);
    }
    if (rc == 0) {
        rc = owner_read(&j->db, &before, e);
    }
    if (rc == 0) {
        rc = claim_rows(j, command, &before, e);
    }
    if (rc == 0) {
        rc = db_script(&j->db, "COMMIT", e);
    }
    if (rc == 0) {
        j->generation = before.generation + 1;
        j->next_beat = clock_mono_ns() + OWNER_BEAT_NS;
    }
    return rc;
}

int owner_check(struct journal *j, struct err *e) {
    struct owner now;
    if (j->generation == 0) {
        return 0;
    }
    int rc = owner_read(&j->db, &now, e);
    if (rc == 0 && now.generation != j->generation) {
        j->taken_over = true;
        return err_set(e, ERR_LOCKED,
                       "mvimig %s on %s has taken this migration over at %s; this run writes no "
                       "more",
                       now.command, now.host, now.since);
    }
    struct stamp stamp = stamp_now();
    j->next_beat = clock_mono_ns() + OWNER_BEAT_NS;
    return rc == 0 ? db_run(&j->db, e, SQL_OWNER_BEAT, "t", stamp.text) : rc;
}

void owner_release(struct journal *j) {
    struct err ignored = {0};
    if (j->generation != 0 && j->dead.code == 0 && j->db.handle != NULL && !j->db.fatal) {
        (void)db_run(&j->db, &ignored, SQL_OWNER_RELEASE, "i", j->generation);
    }
}
