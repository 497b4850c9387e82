// SPDX-License-Identifier: Apache-2.0
// Whether what stands at the destination is what we bring.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "executor/restore.h"

#define ID "\12_id\0"
#define TIME(name, value) "\21" name "\0" value
#define ZERO "\0\0\0\0\0\0\0\0"
#define NOW "\1\0\0\0\2\0\0\0"
// A document of so many bytes and these elements.
#define DOC(len, elements) len "\0\0\0" elements, sizeof(len "\0\0\0" elements)

struct bytes {
    const char *data;
    size_t len;
};

static const struct {
    const char *what;
    struct bytes source, expected, there; // expected.data NULL: no fix-up
    enum restore_verdict verdict;
} rows[] = {
    {"the same", {DOC("\16", ID "\10x\0\1")}, {NULL, 0}, {DOC("\16", ID "\10x\0\1")}, VERDICT_SAME},
    {"_id was behind",
     {DOC("\16", "\10x\0\1" ID)},
     {NULL, 0},
     {DOC("\16", ID "\10x\0\1")},
     VERDICT_SAME},
    {"_id was behind, and another value",
     {DOC("\16", "\10x\0\1" ID)},
     {NULL, 0},
     {DOC("\16", ID "\10x\0\0")},
     VERDICT_DIFFERENT},
    {"another order",
     {DOC("\22", ID "\10x\0\1\10y\0\1")},
     {NULL, 0},
     {DOC("\22", ID "\10y\0\1\10x\0\1")},
     VERDICT_DIFFERENT},
    {"longer",
     {DOC("\16", ID "\10x\0\1")},
     {NULL, 0},
     {DOC("\22", ID "\10x\0\1\10y\0\1")},
     VERDICT_DIFFERENT},
    {"mended",
     {DOC("\16", ID "\10x\0\1")},
     {DOC("\16", ID "\10x\0\0")},
     {DOC("\16", ID "\10x\0\0")},
     VERDICT_SAME},
    {"as at the source",
     {DOC("\16", ID "\10x\0\1")},
     {DOC("\16", ID "\10x\0\0")},
     {DOC("\16", ID "\10x\0\1")},
     VERDICT_UNFIXED},
    {"as at the source, _id behind",
     {DOC("\16", "\10x\0\1" ID)},
     {DOC("\16", "\10x\0\0" ID)},
     {DOC("\16", ID "\10x\0\1")},
     VERDICT_UNFIXED},
    {"a time that a server has set",
     {DOC("\25", ID TIME("t", ZERO))},
     {NULL, 0},
     {DOC("\25", ID TIME("t", NOW))},
     VERDICT_TIME},
    {"the same, _id behind",
     {DOC("\25", TIME("t", ZERO) ID)},
     {NULL, 0},
     {DOC("\25", ID TIME("t", NOW))},
     VERDICT_TIME},
    {"a time of ours",
     {DOC("\25", ID TIME("t", NOW))},
     {NULL, 0},
     {DOC("\25", ID TIME("t", ZERO))},
     VERDICT_DIFFERENT},
    {"a time by another name",
     {DOC("\25", ID TIME("t", ZERO))},
     {NULL, 0},
     {DOC("\25", ID TIME("u", NOW))},
     VERDICT_DIFFERENT},
    {"a number in place of a time",
     {DOC("\25", ID TIME("t", ZERO))},
     {NULL, 0},
     {DOC("\25", ID "\22t\0" NOW)},
     VERDICT_DIFFERENT},
    {"a time and another value",
     {DOC("\31", ID TIME("t", ZERO) "\10x\0\1")},
     {NULL, 0},
     {DOC("\31", ID TIME("t", NOW) "\10x\0\0")},
     VERDICT_DIFFERENT},
};

static void verdicts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct bytes *mended = rows[i].expected.data ? &rows[i].expected : &rows[i].source;
        const struct restore_doc d = {.source = (const uint8_t *)rows[i].source.data,
                                      .source_len = rows[i].source.len,
                                      .expected = (const uint8_t *)mended->data,
                                      .expected_len = mended->len,
                                      .fixed = rows[i].expected.data != NULL,
                                      .zero_time = true};
        enum restore_verdict got =
            restore_compare(&d, (const uint8_t *)rows[i].there.data, rows[i].there.len);
        if (got != rows[i].verdict) {
            fail_msg("%s: %d", rows[i].what, (int)got);
        }
        // Equal documents have one digest, wherever their _id stands.
        char ours[HASH_HEX], theirs[HASH_HEX];
        restore_digest(d.expected, d.expected_len, ours);
        restore_digest((const uint8_t *)rows[i].there.data, rows[i].there.len, theirs);
        assert_int_equal(strcmp(ours, theirs) == 0, got == VERDICT_SAME);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
