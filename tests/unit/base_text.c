// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/hash.h"
#include "base/human.h"
#include "base/utf8.h"

static void escapes(void **state) {
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } rows[] = {
        {"plain", 5, "plain"},                           // nothing to do
        {"a\nb\tc", 5, "a\\nb\\tc"},                     // the two with names
        {"a\\nb", 4, "a\\\\nb"},                         // so that they can be told apart
        {"\x1b[31m", 5, "\\x1B[31m"},                    // terminal colours
        {"\r\0", 2, "\\x0D\\x00"},                       // C0, NUL too
        {"\x7f", 1, "\\x7F"},                            // DEL
        {"\xC2\x9B", 2, "\\u{009B}"},                    // C1: a one-character CSI
        {"gr\xC3\xBC\xC3\x9F", 6, "gr\xC3\xBC\xC3\x9F"}, // text stays text
        {"\xF0\x9F\x98\x80", 4, "\xF0\x9F\x98\x80"},     // four bytes
        {"\xE2\x80\xA8", 3, "\\u{2028}"},                // line separator
        {"\xE2\x80\xAE", 3, "\\u{202E}"},                // right-to-left override
        {"\xE2\x81\xA6", 3, "\\u{2066}"},                // isolate
        {"\xC3", 1, "\\xC3"},                            // cut character
        {"\xC0\xAF", 2, "\\xC0\\xAF"},                   // overlong slash
        {"\xE0\x80\xAF", 3, "\\xE0\\x80\\xAF"},          // overlong, three bytes
        {"\xED\xA0\x80", 3, "\\xED\\xA0\\x80"},          // surrogate
        {"\xF4\x90\x80\x80", 4, "\\xF4\\x90\\x80\\x80"}, // past U+10FFFF
        {"\xFF", 1, "\\xFF"},                            // never in UTF-8
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);
        escape_text(&out, rows[i].in, rows[i].len);
        assert_string_equal(buf_str(&out), rows[i].out);
        char fixed[64];
        assert_ptr_equal(escape_into(fixed, sizeof fixed, rows[i].in, rows[i].len), fixed);
        assert_string_equal(fixed, rows[i].out);
    }
}

static void escapes_cut(void **state) {
    (void)state;
    static const struct {
        size_t size;
        const char *in;
        const char *out;
    } rows[] = {
        {8, "1234567", "1234567"},  // fits exactly
        {8, "12345678", "1234..."}, // one too many
        {8,
         "123\x01"
         "5",
         "123..."},                                 // never half an escape
        {8, "12\xE2\x82\xAC\xE2\x82\xAC", "12..."}, // never half a character
        {4, "abcd", "..."},                         // the least there is
        {4, "abc", "abc"},                          //
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[64];
        escape_into(out, rows[i].size, rows[i].in, strlen(rows[i].in));
        assert_string_equal(out, rows[i].out);
    }
}

static void utf8(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110010; c++) {
        char text[4];
        uint32_t back = 0xFFFFFFFF;
        size_t len = utf8_encode(c, text);
        bool valid = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        assert_int_equal(len > 0, valid);
        if (valid) {
            assert_int_equal(utf8_decode(text, len, &back), len);
            assert_int_equal(back, c);
            assert_int_equal(utf8_decode(text, len - 1, &back), 0);
        }
    }
    assert_true(escape_is_utf8("", 0));
    assert_true(escape_is_utf8("\xE2\x82\xAC", 3));
    assert_false(escape_is_utf8("\xE2\x82", 2));
    assert_false(escape_is_utf8("a\x80", 2));
}

static void sha256(void **state) {
    (void)state;
    static const struct {
        const char *in, *hex;
    } rows[] = {
        // FIPS 180-4 examples, and nothing at all
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    };
    AUTO_HASH struct hash *h = hash_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t out[HASH_SIZE], back[HASH_SIZE];
        char hex[HASH_HEX];
        for (const char *p = rows[i].in; *p != 0; p++) {
            hash_update(h, p, 1);
        }
        hash_final(h, out);
        hash_hex(out, hex);
        assert_string_equal(hex, rows[i].hex);
        hash_bytes(rows[i].in, strlen(rows[i].in), out);
        assert_int_equal(hash_unhex(rows[i].hex, back), 0);
        assert_memory_equal(out, back, HASH_SIZE);
    }
}

// XXH3's own value for no bytes (seed 0), high half first; and pieces are the same as the whole.
static void checksum_of_pieces(void **state) {
    (void)state;
    static const uint8_t none[CHECKSUM_SIZE] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8,
                                                0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f};
    uint8_t data[5000], whole[CHECKSUM_SIZE], other[CHECKSUM_SIZE];
    AUTO_CHECKSUM struct checksum *c = checksum_new();
    checksum_final(c, whole);
    assert_memory_equal(whole, none, sizeof none);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * i);
    }
    checksum_update(c, data, sizeof data);
    checksum_final(c, whole);
    for (size_t step = 1; step < 1500; step = step * 2 + 1) {
        for (size_t at = 0; at < sizeof data; at += step) {
            checksum_update(c, data + at, sizeof data - at < step ? sizeof data - at : step);
        }
        checksum_final(c, other);
        assert_memory_equal(whole, other, sizeof whole);
    }
    data[4999] ^= 1;
    checksum_update(c, data, sizeof data);
    checksum_final(c, other);
    assert_memory_not_equal(whole, other, sizeof whole);
}

// Of every length about where XXH3 changes its ways, and at every alignment; the sum of all of
// these sums is what libxxhash's own functions make of them.
static void checksum_of_each_length(void **state) {
    (void)state;
    static const uint8_t expected[CHECKSUM_SIZE] = {0xbc, 0xf2, 0xca, 0x71, 0xee, 0xda, 0x53, 0x14,
                                                    0x75, 0xf9, 0x41, 0x30, 0xe9, 0xca, 0x74, 0x32};
    uint8_t data[4200], sum[CHECKSUM_SIZE], running[CHECKSUM_SIZE];
    AUTO_CHECKSUM struct checksum *c = checksum_new();
    AUTO_CHECKSUM struct checksum *all = checksum_new();
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * i + i / 256);
    }
    for (size_t len = 0; len <= 4100; len++) {
        const uint8_t *at = data + len % 64;
        checksum_bytes(at, len, sum);
        checksum_update(c, at, len / 3);
        checksum_update(c, at + len / 3, len - len / 3);
        checksum_final(c, running);
        assert_memory_equal(sum, running, sizeof sum);
        checksum_update(all, sum, sizeof sum);
    }
    checksum_final(all, sum);
    assert_memory_equal(sum, expected, sizeof sum);
}

static void hash_fields(void **state) {
    (void)state;
    static const struct {
        const char *first, *second; // the second is left out when it is ""
        const char *hex;            // by Python's hashlib over the same framing
    } rows[] = {
        {"ab", "c",
         "601d5476e2ccfe2c87a2bba7a322659734a05749d5b5aa781f513e4912db0d5f"}, // neighbours
        {"a", "bc",
         "3fafa1cf2f19a7c1129beb20cf0983f73a489a221fc0dd2f16d1be292d089205"}, // do not run together
        {"", "", "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"}, // empty
        {NULL, "",
         "12a3ae445661ce5dee78d0650d33362dec29c4f82af05e7e57fb595bbbacf0ca"}, // is not none
    };
    AUTO_HASH struct hash *h = hash_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t out[HASH_SIZE];
        char hex[HASH_HEX];
        hash_field_str(h, rows[i].first);
        if (rows[i].second[0] != 0) {
            hash_field(h, rows[i].second, strlen(rows[i].second));
        }
        hash_final(h, out);
        hash_hex(out, hex);
        assert_string_equal(hex, rows[i].hex);
    }
}

static void unhex_refuses(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",                                                                  // nothing
        "ab",                                                                // short
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",   // 63
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0", // 65
        "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  // no digit
        " a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  // a space
    };
    uint8_t out[HASH_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(hash_unhex(rows[i], out), -1);
    }
}

// Plans are cut by these values: a change here makes old plans and new ones disagree.
static void mix64_is_stable(void **state) {
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        uint64_t want;
    } rows[] = {
        {"", 0, UINT64_C(0xf52a15e9a9b5e89b)},
        {"a", 1, UINT64_C(0x02c0bdbf481420f8)},
        {"5f8d0d55b54764421b7156c1", 24, UINT64_C(0xfa16b11012db14b0)},
        {"\0\xff", 2, UINT64_C(0xa70bee94c6c8447b)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(hash_mix64(rows[i].in, rows[i].len) == rows[i].want);
    }
}

static void bytes_for_people(void **state) {
    (void)state;
    static const struct {
        uint64_t n;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {999, "999 B"},
        {1000, "1.0 kB"},
        {1234, "1.2 kB"},
        {9949, "9.9 kB"},
        {9950, "10 kB"},       // one digit less from ten on
        {91499999, "91 MB"},   //
        {91500000, "92 MB"},   // rounded
        {999499, "999 kB"},    //
        {999500, "1.0 MB"},    // never 1000 kB
        {999999999, "1.0 GB"}, //
        {UINT64_MAX, "18 EB"}, // the most there is
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[HUMAN_TEXT];
        assert_string_equal(human_bytes(rows[i].n, out), rows[i].text);
    }
}

static void counts_for_people(void **state) {
    (void)state;
    static const struct {
        uint64_t n;
        const char *text;
    } rows[] = {
        {0, "0"},        {999, "999"},           {1000, "1,000"},
        {2410, "2,410"}, {1234567, "1,234,567"}, {UINT64_MAX, "18,446,744,073,709,551,615"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[HUMAN_TEXT];
        assert_string_equal(human_count(rows[i].n, out), rows[i].text);
    }
}

static void durations_for_people(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {-5, "0.0 s"},              // a clock that lies
        {0, "0.0 s"},               //
        {449, "0.4 s"},             //
        {9949, "9.9 s"},            //
        {9950, "10 s"},             //
        {59499, "59 s"},            //
        {59500, "1 min 00 s"},      // never 60 s
        {200000, "3 min 20 s"},     //
        {3599499, "59 min 59 s"},   //
        {3599500, "1 h 00 min"},    // never 60 min
        {7500000, "2 h 05 min"},    //
        {360000000, "100 h 00 min"} //
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[HUMAN_TEXT];
        assert_string_equal(human_duration(rows[i].ms * 1000000, out), rows[i].text);
    }
}

static void clock_texts(void **state) {
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {INT64_C(1767323045678999999), "2026-01-02T03:04:05.678Z"}, // cut, not rounded
        {-1, "1969-12-31T23:59:59.999Z"},                           // before the epoch
        {INT64_C(-1000000000), "1969-12-31T23:59:59.000Z"},         //
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[CLOCK_TEXT];
        clock_format(rows[i].ns, out);
        assert_string_equal(out, rows[i].text);
    }
    int64_t before = clock_mono_ns();
    clock_sleep_ms(120);
    int64_t slept = clock_mono_ns() - before;
    assert_true(slept >= 120 * 1000000);
    assert_true(clock_wall_ns() > INT64_C(1700000000) * 1000000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(escapes_cut),
        cmocka_unit_test(utf8),
        cmocka_unit_test(sha256),
        cmocka_unit_test(hash_fields),
        cmocka_unit_test(checksum_of_pieces),
        cmocka_unit_test(checksum_of_each_length),
        cmocka_unit_test(unhex_refuses),
        cmocka_unit_test(mix64_is_stable),
        cmocka_unit_test(bytes_for_people),
        cmocka_unit_test(counts_for_people),
        cmocka_unit_test(durations_for_people),
        cmocka_unit_test(clock_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
