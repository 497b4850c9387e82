// SPDX-License-Identifier: Apache-2.0
// UTF-8, one character at a time, as RFC 3629 has it: no overlong forms, no surrogates, nothing
// past U+10FFFF.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The length of the character that begins at `text`, and the character; 0 when it is not one.
size_t utf8_decode(const char *text, size_t len, uint32_t *c);
// Writes a character (up to 4 bytes) and returns its length; 0 for what has no UTF-8 form.
size_t utf8_encode(uint32_t c, char out[4]);
