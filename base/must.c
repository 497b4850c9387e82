// SPDX-License-Identifier: Apache-2.0
#include "base/must.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/blocks.h"

void must_failed(const char *file, int line, const char *cond) {
    // No allocation and no stdio: the heap may be what is broken.
    char text[512];
    int n = snprintf(text, sizeof text,
                     "mvimig: internal error at %s:%d: %s (what was done is recorded; "
                     "`mvimig resume` goes on)\n",
                     file, line, cond);
    if (n > 0) {
        size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
        if (write(STDERR_FILENO, text, len) < 0) {
            abort();
        }
    }
    abort();
}

void *must_calloc(size_t n, size_t size) {
    void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);
    MUST(p != NULL);
    return p;
}

void *must_realloc(void *p, size_t n, size_t size) {
    size_t bytes;
    MUST(!__builtin_mul_overflow(n, size, &bytes));
    void *q = blocks_realloc(p, bytes > 0 ? bytes : 1);
    MUST(q != NULL);
    return q;
}

char *must_strdup(const char *s) {
    return must_strndup(s, strlen(s));
}

char *must_strndup(const char *s, size_t n) {
    size_t len = strnlen(s, n);
    char *copy = must_calloc(len + 1, 1);
    memcpy(copy, s, len);
    return copy;
}

char *must_sprintf(const char *fmt, ...) {
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    MUST(n >= 0);
    return text;
}

void auto_free(void *pp) {
    void *p;
    memcpy(&p, pp, sizeof p);
    free(p);
}

void auto_close(int *fd) {
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
        *fd = -1;
    }
}

int steal_fd(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}
