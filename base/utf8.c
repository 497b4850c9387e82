// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <stdbool.h>

static bool utf8_valid(uint32_t c) {
    return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

size_t utf8_decode(const char *text, size_t len, uint32_t *c) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0) {
        return 0;
    }
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *c = s[0];
        return 1;
    }
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || len < n) {
        return 0;
    }
    uint32_t value = s[0] & (0xFFU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
        value = value << 6 | (s[i] & 0x3F);
    }
    if (value < smallest[n] || !utf8_valid(value)) {
        return 0;
    }
    *c = value;
    return n;
}

size_t utf8_encode(uint32_t c, char out[4]) {
    if (!utf8_valid(c)) {
        return 0;
    }
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(lead[n] | c);
    return n;
}
