// SPDX-License-Identifier: Apache-2.0
// Raw BSON: frames, elements of every type, damage of every kind; _ids as text and back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "site/bson_frame.h"
#include "site/bson_id.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

struct sample {
    const char *what;
    const uint8_t *data;
    size_t len;
};

static const struct sample good[] = {
    {"empty", BYTES("\5\0\0\0\0")},
    {"double", BYTES("\20\0\0\0\1x\0\0\0\0\0\0\0\370\177\0")},
    {"string", BYTES("\16\0\0\0\2x\0\2\0\0\0a\0\0")},
    {"string with a zero inside", BYTES("\17\0\0\0\2x\0\3\0\0\0a\0\0\0")},
    {"empty name", BYTES("\15\0\0\0\2\0\2\0\0\0a\0\0")},
    {"document", BYTES("\15\0\0\0\3x\0\5\0\0\0\0\0")},
    {"array", BYTES("\15\0\0\0\4x\0\5\0\0\0\0\0")},
    {"binary", BYTES("\16\0\0\0\5x\0\1\0\0\0\200Z\0")},
    {"undefined", BYTES("\10\0\0\0\6x\0\0")},
    {"object id", BYTES("\24\0\0\0\7x\0abcdefghijkl\0")},
    {"true", BYTES("\11\0\0\0\10x\0\1\0")},
    {"date", BYTES("\20\0\0\0\11x\0\1\2\3\4\5\6\7\10\0")},
    {"null", BYTES("\10\0\0\0\12x\0\0")},
    {"regex", BYTES("\14\0\0\0\13x\0a\0i\0\0")},
    {"db pointer", BYTES("\32\0\0\0\14x\0\2\0\0\0a\0abcdefghijkl\0")},
    {"code", BYTES("\16\0\0\0\15x\0\2\0\0\0a\0\0")},
    {"symbol", BYTES("\16\0\0\0\16x\0\2\0\0\0a\0\0")},
    {"code with scope", BYTES("\27\0\0\0\17x\0\17\0\0\0\2\0\0\0a\0\5\0\0\0\0\0")},
    {"int32", BYTES("\14\0\0\0\20x\0\1\0\0\0\0")},
    {"timestamp", BYTES("\20\0\0\0\21x\0\0\0\0\0\0\0\0\0\0")},
    {"int64", BYTES("\20\0\0\0\22x\0\1\0\0\0\0\0\0\0\0")},
    {"decimal", BYTES("\30\0\0\0\23x\0abcdefghijklmnop\0")},
    {"min key", BYTES("\10\0\0\0\377x\0\0")},
    {"max key", BYTES("\10\0\0\0\177x\0\0")},
    {"the same name twice", BYTES("\13\0\0\0\12x\0\12x\0\0")},
};

static const struct sample bad[] = {
    {"length too short", BYTES("\4\0\0\0\0")},
    {"length beyond the end", BYTES("\6\0\0\0\0")},
    {"length before the end", BYTES("\5\0\0\0\0\0")},
    {"negative length", BYTES("\377\377\377\377\0")},
    {"no final zero", BYTES("\5\0\0\0\1")},
    {"no such type", BYTES("\10\0\0\0\24x\0\0")},
    {"type 0 inside", BYTES("\10\0\0\0\0x\0\0")},
    {"name without end", BYTES("\10\0\0\0\12xx\0")},
    {"double cut", BYTES("\17\0\0\0\1x\0\0\0\0\0\0\0\370\0")},
    {"string length 0", BYTES("\15\0\0\0\2x\0\0\0\0\0\0\0")},
    {"string length negative", BYTES("\16\0\0\0\2x\0\377\377\377\377a\0\0")},
    {"string length beyond", BYTES("\16\0\0\0\2x\0\4\0\0\0a\0\0")},
    {"string without zero", BYTES("\16\0\0\0\2x\0\2\0\0\0ab\0")},
    {"inner document beyond", BYTES("\15\0\0\0\3x\0\6\0\0\0\0\0")},
    {"inner document without zero", BYTES("\15\0\0\0\3x\0\5\0\0\0\1\0")},
    {"inner document damaged", BYTES("\20\0\0\0\3x\0\10\0\0\0\24y\0\0\0")},
    {"binary beyond", BYTES("\16\0\0\0\5x\0\2\0\0\0\0Z\0")},
    {"binary negative", BYTES("\16\0\0\0\5x\0\377\377\377\377\0Z\0")},
    {"neither true nor false", BYTES("\11\0\0\0\10x\0\2\0")},
    {"regex with one part", BYTES("\12\0\0\0\13x\0a\0\0")},
    {"code with scope, false length", BYTES("\27\0\0\0\17x\0\20\0\0\0\2\0\0\0a\0\5\0\0\0\0\0")},
    {"code with scope, scope cut", BYTES("\27\0\0\0\17x\0\17\0\0\0\2\0\0\0a\0\4\0\0\0\0\0")},
    {"decimal cut", BYTES("\27\0\0\0\23x\0abcdefghijklmno\0")},
};

static void checks_every_type(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t offset;
        const char *wrong = doc_check(good[i].data, good[i].len, &offset);
        if (wrong) {
            fail_msg("%s: %s at %zu", good[i].what, wrong, offset);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t offset;
        if (!doc_check(bad[i].data, bad[i].len, &offset)) {
            fail_msg("%s was taken for good", bad[i].what);
        }
    }
}

// Every cut and every flipped bit of every sample: never beyond the end (the sanitizers watch).
static void survives_damage(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t offset, len = good[i].len;
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *copy = malloc(cut ? cut : 1);
            memcpy(copy, good[i].data, cut);
            assert_false(cut >= 4 && doc_framed(copy, cut));
            free(copy);
        }
        for (size_t bit = 0; bit < 8 * len; bit++) {
            uint8_t *copy = malloc(len);
            memcpy(copy, good[i].data, len);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            (void)doc_check(copy, len, &offset);
            assert_true(offset <= len);
            free(copy);
        }
    }
}

static void stops_at_depth(void **state) {
    (void)state;
    size_t offset;
    enum { LEVELS = 300 };
    uint8_t *doc = malloc(5 + 8 * LEVELS);
    size_t len = 5;
    memcpy(doc, "\5\0\0\0\0", 5);
    for (int level = 1; level < LEVELS; level++) {
        memmove(doc + 7, doc, len);
        len += 8;
        const uint8_t head[7] = {(uint8_t)len, (uint8_t)(len >> 8), 0, 0, 3, 'x', 0};
        memcpy(doc, head, 7);
        doc[len - 1] = 0;
        assert_true((doc_check(doc, len, &offset) == NULL) == (level < DOC_DEPTH_MAX));
    }
    free(doc);
}

static void finds_elements(void **state) {
    (void)state;
    bson_t *doc = BCON_NEW("a", BCON_INT32(1), "b", "{", "_id", BCON_INT32(2), "}", "_id", "x", "a",
                           BCON_INT32(3));
    struct doc_element el;
    struct docid id;
    assert_int_equal(doc_find(bson_get_data(doc), doc->len, "a", &el), 1);
    assert_int_equal(el.value[0], 1);
    assert_int_equal(doc_find(bson_get_data(doc), doc->len, "c", &el), 0);
    assert_int_equal(docid_find(bson_get_data(doc), doc->len, &id), 1);
    assert_int_equal(id.type, BSON_TYPE_UTF8);
    assert_memory_equal(id.value, "\2\0\0\0x\0", id.len);
    bson_destroy(doc);
    doc = BCON_NEW("a", BCON_INT32(1));
    assert_int_equal(docid_find(bson_get_data(doc), doc->len, &id), 0);
    assert_int_equal(id.type, 0);
    bson_destroy(doc);
}

struct id_sample {
    const char *text; // what it must be
    uint8_t type;
    const uint8_t *value;
    size_t len;
};

static const struct id_sample ids[] = {
    {"\"abc\"", 0x02, BYTES("\4\0\0\0abc\0")},
    {"\"a\\\"b\\\\c\"", 0x02, BYTES("\6\0\0\0a\"b\\c\0")},
    {"\"\"", 0x02, BYTES("\1\0\0\0\0")},
    {"hex:0204000000610062"
     "00",
     0x02, BYTES("\4\0\0\0a\0b\0")},                       // a zero inside
    {"hex:0202000000ff00", 0x02, BYTES("\2\0\0\0\377\0")}, // not UTF-8
    {"{ \"$numberInt\" : \"5\" }", 0x10, BYTES("\5\0\0\0")},
    {"{ \"$numberInt\" : \"-1\" }", 0x10, BYTES("\377\377\377\377")},
    {"{ \"$numberLong\" : \"5\" }", 0x12, BYTES("\5\0\0\0\0\0\0\0")},
    {"{ \"$numberDouble\" : \"0.5\" }", 0x01, BYTES("\0\0\0\0\0\0\340\77")},
    {"{ \"$numberDouble\" : \"-0.0\" }", 0x01, BYTES("\0\0\0\0\0\0\0\200")},
    {"{ \"$numberDouble\" : \"Infinity\" }", 0x01, BYTES("\0\0\0\0\0\0\360\177")},
    {"{ \"$numberDouble\" : \"NaN\" }", 0x01, BYTES("\0\0\0\0\0\0\370\177")},
    {"hex:01010000000000f87f", 0x01, BYTES("\1\0\0\0\0\0\370\177")}, // NaN with a payload
    {"hex:01000000000000f8ff", 0x01, BYTES("\0\0\0\0\0\0\370\377")}, // negative NaN
    {"{ \"$oid\" : \"0102030405060708090a0b0c\" }", 0x07, BYTES("\1\2\3\4\5\6\7\10\11\12\13\14")},
    {"{ \"$minKey\" : 1 }", 0xff, NULL, 0},
    {"{ \"$maxKey\" : 1 }", 0x7f, NULL, 0},
    {"null", 0x0a, NULL, 0},
    {"true", 0x08, BYTES("\1")},
    {"{ \"$undefined\" : true }", 0x06, NULL, 0},
    {"{ \"$date\" : { \"$numberLong\" : \"1000\" } }", 0x09, BYTES("\350\3\0\0\0\0\0\0")},
    {"{ \"$timestamp\" : { \"t\" : 0, \"i\" : 0 } }", 0x11, BYTES("\0\0\0\0\0\0\0\0")},
    {"{ \"$timestamp\" : { \"t\" : 2, \"i\" : 1 } }", 0x11, BYTES("\1\0\0\0\2\0\0\0")},
    {"{ \"$binary\" : { \"base64\" : \"AQI=\", \"subType\" : \"04\" } }", 0x05,
     BYTES("\2\0\0\0\4\1\2")},
    {"{ \"$numberDecimal\" : \"1.5\" }", 0x13, BYTES("\17\0\0\0\0\0\0\0\0\0\0\0\0\0>0")},
    {"{ \"a\" : { \"$numberInt\" : \"1\" } }", 0x03, BYTES("\14\0\0\0\20a\0\1\0\0\0\0")},
    {"{ \"$symbol\" : \"a\" }", 0x0e, BYTES("\2\0\0\0a\0")},
    {"{ \"$code\" : \"a\" }", 0x0d, BYTES("\2\0\0\0a\0")},
    // Two members of one name do not come back from JSON: the bytes are kept.
    {"hex:03110000001061000100000010610002"
     "00000000",
     0x03, BYTES("\23\0\0\0\20a\0\1\0\0\0\20a\0\2\0\0\0\0")},
};

static void ids_go_through_text(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct docid id = {.type = ids[i].type, .value = ids[i].value, .len = ids[i].len}, again;
        struct err e = {0};
        bson_t doc;
        AUTO_BUF struct buf text = BUF_INIT(1000);
        docid_text(&id, &text);
        if (docid_parse(buf_str(&text), &doc, &e)) {
            fail_msg("%s: %s", ids[i].text, e.text);
        }
        assert_int_equal(docid_find(bson_get_data(&doc), doc.len, &again), 1);
        if (!docid_equal(&id, &again)) {
            fail_msg("%s came back different", buf_str(&text));
        }
        bson_destroy(&doc);
    }
}

static void ids_have_the_text_of_the_manual(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct docid id = {.type = ids[i].type, .value = ids[i].value, .len = ids[i].len};
        AUTO_BUF struct buf text = BUF_INIT(1000);
        docid_text(&id, &text);
        if (strncmp(ids[i].text, "hex:03", 6) != 0) { // checked by coming back
            assert_string_equal(buf_str(&text), ids[i].text);
        }
    }
}

static void refuses_what_is_no_id(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",                 // nothing
        "hex:",             // no type
        "hex:0",            // half a byte
        "hex:zz",           // no digits
        "hex:10 01",        // a blank
        "hex:1001",         // an int32 of one byte
        "hex:14",           // no such type
        "hex:100100000002", // more than one value
        "1, \"b\": 2",      // two members
        "1} {",             // and something behind
        "\"a",              // no end
        "abc",              // no JSON
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct err e = {0};
        bson_t doc;
        if (docid_parse(texts[i], &doc, &e) == 0) {
            fail_msg("%s was taken for an _id", texts[i]);
        }
        assert_int_equal(e.code, ERR_DATA);
    }
}

static void filters_hold_the_raw_value(void **state) {
    (void)state;
    struct docid list[] = {
        {.type = 0x01, .value = (const uint8_t *)"\1\0\0\0\0\0\370\177", .len = 8},
        {.type = 0x03, .value = (const uint8_t *)"\15\0\0\0\20$a\0\1\0\0\0\0", .len = 13},
        {.type = 0x0a},
    };
    bson_t filter;
    docid_filter(&list[0], &filter);
    assert_int_equal(filter.len, 5 + 5 + 5 + 5 + 8); // {_id: {$eq: NaN}}
    assert_non_null(memmem(bson_get_data(&filter), filter.len, list[0].value, 8));
    bson_destroy(&filter);
    docid_filter_in(list, 3, &filter);
    bson_iter_t it, in, item;
    assert_true(bson_iter_init_find(&it, &filter, "_id") && bson_iter_recurse(&it, &in));
    assert_true(bson_iter_find(&in, "$in") && bson_iter_recurse(&in, &item));
    assert_true(bson_iter_next(&item) && bson_iter_type(&item) == BSON_TYPE_DOUBLE);
    assert_true(bson_iter_next(&item) && bson_iter_type(&item) == BSON_TYPE_NULL);
    assert_string_equal(bson_iter_key(&item), "1"); // the document with a dollar is left out
    assert_false(bson_iter_next(&item));
    bson_destroy(&filter);
}

// The _id in front, the rest in order, every byte kept.
static void ids_go_to_the_front(void **state) {
    (void)state;
    static const struct {
        struct sample doc;
        const uint8_t *moved; // NULL: it stays
    } rows[] = {
        {{"empty", BYTES("\5\0\0\0\0")}, NULL},
        {{"none", BYTES("\10\0\0\0\12x\0\0")}, NULL},
        {{"in front", BYTES("\16\0\0\0\12_id\0\10x\0\1\0")}, NULL},
        {{"below another", BYTES("\22\0\0\0\3x\0\12\0\0\0\12_id\0\0\0")}, NULL},
        {{"behind", BYTES("\16\0\0\0\10x\0\1\12_id\0\0")},
         (const uint8_t *)"\16\0\0\0\12_id\0\10x\0\1\0"},
        {{"between", BYTES("\21\0\0\0\10x\0\1\12_id\0\12y\0\0")},
         (const uint8_t *)"\21\0\0\0\12_id\0\10x\0\1\12y\0\0"},
        {{"one name twice", BYTES("\22\0\0\0\10x\0\1\10x\0\0\12_id\0\0")},
         (const uint8_t *)"\22\0\0\0\12_id\0\10x\0\1\10x\0\0\0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct sample *s = &rows[i].doc;
        AUTO_BUF struct buf out = BUF_INIT(100);
        size_t wrong;
        print_message("%s\n", s->what);
        assert_null(doc_check(s->data, s->len, &wrong));
        assert_int_equal(docid_front(s->data, s->len, &out), rows[i].moved != NULL);
        assert_int_equal(out.len, rows[i].moved != NULL ? s->len : 0);
        if (rows[i].moved != NULL) {
            assert_memory_equal(out.data, rows[i].moved, s->len);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_every_type),     cmocka_unit_test(survives_damage),
        cmocka_unit_test(stops_at_depth),        cmocka_unit_test(finds_elements),
        cmocka_unit_test(ids_go_through_text),   cmocka_unit_test(ids_have_the_text_of_the_manual),
        cmocka_unit_test(refuses_what_is_no_id), cmocka_unit_test(filters_hold_the_raw_value),
        cmocka_unit_test(ids_go_to_the_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
