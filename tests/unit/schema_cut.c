// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"
#include "schema/cut.h"

#define N 5000
#define ID_SIZE 24

struct item {
    char id[ID_SIZE];
    uint64_t files, bytes;
};

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct item *)a)->id, ((const struct item *)b)->id);
}

static struct item item_of(uint64_t seed) {
    struct item it;
    uint64_t h = hash_mix64(&seed, sizeof seed);
    snprintf(it.id, sizeof it.id, "%016" PRIx64, h);
    it.files = h % 40;
    it.bytes = it.files * 1000;
    return it;
}

static struct item *items_of(size_t n) {
    struct item *items = must_calloc(n, sizeof *items);
    for (size_t i = 0; i < n; i++) {
        items[i] = item_of(i);
    }
    qsort(items, n, sizeof *items, by_id);
    return items;
}

// The digest of each batch: what is in it, and nothing else.
static size_t batches(const struct cut_limits *l, const struct item *items, size_t n,
                      uint64_t *digests) {
    struct cut_state s = {0};
    uint64_t digest = 0;
    size_t made = 0;
    for (size_t i = 0; i < n; i++) {
        if (cut_before(l, &s, items[i].id, items[i].files, items[i].bytes)) {
            digests[made++] = digest;
            digest = 0;
        }
        digest = digest * 31 + hash_mix64(&items[i], sizeof items[i]);
    }
    digests[made++] = digest;
    return made;
}

static size_t missing(const uint64_t *of, size_t n, const uint64_t *in, size_t m) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < m && !found; k++) {
            found = of[i] == in[k];
        }
        count += !found;
    }
    return count;
}

static const struct cut_limits limits = {.files = 4000, .bytes = 4000000, .items = 200};

// One object more changes one batch: the one that it falls into, which may be cut in two.
static void test_one_more(void **state) {
    (void)state;
    struct item *items = items_of(N + 1);
    uint64_t *before = must_calloc(N, sizeof *before), *after = must_calloc(N, sizeof *after);
    struct item *more = must_calloc(N + 1, sizeof *more);
    size_t lost_most = 0, lost_all = 0;
    size_t n = batches(&limits, items, N, before);
    for (uint64_t k = 0; k < 200; k++) {
        memcpy(more, items, N * sizeof *items);
        more[N] = item_of(1000000 + k);
        qsort(more, N + 1, sizeof *more, by_id);
        size_t m = batches(&limits, more, N + 1, after);
        size_t lost = missing(before, n, after, m);
        lost_all += lost;
        lost_most = lost > lost_most ? lost : lost_most;
        assert_true(lost >= 1 && m >= n && m <= n + 1);
    }
    assert_int_equal(lost_most, 1);
    assert_int_equal(lost_all, 200);
    free(items);
    free(more);
    free(before);
    free(after);
}

static void test_sizes(void **state) {
    (void)state;
    struct item *items = items_of(N);
    struct cut_state s = {0}, last = {0};
    size_t n = 1;
    for (size_t i = 0; i < N; i++) {
        n += cut_before(&limits, &s, items[i].id, items[i].files, items[i].bytes);
        assert_true(s.items <= 4 * limits.items);
        assert_true(s.files <= 4 * limits.files);
        assert_true(s.items >= 1);
        last = s;
    }
    assert_true(last.items > 0);
    // 5,000 objects of about 20 files: the target of 200 objects or 4,000 files is met on average.
    assert_in_range(n, 15, 60);
    free(items);
}

static void test_edges(void **state) {
    (void)state;
    struct cut_state s = {0};
    struct cut_limits none = {0};
    for (int i = 0; i < 1000; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        assert_false(cut_before(&none, &s, id, UINT64_MAX / 2, 1));
    }
    struct cut_limits files = {.files = 10};
    s = (struct cut_state){0};
    assert_false(cut_before(&files, &s, "a", 10, 0)); // the first is never a cut
    assert_true(cut_before(&files, &s, "b", 10, 0));  // a whole target by itself
    assert_true(cut_before(&files, &s, "c", 1000, 0));
    assert_int_equal(s.files, 1000);
    assert_true(cut_before(&files, &s, "d", 1, 0)); // over the cap
    assert_int_equal(s.files, 1);
}

// Cuts are for ever: plans made by different versions share their sets.
static void test_stable(void **state) {
    (void)state;
    struct cut_limits l = {.items = 8};
    struct cut_state s = {0};
    char cuts[65] = "";
    for (int i = 0; i < 64; i++) {
        char id[8];
        snprintf(id, sizeof id, "id%02d", i);
        cuts[i] = cut_before(&l, &s, id, 0, 0) ? '|' : '.';
    }
    assert_string_equal(cuts, "......|.|........|.......|.|...||....|........|....|..|.........");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_more),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
