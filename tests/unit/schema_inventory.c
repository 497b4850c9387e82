// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tempfile.h"
#include "schema/inventory.h"
#include "schema/scope.h"

static struct model *model_of(void) {
    struct model *m = NULL;
    struct err e = {0};
    assert_int_equal(model_read(NULL, NULL, 0, &m, &e), 0);
    return m;
}

#define HEAD "mvimig-inventory: 1\n"

static void test_read(void **state) {
    static const char text[] =
        HEAD "source: {server: s, database: d, root: /r, fingerprint: f, version: 4.2.6, product: "
             "8.2}\n"
             "collections:\n"
             "  DataSets: {documents: 2, bytes: 20, ranges: [{to: '\"m\"', documents: 1}, "
             "{from: '\"m\"'}]}\n"
             "objects:\n"
             "  TrainedModels:\n"
             "    - {id: m2, owner: bob, files: [[1, 2], [3, 4]], refs: [[DnnScripts, s1], "
             "[DataSets, d1]], paths: [{path: a/b, files: 1, bytes: 9}]}\n"
             "    - {id: m1, owner: \"..\", project: p, name: First}\n"
             "  DataSets:\n"
             "    - {id: d1, children: {DataSetFiles: 7}}\n"
             "    - {json: '{\"$oid\":\"5f\"}', owner: bob}\n"
             "dirs:\n"
             "  bob/datasets: {owner: bob, entries: [{name: z, dir: true}, {name: d1, documented: "
             "true, files: 2, bytes: 3}]}\n"
             "  alice/datasets: {owner: alice}\n"
             "rest: {logs: {files: 5}, \".\": {bytes: 6}}\n"
             "findings: [{kind: orphan, collection: DataSetFiles, id: f, detail: x}]\n"
             "forecast: {DataSets: {fresh: 1, identical: 2, unfixed: 3, different: 4, clash: 5}}\n";
    struct err e = {0};
    (void)state;
    AUTO_MODEL struct model *m = model_of();
    AUTO_INVENTORY struct inventory *inv = NULL;
    if (inventory_read(m, "i.yaml", text, strlen(text), &inv, &e) != 0) {
        fail_msg("%s", e.text);
    }
    assert_string_equal(inv->source.product, "8.2");
    assert_string_equal(inv->destination.server, "");
    const struct inv_collection *c = &inv->collections[model_index(m, "DataSets")];
    assert_true(c->exists && c->n_ranges == 2 && c->documents == 2);
    assert_null(c->ranges[0].from_id);
    assert_string_equal(c->ranges[1].from_id, "\"m\"");
    assert_false(inv->collections[0].exists);
    // Sorted: by collection as in the schema, then by ID.
    assert_int_equal(inv->n_objects, 4);
    assert_string_equal(inv->objects[0].id, "d1");
    assert_int_equal(inv->objects[0].children[model_index(m, "DataSetFiles")], 7);
    assert_null(inv->objects[0].owner);
    assert_false(inv->objects[1].id_is_string || inv->objects[1].id_is_safe);
    const struct inv_object *m1 = &inv->objects[2], *m2 = &inv->objects[3];
    assert_string_equal(m1->id, "m1");
    assert_true(m1->id_is_safe && !m1->owner_is_safe && m1->children == NULL);
    assert_true(m2->owner_is_safe && m2->n_refs == 2 && m2->n_paths == 1);
    assert_true(m2->refs[0].follow && !m2->refs[1].follow);
    assert_int_equal(m2->files[1].bytes, 4);
    assert_string_equal(inv->dirs[0].path, "alice/datasets");
    assert_string_equal(inv->dirs[1].entries[0].name, "d1");
    assert_string_equal(inv->rest[0].top, ".");
    assert_int_equal(inv->finding_counts[FINDING_ORPHAN], 1);
    assert_int_equal(inv->forecast[model_index(m, "DataSets")].clash, 5);
    assert_false(inv->forecast[0].made);
}

static void test_bad(void **state) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{}", "not an inventory"},
        {HEAD "objcts: {}\n", "did you mean \"objects\"?"},
        {HEAD "collections: {Nope: {}}\n", "Nope is not declared"},
        {HEAD "collections: {DataSets: {documents: x}}\n", "has to be a number"},
        {HEAD "objects: {DataSetFiles: [{id: f}]}\n", "not of level top"},
        {HEAD "objects: {DataSets: [{owner: f}]}\n", "needs an \"id\" or \"json\""},
        {HEAD "objects: {DataSets: [{id: f, files: [1]}]}\n", "a pair of numbers"},
        {HEAD "objects: {DataSets: [{id: f, files: [[1, 2], [3, 4]]}]}\n", "more pairs"},
        {HEAD "objects: {DataSets: [{id: f, refs: [[DataSets]]}]}\n", "[COLLECTION, ID]"},
        {HEAD "objects: {DataSets: [{id: f, refs: [[Nope, x]]}]}\n", "Nope is not declared"},
        {HEAD "objects: {DataSets: {id: f}}\n", "has to be a list"},
        {HEAD "dirs: [a]\n", "dirs has to be a mapping"},
        {HEAD "dirs: {a/b: {entries: [{dir: true}]}}\n", "\"name\" is missing"},
        {HEAD "findings: [{id: x}]\n", "\"kind\" is missing"},
        {HEAD "findings: [{kind: bad}]\n", "it is one of missing-files"},
        {HEAD "forecast: {DataSets: {new: 1}}\n", "unknown key \"new\""},
    };
    (void)state;
    AUTO_MODEL struct model *m = model_of();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct inventory *inv = NULL;
        struct err e = {0};
        int rc = inventory_read(m, "i.yaml", cases[i].text, strlen(cases[i].text), &inv, &e);
        if (rc != ERR_USAGE || strstr(e.text, cases[i].says) == NULL) {
            fail_msg("case %zu: %d %s", i, rc, e.text);
        }
        assert_null(inv);
    }
}

// All are counted, the first thousand of a kind kept.
static void test_findings(void **state) {
    (void)state;
    AUTO_MODEL struct model *m = model_of();
    AUTO_INVENTORY struct inventory *inv = inventory_new(m);
    for (int i = 0; i < 1500; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        inventory_add_finding(inv, FINDING_ORPHAN, "DataSetFiles", id, NULL);
    }
    inventory_add_finding(inv, FINDING_UNREADABLE, NULL, "a/b", "Permission denied");
    assert_int_equal(inv->finding_counts[FINDING_ORPHAN], 1500);
    assert_int_equal(inv->n_findings, INV_FINDINGS_KEPT + 1);
    assert_string_equal(inv->findings[999].id, "999");
    assert_string_equal(inv->findings[0].detail, "");
    assert_string_equal(inv->findings[1000].collection, "");
}

static void test_tables(void **state) {
    (void)state;
    for (int i = 0; i < N_FINDING_KINDS; i++) {
        assert_true(strlen(inv_finding_names[i]) > 3);
        assert_true(strlen(inv_finding_texts[i]) > 10);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(inv_finding_names[i], inv_finding_names[k]);
        }
    }
    assert_string_equal(conflict_policy_names[CONFLICT_KEEP], "keep");
    assert_string_equal(conflict_policy_names[CONFLICT_REPLACE], "replace");
    assert_string_equal(conflict_policy_names[CONFLICT_FAIL], "fail");
}

// docs/schema.md has the table's rows, word by word.
static void test_documented(void **state) {
    (void)state;
    char *text = NULL;
    size_t len = 0;
    struct err e = {0};
    assert_int_equal(file_read(AT_FDCWD, "docs/schema.md", 1 << 20, &text, &len, &e), 0);
    for (int i = 0; i < N_FINDING_KINDS; i++) {
        AUTO_FREE char *row =
            must_sprintf("| `%s` | %s |\n", inv_finding_names[i], inv_finding_texts[i]);
        if (strstr(text, row) == NULL) {
            fail_msg("docs/schema.md lacks: %s", row);
        }
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),       cmocka_unit_test(test_bad),
        cmocka_unit_test(test_findings),   cmocka_unit_test(test_tables),
        cmocka_unit_test(test_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
