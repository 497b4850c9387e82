// SPDX-License-Identifier: Apache-2.0
// Names that begin with an ID; values as keys of an index; paths into documents; values as IDs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"

static void names_begin_with_ids(void **state) {
    static const char *const paths[] = {"a/m10.jpg", "a/b/m1.jpg", "a/m1", "a/z-1.xml",
                                        "a/m2x.jpg"};
    static const struct {
        const char *id;
        bool there;
    } rows[] = {
        {"m1", true},      // both as it is and with a dot
        {"m10", true},     // below a longer path
        {"m", false},      // goes on with a digit
        {"m2", false},     // goes on with a letter
        {"m2x", true},     //
        {"z", true},       // goes on with '-'
        {"z-1", true},     //
        {"z-1.xml", true}, // the whole name
        {"zz", false},     // behind the last
        {"A", false},      // before the first
        {"", false},       // begins every name
    };
    struct scan_names *n = scan_names_new();
    (void)state;
    assert_false(scan_names_have(n, "m1"));
    for (int round = 0; round < 2; round++) {
        scan_names_clear(n);
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            scan_names_add(n, paths[i]);
        }
        scan_names_sort(n);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            assert_int_equal(scan_names_have(n, rows[i].id), rows[i].there);
        }
    }
    scan_names_free(n);
}

// The value of the one field of a JSON document.
static struct docid value_of(const char *json, bson_t *doc) {
    struct docid id;
    assert_true(bson_init_from_json(doc, json, -1, NULL));
    assert_int_equal(docid_find(bson_get_data(doc), doc->len, &id), 1);
    return id;
}

static bool same_key(const char *a, const char *b) {
    bson_t x, y;
    AUTO_BUF struct buf p = BUF_INIT(1 << 16), q = BUF_INIT(1 << 16);
    struct docid v = value_of(a, &x), w = value_of(b, &y);
    scan_key_put(&p, &v);
    scan_key_put(&q, &w);
    bson_destroy(&x);
    bson_destroy(&y);
    return p.len == q.len && memcmp(p.data, q.data, p.len) == 0;
}

#define INT "{\"_id\": {\"$numberInt\": \"7\"}}"
#define LONG "{\"_id\": {\"$numberLong\": \"7\"}}"
#define DOUBLE "{\"_id\": {\"$numberDouble\": \"7.0\"}}"

static void keys_are_what_an_index_takes_for_equal(void **state) {
    (void)state;
    assert_true(same_key(INT, LONG));
    assert_true(same_key(INT, DOUBLE));
    assert_true(
        same_key("{\"_id\": {\"$numberDouble\": \"-0.0\"}}", "{\"_id\": {\"$numberInt\": \"0\"}}"));
    assert_false(same_key(INT, "{\"_id\": {\"$numberDouble\": \"7.5\"}}"));
    assert_false(same_key(INT, "{\"_id\": \"7\"}"));
    assert_false(same_key(INT, "{\"_id\": {\"$numberDouble\": \"NaN\"}}"));
    assert_false(same_key(INT, "{\"_id\": {\"$numberDouble\": \"Infinity\"}}"));
    assert_true(same_key("{\"_id\": \"x\"}", "{\"_id\": \"x\"}"));
    assert_false(same_key("{\"_id\": \"x\"}", "{\"_id\": {\"$symbol\": \"x\"}}"));
}

static void paths_lead_into_documents(void **state) {
    bson_t doc;
    struct docid v;
    (void)state;
    assert_true(bson_init_from_json(
        &doc, "{\"a\": {\"b\": {\"c\": 1}, \"n\": null}, \"l\": [{\"b\": 1}], \"s\": \"x\"}", -1,
        NULL));
    static const struct {
        const char *path;
        int rc;
        uint8_t type;
    } rows[] = {{"a.b.c", 1, BSON_TYPE_INT32}, {"a.n", 1, BSON_TYPE_NULL},
                {"a.x", 0, BSON_TYPE_NULL},    {"x", 0, BSON_TYPE_NULL},
                {"s.x", 0, BSON_TYPE_NULL},    {"l.b", -1, BSON_TYPE_NULL},
                {"l", 1, BSON_TYPE_ARRAY}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(scan_find_path(bson_get_data(&doc), doc.len, rows[i].path, &v),
                         rows[i].rc);
        assert_int_equal(v.type, rows[i].type);
    }
    bson_destroy(&doc);
}

static void ids_become_text(void **state) {
    static const struct {
        const char *json, *text;
        bool as_it_is;
    } rows[] = {
        {"{\"_id\": \"a/b\"}", "a/b", true},
        {"{\"_id\": \"\"}", "", true},
        {"{\"_id\": \"a\\u0000b\"}", "hex:020400000061006200", false},
        {LONG, "{\"$numberLong\":\"7\"}", false},
    };
    AUTO_BUF struct buf out = BUF_INIT(1 << 16);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bson_t doc;
        struct docid id = value_of(rows[i].json, &doc);
        assert_int_equal(scan_id_text(&id, &out), rows[i].as_it_is);
        char *plain = must_strdup(buf_str(&out)), *to = plain;
        for (const char *p = buf_str(&out); *p; p++) {
            *to = *p;
            to += *p != ' '; // the library's spacing is its own
        }
        *to = 0;
        assert_string_equal(plain, rows[i].text);
        free(plain);
        bson_destroy(&doc);
    }
}

static int collect(void *arg, const char *id, struct err *e) {
    (void)e;
    buf_printf(arg, "[%s]", id);
    return 0;
}

static void references_are_found(void **state) {
    static const struct {
        const char *json, *ids;
    } rows[] = {
        {"{\"r\": \"x\"}", "[x]"}, {"{\"r\": \"\"}", ""},
        {"{\"r\": null}", ""},     {"{\"r\": [\"x\", null, \"y\"]}", "[x][y]"},
        {"{\"r\": []}", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO_BUF struct buf out = BUF_INIT(1 << 16);
        struct err e = {0};
        struct doc_element el;
        bson_t doc;
        assert_true(bson_init_from_json(&doc, rows[i].json, -1, NULL));
        assert_int_equal(doc_find(bson_get_data(&doc), doc.len, "r", &el), 1);
        assert_int_equal(scan_each_ref(&el, collect, &out, &e), 0);
        assert_string_equal(buf_str(&out), rows[i].ids);
        bson_destroy(&doc);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_begin_with_ids),
        cmocka_unit_test(keys_are_what_an_index_takes_for_equal),
        cmocka_unit_test(paths_lead_into_documents),
        cmocka_unit_test(ids_become_text),
        cmocka_unit_test(references_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
