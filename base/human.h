// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them.
#pragma once

#include <stdint.h>

#define HUMAN_TEXT 32
const char *human_bytes(uint64_t n, char out[HUMAN_TEXT]); // 999 B, 1.2 kB, 91 MB (powers of 1000)
const char *human_count(uint64_t n, char out[HUMAN_TEXT]); // 2,410
const char *human_duration(int64_t ns, char out[HUMAN_TEXT]); // 0.4 s, 12 s, 3 min 20 s, 2 h 05 min
