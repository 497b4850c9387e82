// SPDX-License-Identifier: Apache-2.0
// The part of base/secret.h that blanks secrets in text. Each secret becomes a list of needles, the
// forms in which libraries and servers may give it back; at each place the longest match goes.
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/secret.h"

#define REDACT_MIN 4
#define REDACT_BASE64_MIN 5

struct needle {
    char *text;
    size_t len;
    bool base64; // both alphabets match; a last half-used digit and the padding go, too
};

struct redact {
    struct needle *needles;
    size_t n, cap;
};

struct redact *redact_new(void) {
    return must_calloc(1, sizeof(struct redact));
}

static void redact_needle(struct redact *r, const char *text, size_t len, bool base64) {
    for (size_t i = 0; i < r->n; i++) {
        const struct needle *known = &r->needles[i];
        if (known->len == len && known->base64 == base64 && memcmp(known->text, text, len) == 0) {
            return;
        }
    }
    if (r->n == r->cap) {
        r->cap = r->cap == 0 ? 16 : r->cap * 2;
        r->needles = must_realloc(r->needles, r->cap, sizeof *r->needles);
    }
    r->needles[r->n++] = (struct needle){must_strndup(text, len), len, base64};
}

static void redact_wipe(struct buf *b) {
    if (b->data != NULL) {
        explicit_bzero(b->data, b->cap);
    }
    buf_free(b);
}

// Percent-encoded with either case of hex digits; `plus` is the form of HTML forms.
static void redact_add_url(struct redact *r, const char *value, size_t len, bool upper, bool plus) {
    struct buf out = BUF_INIT(len * 3);
    MUST(buf_room(&out, len * 3) != NULL); // at once: growing would leave copies behind
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c) != NULL) {
            buf_put(&out, &c, 1);
        } else if (c == ' ' && plus) {
            buf_puts(&out, "+");
        } else {
            buf_printf(&out, upper ? "%%%02X" : "%%%02x", c);
        }
    }
    redact_needle(r, buf_str(&out), out.len, false);
    redact_wipe(&out);
}

// Base64 of a text in which the value begins `shift` bytes after a multiple of three: the digits
// that hold bits of the value alone.
static void redact_add_base64(struct redact *r, const char *value, size_t len, size_t shift) {
    size_t plain_len = shift + len;
    char *plain = must_calloc(plain_len, 1);
    char *coded = must_calloc((plain_len + 2) / 3 * 4 + 1, 1);
    memcpy(plain + shift, value, len);
    int coded_len =
        EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)plain, (int)plain_len);
    MUST(coded_len > 0);
    size_t from = (shift * 8 + 5) / 6;
    size_t to = plain_len * 8 / 6;
    if (to - from >= REDACT_BASE64_MIN) {
        redact_needle(r, coded + from, to - from, true);
    }
    explicit_bzero(plain, plain_len);
    explicit_bzero(coded, (size_t)coded_len);
    free(plain);
    free(coded);
}

// As it stands in JSON text and in what base/escape.h prints.
static void redact_add_escaped(struct redact *r, const char *value, size_t len) {
    struct buf out = BUF_INIT(len * 10);
    MUST(buf_room(&out, len * 10) != NULL);
    escape_text(&out, value, len);
    redact_needle(r, buf_str(&out), out.len, false);
    buf_clear(&out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c < 0x20) {
            buf_printf(&out, "\\u%04x", c);
        } else {
            buf_printf(&out, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
        }
    }
    redact_needle(r, buf_str(&out), out.len, false);
    redact_wipe(&out);
}

void redact_add(struct redact *r, const struct secret *s) {
    const char *value = secret_value(s);
    size_t len = value == NULL ? 0 : strlen(value);
    if (len < REDACT_MIN) {
        return;
    }
    redact_needle(r, value, len, false);
    for (int form = 0; form < 4; form++) {
        redact_add_url(r, value, len, (form & 1) != 0, (form & 2) != 0);
    }
    for (size_t shift = 0; shift < 3; shift++) {
        redact_add_base64(r, value, len, shift);
    }
    redact_add_escaped(r, value, len);
}

static char redact_base64_digit(char c) {
    return c == '-' ? '+' : c == '_' ? '/' : c;
}

static bool redact_is_base64(char c) {
    c = redact_base64_digit(c);
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

// How many bytes at `text` are this needle; 0 for none.
static size_t redact_match(const struct needle *n, const char *text, size_t left) {
    if (left < n->len) {
        return 0;
    }
    if (!n->base64) {
        return memcmp(text, n->text, n->len) == 0 ? n->len : 0;
    }
    for (size_t i = 0; i < n->len; i++) {
        if (redact_base64_digit(text[i]) != n->text[i]) {
            return 0;
        }
    }
    size_t end = n->len;
    if (end < left && redact_is_base64(text[end])) {
        end++;
    }
    while (end < left && text[end] == '=') {
        end++;
    }
    return end;
}

void redact_apply(const struct redact *r, const char *text, struct buf *out) {
    size_t len = strlen(text);
    size_t kept = 0; // what was appended so far
    for (size_t i = 0; i < len;) {
        size_t longest = 0;
        for (size_t k = 0; k < r->n; k++) {
            size_t got = redact_match(&r->needles[k], text + i, len - i);
            longest = got > longest ? got : longest;
        }
        if (longest == 0) {
            i++;
            continue;
        }
        buf_put(out, text + kept, i - kept);
        buf_puts(out, "[secret]");
        i += longest;
        kept = i;
    }
    buf_put(out, text + kept, len - kept);
}

void redact_free(struct redact *r) {
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->n; i++) {
        explicit_bzero(r->needles[i].text, r->needles[i].len);
        free(r->needles[i].text);
    }
    free(r->needles);
    free(r);
}
