// SPDX-License-Identifier: Apache-2.0
#include "base/pages.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// Smaller pieces hold no whole large page for sure.
#define LARGE_FROM ((size_t)4 << 20)

void pages_large(void *p, size_t bytes) {
    if (p == NULL || bytes < LARGE_FROM) {
        return;
    }
    int saved = errno;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)p + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)p + bytes) / page * page;
    (void)madvise((uint8_t *)p + (from - (uintptr_t)p), to - from, MADV_HUGEPAGE);
    errno = saved;
}
