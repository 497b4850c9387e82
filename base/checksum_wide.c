// SPDX-License-Identifier: Apache-2.0
// base/CMakeLists.txt has this file compiled with -mavx2, by which xxhash.h chooses its vectors.
#define XXH_INLINE_ALL
#include "base/checksum_wide.h"

#include "base/must.h"

bool checksum_wide(void) {
#ifdef __AVX2__
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

void checksum_wide_update(XXH3_state_t *state, const void *data, size_t len) {
    MUST(XXH3_128bits_update(state, data, len) == XXH_OK);
}

XXH128_hash_t checksum_wide_bytes(const void *data, size_t len) {
    return XXH3_128bits(data, len);
}
