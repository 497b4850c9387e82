// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plans_support.h"

// F, the files of datasets D, and their tags T, come before D; F and D wait for all files.
static const struct plan_order orders[] = {{"D", "F"}, {"D", "T"}};
static const char *const with_files[] = {"D", "F"};
static const struct plan_rules rules = {
    .orders = orders, .n_orders = 2, .with_files = with_files, .n_with_files = 2};

#define FILES                                                                                      \
    "  - {id: files/a, kind: file-batch, under: a}\n"                                              \
    "  - {id: files/b, kind: file-batch, under: b}\n"
#define DUMP(c) "  - {id: dump/" c ", kind: dump, collection: " c "}\n"
#define DUMPS DUMP("D") DUMP("F") DUMP("T") DUMP("X")
#define RESTORE(c, needs) "  - {id: restore/" c "/1, kind: restore, from: dump/" c needs "}\n"

struct row {
    const char *steps;
    const char *want; // NULL: fine
};

static void assert_row(const struct row *row) {
    AUTO_BUF struct buf text = BUF_INIT(1 << 16);
    struct err e = {0};
    buf_printf(&text, PLAN_HEAD "steps:\n%s", row->steps);
    AUTO_PLAN struct plan *p = plan_of(buf_str(&text));
    int rc = plan_validate(p, &rules, NULL, &e);
    if (rc != (row->want != NULL ? ERR_PLAN : 0) ||
        (row->want != NULL && strstr(e.text, row->want) == NULL)) {
        print_error("%s\ngave %d: %s\n", row->steps, rc, e.text);
        fail();
    }
}

static void keeps_the_order(void **state) {
    (void)state;
    static const struct row rows[] = {
        // In one line: files, files of datasets, datasets.
        {FILES DUMPS RESTORE("F", ", needs: [files/]") RESTORE("T", "")
             RESTORE("D", ", needs: [restore/F/, restore/T/]"),
         NULL},
        // One by one instead of by prefix.
        {FILES DUMPS RESTORE("F", ", needs: [files/a, files/b]")
             RESTORE("D", ", needs: [restore/F/1]"),
         NULL},
        // Files through one child, half of them through each of two.
        {FILES DUMPS RESTORE("F", ", needs: [files/]") RESTORE("T", ", needs: [files/b]")
             RESTORE("D", ", needs: [restore/F/1, restore/T/1]"),
         NULL},
        {FILES DUMPS RESTORE("X", ""), NULL}, // a collection without rules
        {FILES DUMPS RESTORE("T", ""), NULL}, // a child alone, no files of its own
        {DUMPS RESTORE("D", ""), NULL},       // no files in the plan, no children either
        {FILES DUMPS RESTORE("F", ""), "p:13: step restore/F/1: would restore \"F\" before its "
                                       "files are there (2 steps, such as "
                                       "\"files/a\"); add needs: [\"files/\"]"},
        {FILES DUMPS RESTORE("F", ", needs: [files/b]"), "(1 step, such as \"files/a\")"},
        {DUMPS RESTORE("F", "") RESTORE("D", ""),
         "step restore/D/1: would restore \"D\" before F is restored (1 step, such as "
         "\"restore/F/1\"); add needs: [\"restore/F/\"]"},
        {DUMPS RESTORE("T", "") RESTORE("D", ""), "would restore \"D\" before T is restored"},
        // Waiting for the dump of the child is not waiting for the child.
        {DUMPS RESTORE("F", "") RESTORE("D", ", needs: [dump/F]"), "before F is restored"},
        // A child that waits for nothing hands nothing on.
        {FILES DUMPS RESTORE("T", "") RESTORE("D", ", needs: [restore/T/]"),
         "would restore \"D\" before its files are there"},
        // No prefix names all of the files: one of them is told.
        {"  - {id: a, kind: file-batch, under: a}\n"
         "  - {id: b, kind: file-batch, under: b}\n" DUMPS RESTORE("F", ""),
         "add needs: [\"a\"]"},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        assert_row(&rows[i]);
    }
}

// What the executor walks: the dump is among the dependencies, each once, in ascending order.
static void fills_dependencies(void **state) {
    (void)state;
    AUTO_PLAN struct plan *p = plan_of(PLAN_HEAD "steps:\n" FILES DUMPS RESTORE(
        "F", ", needs: [files/, dump/F, dump/, files/b]") RESTORE("D", ", needs: [restore/]"));
    const struct plan_step *f = step_of(p, "restore/F/1");
    const size_t want[] = {0, 1, 2, 3, 4, 5};
    size_t deps[16];
    assert_int_equal(plan_deps(p, (size_t)(f - p->steps), deps), 6);
    assert_memory_equal(deps, want, sizeof want);
    assert_int_equal(f->from_index, 3);
    const struct plan_step *d = step_of(p, "restore/D/1");
    // Its dump, and the other below its own prefix.
    assert_int_equal(plan_deps(p, (size_t)(d - p->steps), deps), 2);
    assert_int_equal(deps[0], 2);
    assert_int_equal(deps[1], 6);
    assert_int_equal(step_of(p, "dump/D")->n_deps, 0);
    assert_int_equal(step_of(p, "dump/D")->from_index, (size_t)-1);
}

static void finds_steps_and_sets(void **state) {
    (void)state;
    AUTO_PLAN struct plan *p = plan_of(
        PLAN_HEAD "sets:\n  a/d/2: [\"z\"]\n  a/d/1: [\"x\", \"y\"]\n  a/d: [\"w\"]\nsteps:\n"
                  "  - {id: d, kind: dump, collection: D, set: a/d/}\n");
    assert_int_equal(plan_find_step(p, "d"), 0);
    assert_int_equal(plan_find_step(p, "e"), (size_t)-1);
    assert_int_equal(p->steps[0].n_sets, 2);
    struct strtab *ids = plan_step_ids(&p->steps[0]);
    assert_int_equal(strtab_count(ids), 3);
    assert_int_equal(strtab_get(ids, "x", 1, 0), 1);
    assert_int_equal(strtab_get(ids, "w", 1, 0), 0);
    strtab_free(ids);
}

// A chain and a comb as large as a plan may well be: what is written once is looked at once.
static void takes_large_plans(void **state) {
    (void)state;
    const int n = 3300;
    AUTO_BUF struct buf text = BUF_INIT(EMIT_MAX);
    buf_puts(&text, PLAN_HEAD "sets:\n");
    for (int i = 0; i < n; i++) {
        buf_printf(&text, "  a/d/%d: [\"x%d\", \"y%d\", \"z%d\"]\n", i, i, i, i);
    }
    buf_puts(&text, "steps:\n");
    for (int i = 0; i < n; i++) {
        buf_printf(&text,
                   "  - {id: files/%d, kind: file-batch, under: d, set: a/d/%d}\n"
                   "  - {id: dump/F/%d, kind: dump, collection: F, by: d, set: a/d/%d}\n"
                   "  - {id: restore/F/%d, kind: restore, from: dump/F/%d, needs: [files/%s]}\n",
                   i, i, i, i, i, i, "");
    }
    for (int i = 0; i < n / 10; i++) {
        buf_printf(&text, "  - {id: dump/D/%d, kind: dump, collection: D, set: a/d/%d}\n", i, i);
        buf_printf(&text, "  - {id: restore/D/%d, kind: restore, from: dump/D/%d, needs: [%s]}\n",
                   i, i, i == 0 ? "restore/F/" : "restore/D/0");
    }
    AUTO_PLAN struct plan *p = plan_of(buf_str(&text));
    struct err e = {0};
    assert_int_equal(plan_validate(p, &rules, NULL, &e), 0);
    AUTO_FREE size_t *deps = must_calloc(p->n_steps, sizeof *deps);
    assert_int_equal(plan_deps(p, plan_find_step(p, "restore/F/7"), deps), n + 1);
    assert_int_equal(plan_deps(p, plan_find_step(p, "restore/D/7"), deps), 2);
    assert_int_equal(p->n_groups, 2); // files/ is one, however many wait for it
}

static void takes_long_chains(void **state) {
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(EMIT_MAX);
    buf_puts(&text, PLAN_HEAD "steps:\n");
    for (int i = 0; i < 20000; i++) {
        buf_printf(&text, "  - {id: f/%d, kind: file-batch, under: d%d, needs: [f/%d]}\n", i, i,
                   (i + 1) % 20000);
    }
    struct plan *p = NULL;
    struct err e = {0};
    assert_int_equal(plan_read("p", buf_str(&text), text.len, &p, NULL, &e), ERR_PLAN);
    assert_non_null(strstr(e.text, "\"f/7\" -> (19992 more) -> \"f/0\"; take one"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_order),      cmocka_unit_test(fills_dependencies),
        cmocka_unit_test(finds_steps_and_sets), cmocka_unit_test(takes_large_plans),
        cmocka_unit_test(takes_long_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
