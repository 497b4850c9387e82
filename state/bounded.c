// SPDX-License-Identifier: Apache-2.0
#include "state/bounded.h"

#include <string.h>

#include "base/hash.h"
#include "base/must.h"

char *bounded_copy(const char *s) {
    size_t len = s == NULL ? 0 : strlen(s);
    if (len <= BOUNDED_MAX) {
        return must_strndup(len == 0 ? "" : s, len);
    }
    uint8_t hash[HASH_SIZE];
    char hex[HASH_HEX];
    hash_bytes(s, len, hash);
    hash_hex(hash, hex);
    size_t keep = BOUNDED_MAX - 128;
    while (keep > 0 && ((unsigned char)s[keep] & 0xC0) == 0x80) {
        keep--; // not in the middle of a character
    }
    return must_sprintf("%.*s... (cut; the whole is %zu bytes, sha256 %s)", (int)keep, s, len, hex);
}
