// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/must.h"
#include "base/stop.h"

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static int64_t clock_read(clockid_t id) {
    struct timespec ts;
    MUST(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_mono_ns(void) {
    return clock_read(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void) {
    return clock_read(CLOCK_REALTIME);
}

void clock_sleep_ms(int64_t ms) {
    // In slices: the signal may be delivered to another thread, which does not wake this one.
    const int64_t slice = 50 * NS_PER_MS;
    int64_t end = clock_mono_ns() + ms * NS_PER_MS;
    while (!stop_asked()) {
        int64_t left = end - clock_mono_ns();
        if (left <= 0) {
            return;
        }
        struct timespec ts = {.tv_nsec = left < slice ? left : slice};
        nanosleep(&ts, NULL);
    }
}

void clock_format(int64_t wall_ns, char out[CLOCK_TEXT]) {
    int64_t ms = wall_ns / NS_PER_MS - (wall_ns % NS_PER_MS < 0 ? 1 : 0);
    int64_t s = ms / 1000 - (ms % 1000 < 0 ? 1 : 0);
    time_t t = (time_t)s;
    struct tm tm;
    MUST(gmtime_r(&t, &tm) != NULL);
    size_t n = strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, CLOCK_TEXT - n, ".%03dZ", (int)(ms - s * 1000));
}

void clock_cond_init(pthread_cond_t *c) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    MUST(pthread_cond_init(c, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
}

struct timespec clock_mono_after(int64_t ns) {
    int64_t at = clock_mono_ns() + ns;
    return (struct timespec){.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
}
