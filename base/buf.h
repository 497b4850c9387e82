// SPDX-License-Identifier: Apache-2.0
// A growable byte buffer with a cap. Every buffer that is fed from outside has one.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/must.h"

struct buf {
    uint8_t *data; // always followed by a zero byte once something was appended
    size_t len;
    size_t cap;
    size_t max; // len never exceeds this
};

#define BUF_INIT(maximum)                                                                          \
    { .max = (maximum) }
#define AUTO_BUF AUTO(buf_free)

// Appends; ERR_LIMIT when the buffer would exceed its cap (it is unchanged then).
int buf_append(struct buf *b, const void *data, size_t len, struct err *e);

// For text we make ourselves, which must fit: MUST on overflow.
void buf_puts(struct buf *b, const char *s);
void buf_put(struct buf *b, const void *data, size_t len);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

// Makes room for `more` bytes behind len and returns where they go; NULL when over the cap. The
// caller writes there and adds to len; when it wrote less than `more`, buf_str() puts the zero.
void *buf_room(struct buf *b, size_t more);

// The bytes as a C string ("" when empty); valid until the next change.
const char *buf_str(const struct buf *b);
void buf_clear(struct buf *b); // len = 0, memory kept
void buf_free(struct buf *b);  // memory given back; the cap stays
