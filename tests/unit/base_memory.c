// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/buf.h"
#include "base/problems.h"
#include "base/strtab.h"

// True when the function stops the process by SIGABRT.
static bool aborts(void (*fn)(void)) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(1);
        }
        signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void arena_gives_zeroed_aligned_memory(void **state) {
    (void)state;
    static const size_t sizes[] = {
        0,       // still a place of its own
        1,       // rounded up
        17,      // across the alignment
        4096,    // a whole first chunk
        5000,    // more than the chunk has left
        3000000, // a chunk of its own
        8,       // and back to the small ones
    };
    AUTO_ARENA struct arena *a = arena_new();
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            unsigned char *p = arena_alloc(a, sizes[i]);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            for (size_t k = 0; k < sizes[i]; k += 97) {
                assert_int_equal(p[k], 0);
            }
            memset(p, 0xAA, sizes[i]);
        }
    }
    assert_true(arena_bytes(a) > 50 * 3000000UL);
    assert_true(arena_bytes(a) < 60 * 3000000UL);
}

static void arena_texts(void **state) {
    (void)state;
    AUTO_ARENA struct arena *a = arena_new();
    assert_string_equal(arena_strdup(a, "one"), "one");
    assert_string_equal(arena_strndup(a, "twofold", 3), "two");
    assert_string_equal(arena_strndup(a, "two", 30), "two");
    assert_string_equal(arena_printf(a, "%d/%s", 7, "x"), "7/x");
    struct {
        int *items;
        size_t n, cap;
    } v = {NULL, 0, 0};
    for (int i = 0; i < 1000; i++) {
        ARENA_PUSH(a, v.items, v.n, v.cap, i);
    }
    assert_int_equal(v.n, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(v.items[i], i);
    }
    arena_free(NULL);
}

static void buf_keeps_its_cap(void **state) {
    (void)state;
    static const struct {
        size_t max;
        const char *first, *second;
        int rc; // of appending the second
    } rows[] = {
        {8, "1234", "5678", 0},          // fits exactly
        {8, "1234", "56789", ERR_LIMIT}, // one too many
        {0, "", "", 0},                  // nothing into nothing
        {0, "", "x", ERR_LIMIT},         // no room at all
        {SIZE_MAX, "", "x", ERR_LIMIT},  // a cap that leaves no place for the zero
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO_BUF struct buf b = BUF_INIT(rows[i].max);
        struct err e = {0};
        if (rows[i].first[0] != 0) {
            assert_int_equal(buf_append(&b, rows[i].first, strlen(rows[i].first), &e), 0);
        }
        assert_int_equal(buf_append(&b, rows[i].second, strlen(rows[i].second), &e), rows[i].rc);
        char want[64];
        snprintf(want, sizeof want, "%s%s", rows[i].first, rows[i].rc == 0 ? rows[i].second : "");
        assert_string_equal(buf_str(&b), want);
        assert_int_equal(b.len, strlen(want));
    }
}

static void buf_texts(void **state) {
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(100000);
    assert_string_equal(buf_str(&b), "");
    buf_puts(&b, "a");
    buf_put(&b, "bcd", 2);
    buf_printf(&b, "%03d", 7);
    assert_string_equal(buf_str(&b), "abc007");
    for (int i = 0; i < 1000; i++) {
        buf_printf(&b, "%d,", i);
    }
    assert_int_equal(b.len, 6 + 3890);
    buf_clear(&b);
    assert_string_equal(buf_str(&b), "");
    char *room = buf_room(&b, 10);
    memcpy(room, "xyz", 3);
    b.len += 3;
    assert_string_equal(buf_str(&b), "xyz");
    assert_null(buf_room(&b, 100000));
    buf_free(&b);
    assert_int_equal(b.max, 100000);
    buf_puts(&b, "again");
    assert_string_equal(buf_str(&b), "again");
}

static void overflow_buf(void) {
    AUTO_BUF struct buf b = BUF_INIT(3);
    buf_puts(&b, "four");
}

static void overflow_realloc(void) {
    free(must_realloc(NULL, SIZE_MAX / 2, 3));
}

static void must_false(void) {
    MUST(1 + 1 == 3);
}

static void our_mistakes_stop_the_process(void **state) {
    (void)state;
    assert_true(aborts(overflow_buf));
    assert_true(aborts(overflow_realloc));
    assert_true(aborts(must_false));
}

static void must_helpers(void **state) {
    (void)state;
    AUTO_FREE char *a = must_strdup("text");
    AUTO_FREE char *b = must_strndup("text", 2);
    AUTO_FREE char *c = must_sprintf("%s-%d", "x", 5);
    AUTO_FREE char *none = must_calloc(0, 0);
    assert_string_equal(a, "text");
    assert_string_equal(b, "te");
    assert_string_equal(c, "x-5");
    assert_non_null(none);
    AUTO_FREE char *from = must_strdup("moved");
    AUTO_FREE char *to = STEAL(from);
    assert_null(from);
    assert_string_equal(to, "moved");
    AUTO_CLOSE int fd = dup(0);
    AUTO_CLOSE int taken = steal_fd(&fd);
    assert_int_equal(fd, -1);
    assert_true(taken >= 0);
}

static void strtab_finds_what_was_put(void **state) {
    (void)state;
    AUTO_STRTAB struct strtab *t = strtab_new();
    char key[32];
    bool added;
    for (uintptr_t i = 0; i < 20000; i++) {
        int len = snprintf(key, sizeof key, "key%zu", (size_t)i);
        *strtab_slot(t, key, (size_t)len, &added) = i + 1;
        assert_true(added);
    }
    assert_int_equal(strtab_count(t), 20000);
    for (uintptr_t i = 0; i < 20000; i++) {
        int len = snprintf(key, sizeof key, "key%zu", (size_t)i);
        assert_int_equal(strtab_get(t, key, (size_t)len, 0), i + 1);
        assert_int_equal(*strtab_slot(t, key, (size_t)len, &added), i + 1);
        assert_false(added);
    }
    assert_int_equal(strtab_get(t, "key20000", 8, 77), 77);
    assert_false(strtab_has(t, "key20000", 8));
}

static void strtab_keys_are_bytes(void **state) {
    (void)state;
    static const struct {
        const char *key;
        size_t len;
    } rows[] = {
        {"", 0},        // the empty key
        {"\0", 1},      // a zero byte
        {"\0\0", 2},    // is not two
        {"a", 1},       //
        {"a\0", 2},     // nor cut at the zero
        {"a\0b", 3},    //
        {"\xFF\xFE", 2} // nor text at all
    };
    AUTO_STRTAB struct strtab *t = strtab_new();
    bool added;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        *strtab_slot(t, rows[i].key, rows[i].len, &added) = i;
        assert_true(added);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(strtab_has(t, rows[i].key, rows[i].len));
        assert_int_equal(strtab_get(t, rows[i].key, rows[i].len, 99), i);
    }
    assert_true(strtab_has(t, NULL, 0));
}

static void problems_are_listed(void **state) {
    (void)state;
    AUTO_ARENA struct arena *a = arena_new();
    struct problems p = {.arena = a};
    problems_add(&p, 3, "step a", "is %s", "bad");
    problems_add(&p, 0, "", "too long");
    problems_add(&p, 9, NULL, "x");
    assert_string_equal(problems_text(&p, "plan.yaml", a),
                        "plan.yaml:3: step a: is bad\nplan.yaml: too long\nplan.yaml:9: x");
    for (int i = 0; i < 300; i++) {
        problems_add(&p, i, "", "one of many");
    }
    assert_int_equal(p.n, 200);
    assert_int_equal(p.more, 103);
    const char *text = problems_text(&p, "plan.yaml", a);
    assert_non_null(strstr(text, "\nplan.yaml: and 103 more"));
}

#define MB ((size_t)1 << 20)

// A block that was kept still has what stood in it, a new one is clear.
static bool was_kept(const uint8_t *block) {
    return block[MB] == 'x';
}

static uint8_t *block_with(size_t bytes) {
    uint8_t *p = blocks_malloc(bytes);
    assert_non_null(p);
    memset(p, 'x', bytes);
    return p;
}

static void blocks_are_kept_while_somebody_wants_them(void **state) {
    (void)state;
    blocks_start();
    blocks_keep();
    blocks_keep();
    uint8_t *large = block_with(16 * MB), *small = block_with(5 * MB);
    blocks_free(large);
    blocks_free(small);
    uint8_t *p = blocks_malloc(5 * MB - 1);
    assert_ptr_equal(p, small); // the smallest that is large enough
    assert_true(was_kept(p));
    p = blocks_realloc(p, 15 * MB);
    assert_ptr_equal(p, large);
    assert_true(was_kept(p)); // with the content of the smaller one, which is kept in its place
    assert_ptr_equal(blocks_realloc(p, 16 * MB), p);
    blocks_free(p);
    blocks_release();
    p = blocks_malloc(4 * MB);
    assert_true(was_kept(p));
    blocks_free(p);
    blocks_release();
    p = blocks_malloc(4 * MB);
    assert_false(was_kept(p));
    blocks_free(p);
    p = blocks_malloc(4 * MB);
    assert_false(was_kept(p)); // nobody wants any
    blocks_free(p);
    blocks_free(NULL);
}

static void few_blocks_are_kept_and_no_huge_ones(void **state) {
    (void)state;
    enum { MANY = 20 };
    uint8_t *p[MANY];
    blocks_start();
    blocks_keep();
    for (int i = 0; i < MANY; i++) {
        p[i] = block_with(5 * MB);
    }
    uint8_t *huge = block_with(64 * MB);
    blocks_free(huge);
    for (int i = 0; i < MANY; i++) {
        blocks_free(p[i]);
    }
    int kept = 0;
    for (int i = 0; i < MANY; i++) {
        p[i] = blocks_malloc(5 * MB);
        kept += was_kept(p[i]);
    }
    assert_int_equal(kept, 8);
    huge = blocks_malloc(64 * MB);
    assert_false(was_kept(huge));
    blocks_free(huge);
    for (int i = 0; i < MANY; i++) {
        blocks_free(p[i]);
    }
    blocks_release();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_kept_while_somebody_wants_them),
        cmocka_unit_test(few_blocks_are_kept_and_no_huge_ones),
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(arena_texts),
        cmocka_unit_test(buf_keeps_its_cap),
        cmocka_unit_test(buf_texts),
        cmocka_unit_test(our_mistakes_stop_the_process),
        cmocka_unit_test(must_helpers),
        cmocka_unit_test(strtab_finds_what_was_put),
        cmocka_unit_test(strtab_keys_are_bytes),
        cmocka_unit_test(problems_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
