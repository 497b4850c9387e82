// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/escape.h"

static void set_and_wrap(void **state) {
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, ERR_LOCKED, "by %s", "pid 7"), ERR_LOCKED);
    assert_string_equal(e.text, "by pid 7");
    assert_int_equal(err_wrap(&e, "journal %d", 3), ERR_LOCKED);
    assert_string_equal(e.text, "journal 3: by pid 7");
    assert_int_equal(err_append(&e, "; wait %s", "for it"), ERR_LOCKED);
    assert_string_equal(e.text, "journal 3: by pid 7; wait for it");
    assert_int_equal(err_sys(&e, ERR_IO, ENOENT, "%s", "plan.yaml"), ERR_IO);
    assert_string_equal(e.text, "plan.yaml: No such file or directory");
}

static void mends_of_the_system(void **state) {
    (void)state;
    static const struct {
        int errnum;
        const char *text;
    } rows[] = {
        {ENOSPC, "x: No space left on device; make room there"},
        {EDQUOT, "x: Disk quota exceeded; make room there, or raise the quota"},
        {EROFS, "x: Read-only file system; mount it for writing"},
        {EIO, "x: Input/output error; its disk or its mount fails: look at the system's log"},
        {EMFILE, "x: Too many open files; raise the limit of open files"},
        {EACCES, "x: Permission denied"}, // whose rights, the caller knows
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        assert_int_equal(err_sys(&e, ERR_IO, rows[i].errnum, "x"), ERR_IO);
        assert_string_equal(e.text, rows[i].text);
    }
}

// The text may be built from the text it replaces.
static void arguments_may_alias(void **state) {
    (void)state;
    struct err e = {0};
    err_set(&e, ERR_DATA, "inner");
    err_set(&e, ERR_DATA, "<%s>", e.text);
    assert_string_equal(e.text, "<inner>");
    err_wrap(&e, "%s", e.text);
    assert_string_equal(e.text, "<inner>: <inner>");
    err_append(&e, "%s", e.text);
    assert_string_equal(e.text, "<inner>: <inner><inner>: <inner>");
}

static void long_text_is_cut(void **state) {
    (void)state;
    static const struct {
        const char *unit; // repeated to more than the text holds
    } rows[] = {
        {"a"},            // one byte each
        {"\xC3\xA9"},     // the cut falls between or within two bytes
        {"\xE2\x82\xAC"}, // three
        {"\xF0\x9F\x98\x80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t lead = 0; lead < 4; lead++) {
            char big[3 * ERR_TEXT_MAX] = "";
            memset(big, '.', lead);
            size_t len = lead;
            while (len + 5 < sizeof big) {
                memcpy(big + len, rows[i].unit, strlen(rows[i].unit) + 1);
                len += strlen(rows[i].unit);
            }
            struct err e = {0};
            err_set(&e, ERR_DATA, "%s", big);
            size_t n = strlen(e.text);
            assert_true(n < ERR_TEXT_MAX && n > ERR_TEXT_MAX - 9);
            assert_string_equal(e.text + n - 3, "...");
            assert_true(escape_is_utf8(e.text, n));
            err_wrap(&e, "context");
            assert_memory_equal(e.text, "context: ", 9);
            assert_string_equal(e.text + strlen(e.text) - 3, "...");
        }
    }
}

static void codes(void **state) {
    (void)state;
    static const struct {
        int code;
        int exit_status;
        const char *name;
    } rows[] = {
        {0, 0, "FAILED"},                      // nothing failed: only the exit status matters
        {ERR_FAILED, 1, "FAILED"},             // the first row
        {ERR_USAGE, 2, "USAGE"},               //
        {ERR_LOCKED, 11, "LOCKED"},            //
        {ERR_INTERRUPTED, 130, "INTERRUPTED"}, // as a shell shows SIGINT
        {ERR_TERMINATED, 143, "TERMINATED"},   // and SIGTERM
        {ERR_RETRY, 13, "RETRY"},              // leaves as UNREACHABLE
        {-9999, 1, "FAILED"},                  // unknown counts as FAILED
        {7, 1, "FAILED"},                      // so does what is no error code at all
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(err_exit_status(rows[i].code), rows[i].exit_status);
        assert_string_equal(err_name(rows[i].code), rows[i].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_and_wrap),
        cmocka_unit_test(mends_of_the_system),
        cmocka_unit_test(arguments_may_alias),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
