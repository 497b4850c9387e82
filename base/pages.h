// SPDX-License-Identifier: Apache-2.0
// Large pieces of memory, as documents of megabytes pass through by the hundred. The kernel clears
// such memory page by page when it is first touched, which costs more than the copy into it; pages
// of 2 MB make that cheaper by half and more.
#pragma once

#include <stddef.h>

// Asks for large pages for memory that was just allocated and not touched yet. For small pieces,
// and where the kernel has no such pages, nothing happens.
void pages_large(void *p, size_t bytes);
