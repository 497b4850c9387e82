// SPDX-License-Identifier: Apache-2.0
// docs/journal.md against a journal: every table, view and column is explained, every query
// answers, and the chain checks without the program.
#include "tests/unit/state_story.h"

#include "base/child.h"

static char *manual(void) {
    char *text;
    size_t len;
    struct err e = {0};
    OK(file_read(AT_FDCWD, "docs/journal.md", 1 << 20, &text, &len, &e), e);
    return text;
}

// The next block fenced with ``` and `language`, cut out of the text; NULL at the end.
static char *next_block(char **rest, const char *language) {
    char fence[16];
    snprintf(fence, sizeof fence, "```%s\n", language);
    char *start = strstr(*rest, fence);
    if (start == NULL) {
        return NULL;
    }
    start += strlen(fence);
    char *end = strstr(start, "```\n");
    assert_non_null(end);
    *end = 0;
    *rest = end + 1;
    return start;
}

static sqlite3 *open_story(void **state) {
    char path[128];
    sqlite3 *db;
    story(state);
    snprintf(path, sizeof path, "%s/journal.db", ((struct place *)*state)->name);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    return db;
}

static int count_rows(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s = NULL;
    const char *tail = "";
    if (sqlite3_prepare_v2(db, sql, -1, &s, &tail) != SQLITE_OK) {
        fail_msg("%s\n%s", sql, sqlite3_errmsg(db));
    }
    assert_true(strspn(tail, "\n ") == strlen(tail)); // one statement to a block
    int rows = 0;
    while (sqlite3_step(s) == SQLITE_ROW) {
        rows++;
    }
    assert_int_equal(sqlite3_finalize(s), SQLITE_OK);
    return rows;
}

static void every_query_answers(void **state) {
    AUTO_FREE char *text = manual();
    char *rest = text;
    sqlite3 *db = open_story(state);
    int blocks = 0;
    for (char *sql; (sql = next_block(&rest, "sql")) != NULL; blocks++) {
        int rows = count_rows(db, sql);
        bool none = strstr(sql, "-- No row is good.") != NULL;
        if (none ? rows != 0 : rows == 0) {
            fail_msg("%d rows: %s", rows, sql);
        }
    }
    assert_true(blocks >= 12);
    sqlite3_close(db);
}

// The section "### `name`" of the manual, cut at the next heading; the caller frees it.
static char *section_of(const char *text, const char *name) {
    char heading[80];
    snprintf(heading, sizeof heading, "\n### `%s`\n", name);
    const char *start = strstr(text, heading);
    if (start == NULL) {
        fail_msg("docs/journal.md does not explain %s", name);
        return NULL;
    }
    start += strlen(heading);
    const char *end = strstr(start, "\n##");
    assert_non_null(end);
    return must_strndup(start, (size_t)(end - start));
}

static void every_column_is_explained(void **state) {
    AUTO_FREE char *text = manual();
    sqlite3 *db = open_story(state);
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT t.name, c.name FROM sqlite_schema AS t, "
                                        "pragma_table_xinfo(t.name) AS c "
                                        "WHERE t.type IN ('table', 'view')",
                                        -1, &s, NULL),
                     SQLITE_OK);
    int columns = 0;
    for (; sqlite3_step(s) == SQLITE_ROW; columns++) {
        const char *table = (const char *)sqlite3_column_text(s, 0);
        const char *column = (const char *)sqlite3_column_text(s, 1);
        char quoted[80];
        snprintf(quoted, sizeof quoted, "`%s`", column);
        AUTO_FREE char *section = section_of(text, table);
        if (strstr(section, quoted) == NULL) {
            fail_msg("docs/journal.md does not explain %s.%s", table, column);
        }
    }
    assert_true(columns > 150);
    assert_int_equal(sqlite3_finalize(s), SQLITE_OK);
    sqlite3_close(db);
}

// And nothing is explained that is not there.
static void no_section_is_stale(void **state) {
    AUTO_FREE char *text = manual();
    sqlite3_close(open_story(state));
    for (const char *at = text; (at = strstr(at, "\n### `")) != NULL; at++) {
        char sql[160];
        const char *name = at + strlen("\n### `");
        snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE name = '%.*s'",
                 (int)strcspn(name, "`"), name);
        assert_string_equal(ask(state, sql), "1");
    }
}

static int check_chain(void **state, struct buf *out, struct err *e) {
    AUTO_FREE char *text = manual();
    char *rest = text;
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", ((struct place *)*state)->name);
    const char *script = next_block(&rest, "python");
    assert_non_null(script);
    const char *argv[] = {"python3", "-c", script, path, NULL};
    struct child_options o = {.argv = argv, .env = (const char *const[]){NULL}};
    return child_run(&o, NULL, 0, 4096, 60000, out, e);
}

static void the_chain_checks_without_the_program(void **state) {
    AUTO_BUF struct buf out = BUF_INIT(4096);
    struct err e = {0};
    story(state);
    OK(check_chain(state, &out, &e), e);
    char head[256];
    snprintf(head, sizeof head, "%s\n",
             ask(state, "SELECT 'seq=' || seq || ' sha256=' || hash FROM event ORDER BY seq DESC "
                        "LIMIT 1"));
    assert_string_equal(buf_str(&out), head);
    ask(state, "UPDATE event SET detail = 'x' WHERE seq = 9");
    assert_int_equal(check_chain(state, &out, &e), ERR_FAILED);
    assert_has(e.text, "event 9: missing, or not as it was written");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
        TEST(every_query_answers),
        TEST(every_column_is_explained),
        TEST(no_section_is_stale),
        TEST(the_chain_checks_without_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
