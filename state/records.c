// SPDX-License-Identifier: Apache-2.0
#include "state/records.h"

#include <stdio.h>
#include <string.h>

const char *const records_tables[N_RECORDS] = {"batch", "conflict", "problem"};

static int digest_rows(sqlite3_stmt *row, struct db *db, char hex[HASH_HEX], struct err *e) {
    AUTO_HASH struct hash *h = hash_new();
    uint8_t digest[HASH_SIZE];
    bool any = false;
    int rc;
    while ((rc = db_next(db, row, e)) == 1) {
        any = true;
        for (int i = 0; i < sqlite3_column_count(row); i++) {
            const char *text = db_text(row, i);
            hash_field(h, text, (size_t)sqlite3_column_bytes(row, i));
        }
    }
    hash_final(h, digest);
    hex[0] = 0;
    if (any) {
        hash_hex(digest, hex);
    }
    return rc;
}

int records_read(struct db *db, int64_t step, struct records *out, struct err *e) {
    int rc = 0;
    for (int i = 0; rc == 0 && i < N_RECORDS; i++) {
        AUTO_RESET sqlite3_stmt *row = NULL;
        rc = i == RECORDS_BATCH      ? db_query(db, &row, e, SQL_RECORDS_BATCH, "i", step)
             : i == RECORDS_CONFLICT ? db_query(db, &row, e, SQL_RECORDS_CONFLICT, "i", step)
                                     : db_query(db, &row, e, SQL_RECORDS_PROBLEM, "i", step);
        rc = rc == 0 ? digest_rows(row, db, out->hex[i], e) : rc;
    }
    return rc;
}

int records_differ(const struct records *r, const char *detail) {
    const char *said = strstr(detail, " batch=");
    char token[HASH_HEX + 16];
    for (int i = 0; said != NULL && i < N_RECORDS; i++) {
        snprintf(token, sizeof token, " %s=%s", records_tables[i], r->hex[i]);
        const char *found = strstr(said, token);
        if (found == NULL || (found[strlen(token)] != ' ' && found[strlen(token)] != 0)) {
            return i;
        }
    }
    return -1;
}
