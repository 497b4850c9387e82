// SPDX-License-Identifier: Apache-2.0
// The end of a dump file: a skippable frame of zstd (RFC 8878, 3.1.2), all numbers little endian.
//
//     0  4  magic number 0x184D2A5D
//     4  4  length of what follows: 56
//     8  8  "mvimig 2"
//    16  8  documents
//    24  8  bytes of the uncompressed stream
//    32 32  SHA-256 of all bytes of the file before this frame
//
// The last field tells whether the file is as it was written where no journal knows it. One that
// does has the digest of the whole file, this frame included.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

#include "base/hash.h"

#define SEGMENT_END_SIZE 64

// Documents go into zstd frames of so many bytes, one after the other, whatever their length: what
// is compressed and decompressed in one piece takes a third less time than a stream.
#define SEGMENT_FRAME ((size_t)512 << 10)
#define SEGMENT_FRAME_BOUND ZSTD_COMPRESSBOUND(SEGMENT_FRAME)

// A dump file is read, and summed up, in pieces of so many bytes, which the cache still has when
// they are used. The end frame is a piece of its own.
#define SEGMENT_PIECE ((size_t)256 << 10)

struct segment_end {
    uint64_t documents, bytes;
    uint8_t file[HASH_SIZE];
};
void segment_end_write(const struct segment_end *end, uint8_t out[SEGMENT_END_SIZE]);
// 0, or -1 when it is not such a frame.
int segment_end_read(const uint8_t in[SEGMENT_END_SIZE], struct segment_end *end);
