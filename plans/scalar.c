// SPDX-License-Identifier: Apache-2.0
#include "plans/scalar.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

#define SCALAR_UNIT 16 // longest escape: \UHHHHHHHH

// Blocks of which every character is a letter (or one ideograph, kana or syllable), written from
// left to right, that stands for itself. What is left out is only less readable.
static const struct {
    uint32_t first, last;
} scalar_letters[] = {
    {0x00C0, 0x00D6}, {0x00D8, 0x00F6}, {0x00F8, 0x024F}, // Latin
    {0x0391, 0x03A1}, {0x03A3, 0x03CE},                   // Greek
    {0x0400, 0x0481}, {0x048A, 0x052F},                   // Cyrillic
    {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x30FC, 0x30FC}, // kana
    {0x4E00, 0x9FFF},                                     // CJK ideographs
    {0xAC00, 0xD7A3},                                     // Hangul
};

static bool scalar_is_shown(uint32_t c) {
    if (c < 0x80) {
        return c >= 0x20 && c < 0x7F;
    }
    for (size_t i = 0; i < sizeof scalar_letters / sizeof *scalar_letters; i++) {
        if (c >= scalar_letters[i].first && c <= scalar_letters[i].last) {
            return true;
        }
    }
    return false;
}

// YAML's escape for a character of a double-quoted scalar.
static void scalar_escape(char out[SCALAR_UNIT], uint32_t c) {
    if (c == '\n' || c == '\t') {
        snprintf(out, SCALAR_UNIT, "\\%c", c == '\n' ? 'n' : 't');
    } else {
        snprintf(out, SCALAR_UNIT,
                 c <= 0xFF     ? "\\x%02X"
                 : c <= 0xFFFF ? "\\u%04X"
                               : "\\U%08X",
                 (unsigned)c);
    }
}

// Writes what stands at `text` in its form for a comment and returns how many bytes that took in.
static size_t scalar_comment_unit(char out[SCALAR_UNIT], const char *text, size_t len) {
    uint32_t c;
    size_t used = utf8_decode(text, len, &c);
    if (used == 0) {
        snprintf(out, SCALAR_UNIT, "\\x%02X", (unsigned char)text[0]);
        return 1;
    }
    if (!scalar_is_shown(c)) {
        scalar_escape(out, c);
        return used;
    }
    memcpy(out, text, used);
    out[used] = 0;
    return used;
}

void scalar_put_quoted(struct buf *out, const char *text) {
    size_t len = strlen(text);
    buf_puts(out, "\"");
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t used = utf8_decode(text + i, len - i, &c);
        MUST(used > 0);
        if (c == '"' || c == '\\') {
            buf_puts(out, "\\");
        }
        char unit[SCALAR_UNIT];
        if (scalar_is_shown(c)) {
            buf_put(out, text + i, used);
        } else {
            scalar_escape(unit, c);
            buf_puts(out, unit);
        }
        i += used;
    }
    buf_puts(out, "\"");
}

// Words that some reader of YAML takes for null or a truth value.
static bool scalar_is_special(const char *text) {
    static const char *const special[] = {"null", "true", "false", "yes", "no",
                                          "on",   "off",  "y",     "n"};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (strcasecmp(text, special[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool scalar_is_word(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-";
    if (strcmp(text, ".") == 0) {
        return true;
    }
    bool begins = text[0] == '/' || (text[0] != 0 && strchr(letters, text[0]) != NULL);
    return begins && text[strspn(text, rest)] == 0 && !scalar_is_special(text);
}

static bool scalar_is_single(const char *text) {
    if (strpbrk(text, "\"\\") == NULL) {
        return false;
    }
    for (const char *p = text; *p != 0; p++) {
        if (*p < 0x20 || *p >= 0x7F || *p == '\'') {
            return false;
        }
    }
    return true;
}

void scalar_put(struct buf *out, const char *text) {
    if (scalar_is_word(text)) {
        buf_puts(out, text);
    } else if (scalar_is_single(text)) {
        buf_printf(out, "'%s'", text);
    } else {
        scalar_put_quoted(out, text);
    }
}

void scalar_put_comment(struct buf *out, const char *text, size_t len, size_t max) {
    MUST(max > SCALAR_UNIT);
    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    while (len > 0 && text[0] == ' ') {
        text++;
        len--;
    }
    size_t begin = out->len, cut = out->len;
    char unit[SCALAR_UNIT];
    for (size_t i = 0; i < len;) {
        i += scalar_comment_unit(unit, text + i, len - i);
        if (out->len - begin + strlen(unit) > max) {
            out->len = cut;
            buf_puts(out, "...");
            return;
        }
        buf_puts(out, unit);
        if (out->len - begin + 3 <= max) {
            cut = out->len;
        }
    }
}
