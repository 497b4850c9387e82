// SPDX-License-Identifier: Apache-2.0
#include "base/backoff.h"

#include "base/clock.h"
#include "base/hash.h"

#define WAIT_FIRST_MS 500
#define WAIT_MAX_MS 30000

int64_t backoff_next(struct backoff *b) {
    if (++b->in_vain >= BACKOFF_ATTEMPTS) {
        return -1;
    }
    int64_t wait = WAIT_FIRST_MS;
    for (int i = 1; i < b->in_vain && wait < WAIT_MAX_MS; i++) {
        wait *= 2;
    }
    if (wait > WAIT_MAX_MS) {
        wait = WAIT_MAX_MS;
    }
    // Where it lies differs from thread to thread.
    uint64_t mixed = hash_mix64(&b, sizeof b) ^ (uint64_t)clock_mono_ns();
    return wait + (int64_t)(mixed % (uint64_t)(wait / 4 + 1));
}
