// SPDX-License-Identifier: Apache-2.0
#include "plans/lines.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

struct lines {
    const char *text;
    size_t len;
    size_t *starts; // of each line
    size_t n, cap;
};

// Length of the line break at `text`, 0 when there is none. (Those that Unicode adds are refused by
// base/ytree.h before anything is looked at.)
static size_t lines_break(const char *text, size_t len) {
    if (len == 0 || (text[0] != '\r' && text[0] != '\n')) {
        return 0;
    }
    return len > 1 && text[0] == '\r' && text[1] == '\n' ? 2 : 1;
}

struct lines *lines_new(struct arena *a, const char *text, size_t len) {
    struct lines *l = arena_alloc(a, sizeof *l);
    size_t bom = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    l->text = text;
    l->len = len;
    ARENA_PUSH(a, l->starts, l->n, l->cap, bom);
    for (size_t i = bom; i < len;) {
        size_t end = lines_break(text + i, len - i);
        i += end > 0 ? end : 1;
        if (end > 0) {
            ARENA_PUSH(a, l->starts, l->n, l->cap, i);
        }
    }
    return l;
}

// Text and length of a line without its break.
static const char *lines_get(const struct lines *l, int line, size_t *len) {
    *len = 0;
    if (line < 1 || (size_t)line > l->n) {
        return l->text;
    }
    const char *text = l->text + l->starts[line - 1];
    size_t left = l->len - l->starts[line - 1];
    while (*len < left && lines_break(text + *len, left - *len) == 0) {
        (*len)++;
    }
    return text;
}

static bool lines_is_blank(char c) {
    return c == ' ' || c == '\t';
}

// Where the text in quotes that begins at `at` ends, or the end of the line.
static size_t lines_skip_quoted(const char *text, size_t len, size_t at) {
    char quote = text[at];
    for (size_t i = at + 1; i < len; i++) {
        bool pair = quote == '\'' && i + 1 < len && text[i] == quote && text[i + 1] == quote;
        if (pair || (quote == '"' && text[i] == '\\')) {
            i++;
        } else if (text[i] == quote) {
            return i;
        }
    }
    return len;
}

// Position of the "#" that begins the line's comment; len when it has none. A quote opens a text
// only where a value can begin: "it's" is a plain one.
static size_t lines_hash(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        bool begins = i == 0 || lines_is_blank(text[i - 1]);
        if (text[i] == '#' && begins) {
            return i;
        }
        bool opens = begins || strchr("[{,", text[i - 1]) != NULL;
        if (opens && (text[i] == '"' || text[i] == '\'')) {
            i = lines_skip_quoted(text, len, i);
        }
    }
    return len;
}

const char *lines_comment(const struct lines *l, int line, struct arena *to) {
    size_t len;
    const char *text = lines_get(l, line, &len);
    size_t at = lines_hash(text, len);
    if (at == len) {
        return NULL;
    }
    at += at + 1 < len && text[at + 1] == ' ' ? 2 : 1;
    return len > at ? arena_strndup(to, text + at, len - at) : NULL;
}

const char *lines_top(const struct lines *l, struct arena *to) {
    AUTO_BUF struct buf top = BUF_INIT(l->len + 1);
    size_t kept = 0;
    for (int line = 1;; line++) {
        size_t len;
        const char *text = lines_get(l, line, &len);
        if (len == 0 || text[0] != '#') {
            break;
        }
        size_t skip = len > 1 && text[1] == ' ' ? 2 : 1;
        buf_puts(&top, kept++ > 0 ? "\n" : "");
        buf_put(&top, text + skip, len - skip);
    }
    return kept > 0 ? arena_strndup(to, buf_str(&top), top.len) : NULL;
}
