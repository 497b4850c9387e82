// SPDX-License-Identifier: Apache-2.0
// Memory that is given back all at once: for plans, inventories and parsed files.
// Allocation cannot fail (the process stops when memory is out), so nothing here returns an error.
#pragma once

#include <stddef.h>

#include "base/must.h"

struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a); // NULL is fine
void arena_cleanup(struct arena **a);
#define AUTO_ARENA AUTO(arena_cleanup)

void *arena_alloc(struct arena *a, size_t size); // zeroed, aligned for any type
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const struct arena *a); // what it holds now

// A typed array that grows inside an arena: ARENA_PUSH(a, v.items, v.n, v.cap, value).
void *arena_grow(struct arena *a, void *items, size_t n, size_t *cap, size_t size);
#define ARENA_PUSH(a, items, n, cap, ...)                                                          \
    ((n) == (cap) ? (void)((items) = arena_grow((a), (items), (n), &(cap), sizeof *(items)))       \
                  : (void)0,                                                                       \
     (items)[(n)++] = __VA_ARGS__)
