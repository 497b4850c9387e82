// SPDX-License-Identifier: Apache-2.0
// What readers get: the views, and reports while a run writes.
#include "tests/unit/state_story.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"

static int row_line(void *arg, int n, const char *const *names, const char *const *values) {
    (void)names;
    for (int i = 0; i < n; i++) {
        buf_printf(arg, "%s%s", i > 0 ? "|" : "", values[i]);
    }
    buf_puts(arg, "\n");
    return 0;
}

static void assert_view(void **state, const char *view, const char *expected) {
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    struct err e = {0};
    OK(report_view(at(state), view, row_line, &text, &e), e);
    assert_string_equal(buf_str(&text), expected);
}

static void the_summary_of_a_story(void **state) {
    story(state);
    assert_view(state, "summary",
                "files|done|3 steps|35 items|503.0 kB|100.0 %\n"
                "dump|done|1 step|3,000 items|300.0 kB|100.0 %\n"
                "restore|done|1 step|3,000 items|300.0 kB|98.7 %\n"
                "restore|pending|1 step|0 of 40 items|0 B|0.0 %\n");
    assert_view(state, "moved_by_owner",
                "alice|files|datasets|1|1|10|0|1000|10|1000|0|0|0\n"
                "alice|files|models|1|1|5|0|500000|5|500000|0|0|0\n"
                "bob|files|datasets|1|1|20|0|2000|20|2000|0|0|0\n"
                "(unknown)|dump|DataSetFiles|1|1|0|3000|300000|3000|300000|0|0|0\n"
                "(unknown)|restore|DataSetFiles|1|1|0|3000|300000|2000|200000|998|2|1\n"
                "(unknown)|restore|Models|1|0|0|0|0|0|0|0|0|0\n");
}

static void progress_of_a_story(void **state) {
    story(state);
    assert_string_equal(ask(state, "SELECT percent || ' ' || steps || ' ' || items || ' ' || bytes "
                                   "FROM progress"),
                        "99.5 % 5 of 6 steps 6,035 of 6,075 items 1.1 of 1.1 MB");
    assert_string_equal(ask(state, "SELECT eta FROM progress"), ""); // the run has ended
    assert_has(ask(state, "SELECT run FROM progress"), "run 2 (resume) since 20");
    assert_has(ask(state, "SELECT run FROM progress"), ", ended: LEFTOVER");
    // A minute after its start half of it is done: as much time again is to come.
    ask(state, "UPDATE run SET ended = NULL, outcome = NULL, exit_status = NULL, "
               "started = '2026-01-01T00:00:00.000Z' WHERE id = 2;"
               "UPDATE event SET at = '2026-01-01T00:01:00.000Z';"
               "UPDATE batch SET recorded = '2026-01-01T00:00:30.000Z';"
               "UPDATE attempt SET run = 2; UPDATE step SET state = 'pending', done_at = NULL;"
               "UPDATE step SET files = 0, documents = 0, bytes = 0;"
               "UPDATE attempt SET files = 0, documents = 0, bytes = 0;"
               "UPDATE step SET documents = 3037, bytes = 553500 WHERE place = 4 AND in_plan;"
               "UPDATE step SET expected_bytes = 553500 WHERE place = 3;"
               "UPDATE step SET expected_bytes = NULL WHERE place IN (0, 1, 2, 5);"
               "UPDATE step SET expected_documents = 2962 WHERE place = 3;"
               "UPDATE attempt SET documents = 3037, bytes = 553500 WHERE id = 1");
    assert_string_equal(ask(state, "SELECT percent || '|' || item_rate || '|' || byte_rate || '|' "
                                   "|| eta FROM progress"),
                        "50.0 %|50 items/s|0.0 MB/s|ETA 0:01:00");
}

static void every_view_answers(void **state) {
    story(state);
    assert_string_equal(ask(state, "SELECT group_concat(step || '/' || attempt || state) FROM "
                                   "timeline WHERE step LIKE 'restore/%'"),
                        "restore/DataSetFiles/0001/1interrupted,restore/DataSetFiles/0001/2done");
    assert_string_equal(ask(state, "SELECT group_concat(step || attempt || step_is_now) FROM "
                                   "failures"),
                        "files/datasets/bob/00011done");
    assert_string_equal(ask(state, "SELECT group_concat(object_id || decision || "
                                   "coalesce(old_bytes_kept, '-')) FROM conflicts"),
                        "\"kept\"kept-,\"in flight\"replaced12");
    assert_string_equal(ask(state, "SELECT step || object_id || class FROM problems"),
                        "restore/DataSetFiles/0001\"no\"rejected");
    assert_string_equal(ask(state, "SELECT last_attempt - attempt > 0 FROM conflict WHERE "
                                   "object_id = '\"in flight\"'"),
                        "1");
}

static void a_report_of_a_story(void **state) {
    story(state);
    AUTO_ARENA struct arena *a = arena_new();
    struct report r;
    struct err e = {0};
    OK(report_read(at(state), a, &r, &e), e);
    assert_string_equal(r.name, "line3");
    assert_string_equal(r.program_version, "0.1.0");
    assert_string_equal(r.config_path, "/etc/network.json");
    assert_int_equal(strlen(r.plan_digest), 64);
    assert_string_equal(r.outcome, "LEFTOVER");
    assert_true(strcmp(r.started, r.ended) <= 0);
    assert_int_equal(r.runs, 2);
    assert_false(r.held);
    assert_int_equal(r.n_stages, 3);
    assert_string_equal(r.stages[2].stage, "restore");
    assert_int_equal(r.stages[2].steps, 2);
    assert_int_equal(r.stages[2].done, 1);
    assert_int_equal(r.stages[2].expected_items, 3040);
    assert_int_equal(r.stages[2].items, 3000);
    assert_int_equal(r.stages[2].expected_bytes, 304000);
    assert_int_equal(r.conflicts, 2);
    assert_int_equal(r.problems, 1);
    assert_int_equal(r.n_failures, 0);
    assert_false(r.finished);
}

static void a_report_of_what_goes_on(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    AUTO_ARENA struct arena *a = arena_new();
    struct report r;
    struct err e = {0}, why = {0};
    struct lock *l = NULL;
    OK(lock_take(at(state), "apply", 0, &l, &e), e);
    struct journal *j = create(at(state), p);
    OK(report_read(at(state), a, &r, &e), e);
    assert_int_equal(r.runs, 0);
    assert_string_equal(r.started, "");
    run_begin(j);
    int64_t attempt = step_begin(j, &p->steps[0]);
    err_set(&why, ERR_IO, "it broke");
    OK(journal_step_end(j, &p->steps[0], attempt, NULL, &why, &e), e);
    step_begin(j, &p->steps[1]);
    OK(journal_event(j, "x", NULL, "makes what is before it durable", &e), e);
    OK(report_read(at(state), a, &r, &e), e);
    assert_true(r.held);
    assert_has(r.holder, "mvimig apply on ");
    assert_string_equal(r.ended, "");
    assert_int_equal(r.stages[0].running, 1);
    assert_int_equal(r.stages[0].failed, 1);
    assert_int_equal(r.n_failures, 1);
    assert_string_equal(r.failures[0].step, "files/datasets/alice/0001");
    assert_string_equal(r.failures[0].error, "it broke");
    assert_int_equal(r.failures[0].attempts, 1);
    journal_close(j);
    lock_release(l);
}

static void what_a_later_look_supersedes_is_left_out(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    const struct plan_step *s = &p->steps[4];
    struct journal *j = create(at(state), p);
    struct err e = {0}, why = {0};
    run_begin(j);
    int64_t attempt = step_begin(j, s);
    story_conflict(j, s, attempt, "\"a\"", "kept");
    batch(j, s, attempt, 0, 1); // a is of a batch that stands
    story_conflict(j, s, attempt, "\"b\"", "kept");
    story_conflict(j, s, attempt, "\"c\"", "kept");
    story_conflict(j, s, attempt, "\"d\"", "replaced");
    err_set(&why, ERR_IO, "it broke");
    OK(journal_step_end(j, s, attempt, NULL, &why, &e), e);
    static const char open[] = "SELECT group_concat(object_id, '') FROM conflicts";
    assert_string_equal(ask(state, open), "\"a\"\"b\"\"c\"\"d\"");
    attempt = step_begin(j, s);
    OK(journal_event(j, "x", NULL, "makes what is before it durable", &e), e);
    assert_string_equal(ask(state, open), "\"a\"\"d\"");
    story_conflict(j, s, attempt, "\"c\"", "kept");
    batch(j, s, attempt, 100, 1);
    OK(journal_event(j, "x", NULL, "makes what is before it durable", &e), e);
    assert_string_equal(ask(state, open), "\"a\"\"c\"\"d\"");
    step_done(j, s, attempt, &(struct step_result){.documents = 2});
    OK(journal_step_reset(j, s, "asked for", &e), e);
    assert_string_equal(ask(state, open), "\"d\"");
    journal_close(j);
    assert_string_equal(ask(state, "SELECT count(*) FROM conflict"), "4");
}

struct tally {
    uint64_t rows;
    bool in_order;
};

static int tally_row(void *arg, int n, const char *const *names, const char *const *values) {
    struct tally *t = arg;
    assert_true(n == 10);
    assert_string_equal(names[2], "object_id");
    t->in_order = t->in_order && strtoull(values[2], NULL, 10) == t->rows;
    t->rows++;
    return 0;
}

static int stop_at_once(void *arg, int n, const char *const *names, const char *const *values) {
    (void)n;
    (void)names;
    (void)values;
    (*(int *)arg)++;
    return -1234;
}

static void a_long_view_comes_in_portions(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0};
    run_begin(j);
    int64_t attempt = step_begin(j, &p->steps[4]);
    for (int i = 0; i < 12000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        story_conflict(j, &p->steps[4], attempt, id, "kept");
    }
    step_done(j, &p->steps[4], attempt, &(struct step_result){.conflicts = 12000});
    struct tally t = {.in_order = true};
    OK(report_view(at(state), "conflicts", tally_row, &t, &e), e);
    assert_int_equal(t.rows, 12000);
    assert_true(t.in_order);
    int calls = 0;
    assert_int_equal(report_view(at(state), "conflicts", stop_at_once, &calls, &e), -1234);
    assert_int_equal(calls, 1);
    assert_int_equal(report_view(at(state), "conflict", stop_at_once, &calls, &e), ERR_NOTFOUND);
    assert_has(e.text, "no view conflict");
    assert_int_equal(report_view(at(state), "x\"; --", stop_at_once, &calls, &e), ERR_NOTFOUND);
    journal_close(j);
}

struct busy {
    struct journal *journal;
    const struct plan_step *step;
    atomic_bool stop;
    uint64_t batches;
};

static void *record_all_the_time(void *arg) {
    struct busy *b = arg;
    struct err e = {0};
    int64_t attempt;
    MUST(journal_step_begin(b->journal, b->step, &attempt, &e) == 0);
    for (; !atomic_load(&b->stop); b->batches++) {
        struct batch_record r = {.position = b->batches, .end = b->batches + 1};
        MUST(journal_batch(b->journal, b->step, attempt, &r, &e) == 0);
    }
    return NULL;
}

static void reports_while_a_run_writes(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    pthread_t threads[4];
    struct busy busy[4];
    int64_t longest = 0, began = clock_mono_ns();
    struct err e = {0};
    run_begin(j);
    for (size_t i = 0; i < 4; i++) {
        busy[i] = (struct busy){.journal = j, .step = &p->steps[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, record_all_the_time, &busy[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        AUTO_ARENA struct arena *a = arena_new();
        struct report r;
        int64_t from = clock_mono_ns();
        OK(report_read(at(state), a, &r, &e), e);
        int64_t took = clock_mono_ns() - from;
        longest = took > longest ? took : longest;
        clock_sleep_ms(10);
    }
    double seconds = (double)(clock_mono_ns() - began) / 1e9;
    uint64_t batches = 0;
    for (size_t i = 0; i < 4; i++) {
        atomic_store(&busy[i].stop, true);
        pthread_join(threads[i], NULL);
        batches += busy[i].batches;
    }
    journal_close(j);
    print_message("50 reports in %.1f s beside %.0f batches a second; the longest took %.0f ms\n",
                  seconds, (double)batches / seconds, (double)longest / 1e6);
    assert_true(longest < 1000000000);
    assert_true(batches > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
        TEST(the_summary_of_a_story),
        TEST(progress_of_a_story),
        TEST(every_view_answers),
        TEST(a_report_of_a_story),
        TEST(a_report_of_what_goes_on),
        TEST(what_a_later_look_supersedes_is_left_out),
        TEST(a_long_view_comes_in_portions),
        TEST(reports_while_a_run_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
