// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/blocks.h"

// Room for `more` bytes and the final zero; false when the cap forbids it.
static bool buf_reserve(struct buf *b, size_t more) {
    if (b->len > b->max || more > b->max - b->len || b->max == SIZE_MAX) {
        return false;
    }
    size_t need = b->len + more + 1;
    if (need > b->cap) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < need) {
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        }
        cap = cap > b->max + 1 ? b->max + 1 : cap;
        b->data = must_realloc(b->data, cap, 1);
        b->cap = cap;
    }
    return true;
}

int buf_append(struct buf *b, const void *data, size_t len, struct err *e) {
    if (!buf_reserve(b, len)) {
        return err_set(e, ERR_LIMIT, "larger than the limit of %zu bytes", b->max);
    }
    if (len > 0) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
    b->data[b->len] = 0;
    return 0;
}

void buf_puts(struct buf *b, const char *s) {
    buf_put(b, s, strlen(s));
}

void buf_put(struct buf *b, const void *data, size_t len) {
    MUST(buf_reserve(b, len));
    if (len > 0) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
    b->data[b->len] = 0;
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    MUST(n >= 0 && buf_reserve(b, (size_t)n));
    vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
    va_end(again);
    b->len += (size_t)n;
}

void *buf_room(struct buf *b, size_t more) {
    if (!buf_reserve(b, more)) {
        return NULL;
    }
    b->data[b->len + more] = 0;
    return b->data + b->len;
}

const char *buf_str(const struct buf *b) {
    if (b->data == NULL) {
        return "";
    }
    b->data[b->len] = 0; // after buf_room() nobody else has put it there
    return (const char *)b->data;
}

void buf_clear(struct buf *b) {
    b->len = 0;
    if (b->data != NULL) {
        b->data[0] = 0;
    }
}

void buf_free(struct buf *b) {
    blocks_free(b->data);
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
}
