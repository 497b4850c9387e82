// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Chunks are chained, newest first; only the newest has room to give. A request that is large
// beside the chunk size gets a chunk of its own, put second, so that the room in the first is kept.
struct chunk {
    struct chunk *next;
    size_t size;
    size_t used;
    max_align_t data[];
};

struct arena {
    struct chunk *first;
    size_t bytes;
};

#define ARENA_ALIGN sizeof(max_align_t)
#define ARENA_CHUNK_MIN ((size_t)4096)
#define ARENA_CHUNK_MAX ((size_t)1 << 20)

struct arena *arena_new(void) {
    return must_calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *a) {
    if (a == NULL) {
        return;
    }
    for (struct chunk *c = a->first; c != NULL;) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
    free(a);
}

void arena_cleanup(struct arena **a) {
    arena_free(*a);
    *a = NULL;
}

static struct chunk *arena_chunk(struct arena *a, size_t size) {
    struct chunk *c = must_calloc(1, sizeof *c + size);
    c->size = size;
    a->bytes += sizeof *c + size;
    return c;
}

static struct chunk *arena_room(struct arena *a, size_t size) {
    struct chunk *first = a->first;
    if (first != NULL && first->size - first->used >= size) {
        return first;
    }
    size_t next_size = first == NULL ? ARENA_CHUNK_MIN : first->size * 2;
    next_size = next_size > ARENA_CHUNK_MAX ? ARENA_CHUNK_MAX : next_size;
    if (first != NULL && size > next_size / 4) {
        struct chunk *own = arena_chunk(a, size);
        own->next = first->next;
        first->next = own;
        return own;
    }
    struct chunk *c = arena_chunk(a, size > next_size ? size : next_size);
    c->next = first;
    a->first = c;
    return c;
}

void *arena_alloc(struct arena *a, size_t size) {
    MUST(a != NULL && size < SIZE_MAX / 2);
    size = size == 0 ? ARENA_ALIGN : (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    struct chunk *c = arena_room(a, size);
    void *p = (char *)c->data + c->used;
    c->used += size;
    return p;
}

char *arena_strdup(struct arena *a, const char *s) {
    return arena_strndup(a, s, strlen(s));
}

char *arena_strndup(struct arena *a, const char *s, size_t n) {
    size_t len = strnlen(s, n);
    char *copy = arena_alloc(a, len + 1);
    memcpy(copy, s, len);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    MUST(n >= 0);
    char *text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

size_t arena_bytes(const struct arena *a) {
    return a->bytes;
}

void *arena_grow(struct arena *a, void *items, size_t n, size_t *cap, size_t size) {
    size_t bytes;
    size_t want = *cap == 0 ? 8 : *cap * 2;
    MUST(want > *cap && !__builtin_mul_overflow(want, size, &bytes));
    void *grown = arena_alloc(a, bytes);
    if (n > 0) {
        memcpy(grown, items, n * size);
    }
    *cap = want;
    return grown;
}
