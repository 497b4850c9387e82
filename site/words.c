// SPDX-License-Identifier: Apache-2.0
#include "site/words.h"

#include <string.h>

// The length of the word that begins here; 0 when there is none.
static size_t next(struct words *w) {
    w->at += strspn(w->at, " ");
    size_t len = w->bad ? 0 : strcspn(w->at, " ");
    w->bad = len == 0;
    return len;
}

void words_expect(struct words *w, const char *word) {
    size_t len = next(w);
    w->bad = w->bad || strlen(word) != len || memcmp(w->at, word, len) != 0;
    w->at += len;
}

static unsigned digit(char c) {
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                  : 16;
}

uint64_t words_number(struct words *w, int base, uint64_t max) {
    size_t len = next(w);
    uint64_t n = 0;
    for (size_t i = 0; i < len && !w->bad; i++) {
        unsigned d = digit(w->at[i]);
        w->bad = d >= (unsigned)base || d > max || n > (max - d) / (unsigned)base;
        n = n * (unsigned)base + d;
    }
    w->at += len;
    return w->bad ? 0 : n;
}

void words_text(struct words *w, char *out, size_t size) {
    size_t len = next(w);
    w->bad = w->bad || len >= size;
    memcpy(out, w->at, w->bad ? 0 : len);
    out[w->bad ? 0 : len] = 0;
    w->at += len;
}

const char *words_rest(struct words *w) {
    w->at += strspn(w->at, " ");
    return w->at;
}

bool words_done(struct words *w) {
    return *words_rest(w) == 0 && !w->bad;
}
