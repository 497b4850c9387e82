// SPDX-License-Identifier: Apache-2.0
// What the tests of state/ share: a fresh work directory, a plan made by hand, and short calls that
// must succeed. Each including file uses what it needs.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "state/journal.h"
#include "state/lock.h"
#include "state/report.h"

#define UNUSED __attribute__((unused))

struct place {
    char name[64];
    int fd;
};

UNUSED static int enter(void **state) {
    struct place *p = must_calloc(1, sizeof *p);
    snprintf(p->name, sizeof p->name, "/tmp/mvimig-test-XXXXXX");
    MUST(mkdtemp(p->name) != NULL);
    p->fd = open(p->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = p;
    return p->fd < 0;
}

UNUSED static int leave(void **state) {
    struct place *p = *state;
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = path_remove_tree(tmp, strrchr(p->name, '/') + 1);
    close(tmp);
    close(p->fd);
    free(p);
    return rc;
}

UNUSED static int at(void **state) {
    return ((struct place *)*state)->fd;
}

// Fails the test with the error's text.
#define OK(call, e)                                                                                \
    do {                                                                                           \
        if ((call) != 0) {                                                                         \
            fail_msg("%s: %d %s", #call, (e).code, (e).text);                                      \
        }                                                                                          \
    } while (0)

#define assert_has(text, part)                                                                     \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL) {                                                      \
            fail_msg("\"%s\" does not say \"%s\"", (text), (part));                                \
        }                                                                                          \
    } while (0)

UNUSED static void plan_add(struct plan *p, const char *id, enum step_kind_id kind, uint64_t items,
                            uint64_t bytes) {
    struct plan_step s = {.id = arena_strdup(p->arena, id), .kind = kind};
    s.expect.any = items > 0;
    s.expect.bytes = bytes;
    *(kind <= KIND_TAR_LIST ? &s.expect.files : &s.expect.documents) = items;
    const char *seed = arena_printf(p->arena, "%s pass %d", id, p->pass);
    hash_bytes(seed, strlen(seed), s.hash);
    hash_hex(s.hash, s.hash_text);
    ARENA_PUSH(p->arena, p->steps, p->n_steps, p->cap_steps, s);
}

UNUSED static struct plan *plan_empty(void) {
    struct plan *p = plan_new();
    p->name = "line3";
    p->pass = 1;
    p->scope = "--users alice,bob";
    p->source = (struct plan_end){"old:27017", "DLAAS", "/data", "aaaa"};
    p->destination = (struct plan_end){"new:27017", "DLAAS", "/data", "bbbb"};
    memset(p->digest, 'd', HASH_HEX - 1);
    return p;
}

// Six steps of three stages and two owners.
UNUSED static struct plan *plan_small(void) {
    struct plan *p = plan_empty();
    plan_add(p, "files/datasets/alice/0001", KIND_FILE_BATCH, 10, 1000);
    plan_add(p, "files/datasets/bob/0001", KIND_FILE_BATCH, 20, 2000);
    plan_add(p, "files/models/alice/0001", KIND_TAR_LIST, 5, 500000);
    plan_add(p, "dump/DataSetFiles/0001", KIND_DUMP, 3000, 300000);
    plan_add(p, "restore/DataSetFiles/0001", KIND_RESTORE, 3000, 300000);
    plan_add(p, "restore/DataSets/0001", KIND_RESTORE, 0, 0);
    return p;
}

static const struct journal_options quiet = {.program_version = "0.1.0"};

UNUSED static struct journal *create(int fd, const struct plan *p) {
    struct err e = {0};
    struct journal *j = NULL;
    OK(journal_create(fd, p, &quiet, &j, &e), e);
    return j;
}

UNUSED static struct journal *reopen(int fd) {
    struct err e = {0};
    struct journal *j = NULL;
    OK(journal_open(fd, &quiet, &j, &e), e);
    return j;
}

UNUSED static void run_begin(struct journal *j) {
    struct err e = {0};
    OK(journal_run_begin(j, "apply", "", &e), e);
}

UNUSED static int64_t step_begin(struct journal *j, const struct plan_step *s) {
    struct err e = {0};
    int64_t attempt = 0;
    OK(journal_step_begin(j, s, &attempt, &e), e);
    return attempt;
}

UNUSED static void step_done(struct journal *j, const struct plan_step *s, int64_t attempt,
                             const struct step_result *r) {
    struct err e = {0};
    OK(journal_step_end(j, s, attempt, r, NULL, &e), e);
}

UNUSED static void batch(struct journal *j, const struct plan_step *s, int64_t attempt,
                         uint64_t position, uint64_t documents) {
    struct err e = {0};
    struct batch_record b = {.position = position,
                             .end = position + (documents * 100),
                             .result = {.documents = documents,
                                        .bytes = documents * 100,
                                        .sent = documents,
                                        .sent_bytes = documents * 100}};
    OK(journal_batch(j, s, attempt, &b, &e), e);
}

// Runs SQL on the journal as a person with sqlite3 would; returns the first value of the last row
// as text, in a buffer that the next call overwrites.
UNUSED static const char *ask(void **state, const char *sql) {
    static char out[4096];
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", ((struct place *)*state)->name);
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    out[0] = 0;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    while (*sql != 0) {
        if (sqlite3_prepare_v2(db, sql, -1, &s, &sql) != SQLITE_OK) {
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        }
        int rc = SQLITE_DONE;
        while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(s, 0);
            snprintf(out, sizeof out, "%s", text == NULL ? "" : text);
        }
        if (rc != SQLITE_DONE) {
            fail_msg("%s", sqlite3_errmsg(db));
        }
        sqlite3_finalize(s);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return out;
}
