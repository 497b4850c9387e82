// SPDX-License-Identifier: Apache-2.0
#include "base/blocks.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __has_feature
#define CLANG_HAS(feature) __has_feature(feature)
#else
#define CLANG_HAS(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || CLANG_HAS(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#endif

// From this size on a piece is mapped for itself, and goes back at once or is kept; smaller ones
// stay in the heap, worker by worker.
#define LARGE ((size_t)4 << 20)
// So much of a heap that is free at its end stays: batch after batch uses it again.
#define TRIM_FROM (8 << 20)
// The driver rounds up to powers of two, so a piece for a document of any size has at most 32 MB,
// of which half were touched.
#define KEPT 8
#define KEPT_MAX ((size_t)33 << 20)

static struct {
    pthread_mutex_t lock;
    void *kept[KEPT]; // NULL: free
    unsigned wanted;
} blocks = {.lock = PTHREAD_MUTEX_INITIALIZER};

// Asks for pages of 2 MB, where the kernel has them, for memory that was just allocated: to clear
// them costs half and less.
static void ask_large_pages(void *p, size_t bytes) {
    if (p == NULL || bytes < LARGE) {
        return;
    }
    int saved = errno;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)p + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)p + bytes) / page * page;
    (void)madvise((uint8_t *)p + (from - (uintptr_t)p), to - from, MADV_HUGEPAGE);
    errno = saved;
}

// The smallest that is large enough, or NULL.
static void *take(size_t bytes) {
    void **best = NULL, *p = NULL;
    pthread_mutex_lock(&blocks.lock);
    for (size_t i = 0; i < KEPT; i++) {
        void **at = &blocks.kept[i];
        if (*at && malloc_usable_size(*at) >= bytes &&
            (!best || malloc_usable_size(*at) < malloc_usable_size(*best))) {
            best = at;
        }
    }
    if (best) {
        p = *best;
        *best = NULL;
    }
    pthread_mutex_unlock(&blocks.lock);
    if (p) {
        ASAN_UNPOISON_MEMORY_REGION(p, malloc_usable_size(p));
    }
    return p;
}

void blocks_free(void *p) {
    size_t bytes = malloc_usable_size(p);
    if (bytes >= LARGE && bytes <= KEPT_MAX) {
        pthread_mutex_lock(&blocks.lock);
        for (size_t i = 0; i < KEPT && p && blocks.wanted > 0; i++) {
            if (!blocks.kept[i]) {
                ASAN_POISON_MEMORY_REGION(p, bytes);
                blocks.kept[i] = p;
                p = NULL;
            }
        }
        pthread_mutex_unlock(&blocks.lock);
    }
    free(p);
}

void *blocks_malloc(size_t bytes) {
    void *p = bytes >= LARGE ? take(bytes) : NULL;
    if (!p) {
        p = malloc(bytes);
        ask_large_pages(p, bytes);
    }
    return p;
}

void *blocks_realloc(void *p, size_t bytes) {
    size_t had = malloc_usable_size(p);
    if (bytes >= LARGE && had >= bytes) {
        return p;
    }
    void *q = bytes >= LARGE ? take(bytes) : NULL;
    if (q) {
        if (had > 0) {
            memcpy(q, p, had);
        }
        blocks_free(p);
        return q;
    }
    q = realloc(p, bytes);
    ask_large_pages(q, bytes);
    return q;
}

void blocks_start(void) {
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, TRIM_FROM);
}

void blocks_keep(void) {
    pthread_mutex_lock(&blocks.lock);
    blocks.wanted++;
    pthread_mutex_unlock(&blocks.lock);
}

void blocks_release(void) {
    pthread_mutex_lock(&blocks.lock);
    blocks.wanted--;
    for (size_t i = 0; i < KEPT && blocks.wanted == 0; i++) {
        void *p = blocks.kept[i];
        blocks.kept[i] = NULL;
        if (p) {
            ASAN_UNPOISON_MEMORY_REGION(p, malloc_usable_size(p));
        }
        free(p);
    }
    pthread_mutex_unlock(&blocks.lock);
}
