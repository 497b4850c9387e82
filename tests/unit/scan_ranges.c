// SPDX-License-Identifier: Apache-2.0
// The ranges that a collection is cut into.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"

#define IDS 200000

static void add_text(struct scan_cutter *c, const char *text, size_t len) {
    uint8_t value[256] = {0};
    value[0] = (uint8_t)(len + 1);
    memcpy(value + 4, text, len);
    scan_cutter_add(c, &(struct docid){BSON_TYPE_UTF8, value, len + 5});
}

static void check_whole(const struct inv_collection *c, uint64_t documents) {
    uint64_t sum = 0;
    assert_null(c->ranges[0].from_id);
    assert_null(c->ranges[c->n_ranges - 1].to_id);
    for (size_t i = 0; i < c->n_ranges; i++) {
        sum += c->ranges[i].documents;
        assert_true(c->ranges[i].documents > 0);
        if (i > 0) {
            assert_string_equal(c->ranges[i].from_id, c->ranges[i - 1].to_id);
        }
    }
    assert_int_equal(sum, documents);
    assert_int_equal(c->documents, documents);
}

static void ranges_are_whole(void **state) {
    struct arena *a = arena_new();
    struct scan_cutter *c = scan_cutter_new(a, IDS, (uint64_t)IDS * 500);
    struct inv_collection out = {0};
    (void)state;
    for (unsigned i = 0; i < IDS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%08u", i);
        add_text(c, name, strlen(name));
    }
    scan_cutter_end(c, &out);
    check_whole(&out, IDS);
    assert_in_range(out.n_ranges, 4, 25);
    assert_int_equal(out.ranges[0].bytes, out.ranges[0].documents * 500);
    assert_int_equal(out.ranges[0].to_id[0], '"');
    scan_cutter_free(&c);
    arena_free(a);
}

static void large_documents_make_more_ranges(void **state) {
    struct arena *a = arena_new();
    struct scan_cutter *c = scan_cutter_new(a, 2000, (uint64_t)2000 * 1000 * 1000);
    struct inv_collection out = {0};
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%08u", i);
        add_text(c, name, strlen(name));
    }
    scan_cutter_end(c, &out);
    check_whole(&out, 2000);
    assert_true(out.n_ranges >= 2000 / (4 * 16));
    scan_cutter_free(&c);
    arena_free(a);
}

// A collection of 1.6 TB has thousands of ranges, not a hundred thousand.
static void ranges_grow_with_the_collection(void **state) {
    struct arena *a = arena_new();
    struct scan_cutter *c = scan_cutter_new(a, 10000000, (uint64_t)10000000 * 160000);
    struct inv_collection out = {0};
    (void)state;
    for (unsigned i = 0; i < IDS; i++) { // a fiftieth of it
        char name[32];
        (void)snprintf(name, sizeof name, "%08u", i);
        add_text(c, name, strlen(name));
    }
    scan_cutter_end(c, &out);
    check_whole(&out, IDS);
    assert_in_range(out.n_ranges, 20, 400);
    scan_cutter_free(&c);
    arena_free(a);
}

static void only_plain_strings_bound(void **state) {
    struct arena *a = arena_new();
    struct scan_cutter *c = scan_cutter_new(a, 100000, 100);
    struct inv_collection out = {0};
    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        char name[8] = {'a', 0, (char)(i >> 16), (char)(i >> 8), (char)i};
        scan_cutter_add(c, &(struct docid){BSON_TYPE_INT32, (const uint8_t *)&i, 4});
        add_text(c, name, 5);                  // a zero inside
        name[1] = (char)0xff, name[2] |= 0x40; // not UTF-8
        add_text(c, name, 3);
    }
    scan_cutter_add(c, &(struct docid){BSON_TYPE_MAXKEY, NULL, 0});
    scan_cutter_end(c, &out);
    check_whole(&out, 300001);
    assert_int_equal(out.n_ranges, 1);
    scan_cutter_free(&c);
    arena_free(a);
}

static void nothing_has_no_range(void **state) {
    struct arena *a = arena_new();
    struct scan_cutter *c = scan_cutter_new(a, 0, 0);
    struct inv_collection out = {0};
    (void)state;
    scan_cutter_end(c, &out);
    assert_int_equal(out.n_ranges, 0);
    scan_cutter_free(&c);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_whole),
        cmocka_unit_test(large_documents_make_more_ranges),
        cmocka_unit_test(ranges_grow_with_the_collection),
        cmocka_unit_test(only_plain_strings_bound),
        cmocka_unit_test(nothing_has_no_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
