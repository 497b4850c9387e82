// SPDX-License-Identifier: Apache-2.0
// Problems of a plan as its reader and its validator report them.
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/problems.h"
#include "plans/plan.h"

// A text of the plan, escaped, cut and in quotes (single ones when it holds double ones), for a
// message.
const char *report_quote(struct arena *a, const char *text);
const char *report_where_step(struct arena *a, const char *id); // "step ID"
const char *report_where_set(struct arena *a, const char *name);

size_t report_count(const struct problems *p); // with those not kept
// 0 when there are none, else ERR_PLAN with the first ten; `name` is that of the file.
int report_finish(const char *name, const struct problems *p, struct err *e);

#define REPORT_STEP(problems, s, ...)                                                              \
    problems_add((problems), (s)->line, report_where_step((problems)->arena, (s)->id), __VA_ARGS__)
#define REPORT_SET(problems, s, ...)                                                               \
    problems_add((problems), (s)->line, report_where_set((problems)->arena, (s)->name), __VA_ARGS__)
