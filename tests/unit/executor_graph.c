// SPDX-License-Identifier: Apache-2.0
// The walk's queue: order of the plan among what is ready, nothing before what it waits for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "executor/graph.h"

#define STEPS 6

struct row {
    const char *why;
    size_t deps[STEPS][STEPS]; // per step, ended by STEPS
    size_t order[STEPS];       // as taken when each step ends before the next is taken
};

#define NONE                                                                                       \
    { STEPS }
static const struct row rows[] = {
    {"independent steps go in the order of the plan",
     {NONE, NONE, NONE, NONE, NONE, NONE},
     {0, 1, 2, 3, 4, 5}},
    {"a chain against the order of the plan",
     {{1, STEPS}, {2, STEPS}, {3, STEPS}, {4, STEPS}, {5, STEPS}, NONE},
     {5, 4, 3, 2, 1, 0}},
    {"a step that waits for two waits for both; others overtake it",
     {{4, 5, STEPS}, NONE, NONE, NONE, NONE, NONE},
     {1, 2, 3, 4, 5, 0}},
    {"what became ready goes before what stands behind it in the plan",
     {NONE, {0, STEPS}, NONE, {1, STEPS}, NONE, NONE},
     {0, 1, 2, 3, 4, 5}},
};

static struct plan *plan_of(const struct row *row) {
    struct plan *p = plan_new();
    p->n_steps = STEPS;
    p->steps = arena_alloc(p->arena, STEPS * sizeof *p->steps);
    for (size_t i = 0; i < STEPS; i++) {
        p->steps[i].deps = (size_t *)row->deps[i];
        while (row->deps[i][p->steps[i].n_deps] != STEPS)
            p->steps[i].n_deps++;
    }
    return p;
}

static void test_order(void **state) {
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        AUTO_PLAN struct plan *p = plan_of(&rows[r]);
        struct graph *g = graph_new(p);
        size_t step = 0;
        for (size_t i = 0; i < STEPS; i++) {
            assert_int_equal(graph_left(g), STEPS - i);
            assert_true(graph_take(g, false, &step));
            assert_int_equal(step, rows[r].order[i]);
            graph_finish(g, step);
        }
        assert_false(graph_take(g, false, &step));
        assert_int_equal(graph_left(g), 0);
        graph_free(g);
    }
}

// A step that fails is never finished: what waits for it is never ready, and is counted as left.
static void test_failure_blocks(void **state) {
    (void)state;
    const struct row row = {"", {NONE, {0, STEPS}, {1, STEPS}, NONE, NONE, NONE}, {0}};
    AUTO_PLAN struct plan *p = plan_of(&row);
    struct graph *g = graph_new(p);
    size_t step, taken = 0;
    while (graph_take(g, false, &step)) {
        taken++;
        if (step != 0)
            graph_finish(g, step);
    }
    assert_int_equal(taken, 4);
    assert_int_equal(graph_left(g), 2);
    graph_free(g);
}

// Four steps share the group of the first two; one of them stands in the group it waits for.
static void test_groups(void **state) {
    (void)state;
    AUTO_PLAN struct plan *p = plan_new();
    static size_t order[STEPS] = {0, 1, 2, 3, 4, 5};
    static size_t below[] = {STEPS}, others[] = {STEPS + 1, STEPS};
    static struct plan_group groups[] = {{0, 2, (size_t)-1}, {2, 6, 4}};
    p->n_steps = STEPS;
    p->steps = arena_alloc(p->arena, STEPS * sizeof *p->steps);
    p->steps_by_id = (struct plan_index){order, STEPS};
    p->groups = groups;
    p->n_groups = 2;
    for (size_t i = 2; i < STEPS; i++) {
        p->steps[i].deps = i == 4 ? others : below;
        p->steps[i].n_deps = i == 4 ? 2 : 1;
    }
    const size_t want[STEPS] = {0, 1, 2, 3, 5, 4};
    struct graph *g = graph_new(p);
    size_t step = 0;
    for (size_t i = 0; i < STEPS; i++) {
        assert_true(graph_take(g, false, &step));
        assert_int_equal(step, want[i]);
        graph_finish(g, step);
    }
    assert_int_equal(graph_left(g), 0);
    graph_free(g);
}

// Restores have a queue of their own; either queue stands in when the other is empty.
static void test_two_queues(void **state) {
    (void)state;
    const struct row row = {"", {NONE, NONE, {0, STEPS}, {1, STEPS}, NONE, NONE}, {0}};
    AUTO_PLAN struct plan *p = plan_of(&row);
    p->steps[2].kind = p->steps[3].kind = KIND_RESTORE;
    struct graph *g = graph_new(p);
    static const struct {
        bool restore;
        size_t want;
    } takes[STEPS] = {{true, 0}, {true, 2}, {true, 1}, {false, 4}, {false, 5}, {false, 3}};
    size_t step = 0;
    for (size_t i = 0; i < STEPS; i++) {
        assert_true(graph_take(g, takes[i].restore, &step));
        assert_int_equal(step, takes[i].want);
        graph_finish(g, step);
    }
    assert_false(graph_take(g, true, &step));
    graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_queues),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_failure_blocks),
        cmocka_unit_test(test_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
