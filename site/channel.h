// SPDX-License-Identifier: Apache-2.0
// Frames between two threads of this process: what a pair of sockets would carry, without copying
// them into the kernel and out again. What is sent on one side is taken on the other, in order.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct channel; // two sides, 0 and 1
struct channel *channel_new(void);
void channel_free(struct channel *c); // when both threads have done with it

// Nothing more comes from this side, and it takes nothing more: what is sent to it fails.
void channel_close(struct channel *c, int side);

// Sends what is in `b`, which is empty afterwards and gets, for large memory, that of a frame that
// was taken. With `bounded` it waits until there is room, for as long as the other side takes or
// sends something within the timeout (0: for ever); of two sides that may both send before they
// take, one must not. CHANNEL_OK, _CLOSED or _SILENT.
enum channel_result { CHANNEL_OK, CHANNEL_NONE, CHANNEL_CLOSED, CHANNEL_SILENT };
enum channel_result channel_send(struct channel *c, int side, uint8_t type, struct buf *b,
                                 bool bounded, int timeout_ms);
// The next frame; waits for it for at most that long (0: not at all). Its content replaces what was
// in `b`, whose memory is used again by the other side. CHANNEL_OK, _NONE, or _CLOSED: there will
// be no more.
enum channel_result channel_take(struct channel *c, int side, uint8_t *type, struct buf *b,
                                 int wait_ms);
