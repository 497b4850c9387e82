// SPDX-License-Identifier: Apache-2.0
// Versions of MVI in their order.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "site/product_version.h"

static void order(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"8.0.0", "8.0.0", 0},      {"1.3.0", "8.0.0", -1}, {"8.10.0", "8.9.0", 1},
        {"8.0", "8.0.0", 0},        {"8", "8.0.1", -1},     {"8.0.0-pre.dev", "8.0.0", 0},
        {"8.0.1-x", "8.0.0-y", 1},  {"9", "10", -1},        {"8.0.0.1", "8.0.0", 1},
        {"8.0.0-2", "8.0.0-10", 0}, {"8..1", "8.0.1", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int got = product_compare(rows[i].a, rows[i].b);
        int back = product_compare(rows[i].b, rows[i].a);
        assert_int_equal((got > 0) - (got < 0), rows[i].order);
        assert_int_equal((back > 0) - (back < 0), -rows[i].order);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
