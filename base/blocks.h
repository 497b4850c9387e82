// SPDX-License-Identifier: Apache-2.0
// Blocks of megabytes, of the same memory as malloc's, of which a few are kept for the next who
// asks instead of being given back. A document of 16 MiB passes through several buffers of the
// MongoDB driver and of ours; each was new to the kernel, which clears its pages before the first
// byte is copied there, and that was a fifth of the CPU time of such documents. Any thread may ask.
#pragma once

#include <stddef.h>

// As malloc, realloc and free; blocks may also come from malloc and go to free.
void *blocks_malloc(size_t bytes);
void *blocks_realloc(void *p, size_t bytes);
void blocks_free(void *p);

// Blocks are kept while anybody wants that: with the last release goes what is kept.
void blocks_keep(void);
void blocks_release(void);
// Large blocks are mapped each for itself from now on, and heaps keep some of what they have free.
void blocks_start(void);
