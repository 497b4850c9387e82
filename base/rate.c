// SPDX-License-Identifier: Apache-2.0
#include "base/rate.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/must.h"
#include "base/stop.h"

#define RATE_MAX 1e15 // bytes a second

struct rate {
    pthread_mutex_t lock;
    uint64_t per_second;
    int64_t free_ns; // when all that was taken has gone out
};

struct rate *rate_new(uint64_t bytes_per_second) {
    MUST(bytes_per_second > 0);
    struct rate *r = must_calloc(1, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    r->per_second = bytes_per_second;
    r->free_ns = INT64_MIN;
    return r;
}

void rate_free(struct rate *r) {
    if (r != NULL) {
        pthread_mutex_destroy(&r->lock);
        free(r);
    }
}

int64_t rate_take(struct rate *r, uint64_t bytes, int64_t now_ns) {
    double takes = (double)bytes * 1e9 / (double)r->per_second;
    pthread_mutex_lock(&r->lock);
    int64_t earliest = now_ns - RATE_CREDIT_NS;
    int64_t begins = r->free_ns > earliest ? r->free_ns : earliest;
    if (__builtin_add_overflow(begins, takes < 9e18 ? (int64_t)takes : INT64_MAX, &r->free_ns)) {
        r->free_ns = INT64_MAX;
    }
    pthread_mutex_unlock(&r->lock);
    return begins > now_ns ? begins - now_ns : 0;
}

int rate_wait(struct rate *r, uint64_t bytes, int (*alive)(void *arg, struct err *e), void *arg,
              struct err *e) {
    int64_t now = clock_mono_ns();
    int64_t wait = r == NULL ? 0 : rate_take(r, bytes, now) / 1000000 * 1000000;
    int fault = wait > 0 ? FAULT("rate-wait") : 0;
    int rc = fault != 0 ? err_sys(e, ERR_RETRY, fault, "the wait for the limited rate failed") : 0;
    for (int64_t left = wait; rc == 0 && left > 0; left = now + wait - clock_mono_ns()) {
        clock_sleep_ms(left < 1000000000 ? (left + 999999) / 1000000 : 1000);
        rc = stop_asked() ? err_set(e, stop_error(), "stopped") : alive != NULL ? alive(arg, e) : 0;
    }
    return rc;
}

uint64_t rate_piece(const struct rate *r, uint64_t most) {
    if (r == NULL || r->per_second / 10 >= most) {
        return most;
    }
    uint64_t piece = r->per_second / 10 < 1024 ? 1024 : r->per_second / 10;
    return piece < most ? piece : most;
}

// --- reading one

// What is behind the number; 0: nothing that is known.
static double unit_of(const char *suffix) {
    static const char letters[] = "KMGT";
    if (*suffix == 0) {
        return 1024;
    }
    if (strcasecmp(suffix, "B") == 0) {
        return 1;
    }
    const char *letter = strchr(letters, *suffix & ~0x20);
    bool of_1000 = strcasecmp(suffix + 1, "B") == 0;
    if (letter == NULL || (suffix[1] != 0 && !of_1000 && strcasecmp(suffix + 1, "iB") != 0)) {
        return 0;
    }
    double unit = 1;
    for (const char *l = letters; l <= letter; l++) {
        unit *= of_1000 ? 1000 : 1024;
    }
    return unit;
}

int rate_parse(const char *text, uint64_t *out) {
    double number = 0, place = 1;
    size_t digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++) {
        number = number * 10 + (*text - '0');
    }
    if (*text == '.') {
        for (text++; *text >= '0' && *text <= '9'; text++, digits++) {
            place /= 10;
            number += place * (*text - '0');
        }
    }
    double unit = unit_of(text), bytes = number * unit;
    if (digits == 0 || digits > 20 || unit == 0 || bytes > RATE_MAX ||
        (number > 0 && bytes < 1)) { // less than a byte is not "no limit"
        return -1;
    }
    *out = (uint64_t)bytes;
    return 0;
}
