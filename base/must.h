// SPDX-License-Identifier: Apache-2.0
// Asserts that stay on in release builds, allocation that cannot fail, and cleanup attributes.
//
// MUST states what only our own mistake can break; it stops the process, which is safe because the
// journal makes any stop resumable. It is never used on input.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MUST(cond) ((cond) ? (void)0 : must_failed(__FILE__, __LINE__, #cond))
_Noreturn void must_failed(const char *file, int line, const char *cond);

// Allocation for small things: stops the process when memory is out. Zeroed.
void *must_calloc(size_t n, size_t size);
void *must_realloc(void *p, size_t n, size_t size);
char *must_strdup(const char *s);
char *must_strndup(const char *s, size_t n);
char *must_sprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Cleanup attributes: `AUTO_FREE char *p = ...;`, `AUTO_CLOSE int fd = -1;`.
void auto_free(void *pp);
void auto_close(int *fd);
#define AUTO(fn) __attribute__((cleanup(fn)))
#define AUTO_FREE AUTO(auto_free)
#define AUTO_CLOSE AUTO(auto_close)

// Takes a pointer or descriptor out of its variable, which forgets it: the end of an AUTO variable
// whose value is handed on.
#define STEAL(var)                                                                                 \
    ({                                                                                             \
        __typeof__(var) steal_ = (var);                                                            \
        (var) = NULL;                                                                              \
        steal_;                                                                                    \
    })
int steal_fd(int *fd);
