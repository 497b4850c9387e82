// SPDX-License-Identifier: Apache-2.0
// A run is killed at any moment, again and again: the journal opens, its chain holds, and all that
// was acknowledged is there.
#include "tests/unit/state_support.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#define KILLS 100
#define WORKERS 4
#define TOGETHER 4 // batches between two events: these are durable, and with them what is before

struct acknowledged {
    uint32_t step;
    uint64_t position;
};

struct worker {
    struct journal *journal;
    const struct plan *plan;
    uint32_t step;
    int out;
};

static int keep_end(void *arg, const struct batch_record *b) {
    *(uint64_t *)arg = b->end;
    return 0;
}

// Goes on behind what is recorded, for ever; tells of batches once an event behind them is durable.
static void *work(void *arg) {
    struct worker *w = arg;
    const struct plan_step *s = &w->plan->steps[w->step];
    struct err e = {0};
    uint64_t at = 0;
    int64_t attempt;
    MUST(journal_batches(w->journal, s, keep_end, &at, &e) == 0);
    MUST(journal_step_begin(w->journal, s, &attempt, &e) == 0);
    for (;; at++) {
        struct batch_record b = {.position = at, .end = at + 1, .result = {.documents = 1}};
        struct conflict_record c = {.object = "DataSets",
                                    .id = "\"x\"",
                                    .class = "different",
                                    .decision = "kept",
                                    .source_digest = "",
                                    .destination_digest = "",
                                    .detail = ""};
        struct acknowledged ack = {w->step, at};
        MUST(journal_conflict(w->journal, s, attempt, &c, &e) == 0);
        MUST(journal_batch(w->journal, s, attempt, &b, &e) == 0);
        if (at % TOGETHER == 0) {
            MUST(journal_event(w->journal, "told", NULL, "", &e) == 0);
            MUST(write(w->out, &ack, sizeof ack) == sizeof ack);
        }
    }
    return NULL;
}

static void run_until_killed(int fd, const struct plan *p, int out) {
    struct err e = {0};
    struct journal *j = NULL;
    pthread_t threads[WORKERS];
    struct worker workers[WORKERS];
    MUST(journal_open(fd, &quiet, &j, &e) == 0);
    MUST(journal_bind(j, p, "", &e) == 0);
    MUST(journal_run_begin(j, "resume", "", &e) == 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){j, p, i, out};
        MUST(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    pthread_join(threads[0], NULL);
}

// Lets a child run for a while, from its start or (busy) from its first batch, kills it, and notes
// the last batch that it was told of for each step.
static void run_and_kill(int fd, const struct plan *p, bool busy, int64_t pause_ms,
                         uint64_t *told) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        run_until_killed(fd, p, ends[1]);
        _exit(1);
    }
    close(ends[1]);
    struct pollfd first = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(busy ? poll(&first, 1, 20000) : 1, 1);
    clock_sleep_ms(pause_ms);
    kill(pid, SIGKILL);
    struct acknowledged ack;
    while (fd_read_all(ends[0], &ack, sizeof ack) == 0) {
        told[ack.step] = ack.position + 1;
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static struct plan *plan_of_workers(void) {
    struct plan *p = plan_empty();
    for (int i = 0; i < WORKERS; i++) {
        plan_add(p, arena_printf(p->arena, "restore/DataSets/%04d", i + 1), KIND_RESTORE, 0, 0);
    }
    return p;
}

// Positions run from 0 without a gap, so that the last end says all. A kill may leave some batches
// of each step recorded that nobody was told of, and there are at most two kills between checks.
static void check_acknowledged(int fd, const struct plan *p, uint64_t *told) {
    struct err e = {0};
    struct journal *j = reopen(fd);
    for (size_t i = 0; i < WORKERS; i++) {
        uint64_t end = 0;
        OK(journal_batches(j, &p->steps[i], keep_end, &end, &e), e);
        assert_true(end >= told[i]);
        assert_true(end <= told[i] + (2 * TOGETHER));
        told[i] = end;
    }
    journal_close(j);
}

static void killed_at_random_moments(void **state) {
    AUTO_PLAN struct plan *p = plan_of_workers();
    uint64_t told[WORKERS] = {0};
    const char *given = getenv("MVIMIG_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_ns();
    print_message("seed %llu (MVIMIG_TEST_SEED repeats it)\n", (unsigned long long)seed);
    journal_close(create(at(state), p));
    for (uint64_t i = 0; i < KILLS; i++) {
        uint64_t mixed[] = {seed, i};
        int64_t pause_ms = (int64_t)(hash_mix64(mixed, sizeof mixed) % 50);
        run_and_kill(at(state), p, i % 3 != 0, pause_ms, told);
        if (i % 4 != 3) { // otherwise the next run does the recovery, and may be killed in it
            check_acknowledged(at(state), p, told);
        }
    }
    check_acknowledged(at(state), p, told);
    print_message("%d kills, %s batches\n", KILLS, ask(state, "SELECT count(*) FROM batch"));
    assert_string_equal(ask(state, "SELECT count(*) > 100 FROM batch"), "1");
    assert_string_equal(ask(state, "SELECT count(*) FROM batch GROUP BY step, position "
                                   "HAVING count(*) > 1"),
                        "");
    assert_string_equal(ask(state, "SELECT count(*) FROM conflict"), "4");
    assert_string_equal(ask(state, "SELECT count(*) FROM step JOIN (SELECT step, sum(documents) "
                                   "AS d FROM batch GROUP BY step) b ON b.step = step.id WHERE "
                                   "step.documents <> b.d"),
                        "0");
    assert_string_equal(ask(state, "PRAGMA integrity_check; PRAGMA foreign_key_check"), "ok");
}

// Hot: it holds what was there before, and its header says so (until its sync it begins with
// zeros).
static bool is_hot(int fd) {
    char first = 0;
    AUTO_CLOSE int rollback = openat(fd, "journal.db-journal", O_RDONLY | O_CLOEXEC);
    return rollback >= 0 && read(rollback, &first, 1) == 1 && first != 0;
}

// Leaves a transaction half-written as a kill in the middle of a commit would: a cache of five
// pages spills changed ones into the file, which has the rollback journal synced before.
static void die_in_a_transaction(const char *path) {
    sqlite3 *db;
    MUST(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    MUST(sqlite3_exec(db,
                      "PRAGMA journal_mode=TRUNCATE; PRAGMA cache_size=5; BEGIN IMMEDIATE;"
                      "UPDATE step SET name = name || 'x'; CREATE TABLE half (data);"
                      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200)"
                      " INSERT INTO half SELECT randomblob(2000) FROM n",
                      NULL, NULL, NULL) == SQLITE_OK);
    kill(getpid(), SIGKILL);
}

// A report of a journal that a killed run left half-written rolls it back, as nobody holds the
// lock.
static void a_hot_journal_is_read(void **state) {
    AUTO_PLAN struct plan *p = plan_of_workers();
    struct journal *j = create(at(state), p);
    run_begin(j);
    journal_close(j);
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", ((struct place *)*state)->name);
    pid_t pid = fork();
    if (pid == 0) {
        die_in_a_transaction(path);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(is_hot(at(state)));
    AUTO_ARENA struct arena *a = arena_new();
    struct report r;
    struct err e = {0};
    OK(report_read(at(state), a, &r, &e), e);
    assert_true(r.runs >= 1);
    assert_false(r.held);
    assert_false(is_hot(at(state)));
    assert_string_equal(ask(state, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), "0");
    journal_close(reopen(at(state)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
        TEST(killed_at_random_moments),
        TEST(a_hot_journal_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
