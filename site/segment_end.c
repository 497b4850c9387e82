// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "site/segment_private.h"

static const uint8_t head[16] = {0x5d, 0x2a, 0x4d, 0x18, 56,  0,   0,   0,
                                 'm',  'v',  'i',  'm',  'i', 'g', ' ', '2'};

static void put64(uint8_t *out, uint64_t n) {
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(n >> (8 * i));
    }
}

static uint64_t get64(const uint8_t *in) {
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) {
        n = n << 8 | in[i];
    }
    return n;
}

void segment_end_write(const struct segment_end *end, uint8_t out[SEGMENT_END_SIZE]) {
    memcpy(out, head, sizeof head);
    put64(out + 16, end->documents);
    put64(out + 24, end->bytes);
    memcpy(out + 32, end->file, HASH_SIZE);
}

int segment_end_read(const uint8_t in[SEGMENT_END_SIZE], struct segment_end *end) {
    if (memcmp(in, head, sizeof head) != 0) {
        return -1;
    }
    end->documents = get64(in + 16);
    end->bytes = get64(in + 24);
    memcpy(end->file, in + 32, HASH_SIZE);
    return 0;
}
