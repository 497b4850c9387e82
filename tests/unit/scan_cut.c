// SPDX-License-Identifier: Apache-2.0
// Where lists of IDs are cut, and the ranges of a collection that come of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"
#include "schema/cut.h"

#define IDS 200000
#define ITEMS 1000

static const char *name_of(char out[32], unsigned n) {
    (void)snprintf(out, 32, "%08x-%u", n * 2654435761u, n);
    return out;
}

// Marks where batches begin; `skip` is left out. Returns how many begin.
static size_t cut_all(const struct cut_limits *l, uint64_t files, unsigned skip, bool *begins) {
    struct cut_state s = {0};
    size_t n = 0;
    for (unsigned i = 0; i < IDS; i++) {
        char name[32];
        begins[i] = i != skip && cut_before(l, &s, name_of(name, i), files, 10);
        n += begins[i];
    }
    return n;
}

static void batches_weigh_a_target_on_average(void **state) {
    const struct cut_limits l = {.items = ITEMS};
    bool *begins = must_calloc(IDS, 1);
    size_t n = cut_all(&l, 0, IDS, begins);
    (void)state;
    assert_in_range(n, IDS / ITEMS * 3 / 4, IDS / ITEMS * 5 / 4);
    free(begins);
}

static void no_batch_exceeds_four_targets(void **state) {
    const struct cut_limits l = {.items = ITEMS, .files = 5000};
    struct cut_state s = {0};
    (void)state;
    for (unsigned i = 0; i < IDS; i++) {
        char name[32];
        (void)cut_before(&l, &s, name_of(name, i), 7, 0);
        assert_true(s.items <= 4 * ITEMS && s.files <= 4 * 5000);
    }
}

static void one_id_less_moves_no_other_cut(void **state) {
    const struct cut_limits l = {.items = ITEMS, .files = 2000};
    bool *all = must_calloc(IDS, 1), *less = must_calloc(IDS, 1);
    size_t moved = 0;
    (void)state;
    cut_all(&l, 1, IDS, all);
    cut_all(&l, 1, IDS / 2, less);
    for (unsigned i = 0; i < IDS; i++) {
        moved += all[i] != less[i];
    }
    // A cap that was hit may move once, until the next cut of the IDs' own.
    assert_true(moved <= 4);
    free(all);
    free(less);
}

static void a_heavy_id_begins_a_batch(void **state) {
    const struct cut_limits l = {.bytes = 1000};
    struct cut_state s = {0};
    (void)state;
    assert_false(cut_before(&l, &s, "first", 0, 5000)); // never an empty batch
    assert_true(cut_before(&l, &s, "second", 0, 1000));
    assert_int_equal(s.items, 1);
    assert_int_equal(s.bytes, 1000);
}

static void no_limits_cut_nothing(void **state) {
    const struct cut_limits l = {0};
    struct cut_state s = {0};
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char name[32];
        assert_false(cut_before(&l, &s, name_of(name, i), UINT64_MAX / 4, UINT64_MAX / 4));
    }
}

// Cuts are part of every plan: these may never change.
static void cuts_are_for_ever(void **state) {
    const struct cut_limits l = {.items = 4};
    struct cut_state s = {0};
    char got[65] = {0};
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        char name[32];
        got[i] = cut_before(&l, &s, name_of(name, i), 0, 0) ? '|' : '.';
    }
    assert_string_equal(got, "...|||.....||||.......|......|.......|........||....|.........||");
}

// --- ranges

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
    assert_true(out.n_ranges >= 2000 / (4 * 64));
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
        cmocka_unit_test(batches_weigh_a_target_on_average),
        cmocka_unit_test(no_batch_exceeds_four_targets),
        cmocka_unit_test(one_id_less_moves_no_other_cut),
        cmocka_unit_test(a_heavy_id_begins_a_batch),
        cmocka_unit_test(no_limits_cut_nothing),
        cmocka_unit_test(cuts_are_for_ever),
        cmocka_unit_test(ranges_are_whole),
        cmocka_unit_test(large_documents_make_more_ranges),
        cmocka_unit_test(only_plain_strings_bound),
        cmocka_unit_test(nothing_has_no_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
