// SPDX-License-Identifier: Apache-2.0
// Time: durations and timeouts by the monotonic clock, timestamps by the wall clock.
// Order in the journal comes from sequence numbers, never from either.
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <time.h>

int64_t clock_mono_ns(void);     // CLOCK_MONOTONIC
int64_t clock_wall_ns(void);     // CLOCK_REALTIME, since 1970
void clock_sleep_ms(int64_t ms); // returns early when a stop was asked for (base/stop.h)

// A condition variable whose timed waits go by the monotonic clock, and the time `ns` from now for
// them: a clock that is set back must not make a wait of a moment one of days.
void clock_cond_init(pthread_cond_t *c);
struct timespec clock_mono_after(int64_t ns);

#define CLOCK_TEXT 32
// RFC 3339 in UTC with milliseconds: 2026-01-02T03:04:05.678Z.
void clock_format(int64_t wall_ns, char out[CLOCK_TEXT]);
