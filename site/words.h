// SPDX-License-Identifier: Apache-2.0
// A line that a shell at a far end has answered, word by word; between words are spaces, one or
// more. A word that is not what was asked for makes the whole bad, and nothing behind it is read.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct words {
    const char *at;
    bool bad;
};

// Takes the word that has to stand here.
void words_expect(struct words *w, const char *word);
// Digits of base 8, 10 or 16 alone: no sign, no prefix. 0 when it is bad.
uint64_t words_number(struct words *w, int base, uint64_t max);
// A word that fits into `out`; "" when it is bad.
void words_text(struct words *w, char *out, size_t size);
// What is left, from its first word on.
const char *words_rest(struct words *w);
// True when nothing is left and all was good.
bool words_done(struct words *w);
