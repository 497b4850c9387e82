// SPDX-License-Identifier: Apache-2.0
#include "plans/range.h"

#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/escape.h"
#include "base/utf8.h"

// Value of four hexadecimal digits, or -1. Stops at a final zero by itself.
static int32_t range_hex4(const char *p) {
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

// Reads what stands behind "\u", pairs of surrogates included; *p moves to its end.
static bool range_unicode(const char **p, uint32_t *c) {
    int32_t high = range_hex4(*p);
    if (high < 0 || (high >= 0xDC00 && high <= 0xDFFF)) {
        return false;
    }
    *p += 4;
    *c = (uint32_t)high;
    if (high < 0xD800 || high > 0xDBFF) {
        return true;
    }
    int32_t low = (*p)[0] == '\\' && (*p)[1] == 'u' ? range_hex4(*p + 2) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        return false;
    }
    *p += 6;
    *c = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return true;
}

// One escape, *p behind its backslash.
static bool range_escape(const char **p, struct buf *out) {
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *found = **p != 0 ? strchr(letters, **p) : NULL;
    if (found != NULL) {
        (*p)++;
        buf_put(out, &values[found - letters], 1);
        return true;
    }
    uint32_t c;
    if (**p != 'u') {
        return false;
    }
    (*p)++;
    if (!range_unicode(p, &c)) {
        return false;
    }
    char text[4];
    buf_put(out, text, utf8_encode(c, text));
    return true;
}

// The value of a whole JSON string; it may hold zero bytes.
static bool range_parse(const char *bound, struct buf *out) {
    const char *p = bound;
    if (*p++ != '"') {
        return false;
    }
    while (*p != '"') {
        if ((unsigned char)*p < 0x20) {
            return false;
        }
        if (*p != '\\') {
            buf_put(out, p++, 1);
            continue;
        }
        p++;
        if (!range_escape(&p, out)) {
            return false;
        }
    }
    return p[1] == 0 && escape_is_utf8(buf_str(out), out->len);
}

bool range_is_string(const char *bound, struct arena *a, const char **text) {
    if (bound == NULL) {
        return false;
    }
    AUTO_BUF struct buf out = BUF_INIT(strlen(bound));
    if (!range_parse(bound, &out) || memchr(buf_str(&out), 0, out.len) != NULL) {
        return false;
    }
    *text = arena_strndup(a, buf_str(&out), out.len);
    return true;
}

bool range_bound_ok(const char *bound) {
    if (bound[0] == '"') {
        AUTO_BUF struct buf out = BUF_INIT(strlen(bound));
        return range_parse(bound, &out);
    }
    if (strncmp(bound, "hex:", 4) == 0) {
        size_t digits = strspn(bound + 4, "0123456789abcdef");
        return digits > 0 && digits % 2 == 0 && bound[4 + digits] == 0;
    }
    return bound[0] != 0 && strchr("{[-0123456789tfn", bound[0]) != NULL;
}

void range_put_string(struct buf *out, const char *s, size_t len) {
    static const char letters[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
    MUST(escape_is_utf8(s, len));
    buf_puts(out, "\"");
    for (size_t i = 0; i < len; i++) {
        const char *found = memchr(values, s[i], sizeof values - 1);
        if (found != NULL) {
            buf_printf(out, "\\%c", letters[found - values]);
        } else if ((unsigned char)s[i] < 0x20) {
            buf_printf(out, "\\u%04x", (unsigned)s[i]);
        } else {
            buf_put(out, s + i, 1);
        }
    }
    buf_puts(out, "\"");
}
