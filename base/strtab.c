// SPDX-License-Identifier: Apache-2.0
#include "base/strtab.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"

struct slot {
    const char *key; // NULL: free
    size_t len;
    uint64_t hash;
    uintptr_t value;
};

// Open addressing with linear probing; `size` is a power of two and at most 3/4 full.
struct strtab {
    struct arena *keys;
    struct slot *slots;
    size_t size;
    size_t count;
};

struct strtab *strtab_new(void) {
    struct strtab *t = must_calloc(1, sizeof *t);
    t->keys = arena_new();
    t->size = 16;
    t->slots = must_calloc(t->size, sizeof *t->slots);
    return t;
}

void strtab_free(struct strtab *t) {
    if (t != NULL) {
        arena_free(t->keys);
        free(t->slots);
        free(t);
    }
}

void strtab_cleanup(struct strtab **t) {
    strtab_free(*t);
    *t = NULL;
}

// The slot of the key, or the free one where it would go.
static struct slot *strtab_find(const struct strtab *t, const void *key, size_t len,
                                uint64_t hash) {
    size_t i = hash & (t->size - 1);
    for (;; i = (i + 1) & (t->size - 1)) {
        struct slot *s = &t->slots[i];
        if (s->key == NULL ||
            (s->hash == hash && s->len == len && (len == 0 || memcmp(s->key, key, len) == 0))) {
            return s;
        }
    }
}

static void strtab_double(struct strtab *t) {
    struct slot *old = t->slots;
    size_t n = t->size;
    t->size = n * 2;
    t->slots = must_calloc(t->size, sizeof *t->slots);
    for (size_t i = 0; i < n; i++) {
        if (old[i].key != NULL) {
            *strtab_find(t, old[i].key, old[i].len, old[i].hash) = old[i];
        }
    }
    free(old);
}

uintptr_t *strtab_slot(struct strtab *t, const void *key, size_t len, bool *added) {
    uint64_t hash = hash_mix64(key, len);
    struct slot *s = strtab_find(t, key, len, hash);
    bool is_new = s->key == NULL;
    if (is_new) {
        if (t->count >= t->size / 4 * 3) {
            strtab_double(t);
            s = strtab_find(t, key, len, hash);
        }
        char *copy = arena_alloc(t->keys, len + 1);
        if (len > 0) {
            memcpy(copy, key, len);
        }
        *s = (struct slot){.key = copy, .len = len, .hash = hash};
        t->count++;
    }
    if (added != NULL) {
        *added = is_new;
    }
    return &s->value;
}

uintptr_t strtab_get(const struct strtab *t, const void *key, size_t len, uintptr_t otherwise) {
    const struct slot *s = strtab_find(t, key, len, hash_mix64(key, len));
    return s->key != NULL ? s->value : otherwise;
}

void *strtab_pointer(const struct strtab *t, const void *key, size_t len) {
    uintptr_t value = strtab_get(t, key, len, 0);
    void *p;
    _Static_assert(sizeof p == sizeof value, "a slot holds a pointer");
    memcpy(&p, &value, sizeof p);
    return p;
}

bool strtab_has(const struct strtab *t, const void *key, size_t len) {
    return strtab_find(t, key, len, hash_mix64(key, len))->key != NULL;
}

size_t strtab_count(const struct strtab *t) {
    return t->count;
}
