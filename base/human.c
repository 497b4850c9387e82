// SPDX-License-Identifier: Apache-2.0
#include "base/human.h"

#include <stdio.h>
#include <string.h>

const char *human_bytes(uint64_t n, char out[HUMAN_TEXT]) {
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (n < 1000) {
        snprintf(out, HUMAN_TEXT, "%u B", (unsigned)n);
        return out;
    }
    size_t u = 0;
    uint64_t one = 1000;
    // The next unit begins where rounding would show 1000 of this one.
    while (u + 1 < sizeof units / sizeof units[0] && n / one * 2 + n % one * 2 / one >= 1999) {
        one *= 1000;
        u++;
    }
    uint64_t tenths = n / one * 10 + (n % one / (one / 1000) + 50) / 100;
    if (tenths < 100) {
        snprintf(out, HUMAN_TEXT, "%u.%u %s", (unsigned)tenths / 10, (unsigned)tenths % 10,
                 units[u]);
    } else {
        uint64_t whole = n / one + (n % one >= one / 2 ? 1 : 0);
        snprintf(out, HUMAN_TEXT, "%u %s", (unsigned)whole, units[u]);
    }
    return out;
}

const char *human_count(uint64_t n, char out[HUMAN_TEXT]) {
    char digits[HUMAN_TEXT];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

const char *human_duration(int64_t ns, char out[HUMAN_TEXT]) {
    const int64_t ms = ns > 0 ? ns / 1000000 : 0;
    const int64_t s = (ms + 500) / 1000;
    if (ms < 9950) {
        int tenths = (int)((ms + 50) / 100);
        snprintf(out, HUMAN_TEXT, "%d.%d s", tenths / 10, tenths % 10);
    } else if (s < 60) {
        snprintf(out, HUMAN_TEXT, "%d s", (int)s);
    } else if (s < 3600) {
        snprintf(out, HUMAN_TEXT, "%d min %02d s", (int)(s / 60), (int)(s % 60));
    } else {
        snprintf(out, HUMAN_TEXT, "%lld h %02d min", (long long)(s / 3600), (int)(s % 3600 / 60));
    }
    return out;
}
