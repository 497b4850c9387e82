// SPDX-License-Identifier: Apache-2.0
// What the progress line hears of a step: each item once, however many attempts it takes, and the
// sums of results.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "executor/step.h"

#define ATTEMPTS 4
#define PARTS 4

struct row {
    const char *why;
    uint64_t items[ATTEMPTS][PARTS]; // told by each attempt, part by part; bytes are ten times that
    uint64_t after[ATTEMPTS];        // what the line shows once that attempt is over
};

static const struct row rows[] = {
    {"one attempt tells all of it", {{3, 4, 5}}, {12, 12, 12, 12}},
    {"the second tells again what the first has told, and goes on",
     {{3, 4}, {3, 4, 5}},
     {7, 12, 12, 12}},
    {"it need not be told in the same parts", {{7}, {1, 1, 10}}, {7, 12, 12, 12}},
    {"one that gets less far takes nothing back", {{9}, {2}, {}, {4, 6}}, {9, 9, 9, 10}},
    {"nothing told", {{0}}, {0, 0, 0, 0}},
};

static void test_each_item_once(void **state) {
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct run run = {0};
        struct step_told told = {0};
        for (size_t a = 0; a < ATTEMPTS; a++) {
            struct step_run s = {.run = &run, .told = &told};
            for (size_t p = 0; p < PARTS; p++)
                step_progress(&s, rows[r].items[a][p], 10 * rows[r].items[a][p]);
            if (run.progress.items != rows[r].after[a])
                print_error("%s: attempt %zu\n", rows[r].why, a + 1);
            assert_int_equal(run.progress.items, rows[r].after[a]);
            assert_int_equal(run.progress.bytes, 10 * rows[r].after[a]);
        }
    }
}

static void test_items_and_bytes_apart(void **state) {
    (void)state;
    struct run run = {0};
    struct step_told told = {0};
    struct step_run first = {.run = &run, .told = &told};
    struct step_run second = {.run = &run, .told = &told};
    step_progress(&first, 5, 100);
    step_progress(&second, 2, 300); // fewer, but larger than they were
    assert_int_equal(run.progress.items, 5);
    assert_int_equal(run.progress.bytes, 300);
}

static void test_two_steps_add_up(void **state) {
    (void)state;
    struct run run = {0};
    struct step_told told[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        struct step_run s = {.run = &run, .told = &told[i]};
        step_progress(&s, 4, 40);
    }
    assert_int_equal(run.progress.items, 8);
    assert_int_equal(run.progress.bytes, 80);
}

static void test_nobody_listens(void **state) {
    (void)state;
    struct run run = {0};
    struct step_run s = {.run = &run};
    step_progress(&s, 4, 40);
    assert_int_equal(run.progress.items, 0);
    assert_int_equal(s.counted.items, 4);
}

static void test_results_add_up(void **state) {
    (void)state;
    struct step_result sum = {1, 2, 3, 4, 5, 6, 7, 8, "mine"};
    const struct step_result more = {10, 20, 30, 40, 50, 60, 70, 80, "other"};
    step_result_add(&sum, &more);
    const uint64_t got[] = {sum.files,      sum.documents, sum.bytes,     sum.sent,
                            sum.sent_bytes, sum.present,   sum.conflicts, sum.rejected};
    for (size_t i = 0; i < sizeof got / sizeof *got; i++)
        assert_int_equal(got[i], 11 * (i + 1));
    assert_string_equal(sum.digest, "mine");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_item_once),   cmocka_unit_test(test_items_and_bytes_apart),
        cmocka_unit_test(test_two_steps_add_up), cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_results_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
