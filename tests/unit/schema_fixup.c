// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "schema/bson_walk.h"
#include "schema/fixup.h"

#define DATA "/opt/powerai-vision/data/"

// A document made of elements as they stand, its length put in front.
struct doc {
    uint8_t bytes[8192];
    size_t len;
};

static struct doc doc_of(const void *elements, size_t len) {
    struct doc d = {.len = len + 5};
    bson_put_length(d.bytes, (uint32_t)d.len);
    memcpy(d.bytes + 4, elements, len);
    return d;
}
#define DOC(text) doc_of(text, sizeof(text) - 1)

// A string element. The length byte has to fit.
#define STR(name, len, text) "\x02" name "\0" len "\0\0\0" text "\0"
#define ID "\x02_id\0\x03\0\0\0m1\0"

static struct fixups *fixups_of(const struct model_fixup *rules, size_t n) {
    struct fixups *f = NULL;
    struct err e = {0};
    assert_int_equal(fixups_compile(rules, n, "TrainedModels", &f, &e), 0);
    return f;
}

static const struct model_fixup builtin[] = {
    {"TrainedModels", "thumbnail_path", "^uploads/", DATA, NULL},
    {"Other", "thumbnail_path", ".*", "never", NULL},
};

static int apply(const struct fixups *f, const struct doc *in, struct buf *out) {
    struct err e = {0};
    // On the heap, so that a sanitizer sees a read behind the end.
    uint8_t *copy = must_calloc(1, in->len + (in->len == 0));
    memcpy(copy, in->bytes, in->len);
    int rc = fixups_apply(f, copy, in->len, out, &e);
    free(copy);
    return rc;
}

static void test_changes(void **state) {
    (void)state;
    struct fixups *f = fixups_of(builtin, 2);
    struct buf out = BUF_INIT(1000);
    struct doc in =
        DOC(ID STR("thumbnail_path", "\x0e", "uploads/x.jpg") "\x12n\0\1\0\0\0\0\0\0\0");
    struct doc want = DOC(ID STR("thumbnail_path", "\x1f", DATA "x.jpg") "\x12n\0\1\0\0\0\0\0\0\0");
    buf_puts(&out, "what was here");
    assert_int_equal(apply(f, &in, &out), 1);
    assert_int_equal(out.len, want.len);
    assert_memory_equal(out.data, want.bytes, want.len);
    // Once mended, nothing is left to mend.
    assert_int_equal(apply(f, &want, &out), 0);
    assert_false(fixups_empty(f));
    buf_free(&out);
    fixups_free(f);
}

// Every other value stays byte by byte, the field too when it is no string.
static void test_left_alone(void **state) {
    struct doc cases[] = {
        DOC(ID),
        DOC(""),
        DOC(ID "\x0athumbnail_path\0"),
        DOC(ID "\x10thumbnail_path\0\1\0\0\0"),
        DOC(ID "\x0ethumbnail_path\0\x0a\0\0\0uploads/x\0"), // a symbol
        DOC(ID STR("thumbnail_path", "\x05", "/opt")),
        DOC(ID STR("Thumbnail_path", "\x0a", "uploads/x")),
        DOC(ID "\x03thumbnail_path\0\x05\0\0\0\0"),
        // every type there is
        DOC("\x01"
            "a\0\0\0\0\0\0\0\0\0"
            "\x02"
            "b\0\1\0\0\0\0"
            "\x03"
            "c\0\5\0\0\0\0"
            "\x04"
            "d\0\5\0\0\0\0"
            "\x05"
            "e\0\2\0\0\0\0xy"
            "\x06"
            "f\0"
            "\x07"
            "g\0"
            "123456789012"
            "\x08"
            "h\0\1"
            "\x09"
            "i\0"
            "12345678"
            "\x0a"
            "j\0"
            "\x0b"
            "k\0re\0i\0"
            "\x0c"
            "l\0\2\0\0\0n\0"
            "123456789012"
            "\x0d"
            "m\0\2\0\0\0x\0"
            "\x0e"
            "n\0\2\0\0\0x\0"
            "\x0f"
            "o\0\x0f\0\0\0\2\0\0\0x\0\5\0\0\0\0"
            "\x10"
            "p\0"
            "1234"
            "\x11"
            "q\0"
            "12345678"
            "\x12"
            "r\0"
            "12345678"
            "\x13"
            "s\0"
            "1234567890123456"
            "\x7f"
            "t\0"
            "\xff"
            "u\0"),
    };
    (void)state;
    struct fixups *f = fixups_of(builtin, 2);
    struct buf out = BUF_INIT(1000);
    buf_puts(&out, "before");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(apply(f, &cases[i], &out), 0);
        assert_string_equal(buf_str(&out), "before");
    }
    buf_free(&out);
    fixups_free(f);
}

static void test_malformed(void **state) {
    const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } cases[] = {
#define RAW(text, says) {text, sizeof(text) - 1, says}
        RAW("", "shorter"),
        RAW("\5\0\0", "shorter"),
        RAW("\5\0\0\0\1", "no zero at the end"),
        RAW("\6\0\0\0\0", "not its own"),
        RAW("\4\0\0\0\0", "not its own"),
        RAW("\xff\xff\xff\xff\0", "not its own"),
        RAW("\0\0\0\0\0", "not its own"),
        RAW("\x06\0\0\0\0\0", "ends before its length"),
        RAW("\x07\0\0\0\x0a\1\0", "without an end"),       // name runs to the end
        RAW("\x08\0\0\0\x99z\0\0", "type 0x99"),           // unknown type
        RAW("\x0a\0\0\0\x10z\0\1\2\0", "type 0x10"),       // int32 of two bytes
        RAW("\x09\0\0\0\x08z\0\2\0", "type 0x08"),         // boolean 2
        RAW("\x0c\0\0\0\2z\0\0\0\0\0\0", "type 0x02"),     // string of length 0
        RAW("\x0d\0\0\0\2z\0\x02\0\0\0x\0", "type 0x02"),  // string into the final zero
        RAW("\x0e\0\0\0\2z\0\x02\0\0\0xy\0", "type 0x02"), // string without its zero
        RAW("\x0e\0\0\0\2z\0\xff\xff\xff\x7fx\0\0", "type 0x02"),
        RAW("\x0e\0\0\0\2z\0\xff\xff\xff\xffx\0\0", "type 0x02"),
        RAW("\x0d\0\0\0\3z\0\5\0\0\0\1\0", "type 0x03"), // inner document without zero
        RAW("\x0d\0\0\0\3z\0\4\0\0\0\0\0", "type 0x03"), // inner length below 5
        RAW("\x0d\0\0\0\3z\0\6\0\0\0\0\0", "type 0x03"), // inner length over the end
        RAW("\x0e\0\0\0\5z\0\3\0\0\0\0xy", "no zero"),
        RAW("\x0f\0\0\0\5z\0\x7f\0\0\0\0xy\0", "type 0x05"), // binary over the end
        RAW("\x0c\0\0\0\x0bz\0re\0i\0", "type 0x0B"),        // regex options run to the end
        RAW("\x17\0\0\0\x0fz\0\x10\0\0\0\2\0\0\0x\0\5\0\0\0\0\0", "type 0x0F"), // scope length
#undef RAW
    };
    (void)state;
    struct fixups *f = fixups_of(builtin, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT(1000);
        struct err e = {0};
        uint8_t *copy = must_calloc(1, cases[i].len + (cases[i].len == 0));
        memcpy(copy, cases[i].bytes, cases[i].len);
        int rc = fixups_apply(f, copy, cases[i].len, &out, &e);
        if (rc != ERR_DATA || strstr(e.text, cases[i].says) == NULL) {
            fail_msg("case %zu: %d %s", i, rc, e.text);
        }
        assert_int_equal(out.len, 0);
        free(copy);
        buf_free(&out);
    }
    fixups_free(f);
}

// A document cut or changed anywhere is refused or read within its bytes.
static void test_any_damage(void **state) {
    (void)state;
    struct fixups *f = fixups_of(builtin, 2);
    struct doc whole = DOC(ID STR("thumbnail_path", "\x0e", "uploads/x.jpg") "\x05"
                                                                             "e\0\2\0\0\0\0xy"
                                                                             "\x03"
                                                                             "c\0\5\0\0\0\0"
                                                                             "\x0bk\0re\0i\0");
    struct buf out = BUF_INIT(1000);
    for (size_t len = 0; len < whole.len; len++) {
        struct doc cut = whole;
        cut.len = len;
        assert_int_equal(apply(f, &cut, &out), ERR_DATA);
    }
    for (size_t at = 0; at < whole.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            struct doc flipped = whole;
            flipped.bytes[at] ^= (uint8_t)(1 << bit);
            int rc = apply(f, &flipped, &out);
            assert_true(rc == 0 || rc == 1 || rc == ERR_DATA);
        }
    }
    buf_free(&out);
    fixups_free(f);
}

// A field that stands twice, text with zero bytes, several rules one after the other.
static void test_several(void **state) {
    static const struct model_fixup rules[] = {
        {"TrainedModels", "p", "a", "bb", NULL},
        {"TrainedModels", "p", "b", "", NULL},
        {"TrainedModels", "q", "^x?", "y", NULL},
    };
    (void)state;
    struct fixups *f = fixups_of(rules, 3);
    struct buf out = BUF_INIT(1000);
    struct doc in = DOC(STR("p", "\x02", "a") STR("q", "\x01", "") STR("p", "\x04", "a\0a"));
    struct doc want = DOC(STR("p", "\x02", "b") STR("q", "\x02", "y") STR("p", "\x04", "b\0a"));
    assert_int_equal(apply(f, &in, &out), 1);
    assert_int_equal(out.len, want.len);
    assert_memory_equal(out.data, want.bytes, want.len);
    buf_free(&out);
    fixups_free(f);
}

// A rule that puts back what was there changes nothing.
static void test_no_change(void **state) {
    static const struct model_fixup rules[] = {{"TrainedModels", "p", "a", "a", NULL}};
    (void)state;
    struct fixups *f = fixups_of(rules, 1);
    struct buf out = BUF_INIT(1000);
    struct doc in = DOC(STR("p", "\x02", "a"));
    assert_int_equal(apply(f, &in, &out), 0);
    buf_free(&out);
    fixups_free(f);
}

static void test_limits(void **state) {
    static const struct model_fixup grow[] = {{"TrainedModels", "p", "(.*)", "$1$1$1$1", NULL}};
    static const struct model_fixup runaway[] = {{"TrainedModels", "p", "^(a+)+$", "x", NULL}};
    (void)state;
    char text[] = "\x02p\0\x29\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\0";
    struct doc in = doc_of(text, sizeof text - 1);
    struct buf out = BUF_INIT(100);
    struct fixups *f = fixups_of(grow, 1);
    assert_int_equal(apply(f, &in, &out), ERR_LIMIT);
    assert_int_equal(out.len, 0);
    fixups_free(f);
    f = fixups_of(runaway, 1);
    assert_int_equal(apply(f, &in, &out), ERR_LIMIT);
    fixups_free(f);
    buf_free(&out);
}

static void test_compile(void **state) {
    static const struct model_fixup bad[] = {
        {"TrainedModels", "p", "(", "x", NULL},
        {"TrainedModels", "p", "a", "$1", NULL},
    };
    (void)state;
    struct fixups *f = NULL;
    struct err e = {0};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixups_compile(&bad[i], 1, "TrainedModels", &f, &e), ERR_USAGE);
        assert_non_null(strstr(e.text, "fix-up of TrainedModels.p"));
        assert_null(f);
    }
    assert_int_equal(fixups_compile(builtin, 2, "DataSets", &f, &e), 0);
    assert_true(fixups_empty(f));
    // Nothing to fix up, but still a document.
    struct buf out = BUF_INIT(100);
    struct doc broken = {{1, 2, 3, 4, 5, 6}, 6};
    assert_int_equal(apply(f, &broken, &out), ERR_DATA);
    fixups_free(f);
    fixups_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),   cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_any_damage),
        cmocka_unit_test(test_several),   cmocka_unit_test(test_no_change),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_compile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
