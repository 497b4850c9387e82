// SPDX-License-Identifier: Apache-2.0
// How long to wait, and how often to try again, when a failure is a passing one. Counted are
// attempts in a row that brought nothing: whoever gets further begins to count anew, however often
// the way breaks and however slow the machine is.
#pragma once

#include <stdint.h>

// Waits of 0.5 s, 1 s, 2 s ... 30 s, about four minutes in all. A fail-over of a replica set takes
// some ten seconds, a pod's restart up to a minute or two.
#define BACKOFF_ATTEMPTS 12

struct backoff {
    int in_vain; // attempts in a row; {0} at first, and again after one that got further
};

// After an attempt in vain: milliseconds until the next one, with a jitter of up to a quarter, so
// that those who failed together do not come back together. -1: there were enough of them.
int64_t backoff_next(struct backoff *b);
