// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a pattern of a scope or a fix-up, its replacement and a subject, each ended by a
// zero byte. None may run away: the limits are what the time limit of a run tests.
//
//     clang ... -fsanitize=fuzzer,address,undefined tests/fuzz/pattern.c schema/pattern.c
//         base/*.c -lpcre2-8 ... -o pattern
//     ./pattern CORPUS tests/fuzz/pattern_corpus
#include <stdint.h>
#include <string.h>

#include "schema/pattern.h"

#define OUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The next text of the input, as a string of its own.
static char *next(const uint8_t **data, size_t *left) {
    size_t len = strnlen((const char *)*data, *left);
    char *text = must_strndup((const char *)*data, len);
    size_t used = len < *left ? len + 1 : len;
    *data += used;
    *left -= used;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(pattern_cleanup) struct pattern *p = NULL;
    AUTO_FREE char *text = next(&data, &size);
    AUTO_FREE char *replacement = next(&data, &size);
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct err e = {0};
    int rc = pattern_compile(text, &p, &e);
    if (rc != 0) {
        MUST(rc == ERR_USAGE && e.text[0] != 0 && p == NULL);
        return 0;
    }
    int matched = pattern_match(p, (const char *)data, size, &e);
    MUST(matched == 0 || matched == 1 || (matched == ERR_LIMIT && e.text[0] != 0));
    rc = pattern_check_replacement(p, replacement, &e);
    MUST(rc == 0 || rc == ERR_USAGE);
    if (rc == 0) {
        rc = pattern_replace(p, replacement, (const char *)data, size, &out, &e);
        MUST(rc < 0 || rc == matched || matched < 0);
    }
    return 0;
}
