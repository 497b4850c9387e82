// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "schema/pattern.h"

static struct pattern *compiled(const char *text) {
    struct pattern *p = NULL;
    struct err e = {0};
    if (pattern_compile(text, &p, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return p;
}

static void test_match(void **state) {
    static const struct {
        const char *pattern, *subject;
        size_t len;
        int rc;
    } cases[] = {
        {"^a", "abc", 3, 1},
        {"b", "abc", 3, 1},
        {"^b", "abc", 3, 0},
        {"^abc$", "abc", 3, 1},
        {"(?i)ABC", "abc", 3, 1},
        {"", "", 0, -1},
        {"^$", "", 0, 1},
        {"^.$", "\xC3\xA9", 2, 1}, // one character, two bytes
        {"x", "\xFFx", 2, 1},      // what is not UTF-8 is stepped over
        {"\xC3\xA9", "\xFF\xC3\xA9", 3, 1},
        {"a.b", "a\0b", 3, 1},
        {"(?<=a)b", "ab", 2, 1},
        {"a(*ACCEPT)b", "a", 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        struct pattern *p = NULL;
        if (cases[i].rc < 0) {
            assert_int_equal(pattern_compile(cases[i].pattern, &p, &e), ERR_USAGE);
            continue;
        }
        p = compiled(cases[i].pattern);
        assert_int_equal(pattern_match(p, cases[i].subject, cases[i].len, &e), cases[i].rc);
        pattern_free(p);
    }
}

static void test_refused(void **state) {
    char deep[600], wide[1200];
    memset(deep, '(', 300);
    memset(deep + 300, ')', 299);
    deep[599] = 0;
    memset(wide, 'a', sizeof wide);
    wide[sizeof wide - 1] = 0;
    const struct {
        const char *pattern, *says;
    } cases[] = {
        {"(", "missing closing parenthesis"},
        {"[a", "missing terminating ]"},
        {"a\\Cb", "\\C"},
        {"(*LIMIT_MATCH=1000000000)a", "may not begin with a verb"},
        {"(*UTF)a", "may not begin with a verb"},
        {"(*NO_JIT)(*UCP)a", "may not begin with a verb"},
        {"\xFF", "UTF-8"},
        {deep, "too deep"},
        {wide, "longer than 1024 bytes"},
        {"", "empty pattern"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pattern *p = NULL;
        struct err e = {0};
        assert_int_equal(pattern_compile(cases[i].pattern, &p, &e), ERR_USAGE);
        if (strstr(e.text, cases[i].says) == NULL) {
            fail_msg("case %zu: %s", i, e.text);
        }
        assert_null(p);
    }
}

// Patterns that take for ever elsewhere, each on a subject made for it and on 10,000 plain names.
static void test_runaways(void **state) {
    static const char *const patterns[] = {
        "^(a+)+$",
        "^(a|a)*$",
        "^(a|aa)+$",
        "(a*)*b",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(x+x+)+y",
        "^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+$",
        "^(\\w+\\s?)*$",
        "(.*)*#",
        "^(a?){30}a{30}$",
        "(a|b|ab)*c",
        "^((ab)*)+$",
        "^(.+)+\\.zip$",
        "((a+)*)+$x",
        "^(?:a+)+(?:b+)+c$",
        "(\\d+)*[^\\d]z",
        "^(([^/]*)/)*x$",
        "(?:.*?,){20}P",
        "^(?=(a+))*b",
        "(([^.])*\\.)*com$",
    };
    char subject[4096];
    char name[32];
    (void)state;
    int64_t begin = clock_mono_ns();
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct pattern *p = compiled(patterns[i]);
        struct err e = {0};
        static const char stuff[] = "a,x./1 ";
        for (size_t s = 0; s < sizeof stuff - 1; s++) {
            memset(subject, stuff[s], sizeof subject);
            subject[sizeof subject - 1] = '!';
            int rc = pattern_match(p, subject, sizeof subject, &e);
            assert_true(rc == 0 || rc == 1 || rc == ERR_LIMIT);
            if (rc < 0) {
                assert_non_null(strstr(e.text, patterns[i][0] == '^' ? "pattern \"^" : "pattern "));
            }
        }
        for (int k = 0; k < 10000; k++) {
            snprintf(name, sizeof name, "user%05d", k);
            assert_true(pattern_match(p, name, strlen(name), &e) >= 0);
        }
        pattern_free(p);
    }
    int64_t took = clock_mono_ns() - begin;
    print_message("%d patterns: %lld ms\n", (int)(sizeof patterns / sizeof *patterns),
                  (long long)(took / 1000000));
    assert_true(took < 10ll * 1000000000); // sanitizers and a busy machine included
}

static void test_replace(void **state) {
    static const struct {
        const char *pattern, *replacement, *subject, *out; // NULL: no match
    } cases[] = {
        {"^uploads/", "/opt/data/", "uploads/a/b.jpg", "/opt/data/a/b.jpg"},
        {"^uploads/", "/opt/data/", "/opt/data/uploads/b.jpg", NULL},
        {"a", "b", "aaa", "baa"}, // the first one only
        {"(\\w+) (\\w+)", "$2 $1", "old new", "new old"},
        {"(?<first>a)(x)?", "[${first}$2]", "ab", "[a]b"}, // a group that is unset is empty
        {"a", "$$", "a", "$"},
        {"^.*$", "", "all of it", ""},
        {"\\.", "\xC3\xA9", "\xFF.", "\xFF\xC3\xA9"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pattern *p = compiled(cases[i].pattern);
        struct err e = {0};
        struct buf out = BUF_INIT(1000);
        buf_puts(&out, "before");
        int rc = pattern_replace(p, cases[i].replacement, cases[i].subject,
                                 strlen(cases[i].subject), &out, &e);
        assert_int_equal(rc, cases[i].out != NULL);
        assert_string_equal(buf_str(&out), cases[i].out != NULL ? cases[i].out : "before");
        buf_free(&out);
        pattern_free(p);
    }
}

static void test_replace_too_long(void **state) {
    (void)state;
    struct pattern *p = compiled("(.*)");
    struct err e = {0};
    struct buf out = BUF_INIT(1000);
    char subject[200];
    memset(subject, 'a', sizeof subject);
    assert_int_equal(pattern_replace(p, "$1$1$1$1$1$1$1$1", subject, sizeof subject, &out, &e),
                     ERR_LIMIT);
    assert_int_equal(pattern_replace(p, "$1$1$1$1", subject, sizeof subject, &out, &e), 1);
    assert_int_equal(out.len, 800);
    buf_free(&out);
    pattern_free(p);
}

static void test_check_replacement(void **state) {
    static const struct {
        const char *pattern, *replacement;
        bool ok;
    } cases[] = {
        {"a(b)", "$1", true}, {"a(b)", "$2", false},     {"a", "$", false},
        {"a", "$0", true},    {"(?<x>a)", "${x}", true}, {"(?<x>a)", "${y}", false},
        {"a", "${1", false},  {"a", "plain/text", true}, {"(a)|(b)", "$1$2", true},
        {"a", "\xFF", false}, {"a", "", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pattern *p = compiled(cases[i].pattern);
        struct err e = {0};
        int rc = pattern_check_replacement(p, cases[i].replacement, &e);
        assert_int_equal(rc, cases[i].ok ? 0 : ERR_USAGE);
        pattern_free(p);
    }
}

struct matching {
    const struct pattern *pattern;
    int hits;
};

static void *match_often(void *arg) {
    struct matching *m = arg;
    struct err e = {0};
    for (int i = 0; i < 2000; i++) {
        m->hits += pattern_match(m->pattern, i % 2 ? "abc" : "xyz", 3, &e) == 1;
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    struct matching matching[4];
    struct pattern *p = compiled("^(a)(b)c$");
    for (int i = 0; i < 4; i++) {
        matching[i] = (struct matching){p, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, match_often, &matching[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(matching[i].hits, 1000);
    }
    pattern_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_runaways),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_replace_too_long),
        cmocka_unit_test(test_check_replacement),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
