// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/ytree.h"

// A tree as one line: scalars as p:text (plain) or q:text (quoted).
static void show(struct buf *out, const struct ynode *n) {
    if (n->type == Y_SCALAR) {
        buf_printf(out, "%c:%s", n->plain ? 'p' : 'q', n->text);
        return;
    }
    buf_puts(out, n->type == Y_SEQUENCE ? "[" : "{");
    for (size_t i = 0; i < n->n; i++) {
        buf_puts(out, i > 0 ? ", " : "");
        if (n->type == Y_MAPPING) {
            buf_printf(out, "%s=", n->keys[i]->text);
        }
        show(out, n->items[i]);
    }
    buf_puts(out, n->type == Y_SEQUENCE ? "]" : "}");
}

struct row {
    const char *text;
    const char *want; // the tree, or the error
};

static void check(const struct row *row, const struct ytree_limits *limits, int want_rc) {
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct err e = {0};
    struct ynode *root = NULL;
    int rc = ytree_read(a, "f", row->text, strlen(row->text), limits, &root, &e);
    if (rc == 0) {
        show(&out, root);
    }
    assert_string_equal(rc == 0 ? buf_str(&out) : e.text, row->want);
    assert_int_equal(rc, want_rc);
}

static void reads_yaml(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"a: 1\nb: [x, 'y', \"z\"]\n", "{a=p:1, b=[p:x, q:y, q:z]}"}, // the three scalars
        {"- a\n- b: c\n  d: e\n", "[p:a, {b=p:c, d=p:e}]"},           // nesting
        {"a: |\n  x\n  y\n", "{a=q:x\ny\n}"},                         // a block is no plain text
        {"# c\na: b # d\n", "{a=p:b}"},                               // YAML's own comments
        {"a:\n", "{a=p:}"},                                           // nothing is plain ""
        {"a: \"\"\n", "{a=q:}"},                                      // and not quoted ""
        {"\xEF\xBB\xBF"
         "a: b\n",
         "{a=p:b}"},                                               // a BOM at the start
        {"--- \na: b\n...\n", "{a=p:b}"},                          // document marks
        {"a: b\r\nc: d\r\n", "{a=p:b, c=p:d}"},                    // DOS line ends
        {"\"<<\": b\n", "{<<=p:b}"},                               // quoted, no merge key
        {"a: \"\\u2028\\u0085\"\n", "{a=q:\xE2\x80\xA8\xC2\x85}"}, // as escapes they may stand
        {"a: http://x//y\n", "{a=p:http://x//y}"},                 // no comment in YAML
        {"a: it's // so\n", "{a=p:it's // so}"},                   //
        {"a: gr\xC3\xBC\xC3\x9F\n", "{a=p:gr\xC3\xBC\xC3\x9F}"},   //
        {"{a: b}\n", "{a=p:b}"},                                   // flow in a plan
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(&rows[i], &ytree_plan_limits, 0);
    }
}

static void refuses(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"", "f:1: nothing in it"},
        {"# only a comment\n", "f:1: nothing in it"},
        {"a: &x 1\nb: *x\n", "f:1: anchors (&) are not accepted; write the value out"},
        {"a: 1\nb: *x\n", "f:2: aliases (*) are not accepted; write the value out"},
        {"a: &x [1]\n", "f:1: anchors (&) are not accepted; write the value out"},
        {"a: !!str 1\n", "f:1: tags (!) are not accepted"},
        {"a: ! b\n", "f:1: tags (!) are not accepted"},
        {"!x {a: b}\n", "f:1: tags (!) are not accepted"},
        {"%TAG !e! tag:e,2000:\n---\na: b\n", "f:1: %TAG is not accepted"},
        {"a: 1\n<<: {b: 2}\n", "f:2: merge keys (<<) are not accepted; write the pairs out"},
        {"a: 1\n---\nb: 2\n", "f:2: a second document begins; there may be one"},
        {"a: 1\nb: 2\n\"a\": 3\n", "f:3: key \"a\" stands here a second time, first on line 1"},
        {"a:\n  b: 1\n  c: 2\n  b: 3\n",
         "f:4: key \"b\" stands here a second time, first on line 2"},
        {"? [a]\n: b\n", "f:1: a key has to be a plain text, not a list or mapping"},
        {"?\n: b\n", "f:1: a key is missing"},
        {"a: b\n\nc: \xFF\n", "f:3: not UTF-8 (byte 0xFF)"},
        {"a: \xC0\x80\n", "f:1: not UTF-8 (byte 0xC0)"}, // NUL, overlong
        {"a: \"x\\0y\"\n", "f:1: a zero byte (\\0) may not stand in a text"},
        {"a: \x07\n", "f:1: a control character may not stand here (U+0007)"},
        {"a: b\xEF\xBB\xBF\n", "f:1: a byte order mark may only stand at the start (U+FEFF)"},
        {"a: \"b\xE2\x80\xA8\"\n", "f:1: a line separator has to be written as an escape in "
                                   "double quotes (U+2028)"},
        {"a: b\rc: \xC2\x85\n", "f:2: a line separator has to be written as an escape in double "
                                "quotes (U+0085)"}, // \r alone ends a line
        {"a: 'b\n\nc: d\n", "f:4: found unexpected end of stream (while scanning a quoted "
                            "scalar, begun on line 1)"},
        {"a: [1, 2\nb: c\n", "f:2: did not find expected ',' or ']' (while parsing a flow "
                             "sequence, begun on line 1)"},
        {"a: \"\\ud83d\\ude00\"\n",
         "f:1: found invalid Unicode character escape code (while parsing a quoted scalar, begun "
         "on line 1)"}, // plans are no JSON
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(&rows[i], &ytree_plan_limits, ERR_USAGE);
    }
}

static void reads_json_with_comments(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"{\"a\":1,\"b\":[true,null]}", "{a=p:1, b=[p:true, p:null]}"},
        {"// c\n{\n\t\"a\": 1, // d\n\t// e\n}\n", "{a=p:1}"}, // comments, tabs, last comma
        {"# c\n{\"a\": 1 # d\n}", "{a=p:1}"},                  // the other kind
        {"{\"a\": true# d\n,\"b\":12// e\n,\"c\":\"x\"# f\n}",
         "{a=p:true, b=p:12, c=q:x}"},                             // directly after a value
        {"{\"a\":// c\n1}", "{a=p:1}"},                            // directly after the colon
        {"{\"a\": \"x // y # z\"}", "{a=q:x // y # z}"},           // not in quotes
        {"{\"a\": \"\\\"// y\\\\\"// z\n}", "{a=q:\"// y\\}"},     // escaped quotes
        {"{\"a\": 'it''s // y'}", "{a=q:it's // y}"},              // single ones
        {"{\"a\": http://x/y}", "{a=p:http://x/y}"},               // a word without quotes
        {"{\"a\": [it's, 'b']} // don't", "{a=[p:it's, q:b]}"},    // a quote within a word
        {"{\"a\": \"\\ud83d\\ude00\"}", "{a=q:\xF0\x9F\x98\x80}"}, // a surrogate pair
        {"{\"a\": \"\\uD834\\uDD1E!\"}", "{a=q:\xF0\x9D\x84\x9E!}"},
        {"{\"a\": \"\\u00fc\\/\\t\"}", "{a=q:\xC3\xBC/\t}"}, // JSON's other escapes
        {"{\"a\": \"\\\\ud83d\"}", "{a=q:\\ud83d}"},         // an escaped backslash
        {"{\"a\":\t\"x\ty\"}", "{a=q:x\ty}"},                // a tab in quotes stays
        {"\xEF\xBB\xBF{\"a\": 1}", "{a=p:1}"},               // BOM
        {"[1,\r\n// c\r\n2]", "[p:1, p:2]"},                 // DOS line ends
        {"{}", "{}"},                                        //
        {"a: b # c\nd: x // y\n", "{a=p:b, d=p:x // y}"},    // YAML is left as it is
        {"\"{\": 1\n", "{{=p:1}"},                           //
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(&rows[i], &ytree_config_limits, 0);
    }
}

static void refuses_json(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"{\n\"a\": 1, // c\n\"a\": 2}",
         "f:3: key \"a\" stands here a second time, first on line 2"},
        {"{\n\"a\": \"\\ud83d\"}", "f:2: \\uD83D is half of a surrogate pair"},
        {"{\"a\": \"\\ude00\\ud83d\"}", "f:1: \\uDE00 is half of a surrogate pair"},
        {"{\"a\": \"\\ud83d\\u0041\"}", "f:1: \\uD83D is half of a surrogate pair"},
        {"{\"a\": \"\\ud83",
         "f:1: found unexpected end of stream"}, // cut; only the start is looked at
        {"{\"a\": 1} {\"b\": 2}", "f:1: did not find expected <document start>"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO_ARENA struct arena *a = arena_new();
        struct err e = {0};
        struct ynode *root = NULL;
        int rc =
            ytree_read(a, "f", rows[i].text, strlen(rows[i].text), &ytree_config_limits, &root, &e);
        assert_int_equal(rc, ERR_USAGE);
        char start[256];
        snprintf(start, sizeof start, "%.*s", (int)strlen(rows[i].want), e.text);
        if (i != 4) { // whatever libyaml calls a cut escape
            assert_string_equal(start, rows[i].want);
        }
    }
}

static void holds_its_limits(void **state) {
    (void)state;
    static const struct ytree_limits small = {.bytes = 40, .scalar = 8, .depth = 3};
    static const struct row good[] = {
        {"[[[a]]]", "[[[p:a]]]"},            // as deep as may be
        {"a: 12345678\n", "{a=p:12345678}"}, // as long
        {"# 456789012345678901234567890123456\na: b", "{a=p:b}"},
    };
    static const struct row bad[] = {
        {"[[[[a]]]]", "f:1: nested deeper than 3 levels"},
        {"a: 123456789\n", "f:1: a text longer than 8 bytes"},
        {"123456789: a\n", "f:1: a text longer than 8 bytes"}, // keys, too
        {"# 4567890123456789012345678901234567\na: b", "f: larger than the limit of 40 bytes"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        check(&good[i], &small, 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check(&bad[i], &small, ERR_USAGE);
    }
}

// Nesting without end is refused at once, whatever the size.
static void deep_nesting_is_cheap(void **state) {
    (void)state;
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    memset(buf_room(&text, 1000000), '[', 1000000);
    text.len = 1000000;
    struct err e = {0};
    struct ynode *root;
    assert_int_equal(ytree_read(a, "f", buf_str(&text), text.len, &ytree_config_limits, &root, &e),
                     ERR_USAGE);
    assert_string_equal(e.text, "f:1: nested deeper than 32 levels");
}

// Past the mapping size where keys go into a table.
static void many_keys(void **state) {
    (void)state;
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    for (int i = 0; i < 5000; i++) {
        buf_printf(&text, "k%d: %d\n", i, i);
    }
    struct err e = {0};
    struct ynode *root;
    assert_int_equal(ytree_read(a, "f", buf_str(&text), text.len, &ytree_plan_limits, &root, &e),
                     0);
    assert_int_equal(root->n, 5000);
    assert_string_equal(ytree_get(root, "k4999")->text, "4999");
    assert_int_equal(ytree_get(root, "k4999")->line, 5000);
    assert_null(ytree_get(root, "k5000"));
    buf_puts(&text, "k7: 1\n");
    assert_int_equal(ytree_read(a, "f", buf_str(&text), text.len, &ytree_plan_limits, &root, &e),
                     ERR_USAGE);
    assert_string_equal(e.text, "f:5001: key \"k7\" stands here a second time, first on line 8");
}

static void names_and_keys_are_escaped(void **state) {
    (void)state;
    AUTO_ARENA struct arena *a = arena_new();
    struct err e = {0};
    struct ynode *root;
    const char *text = "\"\\e[1m\": 1\n\"\\e[1m\": 2\n";
    assert_int_equal(ytree_read(a, "a\nb", text, strlen(text), &ytree_plan_limits, &root, &e),
                     ERR_USAGE);
    assert_string_equal(e.text,
                        "a\\nb:2: key \"\\x1B[1m\" stands here a second time, first on line 1");
    assert_int_equal(ytree_read(a, "f", "a: b\0c", 6, &ytree_plan_limits, &root, &e), ERR_USAGE);
    assert_string_equal(e.text, "f:1: a control character may not stand here (U+0000)");
}

static struct ynode scalar(const char *text, bool plain) {
    return (struct ynode){.type = Y_SCALAR, .plain = plain, .text = text, .len = strlen(text)};
}

static void numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool plain;
        uint64_t max;
        int rc;
        uint64_t want;
    } rows[] = {
        {"0", true, 10, 0, 0},
        {"10", true, 10, 0, 10},                                   // up to max
        {"11", true, 10, -1, 0},                                   // over it
        {"18446744073709551615", true, UINT64_MAX, 0, UINT64_MAX}, // the largest
        {"18446744073709551616", true, UINT64_MAX, -1, 0},         // one more
        {"99999999999999999999999", true, UINT64_MAX, -1, 0},      //
        {"10", false, 10, -1, 0},                                  // quoted: a text
        {"", true, 10, -1, 0},                                     //
        {"-1", true, 10, -1, 0},                                   //
        {"+1", true, 10, -1, 0},                                   //
        {"07", true, 10, -1, 0},                                   // octal to some
        {"0x7", true, 10, -1, 0},                                  //
        {"1_0", true, 10, -1, 0},                                  //
        {"1.0", true, 10, -1, 0},                                  //
        {"1 ", true, 10, -1, 0},                                   //
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ynode n = scalar(rows[i].text, rows[i].plain);
        uint64_t got = 0;
        assert_int_equal(ytree_uint(&n, rows[i].max, &got), rows[i].rc);
        assert_true(got == rows[i].want);
    }
    struct ynode list = {.type = Y_SEQUENCE};
    uint64_t got;
    bool flag;
    assert_int_equal(ytree_uint(&list, 10, &got), -1);
    assert_int_equal(ytree_bool(&list, &flag), -1);
}

static void booleans(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool plain;
        int rc;
        bool want;
    } rows[] = {
        {"true", true, 0, true},    {"false", true, 0, false},
        {"true", false, -1, false}, // quoted: a text
        {"yes", true, -1, false},   // YAML 1.1's other words are none
        {"True", true, -1, false},  {"", true, -1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ynode n = scalar(rows[i].text, rows[i].plain);
        bool got = false;
        assert_int_equal(ytree_bool(&n, &got), rows[i].rc);
        assert_int_equal(got, rows[i].want);
    }
}

static void nearest_words(void **state) {
    (void)state;
    static const char *const known[] = {"users", "projectGroups", "exclude", "mongodb", "host"};
    static const struct {
        const char *word, *want;
    } rows[] = {
        {"user", "users"},                  // one letter missing
        {"uesrs", "users"},                 // two swapped
        {"projectgroups", "projectGroups"}, // one replaced
        {"mongo", NULL},                    // two of five: too far
        {"hots", "host"},                   //
        {"xy", NULL},                       // too short for any slip
        {"", NULL},                         //
        {"zzzzzzzzz", NULL},                // nothing like it
        {"excludes", "exclude"},            //
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL}, // long
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *got = ytree_nearest(rows[i].word, known, sizeof known / sizeof known[0]);
        if (rows[i].want == NULL) {
            assert_null(got);
        } else {
            assert_non_null(got);
            assert_string_equal(got, rows[i].want);
        }
    }
}

// Every cut and every changed byte of a good text ends in a tree or an error, never in a fault.
static void damaged_texts(void **state) {
    (void)state;
    static const char good[] = "// c\n{\"a\": [1, 'x', \"\\ud83d\\ude00\"],\t# d\n \"b\": {\"c\": "
                               "http://x}, \"\xC3\xBC\": null}\n";
    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (int c = -1; c < 256; c++) {
            char text[sizeof good];
            memcpy(text, good, sizeof good);
            size_t len = c < 0 ? i : sizeof good - 1;
            text[i] = c < 0 ? text[i] : (char)c;
            AUTO_ARENA struct arena *a = arena_new();
            AUTO_FREE char *exact = must_strndup("", 0);
            exact = must_realloc(exact, len, 1); // so that a read past the end is seen
            memcpy(exact, text, len);
            struct ynode *root = NULL;
            struct err e = {0};
            int rc = ytree_read(a, "f", exact, len, &ytree_config_limits, &root, &e);
            assert_int_equal(rc == 0, root != NULL);
            assert_int_equal(rc, e.code);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_yaml),
        cmocka_unit_test(refuses),
        cmocka_unit_test(reads_json_with_comments),
        cmocka_unit_test(refuses_json),
        cmocka_unit_test(holds_its_limits),
        cmocka_unit_test(deep_nesting_is_cheap),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(names_and_keys_are_escaped),
        cmocka_unit_test(numbers),
        cmocka_unit_test(booleans),
        cmocka_unit_test(nearest_words),
        cmocka_unit_test(damaged_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
