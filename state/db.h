// SPDX-License-Identifier: Apache-2.0
// One SQLite connection with the journal's settings, and its prepared statements by name.
//
//     AUTO_RESET sqlite3_stmt *row = NULL;
//     rc = db_query(db, &row, e, SQL_STEP_FIND, "t", hash);
//     while (rc == 0 && (rc = db_next(db, row, e)) == 1) { ...db_text(row, 0)... rc = 0; }
//
// A connection is used by one thread at a time. Its statements live as long as it does.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/must.h"
#include "state/journal.h"

#define JOURNAL_APPLICATION_ID 0x4D56494D // "MVIM"
#define JOURNAL_VERSION 2                 // user_version; state/journal_schema.c has the steps

enum sql_id {
#define SQL(name, text) SQL_##name,
#include "state/sql.tbl.h"
#undef SQL
    N_SQL
};

struct db {
    sqlite3 *handle;
    sqlite3_stmt *statements[N_SQL]; // prepared at first use
    // Set by an error after which nothing this connection says is trusted: I/O, a full disk,
    // damage, no memory. A constraint that refuses one change is none of them.
    bool fatal;
    int last; // SQLite's code of the newest failure
};

// Opens the database at an absolute path without symlinks and puts the settings of state/journal.h
// on the connection, each read back. `busy` is called when another program holds the database: it
// sleeps, and returns 0 to give up (sqlite3_busy_handler). ERR_JOURNAL with a text that does not
// name the file: the caller wraps it.
enum db_mode { DB_WRITE, DB_READ, DB_MAKE };
int db_open(struct db *db, const char *path, enum db_mode mode, int (*busy)(void *, int), void *arg,
            struct err *e);
// journal_mode=TRUNCATE: WAL does not work on network file systems, and DELETE leaves an unlink to
// be lost there. Apart, because it may change the file: first see that it is ours.
int db_set_journal_mode(struct db *db, struct err *e);
void db_close(struct db *db); // safe on a zeroed struct
#define AUTO_DB AUTO(db_close)

// Fills `e` for a failed SQLite call: ERR_JOURNAL, or ERR_LOCKED when another program held the
// database for too long; what SQLite says, and the mend when one is known.
int db_error(struct db *db, int rc, struct err *e);

// Runs text of one or more statements without results, as our own SQL files have.
int db_script(struct db *db, const char *sql, struct err *e);

// Binds and runs one statement to its end. `types` has a letter per argument: i int64_t, u
// uint64_t, t const char * (NULL is NULL), b const void * and size_t (NULL is NULL), c const struct
// step_result * (the eight counters, in the order of the tables), n a uint64_t that is passed over
// for NULL. Arguments must outlive the call.
int db_run(struct db *db, struct err *e, enum sql_id id, const char *types, ...);
// The same for a statement with rows: db_next then returns 1 with a row, 0 at the end, or an error.
int db_query(struct db *db, sqlite3_stmt **row, struct err *e, enum sql_id id, const char *types,
             ...);
int db_next(struct db *db, sqlite3_stmt *row, struct err *e);
// For a query that gives exactly one row: runs it up to that row. ERR_NOTFOUND when there is none.
int db_row(struct db *db, sqlite3_stmt **row, struct err *e, enum sql_id id, const char *types,
           ...);
void db_reset(sqlite3_stmt **row); // ends a query
#define AUTO_RESET AUTO(db_reset)

const char *db_text(sqlite3_stmt *row, int column); // "" for NULL; until the next step
uint64_t db_uint(sqlite3_stmt *row, int column);
void db_counters(sqlite3_stmt *row, int column, struct step_result *out); // eight, from `column`

// The value of "PRAGMA NAME" as a number.
int db_pragma(struct db *db, const char *name, int64_t *out, struct err *e);
