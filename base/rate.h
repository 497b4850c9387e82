// SPDX-License-Identifier: Apache-2.0
// A limit of bytes a second, shared by all threads that send some.
#pragma once

#include <stdint.h>

#include "base/err.h"

struct rate;
struct rate *rate_new(uint64_t bytes_per_second); // not 0
void rate_free(struct rate *r);

// Notes that `bytes` are to be sent and returns how many nanoseconds from `now_ns` (of the
// monotonic clock) on whoever sends them waits before that. Any thread; turns are given in the
// order of calls. In any time T, no more than T times the rate goes out, and of each thread what it
// took last, and what RATE_CREDIT_NS hold: so much of an idle time is made up for.
int64_t rate_take(struct rate *r, uint64_t bytes, int64_t now_ns);
#define RATE_CREDIT_NS 10000000

// Takes and waits, NULL: not at all; then the bytes may go (0). A stop that is asked for meanwhile
// (base/stop.h) ends the wait with its code. `alive` (may be NULL) is called about once a second,
// and what it fails with ends the wait, too.
int rate_wait(struct rate *r, uint64_t bytes, int (*alive)(void *arg, struct err *e), void *arg,
              struct err *e);

// How much should be sent at a time so that it flows: what a tenth of a second holds, at least 1
// KiB and at most `most`. NULL: `most`.
uint64_t rate_piece(const struct rate *r, uint64_t most);

// Reads a rate as rsync's --bwlimit takes it: a number, also with a fraction, of KiB, or with a
// suffix (K, M, G, T or KiB ... of 1,024, KB ... of 1,000, B of bytes, in any case). *out in bytes,
// 0 for no limit. -1 when it is none or too large.
int rate_parse(const char *text, uint64_t *out);
