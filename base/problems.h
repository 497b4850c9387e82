// SPDX-License-Identifier: Apache-2.0
// A list of problems, so that a reader hears of all of them at once.
#pragma once

#include <stddef.h>

#include "base/arena.h"

struct problem {
    int line;          // 0: no line
    const char *where; // "step files/alice/0001", "set alice/datasets/0001", or ""
    const char *text;
};

struct problems {
    struct arena *arena; // borrowed
    struct problem *items;
    size_t n, cap;
    size_t more; // counted but not kept: past the first 200
};

void problems_add(struct problems *p, int line, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
// All of them as one text, a line each: "NAME:LINE: WHERE: TEXT".
char *problems_text(const struct problems *p, const char *name, struct arena *a);
