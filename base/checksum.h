// SPDX-License-Identifier: Apache-2.0
// XXH3 with 128 bits, by xxhash.h of libxxhash: notices every accident, and costs a tenth of a
// SHA-256. It is no proof against somebody who chooses bytes: what people and programs compare
// later (journal, manifests, dumps) is base/hash.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

#define CHECKSUM_SIZE 16

struct checksum; // a running one
struct checksum *checksum_new(void);
void checksum_update(struct checksum *c, const void *data, size_t len);
// In the canonical form, which is the same on every machine; and starts anew.
void checksum_final(struct checksum *c, uint8_t out[CHECKSUM_SIZE]);
// Of bytes that lie together: cheaper than the four calls.
void checksum_bytes(const void *data, size_t len, uint8_t out[CHECKSUM_SIZE]);
void checksum_free(struct checksum *c);
void checksum_cleanup(struct checksum **c);
#define AUTO_CHECKSUM AUTO(checksum_cleanup)
