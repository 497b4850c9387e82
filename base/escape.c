// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define ESCAPE_UNIT 16

// Characters that a terminal or a log reader acts upon, or that turn the reading order round.
static bool escape_is_hidden(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 || c == 0x061C ||
           c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

// Writes the printable form of what stands at `text` and returns how many bytes that took in.
static size_t escape_unit(char out[ESCAPE_UNIT], const char *text, size_t len) {
    uint32_t c;
    size_t used = utf8_decode(text, len, &c);
    if (used == 0) {
        snprintf(out, ESCAPE_UNIT, "\\x%02X", (unsigned char)text[0]);
        return 1;
    }
    if (c == '\n' || c == '\t' || c == '\\') {
        snprintf(out, ESCAPE_UNIT, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : '\\');
    } else if (!escape_is_hidden(c)) {
        memcpy(out, text, used);
        out[used] = 0;
    } else {
        snprintf(out, ESCAPE_UNIT, c < 0x80 ? "\\x%02X" : "\\u{%04X}", (unsigned)c);
    }
    return used;
}

// How many bytes from there on are printed as they are, one each.
static size_t escape_plain(const char *text, size_t len) {
    size_t n = 0;
    while (n < len && text[n] >= 0x20 && text[n] < 0x7F && text[n] != '\\') {
        n++;
    }
    return n;
}

void escape_text(struct buf *out, const char *text, size_t len) {
    char unit[ESCAPE_UNIT];
    for (size_t i = 0; i < len;) {
        size_t plain = escape_plain(text + i, len - i); // most names are nothing else
        buf_put(out, text + i, plain);
        i += plain;
        if (i < len) {
            i += escape_unit(unit, text + i, len - i);
            buf_puts(out, unit);
        }
    }
}

const char *escape_into(char *out, size_t size, const char *text, size_t len) {
    MUST(size >= 4);
    char unit[ESCAPE_UNIT];
    size_t at = 0;
    size_t cut = 0; // the last end of a unit behind which "..." fits
    for (size_t i = 0; i < len;) {
        i += escape_unit(unit, text + i, len - i);
        size_t n = strlen(unit);
        if (at + n > size - 1) {
            memcpy(out + cut, "...", 4);
            return out;
        }
        memcpy(out + at, unit, n);
        at += n;
        if (at + 3 <= size - 1) {
            cut = at;
        }
    }
    out[at] = 0;
    return out;
}

bool escape_is_utf8(const char *text, size_t len) {
    uint32_t c;
    for (size_t i = 0; i < len;) {
        size_t used = utf8_decode(text + i, len - i, &c);
        if (used == 0) {
            return false;
        }
        i += used;
    }
    return true;
}
