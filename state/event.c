// SPDX-License-Identifier: Apache-2.0
#include "state/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "state/workdir.h"

#define EVENT_DETAIL_MAX 65536

static void event_hash(const uint8_t prev[HASH_SIZE], const struct event *ev,
                       uint8_t out[HASH_SIZE]) {
    static const char version[] = "mvimig-event-v1"; // with its zero byte
    char seq[24];
    snprintf(seq, sizeof seq, "%" PRId64, ev->seq);
    const char *const fields[] = {seq, ev->at, ev->run, ev->kind, ev->step, ev->detail};
    AUTO_HASH struct hash *h = hash_new();
    hash_update(h, version, sizeof version);
    hash_update(h, prev, HASH_SIZE);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        hash_field(h, fields[i], strlen(fields[i]));
    }
    hash_final(h, out);
}

static int event_insert(struct journal *j, const struct event *ev, struct err *e) {
    uint8_t hash[HASH_SIZE];
    char prev_hex[HASH_HEX], hash_text[HASH_HEX];
    event_hash(j->chain.hash, ev, hash);
    hash_hex(j->chain.hash, prev_hex);
    hash_hex(hash, hash_text);
    int rc = db_run(&j->db, e, SQL_EVENT_ADD, "ittttttt", ev->seq, ev->at,
                    ev->run[0] != 0 ? ev->run : NULL, ev->kind, ev->step, ev->detail, prev_hex,
                    hash_text);
    if (rc == 0) {
        j->chain.seq = ev->seq;
        memcpy(j->chain.hash, hash, HASH_SIZE);
    }
    return rc;
}

int event_append(struct journal *j, const char *kind, const char *step, struct err *e,
                 const char *fmt, ...) {
    AUTO_BUF struct buf detail = BUF_INIT(EVENT_DETAIL_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&detail, fmt, ap);
    va_end(ap);
    char run[24] = "";
    if (j->run != 0) {
        snprintf(run, sizeof run, "%" PRId64, j->run);
    }
    struct stamp now = stamp_now();
    struct event ev = {.seq = j->chain.seq + 1,
                       .at = now.text,
                       .run = run,
                       .kind = kind,
                       .step = step == NULL ? "" : step,
                       .detail = buf_str(&detail)};
    return event_insert(j, &ev, e);
}

// What follows a zero byte in a text would escape the hash.
static bool chain_row_is_plain(sqlite3_stmt *row) {
    for (int i = 1; i < sqlite3_column_count(row); i++) {
        if (strlen(db_text(row, i)) != (size_t)sqlite3_column_bytes(row, i)) {
            return false;
        }
    }
    return true;
}

// One row of SQL_EVENT_ALL against the chain so far, which it then joins.
static int chain_check_row(sqlite3_stmt *row, struct chain *chain, struct err *e) {
    struct event ev = {sqlite3_column_int64(row, 0),
                       db_text(row, 1),
                       db_text(row, 2),
                       db_text(row, 3),
                       db_text(row, 4),
                       db_text(row, 5)};
    uint8_t prev[HASH_SIZE], stored[HASH_SIZE], hash[HASH_SIZE];
    if (ev.seq != chain->seq + 1) {
        return err_set(e, ERR_JOURNAL, "event %" PRId64 " is missing", chain->seq + 1);
    }
    if (hash_unhex(db_text(row, 6), prev) != 0 || hash_unhex(db_text(row, 7), stored) != 0 ||
        memcmp(prev, chain->hash, HASH_SIZE) != 0) {
        return err_set(e, ERR_JOURNAL, "event %" PRId64 " does not follow the one before it",
                       ev.seq);
    }
    event_hash(chain->hash, &ev, hash);
    if (memcmp(hash, stored, HASH_SIZE) != 0 || !chain_row_is_plain(row)) {
        return err_set(e, ERR_JOURNAL, "event %" PRId64 " was changed since it was written",
                       ev.seq);
    }
    chain->seq = ev.seq;
    memcpy(chain->hash, hash, HASH_SIZE);
    return 0;
}

static int chain_walk(struct db *db, struct chain *chain, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_query(db, &row, e, SQL_EVENT_ALL, "");
    while (rc == 0 && (rc = db_next(db, row, e)) == 1) {
        rc = chain_check_row(row, chain, e);
    }
    if (rc == 0 && chain->seq < 0) {
        rc = err_set(e, ERR_JOURNAL, "event 0 is missing");
    }
    return rc;
}

static int chain_check_tail(struct db *db, const struct chain *chain, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(db, &row, e, SQL_EVENT_NEWEST_USED, "");
    if (rc == 0 && sqlite3_column_int64(row, 0) > chain->seq) {
        rc = err_set(e, ERR_JOURNAL, "event %" PRId64 " is missing", chain->seq + 1);
    }
    return rc;
}

static int chain_check_origin(struct db *db, struct err *e) {
    AUTO_RESET sqlite3_stmt *row = NULL;
    int rc = db_row(db, &row, e, SQL_EVENT_ORIGIN_FITS, "");
    if (rc == ERR_NOTFOUND || (rc == 0 && sqlite3_column_int(row, 0) != 1)) {
        rc = err_set(e, ERR_JOURNAL, "the migration row is not what event 0 says");
    }
    return rc;
}

int chain_verify(struct db *db, struct chain *out, struct err *e) {
    *out = CHAIN_START;
    int rc = chain_walk(db, out, e);
    if (rc == 0) {
        rc = chain_check_tail(db, out, e);
    }
    if (rc == 0) {
        rc = chain_check_origin(db, e);
    }
    if (rc != 0) {
        err_append(
            e, "; the record was altered: keep a copy for whoever audits this, then " JOURNAL_MEND);
    }
    return rc;
}
