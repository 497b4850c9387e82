// SPDX-License-Identifier: Apache-2.0
// The order rules of a schema, and names that stand for owners.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/strtab.h"
#include "compiler/internal.h"

static struct model *model_of(const char *text) {
    struct model *m = NULL;
    struct err e = {0};
    if (model_read("s.yaml", text, text != NULL ? strlen(text) : 0, &m, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return m;
}

static bool has_order(const struct plan_rules *r, const char *collection, const char *child) {
    for (size_t i = 0; i < r->n_orders; i++) {
        if (strcmp(r->orders[i].collection, collection) == 0 &&
            strcmp(r->orders[i].child, child) == 0) {
            return true;
        }
    }
    return false;
}

static bool waits_for_files(const struct plan_rules *r, const char *collection) {
    for (size_t i = 0; i < r->n_with_files; i++) {
        if (strcmp(r->with_files[i], collection) == 0) {
            return true;
        }
    }
    return false;
}

static void test_builtin(void **state) {
    (void)state;
    AUTO_MODEL struct model *m = model_of(NULL);
    AUTO_ARENA struct arena *a = arena_new();
    const struct plan_rules *r = compile_rules(m, a);
    for (size_t i = 0; i < m->n_collections; i++) {
        if (m->collections[i].level == MODEL_SECOND) {
            assert_true(has_order(r, "DataSets", m->collections[i].name));
            assert_true(waits_for_files(r, m->collections[i].name));
        }
    }
    assert_true(has_order(r, "TrainedModels", "DnnScripts"));
    assert_true(has_order(r, "TrainedModels", "DataSets"));
    assert_true(has_order(r, "DataSets", "ProjectGroups"));
    assert_true(has_order(r, "WebAPIs", "TrainedModels"));
    assert_false(has_order(r, "DataSetFiles", "DataSets"));
    assert_true(waits_for_files(r, "TrainedModels"));
    assert_true(waits_for_files(r, "InferenceOps"));
    assert_false(waits_for_files(r, "DLTasks"));
    assert_false(waits_for_files(r, "SysUsers"));
}

// References that go round: what would close the circle is left out. Each order once.
static void test_cycle(void **state) {
    (void)state;
    AUTO_MODEL struct model *m =
        model_of("mvimig-schema: 1\nname: x\nversion: \"1\"\n"
                 "collections:\n"
                 "  A: {level: top, noun: a, refs: [{field: f, to: B}]}\n"
                 "  B: {level: top, noun: b, refs: [{field: f, to: C}, {field: g, to: C}]}\n"
                 "  C: {level: top, noun: c, refs: [{field: f, to: A},"
                 " {field: g, to: C}]}\n");
    AUTO_ARENA struct arena *a = arena_new();
    const struct plan_rules *r = compile_rules(m, a);
    assert_int_equal(r->n_orders, 2);
    assert_true(has_order(r, "A", "B"));
    assert_true(has_order(r, "B", "C"));
}

static void test_components(void **state) {
    static const struct {
        const char *owner, *name;
    } cases[] = {
        {NULL, "shared"},
        {"alice", "alice"},
        {"a.b-c_d@e+f", "a.b-c_d@e+f"},
        {"shared", "%73hared"},
        {"", "%"},
        {".", "%2E"},
        {"..", "%2E."},
        {"a/b", "a%2Fb"},
        {"%", "%25"},
        {"a b", "a%20b"},
        {"\xC3\xA9", "%C3%A9"},
        {"\n", "%0A"},
        {"...", "..."},
    };
    (void)state;
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_STRTAB struct strtab *seen = strtab_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool added;
        const char *name = name_component(a, cases[i].owner);
        assert_string_equal(name, cases[i].name);
        strtab_slot(seen, name, strlen(name), &added);
        assert_true(added);
    }
    // Long ones stay apart.
    char one[300], two[300];
    memset(one, 'x', sizeof one);
    memset(two, 'x', sizeof two);
    one[299] = two[299] = 0;
    two[298] = 'y';
    assert_true(strlen(name_component(a, one)) < 80);
    assert_string_not_equal(name_component(a, one), name_component(a, two));
    assert_string_equal(name_path(a, "alice/trained-models/a b"), "alice/trained-models/a%20b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_components),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
