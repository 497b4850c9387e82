// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) through OpenSSL's EVP, and a small fast hash for tables and cut points.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

#define HASH_SIZE 32
#define HASH_HEX (2 * HASH_SIZE + 1) // with the final zero

struct hash; // one running SHA-256
struct hash *hash_new(void);
void hash_update(struct hash *h, const void *data, size_t len);
// Length-prefixed (8 bytes, big endian), so that neighbouring fields cannot run together.
void hash_field(struct hash *h, const void *data, size_t len);
void hash_field_str(struct hash *h, const char *s);      // NULL counts as a value of its own
void hash_final(struct hash *h, uint8_t out[HASH_SIZE]); // and starts anew
// The digest of what came so far; more may come.
void hash_so_far(const struct hash *h, uint8_t out[HASH_SIZE]);
void hash_free(struct hash *h);
void hash_cleanup(struct hash **h);
#define AUTO_HASH AUTO(hash_cleanup)

// Looks the algorithm up each time, which for a small document costs as much as its digest: where
// there are many, keep a struct hash.
void hash_bytes(const void *data, size_t len, uint8_t out[HASH_SIZE]);
void hash_hex(const uint8_t in[HASH_SIZE], char out[HASH_HEX]);
int hash_unhex(const char *hex, uint8_t out[HASH_SIZE]); // 0, or -1 when it is not 64 hex digits

// 64-bit FNV-1a with a final mix (splitmix64): stable for ever, since plans are cut by it.
uint64_t hash_mix64(const void *data, size_t len);
