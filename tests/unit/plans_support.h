// SPDX-License-Identifier: Apache-2.0
// What the tests of plans/ share. Include it first: cmocka.h wants these headers before it.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strtab.h"
#include "plans/plan.h"

#define N_ROWS(rows) (sizeof(rows) / sizeof(rows)[0])
#define EMIT_MAX ((size_t)256 << 20)

// A header that is fine; sets and steps follow.
#define PLAN_HEAD                                                                                  \
    "mvimig: 1\n"                                                                                  \
    "name: line3\n"                                                                                \
    "pass: 1\n"                                                                                    \
    "source: {server: db1, database: DLAAS, root: /data}\n"                                        \
    "destination: {server: db2, database: DLAAS}\n"

// Reads a plan that has to be fine; the test shows its problems when it is not.
static inline struct plan *plan_of(const char *text) {
    struct plan *p = NULL;
    struct err e = {0};
    if (plan_read("p", text, strlen(text), &p, NULL, &e) != 0) {
        print_error("%s\n", e.text);
        fail();
    }
    assert_non_null(p);
    return p;
}

static inline const struct plan_step *step_of(const struct plan *p, const char *id) {
    size_t i = plan_find_step(p, id);
    if (i == (size_t)-1) {
        print_error("no step %s\n", id);
        fail();
    }
    return &p->steps[i];
}

// splitmix64, so that a failure can be had again from its seed.
static inline uint64_t random_next(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}
static inline size_t random_below(uint64_t *state, size_t n) {
    return (size_t)(random_next(state) % n);
}
