// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plans_support.h"

#include "plans/range.h"

struct row {
    const char *bound;
    const char *text; // NULL: no string
};

static void reads_strings(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"\"8000\"", "8000"},
        {"\"\"", ""},
        {"\"a\\\"b\\\\c\\/d\"", "a\"b\\c/d"},
        {"\"\\b\\f\\n\\r\\t\"", "\b\f\n\r\t"},
        {"\"\\u0041\\u00e4\\u20AC\"", "A\xC3\xA4\xE2\x82\xAC"},
        {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80"}, // a pair of surrogates
        {"\"\xC3\xA4\"", "\xC3\xA4"},               // as it is
        {NULL, NULL},                               // an open end
        {"", NULL},                                 //
        {"8000", NULL},                             // a number
        {"\"8000", NULL},                           // no end
        {"\"80\"00\"", NULL},                       // an end in the middle
        {"\"8000\\\"", NULL},                       // an escaped end
        {"\"\\x41\"", NULL},                        // no JSON escape
        {"\"\\u004\"", NULL},                       // too short
        {"\"\\ud83d\"", NULL},                      // half a pair
        {"\"\\ude00\"", NULL},                      // the other half
        {"\"\\ud83d\\u0041\"", NULL},               //
        {"\"\\ud83d\\", NULL},                      //
        {"\"a\nb\"", NULL},                         // a bare control character
        {"\"a\\u0000b\"", NULL},                    // no C string
        {"\"\xFF\"", NULL},                         // not UTF-8
        {"{\"$oid\":\"5f\"}", NULL},                //
        {"hex:02", NULL},                           //
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        AUTO_ARENA struct arena *a = arena_new();
        const char *text = NULL;
        bool is = range_is_string(rows[i].bound, a, &text);
        assert_int_equal(is, rows[i].text != NULL);
        if (is) {
            assert_string_equal(text, rows[i].text);
        }
    }
}

static void tells_bounds(void **state) {
    (void)state;
    static const char *const good[] = {"\"a\"", "\"\\u0000\"", "{\"$oid\":\"5f\"}", "5",  "-5",
                                       "true",  "null",        "hex:0205",          "[1]"};
    static const char *const bad[] = {
        "", "a", "'a'", "\"a", "hex:", "hex:0", "hex:0g", "hex:AB", " 5"};
    for (size_t i = 0; i < N_ROWS(good); i++) {
        assert_true(range_bound_ok(good[i]));
    }
    for (size_t i = 0; i < N_ROWS(bad); i++) {
        assert_false(range_bound_ok(bad[i]));
    }
}

static void writes_strings(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"\"8000\"", "8000"},
        {"\"a\\\"b\\\\c/d\"", "a\"b\\c/d"},
        {"\"\\b\\f\\n\\r\\t\\u0001\\u001f\"", "\b\f\n\r\t\x01\x1f"},
        {"\"\x7f\xC3\xA4\"", "\x7f\xC3\xA4"},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);
        range_put_string(&out, rows[i].text, strlen(rows[i].text));
        assert_string_equal(buf_str(&out), rows[i].bound);
    }
    AUTO_BUF struct buf out = BUF_INIT(1000);
    range_put_string(&out, "a\0b", 3);
    assert_string_equal(buf_str(&out), "\"a\\u0000b\"");
}

// Every character but zero comes back.
static void reads_what_it_writes(void **state) {
    (void)state;
    AUTO_ARENA struct arena *a = arena_new();
    char all[128] = "";
    for (int c = 1; c < 128; c++) {
        all[c - 1] = (char)c;
    }
    AUTO_BUF struct buf out = BUF_INIT(1000);
    const char *text = NULL;
    range_put_string(&out, all, 127);
    assert_true(range_is_string(buf_str(&out), a, &text));
    assert_string_equal(text, all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_strings),
        cmocka_unit_test(tells_bounds),
        cmocka_unit_test(writes_strings),
        cmocka_unit_test(reads_what_it_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
