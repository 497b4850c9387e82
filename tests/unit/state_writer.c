// SPDX-License-Identifier: Apache-2.0
// Group commit: many workers, readers in the way, a commit that fails.
#include "tests/unit/state_support.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS 8
#define BATCHES 200

struct worker {
    struct journal *journal;
    const struct plan_step *step;
    int failures; // of calls that must fail, and did
    bool ok;
};

// Every tenth batch is told twice: the second must fail, and nobody else with it.
static bool work(struct worker *w) {
    struct err e = {0};
    int64_t attempt;
    if (journal_step_begin(w->journal, w->step, &attempt, &e) != 0) {
        return false;
    }
    for (uint64_t i = 0; i < BATCHES; i++) {
        struct batch_record b = {.position = i, .end = i + 1, .result = {.documents = 10}};
        struct problem_record p = {"DataSets", "\"x\"", "rejected", "told with every batch"};
        if (journal_problem(w->journal, w->step, attempt, &p, &e) != 0 ||
            journal_batch(w->journal, w->step, attempt, &b, &e) != 0) {
            return false;
        }
        if (i % 10 == 0) {
            w->failures += journal_batch(w->journal, w->step, attempt, &b, &e) == ERR_JOURNAL;
        }
    }
    struct step_result r = {.documents = (uint64_t)10 * BATCHES};
    return journal_step_end(w->journal, w->step, attempt, &r, NULL, &e) == 0;
}

static void *work_thread(void *arg) {
    struct worker *w = arg;
    w->ok = work(w);
    return NULL;
}

static struct plan *plan_wide(size_t n) {
    struct plan *p = plan_empty();
    for (size_t i = 0; i < n; i++) {
        plan_add(p, arena_printf(p->arena, "restore/DataSets/%04zu", i + 1), KIND_RESTORE,
                 (uint64_t)10 * BATCHES, 0);
    }
    return p;
}

static void workers_share_commits(void **state) {
    AUTO_PLAN struct plan *p = plan_wide(WORKERS);
    struct journal *j = create(at(state), p);
    struct worker workers[WORKERS] = {0};
    pthread_t threads[WORKERS];
    run_begin(j);
    int64_t began = clock_mono_ns();
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.journal = j, .step = &p->steps[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, work_thread, &workers[i]), 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(workers[i].ok);
        assert_int_equal(workers[i].failures, BATCHES / 10);
    }
    double seconds = (double)(clock_mono_ns() - began) / 1e9;
    print_message("%d calls of %d threads in %.2f s: %.0f a second\n", WORKERS * (BATCHES + 22),
                  WORKERS, seconds, WORKERS * (BATCHES + 22) / seconds);
    journal_close(j);
    assert_string_equal(ask(state, "SELECT count(*) FROM batch"), "1600");
    assert_string_equal(ask(state, "SELECT count(*) FROM problem WHERE batch IS NOT NULL"), "8");
    assert_string_equal(ask(state, "SELECT sum(documents) FROM step WHERE state = 'done'"),
                        "16000");
    assert_string_equal(ask(state, "SELECT sum(documents) FROM attempt"), "16000");
    journal_close(reopen(at(state)));
}

static void one_thread_alone(void **state) {
    AUTO_PLAN struct plan *p = plan_wide(1);
    struct journal *j = create(at(state), p);
    run_begin(j);
    struct worker w = {.journal = j, .step = &p->steps[0]};
    int64_t began = clock_mono_ns();
    assert_true(work(&w));
    double seconds = (double)(clock_mono_ns() - began) / 1e9;
    print_message("%d calls of one thread in %.2f s: %.0f a second\n", BATCHES + 22, seconds,
                  (BATCHES + 22) / seconds);
    journal_close(j);
}

struct reader {
    const char *path;
    int64_t hold_ms;
    atomic_bool holds;
};

// Holds a SELECT open, and with it a lock that no commit can pass.
static void *hold_select(void *arg) {
    struct reader *r = arg;
    sqlite3 *db;
    sqlite3_stmt *s;
    MUST(sqlite3_open_v2(r->path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    MUST(sqlite3_prepare_v2(db, "SELECT * FROM event", -1, &s, NULL) == SQLITE_OK);
    MUST(sqlite3_step(s) == SQLITE_ROW);
    atomic_store(&r->holds, true);
    clock_sleep_ms(r->hold_ms);
    sqlite3_finalize(s);
    MUST(sqlite3_close(db) == SQLITE_OK);
    return NULL;
}

static void count_line(void *arg, const char *text) {
    (*(int *)arg)++;
    MUST(strstr(text, "held by another program") != NULL);
}

static void a_reader_is_waited_out(void **state) {
    AUTO_PLAN struct plan *p = plan_wide(2);
    struct err e = {0};
    struct journal *j = NULL;
    struct step_result result = {.documents = 10};
    int lines = 0;
    struct journal_options o = {.program_version = "0.1.0", .on_wait = count_line, .arg = &lines};
    OK(journal_create(at(state), p, &o, &j, &e), e);
    run_begin(j);
    int64_t attempt = step_begin(j, &p->steps[0]), other = step_begin(j, &p->steps[1]);
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", ((struct place *)*state)->name);
    struct reader r = {.path = path, .hold_ms = 3000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hold_select, &r), 0);
    while (!atomic_load(&r.holds)) {
        clock_sleep_ms(1);
    }
    int64_t began = clock_mono_ns();
    struct step_status st;
    OK(journal_step(j, p->steps[0].hash_text, &st, &e), e);
    assert_true(clock_mono_ns() - began < 2000000000); // reading waits for no reader
    batch(j, &p->steps[0], attempt, 0, 10);
    OK(journal_step_end(j, &p->steps[1], other, &result, NULL, &e), e);
    assert_true(clock_mono_ns() - began < 2000000000); // neither does what may be lost
    OK(journal_event(j, "x", NULL, "y", &e), e);
    int64_t waited_ms = (clock_mono_ns() - began) / 1000000;
    assert_in_range(waited_ms, 2500, 20000);
    assert_int_equal(lines, 1);
    began = clock_mono_ns();
    batch(j, &p->steps[0], attempt, 10, 10);
    assert_true(clock_mono_ns() - began < 10000000000);
    pthread_join(thread, NULL);
    journal_close(j);
}

// Runs this program anew with a fault point set, on the journal in the work directory: fault points
// are read once per process. It must exit 0.
static void in_child(void **state, const char *fault) {
    AUTO_PLAN struct plan *p = plan_wide(2);
    journal_close(create(at(state), p));
    pid_t pid = fork();
    if (pid == 0) {
        setenv("MVIMIG_FAULT", fault, 1);
        execl("/proc/self/exe", "test_state_writer", ((struct place *)*state)->name, NULL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

// The journal dies at its second commit; what is asked of it afterwards says why.
static int dies_at_second(const char *dir) {
    AUTO_PLAN struct plan *p = plan_wide(2);
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct err e = {0};
    struct journal *j = NULL;
    struct step_status st;
    int64_t attempt;
    MUST(journal_open(fd, &quiet, &j, &e) == 0);
    MUST(journal_run_begin(j, "apply", "", &e) == 0);
    MUST(journal_step_begin(j, &p->steps[0], &attempt, &e) == 0);
    MUST(journal_event(j, "x", NULL, "y", &e) == ERR_JOURNAL);
    MUST(strstr(e.text, "journal.db: fault point") != NULL);
    for (int i = 0; i < 3; i++) {
        e = (struct err){0};
        MUST(journal_step(j, p->steps[0].hash_text, &st, &e) == ERR_JOURNAL);
        MUST(strstr(e.text, "No space left") != NULL);
    }
    MUST(journal_event(j, "x", NULL, "y", &e) == ERR_JOURNAL);
    MUST(journal_seal(j, &e) == ERR_JOURNAL);
    journal_close(j);
    return 0;
}

static void a_failed_commit_ends_the_journal(void **state) {
    in_child(state, "journal-before-commit:fail=ENOSPC:2");
    assert_string_equal(ask(state, "SELECT count(*) FROM attempt"), "0");
    assert_string_equal(ask(state, "SELECT count(*) FROM run"), "1");
    journal_close(reopen(at(state)));
}

static void what_a_failed_commit_left_is_found_out_at_the_next_open(void **state) {
    in_child(state, "journal-after-commit:fail=ENOSPC:2");
    assert_string_equal(ask(state, "SELECT count(*) FROM attempt"), "1");
    struct journal *j = reopen(at(state));
    run_begin(j);
    journal_close(j);
    assert_string_equal(ask(state, "SELECT state FROM attempt"), "interrupted");
    assert_string_equal(ask(state, "SELECT count(*) FROM step WHERE state = 'running'"), "0");
}

int main(int argc, char **argv) {
    if (argc == 2) {
        return dies_at_second(argv[1]);
    }
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
        TEST(workers_share_commits),
        TEST(one_thread_alone),
        TEST(a_reader_is_waited_out),
        TEST(a_failed_commit_ends_the_journal),
        TEST(what_a_failed_commit_left_is_found_out_at_the_next_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
