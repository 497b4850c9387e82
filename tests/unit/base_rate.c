// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "base/rate.h"

#define S INT64_C(1000000000)

static void reads(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t bytes;
    } rows[] = {
        {"0", 0, 0},
        {"1", 0, 1024},
        {"100", 0, 102400},
        {"1.5m", 0, 1572864},
        {"1.5MiB", 0, 1572864},
        {"1.5MB", 0, 1500000},
        {"10mb", 0, 10000000},
        {"2K", 0, 2048},
        {"2kib", 0, 2048},
        {"2KB", 0, 2000},
        {"3G", 0, 3221225472},
        {"1t", 0, INT64_C(1) << 40},
        {".5", 0, 512},
        {"700B", 0, 700},
        {"700b", 0, 700},
        {"0.0m", 0, 0},
        {"", -1, 0},
        {"-1", -1, 0},
        {"K", -1, 0},
        {".", -1, 0},
        {"1x", -1, 0},
        {"1KK", -1, 0},
        {"1iB", -1, 0},
        {"1 M", -1, 0},
        {"1,5M", -1, 0},
        {"1e3", -1, 0},
        {"0.1B", -1, 0},
        {"1Kib/s", -1, 0},
        {"99999T", -1, 0},
        {"999999999999999999999", -1, 0},
        {"1\xcb", -1, 0}, // the letter K with another bit
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t bytes = 0;
        if (rate_parse(rows[i].text, &bytes) != rows[i].rc || bytes != rows[i].bytes) {
            fail_msg("%s: %llu", rows[i].text, (unsigned long long)bytes);
        }
    }
}

// One after the other, each when the one before has gone out.
static void waits_for_what_was_taken(void **state) {
    (void)state;
    struct rate *r = rate_new(1000);
    assert_int_equal(rate_take(r, 500, 5 * S), 0);
    int64_t first = S / 2 - RATE_CREDIT_NS; // until the first 500 have gone
    assert_int_equal(rate_take(r, 250, 5 * S), first);
    assert_int_equal(rate_take(r, 1000, 5 * S), first + S / 4);
    assert_int_equal(rate_take(r, 10, 6 * S), first + S / 4);
    rate_free(r);
}

// However long nothing was sent, only a moment of it is made up for.
static void keeps_no_credit(void **state) {
    (void)state;
    struct rate *r = rate_new(1000000);
    assert_int_equal(rate_take(r, 1, -7 * S), 0);
    assert_int_equal(rate_take(r, 1000000, 3600 * S), 0);
    assert_int_equal(rate_take(r, 1, 3600 * S), S - RATE_CREDIT_NS);
    rate_free(r);
}

// Who sleeps too long catches up, so that the rate is reached and never exceeded.
static void holds_the_rate(void **state) {
    (void)state;
    struct rate *r = rate_new(3 << 20);
    int64_t now = 0, sent = 0;
    for (int i = 0; i < 10000; i++) {
        now += rate_take(r, 77777, now) + i % 7 * 100000; // and up to 0.6 ms more
        double most = (double)(now + RATE_CREDIT_NS) / 1e9 * (3 << 20);
        assert_true((double)sent <= most + 32); // a nanosecond is lost each time
        sent += 77777;
    }
    double took = (double)now / 1e9, ideal = (double)sent / (3 << 20);
    assert_true(took > ideal * 0.999 && took < ideal * 1.001);
    rate_free(r);
}

static void never_overflows(void **state) {
    (void)state;
    struct rate *r = rate_new(1);
    for (int i = 0; i < 4; i++) {
        assert_true(rate_take(r, UINT64_MAX, INT64_C(4000000000000000000)) >= 0);
    }
    rate_free(r);
}

static void cuts_pieces(void **state) {
    (void)state;
    static const struct {
        uint64_t rate, piece;
    } rows[] = {{1, 1024}, {20000, 2000}, {1000000, 100000}, {2621440, 262144}, {1u << 30, 262144}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rate *r = rate_new(rows[i].rate);
        assert_int_equal(rate_piece(r, 262144), rows[i].piece);
        rate_free(r);
    }
    assert_int_equal(rate_piece(NULL, 262144), 262144);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),           cmocka_unit_test(waits_for_what_was_taken),
        cmocka_unit_test(keeps_no_credit), cmocka_unit_test(holds_the_rate),
        cmocka_unit_test(never_overflows), cmocka_unit_test(cuts_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
