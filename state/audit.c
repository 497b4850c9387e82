// SPDX-License-Identifier: Apache-2.0
// Each check is a query that gives the first row that does not fit, as text, and nothing when all
// do. The chain is checked first: it is what the rows are held against.
#include "state/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "state/event.h"
#include "state/journal_schema.h"
#include "state/records.h"
#include "state/report_open.h"

// The newest event of each step's hash; a bare column beside max() is of the row with the maximum.
#define STEP_EVENTS                                                                                \
    "WITH e AS (SELECT seq, kind, step, detail,"                                                   \
    " substr(detail, instr(detail, 'hash=') + 5, 64) AS hash FROM event"                           \
    " WHERE kind IN ('step-begin', 'step-done', 'step-failed', 'step-interrupted',"                \
    " 'step-reset')), newest AS (SELECT hash, max(seq) AS seq, kind, step, detail FROM e"          \
    " GROUP BY hash)"

static const struct {
    const char *what, *sql;
} checks[] = {
    // Two halves: of an outer join with `newest` SQLite makes no index, and 10,000 steps took 6 s.
    {"table step", STEP_EVENTS
     " SELECT 'row ' || id || ' (' || name || ') says ' || state || ', the chain ' || chain FROM"
     " (SELECT step.id, step.name, step.state,"
     " newest.kind || ' (event ' || newest.seq || ')' AS chain FROM step JOIN newest USING (hash)"
     " WHERE NOT CASE step.state WHEN 'done' THEN newest.kind = 'step-done'"
     " WHEN 'running' THEN newest.kind = 'step-begin'"
     " WHEN 'failed' THEN newest.kind = 'step-failed'"
     " ELSE newest.kind IN ('step-reset', 'step-interrupted') END"
     " UNION ALL SELECT id, name, state, 'nothing' FROM step"
     " WHERE state <> 'pending' AND hash NOT IN (SELECT hash FROM newest)) ORDER BY id LIMIT 1"},
    {"table step", STEP_EVENTS
     " SELECT 'row ' || id || ' (' || name || ') has other counts or another digest than"
     " event ' || seq FROM (SELECT step.id, step.name, newest.seq,"
     " substr(newest.detail, instr(newest.detail, ' hash=')) AS said, printf(' hash=%s files=%d"
     " documents=%d bytes=%d sent=%d sent_bytes=%d present=%d conflicts=%d rejected=%d digest=%s',"
     " hash, files, documents, bytes, sent, sent_bytes, present, conflicts, rejected, digest) AS "
     "has"
     " FROM step JOIN newest USING (hash) WHERE step.state = 'done' AND newest.kind = 'step-done')"
     " WHERE substr(said || ' ', 1, length(has) + 1) <> has || ' ' ORDER BY id LIMIT 1"},
    {"table step",
     STEP_EVENTS " SELECT 'the row of ' || newest.step || ' is missing; event ' || newest.seq ||"
                 " ' speaks of it' FROM newest WHERE hash NOT IN (SELECT hash FROM step)"
                 " ORDER BY newest.seq LIMIT 1"},
    {"table attempt",
     "SELECT 'row ' || attempt.id || ' (' || step.name || ', attempt ' || attempt.number ||"
     " ') does not fit event ' || attempt.begin_event FROM attempt"
     " JOIN step ON step.id = attempt.step LEFT JOIN event ON event.seq = attempt.begin_event"
     " WHERE event.kind IS NOT 'step-begin' OR event.run IS NOT attempt.run OR event.detail <>"
     " printf('attempt=%d hash=%s', attempt.number, step.hash) ORDER BY attempt.id LIMIT 1"},
    {"table attempt",
     "SELECT 'row ' || attempt.id || ' (' || step.name || ', attempt ' || attempt.number ||"
     " ') says ' || attempt.state || ', the chain ' || coalesce(event.kind || ' (event ' ||"
     " event.seq || ')', 'nothing') FROM attempt JOIN step ON step.id = attempt.step"
     " LEFT JOIN event ON event.seq = attempt.end_event"
     " WHERE NOT CASE attempt.state WHEN 'running' THEN event.seq IS NULL ELSE coalesce("
     " event.kind = 'step-' || attempt.state AND instr(event.detail,"
     " printf('attempt=%d hash=%s', attempt.number, step.hash)) = 1 AND (attempt.state <> 'failed'"
     " OR substr(event.detail, instr(event.detail, ': ') + 2) = attempt.error), 0) END"
     " ORDER BY attempt.id LIMIT 1"},
    {"table attempt",
     "SELECT 'the row that begins with event ' || min(seq) || ' (' || step || ') is missing'"
     " FROM event WHERE kind = 'step-begin' AND seq NOT IN (SELECT begin_event FROM attempt)"
     " HAVING count(*) > 0"},
    {"table run",
     "SELECT 'row ' || run.id || ' does not fit its events' FROM run WHERE"
     " (SELECT count(*) FROM event WHERE event.run = run.id AND kind = 'run-begin') <> 1"
     " OR run.exit_status IS NOT (SELECT CAST(substr(detail, 6) AS INTEGER) FROM event"
     " WHERE event.run = run.id AND kind = 'run-end') ORDER BY run.id LIMIT 1"},
    {"table run", "SELECT 'row ' || event.run || ' is missing; event ' || min(seq) ||"
                  " ' speaks of it' FROM event WHERE event.run NOT IN (SELECT id FROM run)"
                  " HAVING count(*) > 0"},
    {"table conflict",
     "SELECT 'rows of step ' || step.name || ' are missing: it counts ' || step.conflicts"
     " FROM step WHERE state = 'done' AND conflicts > (SELECT count(*) FROM conflict"
     " WHERE conflict.step = step.id) ORDER BY step.id LIMIT 1"},
    {"table problem",
     "SELECT 'rows of step ' || step.name || ' are missing: it counts ' || step.rejected ||"
     " ' rejected' FROM step WHERE state = 'done' AND rejected > (SELECT count(*) FROM problem"
     " WHERE problem.step = step.id) ORDER BY step.id LIMIT 1"},
    {"table batch",
     "SELECT 'row ' || batch.id || ' is of no attempt at its step' FROM batch LEFT JOIN attempt"
     " ON attempt.id = batch.attempt WHERE attempt.step IS NOT batch.step"
     " ORDER BY batch.id LIMIT 1"},
};

static void query_finalize(sqlite3_stmt **s) {
    sqlite3_finalize(*s);
}

// 1 and its text when a row does not fit.
static int check_one(struct db *db, size_t i, char *text, size_t size, struct err *e) {
    AUTO(query_finalize) sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db->handle, checks[i].sql, -1, &s, NULL);
    if (rc != SQLITE_OK) {
        return db_error(db, rc, e);
    }
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        snprintf(text, size, "%s: %s", checks[i].what, db_text(s, 0));
        return 1;
    }
    return rc == SQLITE_DONE ? 0 : db_error(db, rc, e);
}

// 1 and its text when a step has other batches, conflicts or problems than it had when it was done.
static int check_records(struct db *db, char *text, size_t size, struct err *e) {
    AUTO(query_finalize) sqlite3_stmt *s = NULL;
    int rc =
        sqlite3_prepare_v2(db->handle,
                           STEP_EVENTS " SELECT step.id, step.name, newest.seq, newest.detail"
                                       " FROM step JOIN newest USING (hash) WHERE step.state ="
                                       " 'done' AND newest.kind = 'step-done' ORDER BY step.id",
                           -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct records now;
        if (records_read(db, sqlite3_column_int64(s, 0), &now, e) != 0) {
            return e->code;
        }
        int table = records_differ(&now, db_text(s, 3));
        if (table >= 0) {
            snprintf(text, size,
                     "table %s: a row of step %s (row %" PRId64
                     " of table step) was changed, added "
                     "or taken out since event %" PRId64,
                     records_tables[table], db_text(s, 1), (int64_t)sqlite3_column_int64(s, 0),
                     (int64_t)sqlite3_column_int64(s, 2));
            return 1;
        }
        rc = SQLITE_OK;
    }
    return rc == SQLITE_DONE ? 0 : db_error(db, rc, e);
}

static void say(struct audit_report *out, void (*finding)(void *arg, const char *text), void *arg,
                const char *text) {
    out->findings++;
    finding(arg, text);
}

int audit_journal(int workdir_fd, void (*finding)(void *arg, const char *text), void *arg,
                  struct audit_report *out, struct err *e) {
    struct patience patience;
    AUTO_DB struct db db = {0};
    struct chain head;
    struct err broken = {0};
    char text[8192], hex[HASH_HEX];
    int64_t version;
    memset(out, 0, sizeof *out);
    int rc = report_open(workdir_fd, &db, &patience, e);
    if (rc == 0) {
        rc = db_script(&db, "BEGIN", e); // all of one moment
    }
    if (rc == 0) {
        rc = schema_check(&db, &version, e);
    }
    if (rc != 0) {
        return rc;
    }
    out->checks = 2 + sizeof checks / sizeof *checks;
    if (chain_verify(&db, &head, &broken) != 0) {
        say(out, finding, arg, broken.text);
    }
    hash_hex(head.hash, hex);
    snprintf(out->head, sizeof out->head, "seq=%" PRId64 " sha256=%s", head.seq, hex);
    for (size_t i = 0; i < sizeof checks / sizeof *checks && rc >= 0; i++) {
        rc = check_one(&db, i, text, sizeof text, e);
        if (rc == 1) {
            say(out, finding, arg, text);
        }
    }
    rc = rc < 0 ? rc : check_records(&db, text, sizeof text, e);
    if (rc == 1) {
        say(out, finding, arg, text);
    }
    return rc < 0 ? rc : 0;
}
