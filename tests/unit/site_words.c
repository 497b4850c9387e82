// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "site/words.h"

static void numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int base;
        uint64_t max;
        bool good;
        uint64_t n;
    } rows[] = {
        {"0", 10, UINT32_MAX, true, 0},
        {"  007 ", 10, UINT32_MAX, true, 7},
        {"4294967295", 10, UINT32_MAX, true, UINT32_MAX},
        {"4294967296", 10, UINT32_MAX, false, 0}, // not the user 0
        {"-1", 10, UINT32_MAX, false, 0},         // not the user 4294967295
        {"+1", 10, UINT32_MAX, false, 0},
        {"18446744073709551615", 10, UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", 10, UINT64_MAX, false, 0},
        {"99999999999999999999999", 10, UINT64_MAX, false, 0},
        {"81a4", 16, UINT32_MAX, true, 0x81a4},
        {"81A4", 16, UINT32_MAX, false, 0},
        {"0x1", 16, UINT32_MAX, false, 0},
        {"ffffffffffffffff", 16, UINT64_MAX, true, UINT64_MAX},
        {"10000000000000000", 16, UINT64_MAX, false, 0},
        {"8", 8, UINT32_MAX, false, 0},
        {"3", 10, 2, false, 0},
        {"9", 10, 2, false, 0},
        {"1.5", 10, UINT32_MAX, false, 0},
        {"", 10, UINT32_MAX, false, 0},
        {"   ", 10, UINT32_MAX, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct words w = {.at = rows[i].text};
        uint64_t n = words_number(&w, rows[i].base, rows[i].max);
        if (words_done(&w) != rows[i].good || n != rows[i].n) {
            fail_msg("\"%s\": %llu", rows[i].text, (unsigned long long)n);
        }
    }
}

static void lines(void **state) {
    (void)state;
    char text[4];
    struct words w = {.at = "r 12 abc  what  is left "};
    words_expect(&w, "r");
    assert_int_equal(words_number(&w, 10, 100), 12);
    words_text(&w, text, sizeof text);
    assert_string_equal(text, "abc");
    assert_string_equal(words_rest(&w), "what  is left ");
    assert_false(w.bad);
    assert_false(words_done(&w)); // something is left

    static const char *const bad[] = {"",        "r",    "rr 12 abc", "s 12 abc",
                                      "r x abc", "r 12", "r 12 abcd"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        w = (struct words){.at = bad[i]};
        words_expect(&w, "r");
        words_number(&w, 10, 100);
        words_text(&w, text, sizeof text);
        if (!w.bad || words_done(&w) || text[0] != 0) {
            fail_msg("\"%s\" is good", bad[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
