// SPDX-License-Identifier: Apache-2.0
#include "base/ymend.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define BOM "\xEF\xBB\xBF"
#define BOM_LEN 3

static int ymend_refuse(struct err *e, const char *name, int line, const char *what, unsigned c) {
    return err_set(e, ERR_USAGE, "%s:%d: %s (U+%04X)", name, line, what, c);
}

static int ymend_check_char(const char *name, int line, uint32_t c, struct err *e) {
    if (c == 0xFEFF) {
        return ymend_refuse(e, name, line, "a byte order mark may only stand at the start", c);
    }
    bool line_end = c == 0x85 || c == 0x2028 || c == 0x2029;
    if (line_end) {
        return ymend_refuse(e, name, line,
                            "a line separator has to be written as an escape in double quotes", c);
    }
    bool space = c == '\t' || c == '\n' || c == '\r';
    if ((c < 0x20 && !space) || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF) {
        return ymend_refuse(e, name, line, "a control character may not stand here", c);
    }
    return 0;
}

int ymend_check(const char *name, const char *text, size_t len, struct err *e) {
    int line = 1;
    size_t i = len >= BOM_LEN && memcmp(text, BOM, BOM_LEN) == 0 ? BOM_LEN : 0;
    while (i < len) {
        uint32_t c;
        size_t used = utf8_decode(text + i, len - i, &c);
        if (used == 0) {
            return err_set(e, ERR_USAGE, "%s:%d: not UTF-8 (byte 0x%02X)", name, line,
                           (unsigned char)text[i]);
        }
        int rc = ymend_check_char(name, line, c, e);
        if (rc != 0) {
            return rc;
        }
        i += used;
        line += c == '\n' || (c == '\r' && (i == len || text[i] != '\n')) ? 1 : 0;
    }
    return 0;
}

// One pass over JSON text.
struct mend {
    const char *name;
    const char *text;
    size_t len;
    size_t at;
    int line;
    size_t token; // where the unquoted word began that ends at `at`; == at when there is none
    struct buf *out;
    struct err *e;
};

static bool mend_is(const struct mend *m, size_t at, char c) {
    return at < m->len && m->text[at] == c;
}

static bool mend_line_end(const struct mend *m) {
    return mend_is(m, m->at, '\n') || mend_is(m, m->at, '\r');
}

// Takes one byte over as it is.
static void mend_keep(struct mend *m) {
    char c = m->text[m->at];
    m->line += c == '\n' || (c == '\r' && !mend_is(m, m->at + 1, '\n')) ? 1 : 0;
    buf_put(m->out, &c, 1);
    m->at++;
}

// True for what JSON has without quotes; behind other words ("http:") nothing is a comment.
static bool mend_is_literal(const char *word, size_t len) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0) {
            return true;
        }
    }
    bool digit = false;
    for (size_t i = 0; i < len; i++) {
        digit = digit || (word[i] >= '0' && word[i] <= '9');
        if (strchr("0123456789+-.eE", word[i]) == NULL) {
            return false;
        }
    }
    return digit;
}

static bool mend_at_comment(const struct mend *m) {
    bool mark = mend_is(m, m->at, '#') || (mend_is(m, m->at, '/') && mend_is(m, m->at + 1, '/'));
    return mark && (m->token == m->at || mend_is_literal(m->text + m->token, m->at - m->token));
}

static void mend_skip_comment(struct mend *m) {
    while (m->at < m->len && !mend_line_end(m)) {
        m->at++;
    }
}

// Four hex digits behind "\u"; -1 when there are not.
static int32_t mend_unit(const struct mend *m, size_t at) {
    int32_t unit = 0;
    if (!mend_is(m, at, '\\') || !mend_is(m, at + 1, 'u') || at + 6 > m->len) {
        return -1;
    }
    for (size_t i = at + 2; i < at + 6; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = memchr(digits, m->text[i] | (m->text[i] >= 'A' ? 0x20 : 0), 16);
        if (d == NULL) {
            return -1;
        }
        unit = unit << 4 | (int32_t)(d - digits);
    }
    return unit;
}

// An escape in double quotes, whole, so that \" and \\ do not confuse the search for the end.
static int mend_escape(struct mend *m) {
    int32_t high = mend_unit(m, m->at);
    if (high < 0xD800 || high > 0xDFFF) {
        mend_keep(m);
        if (m->at < m->len) {
            mend_keep(m);
        }
        return 0;
    }
    int32_t low = mend_unit(m, m->at + 6);
    if (high > 0xDBFF || low < 0xDC00 || low > 0xDFFF) {
        return err_set(m->e, ERR_USAGE, "%s:%d: \\u%04X is half of a surrogate pair", m->name,
                       m->line, (unsigned)high);
    }
    unsigned c = 0x10000U + (((unsigned)high & 0x3FF) << 10) + ((unsigned)low & 0x3FF);
    buf_printf(m->out, "\\U%08X", c);
    m->at += 12;
    return 0;
}

static int mend_quoted(struct mend *m, char quote) {
    mend_keep(m);
    while (m->at < m->len && !mend_is(m, m->at, quote)) {
        if (quote == '"' && mend_is(m, m->at, '\\')) {
            int rc = mend_escape(m);
            if (rc != 0) {
                return rc;
            }
        } else {
            mend_keep(m);
        }
    }
    if (m->at < m->len) {
        mend_keep(m); // '' in single quotes reads as two quoted texts, which is all the same here
    }
    return 0;
}

static int mend_step(struct mend *m) {
    char c = m->text[m->at];
    if ((c == '"' || c == '\'') && m->token == m->at) {
        int rc = mend_quoted(m, c);
        m->token = m->at;
        return rc;
    }
    if (mend_at_comment(m)) {
        mend_skip_comment(m);
        m->token = m->at;
        return 0;
    }
    if (c == '\t') {
        buf_puts(m->out, " ");
        m->at++;
    } else {
        mend_keep(m);
    }
    bool word = strchr(" \t\r\n,{}[]", c) == NULL;
    // The colon behind a quoted key stands alone; within a word ("http:") it is part of it.
    if (!word || (c == ':' && m->token == m->at - 1)) {
        m->token = m->at;
    }
    return 0;
}

bool ymend_is_json(const char *text, size_t len) {
    struct mend m = {.text = text, .len = len};
    while (m.at < len) {
        m.token = m.at;
        if (mend_at_comment(&m)) {
            mend_skip_comment(&m);
        } else if (strchr(" \t\r\n", text[m.at]) != NULL) {
            m.at++;
        } else {
            return text[m.at] == '{' || text[m.at] == '[';
        }
    }
    return false;
}

int ymend_json(const char *name, const char *text, size_t len, struct buf *out, struct err *e) {
    struct mend m = {.name = name, .text = text, .len = len, .line = 1, .out = out, .e = e};
    while (m.at < len) {
        int rc = mend_step(&m);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
