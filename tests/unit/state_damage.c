// SPDX-License-Identifier: Apache-2.0
// Journals that are missing, not ours, damaged or altered: each is a clear error with its mend, and
// none is started over in silence.
#include "tests/unit/state_support.h"

// A finished small migration: events, attempts, batches.
static void fill(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    run_begin(j);
    for (size_t i = 0; i < p->n_steps; i++) {
        int64_t attempt = step_begin(j, &p->steps[i]);
        batch(j, &p->steps[i], attempt, 0, 10);
        step_done(j, &p->steps[i], attempt, &(struct step_result){.documents = 10});
    }
    journal_close(j);
}

static void put(void **state, const char *name, const void *data, size_t len) {
    int fd = openat(at(state), name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, data, len), 0);
    close(fd);
}

// Opening must fail, and both its text and that of a report say each of the parts.
static void refused(void **state, const char *says, const char *mend) {
    struct err e = {0};
    struct journal *j = NULL;
    assert_int_equal(journal_open(at(state), &quiet, &j, &e), ERR_JOURNAL);
    assert_null(j);
    assert_has(e.text, "journal.db: ");
    assert_has(e.text, says);
    assert_has(e.text, mend);
    assert_null(strchr(e.text, '\n'));
}

static void report_refused(void **state, const char *says) {
    AUTO_ARENA struct arena *a = arena_new();
    struct report r;
    struct err e = {0};
    assert_int_equal(report_read(at(state), a, &r, &e), ERR_JOURNAL);
    assert_has(e.text, says);
}

static void missing(void **state) {
    refused(state, "it is missing", "put it back from journal-sealed.db");
    report_refused(state, "it is missing");
    assert_int_equal(faccessat(at(state), "journal.db", F_OK, 0), -1);
}

static void empty(void **state) {
    put(state, "journal.db", "", 0);
    refused(state, "it is empty (0 bytes)", "put it back from journal-sealed.db");
    report_refused(state, "empty");
}

static void not_a_file(void **state) {
    fill(state);
    assert_int_equal(renameat(at(state), "journal.db", at(state), "elsewhere.db"), 0);
    assert_int_equal(symlinkat("elsewhere.db", at(state), "journal.db"), 0);
    refused(state, "it is not a file of its own", "put the journal there");
    report_refused(state, "not a file of its own");
    assert_int_equal(unlinkat(at(state), "journal.db", 0), 0);
    assert_int_equal(mkdirat(at(state), "journal.db", 0700), 0);
    refused(state, "it is not a file of its own", "put the journal there");
}

static void not_a_database(void **state) {
    char text[5000];
    memset(text, 'x', sizeof text);
    put(state, "journal.db", text, sizeof text);
    refused(state, "file is not a database", "put it back from journal-sealed.db");
    report_refused(state, "file is not a database");
}

// Another program's database is refused, and not changed in the least.
static void of_another_program(void **state) {
    put(state, "journal.db", "", 0);
    ask(state, "PRAGMA application_id = 7; PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
    AUTO_FREE char *before = NULL, *after = NULL;
    size_t len, len_after;
    struct err e = {0};
    OK(file_read(at(state), "journal.db", 1 << 20, &before, &len, &e), e);
    refused(state, "not a journal of mvimig's (application_id 7)", "another work directory");
    report_refused(state, "not a journal of mvimig's");
    OK(file_read(at(state), "journal.db", 1 << 20, &after, &len_after, &e), e);
    assert_int_equal(len, len_after);
    assert_memory_equal(before, after, len);
}

// As the first version's programs left it: everything but the owner.
static void make_version_1(void **state) {
    fill(state);
    ask(state, "DROP TABLE owner; PRAGMA user_version = 1");
}

static void of_an_older_program(void **state) {
    make_version_1(state);
    AUTO_ARENA struct arena *a = arena_new();
    struct report r;
    struct err e = {0};
    OK(report_read(at(state), a, &r, &e), e); // a reader takes it as it is
    assert_string_equal(ask(state, "PRAGMA user_version"), "1");
    journal_close(reopen(at(state)));
    assert_string_equal(ask(state, "PRAGMA user_version"), "2");
    assert_string_equal(ask(state, "SELECT count(*) FROM owner"), "1");
    assert_string_equal(ask(state, "SELECT count(*) FROM step WHERE state <> 'done'"), "0");
    // The copy is the journal as it was.
    struct stat st;
    assert_int_equal(fstatat(at(state), "journal-version-1.db", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(unlinkat(at(state), "journal.db", 0), 0);
    assert_int_equal(renameat(at(state), "journal-version-1.db", at(state), "journal.db"), 0);
    assert_int_equal(fchmodat(at(state), "journal.db", 0600, 0), 0);
    assert_string_equal(ask(state, "PRAGMA user_version"), "1");
    assert_string_equal(ask(state, "PRAGMA application_id"), "1297500493");
    journal_close(reopen(at(state)));
}

// What cannot be brought up stays as it was, in use by the program before.
static void an_older_one_that_cannot_be_brought_up(void **state) {
    make_version_1(state);
    ask(state, "CREATE TABLE owner (somebody TEXT)");
    refused(state, "making version 2 of the tables from version 1", "already exists");
    assert_string_equal(ask(state, "PRAGMA user_version"), "1");
    assert_string_equal(ask(state, "SELECT count(*) FROM owner"), "0");
}

static void of_a_newer_program(void **state) {
    fill(state);
    ask(state, "PRAGMA user_version = 99");
    refused(state, "newer mvimig (version 99 of the tables", "use that program");
    report_refused(state, "newer mvimig");
    ask(state, "PRAGMA user_version = 0");
    refused(state, "no version", "put it back from journal-sealed.db");
    ask(state, "PRAGMA user_version = 2");
    journal_close(reopen(at(state)));
}

static void made_twice(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = NULL;
    struct err e = {0};
    fill(state);
    assert_int_equal(journal_create(at(state), p, &quiet, &j, &e), ERR_JOURNAL);
    assert_has(e.text, "journal.db: it is there already");
    assert_string_equal(ask(state, "SELECT count(*) FROM batch"), "6");
}

// What undoes the last transaction of a journal that is gone must not be played into a new one.
static void gone_with_its_rollback_left(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = NULL;
    struct err e = {0};
    put(state, "journal.db-journal", "something", 9);
    assert_int_equal(journal_create(at(state), p, &quiet, &j, &e), ERR_JOURNAL);
    assert_has(e.text, "journal.db-journal of a killed run is there");
    put(state, "journal.db-journal", "", 0);
    put(state, ".journal.db.new", "left by a kill", 14);
    put(state, ".journal.db.new-journal", "left by a kill", 14);
    journal_close(create(at(state), p));
}

// In a child that may not write: as nobody when the tests run as root.
static int open_as_stranger(int fd) {
    struct err e = {0};
    struct journal *j = NULL;
    struct report r;
    AUTO_ARENA struct arena *a = arena_new();
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        return 1;
    }
    if (journal_open(fd, &quiet, &j, &e) != ERR_JOURNAL) {
        return 2;
    }
    if (strstr(e.text, "cannot be written") == NULL || strstr(e.text, "run as its owner") == NULL) {
        return 3;
    }
    return report_read(fd, a, &r, &e) == 0 && r.n_stages == 3 ? 0 : 4;
}

static void read_only(void **state) {
    static const struct { mode_t dir, file; } modes[] = {{0555, 0444}, {0777, 0444}, {0555, 0666}};
    fill(state);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(fchmodat(at(state), "journal.db", modes[i].file, 0), 0);
        assert_int_equal(fchmod(at(state), modes[i].dir), 0);
        pid_t pid = fork();
        if (pid == 0) {
            _exit(open_as_stranger(at(state)));
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    fchmod(at(state), 0700);
}

static void edited_by_hand(void **state) {
    static const struct {
        const char *sql, *says;
    } edits[] = {
        {"UPDATE event SET detail = detail || ' ' WHERE seq = 4", "event 4 was changed"},
        {"UPDATE event SET detail = CAST(detail || x'00' || 'y' AS TEXT) WHERE seq = 4",
         "event 4 was changed"},
        {"UPDATE event SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 0", "event 0 was changed"},
        {"UPDATE event SET run = NULL WHERE seq = 3", "event 3 was changed"},
        {"UPDATE event SET step = 'x' WHERE seq = 3", "event 3 was changed"},
        {"UPDATE event SET hash = (SELECT hash FROM event WHERE seq = 1) WHERE seq = 2",
         "event 2 was changed"},
        {"UPDATE event SET prev = hash WHERE seq = 2", "event 2 does not follow"},
        {"DELETE FROM event WHERE seq = 5", "event 5 is missing"},
        {"DELETE FROM event WHERE seq = 0", "event 0 is missing"},
        {"DELETE FROM event", "event 0 is missing"},
        {"DELETE FROM event WHERE seq >= 12", "event 12 is missing"}, // a tail, cut off
        {"UPDATE migration SET name = 'other'", "the migration row"},
        {"UPDATE migration SET destination_server = 'other'", "the migration row"},
        {"UPDATE migration SET source_fingerprint = 'other'", "the migration row"},
        {"DELETE FROM migration", "the migration row"},
    };
    fill(state);
    struct err e = {0};
    AUTO_FREE char *good = NULL;
    size_t len;
    OK(file_read(at(state), "journal.db", 1 << 24, &good, &len, &e), e);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        put(state, "journal.db", good, len);
        ask(state, edits[i].sql);
        refused(state, edits[i].says, "put it back from journal-sealed.db");
    }
    put(state, "journal.db", good, len);
    journal_close(reopen(at(state)));
}

// Bits flipped, pages zeroed, the end cut off: an error or an unbroken chain, never a crash. What
// was opened can be asked everything, too.
static void damaged_at_random(void **state) {
    fill(state);
    struct err e = {0};
    AUTO_FREE char *good = NULL;
    size_t len;
    int refusals = 0;
    OK(file_read(at(state), "journal.db", 1 << 24, &good, &len, &e), e);
    AUTO_FREE char *bad = must_calloc(1, len);
    for (uint64_t i = 0; i < 400; i++) {
        uint64_t where = hash_mix64(&i, sizeof i) % len;
        size_t keep = i % 4 == 3 ? where : len;
        memcpy(bad, good, len);
        if (i % 4 == 2) {
            memset(bad + (where / 4096 * 4096), 0, 4096);
        } else {
            bad[where] = (char)(bad[where] ^ (1 << (i % 8)));
        }
        put(state, "journal.db", bad, keep);
        struct journal *j = NULL;
        AUTO_ARENA struct arena *a = arena_new();
        struct report r;
        int rc = journal_open(at(state), &quiet, &j, &e);
        assert_true(rc == 0 || rc == ERR_JOURNAL);
        refusals += rc != 0;
        if (rc == 0) {
            (void)journal_run_begin(j, "apply", "", &e);
        }
        journal_close(j);
        (void)report_read(at(state), a, &r, &e);
        unlinkat(at(state), "journal.db-journal", 0);
    }
    print_message("%d of 400 damaged journals refused\n", refusals);
    assert_true(refusals > 150);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
        TEST(missing),
        TEST(empty),
        TEST(not_a_file),
        TEST(not_a_database),
        TEST(of_another_program),
        TEST(of_an_older_program),
        TEST(an_older_one_that_cannot_be_brought_up),
        TEST(of_a_newer_program),
        TEST(made_twice),
        TEST(gone_with_its_rollback_left),
        TEST(read_only),
        TEST(edited_by_hand),
        TEST(damaged_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
