// SPDX-License-Identifier: Apache-2.0
// The end of a dump file: a skippable frame of zstd (RFC 8878, 3.1.2), all numbers little endian.
//
//     0  4  magic number 0x184D2A5D
//     4  4  length of what follows: 88
//     8  8  "mvimig 1"
//    16  8  documents
//    24  8  bytes of the uncompressed stream
//    32 32  SHA-256 of the uncompressed stream
//    64 32  SHA-256 of all bytes of the file before this frame
//
// A flipped bit that decompresses to the same documents is found by the last field, one in this
// frame by comparing every field with what was read.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

#define SEGMENT_END_SIZE 96

struct segment_end {
    uint64_t documents, bytes;
    uint8_t stream[HASH_SIZE], file[HASH_SIZE];
};
void segment_end_write(const struct segment_end *end, uint8_t out[SEGMENT_END_SIZE]);
// 0, or -1 when it is not such a frame.
int segment_end_read(const uint8_t in[SEGMENT_END_SIZE], struct segment_end *end);
