// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.h"

#include <stdlib.h>
#include <string.h>

// The library's own way to be compiled in, so that no program needs it to run.
#define XXH_INLINE_ALL
#include "base/checksum_wide.h"

struct checksum {
    XXH3_state_t state;
};

struct checksum *checksum_new(void) {
    void *at = NULL;
    // The state wants the alignment of its type, which is more than calloc's.
    MUST(posix_memalign(&at, _Alignof(struct checksum), sizeof(struct checksum)) == 0);
    struct checksum *c = at;
    memset(c, 0, sizeof *c);
    MUST(XXH3_128bits_reset(&c->state) == XXH_OK);
    return c;
}

void checksum_update(struct checksum *c, const void *data, size_t len) {
    if (checksum_wide()) {
        checksum_wide_update(&c->state, data, len);
    } else {
        MUST(XXH3_128bits_update(&c->state, data, len) == XXH_OK);
    }
}

static void put(XXH128_hash_t sum, uint8_t out[CHECKSUM_SIZE]) {
    XXH128_canonical_t canonical;
    _Static_assert(sizeof canonical == CHECKSUM_SIZE, "128 bits");
    XXH128_canonicalFromHash(&canonical, sum);
    memcpy(out, canonical.digest, CHECKSUM_SIZE);
}

void checksum_final(struct checksum *c, uint8_t out[CHECKSUM_SIZE]) {
    put(XXH3_128bits_digest(&c->state), out);
    MUST(XXH3_128bits_reset(&c->state) == XXH_OK);
}

void checksum_bytes(const void *data, size_t len, uint8_t out[CHECKSUM_SIZE]) {
    put(checksum_wide() ? checksum_wide_bytes(data, len) : XXH3_128bits(data, len), out);
}

void checksum_free(struct checksum *c) {
    free(c);
}

void checksum_cleanup(struct checksum **c) {
    checksum_free(*c);
    *c = NULL;
}
