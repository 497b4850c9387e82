// SPDX-License-Identifier: Apache-2.0
// The comments of a plan's text, by line: libyaml's events do not carry them. They are for people,
// so a line that is read wrongly (inside a text of several lines) costs no more than a comment.
#pragma once

#include <stddef.h>

#include "base/arena.h"

struct lines;
// Lines are counted as libyaml counts them. `text` is borrowed; everything else lives in `a`.
struct lines *lines_new(struct arena *a, const char *text, size_t len);
// What stands behind the "#" of a line (from 1), less one blank; NULL when it has none.
const char *lines_comment(const struct lines *l, int line, struct arena *to);
// The comment lines at the top, joined by newlines; NULL when there are none.
const char *lines_top(const struct lines *l, struct arena *to);
