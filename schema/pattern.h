// SPDX-License-Identifier: Apache-2.0
// PCRE2 patterns from people, with limits so that none can run away: pattern at most 1,024 bytes,
// 100,000 match steps, depth 10,000, heap 1 MiB, no JIT; UTF is always on (invalid subjects are
// matched as PCRE2_MATCH_INVALID_UTF does), and \C and option-setting verbs are refused. A pattern
// is looked for anywhere in the subject; ^ and $ bind it. One pattern may serve many threads.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct pattern;
int pattern_compile(const char *text, struct pattern **out, struct err *e); // ERR_USAGE
// 0 when pattern_replace can use it with this pattern; ERR_USAGE: unknown group, stray "$".
int pattern_check_replacement(const struct pattern *p, const char *replacement, struct err *e);
void pattern_free(struct pattern *p);
void pattern_cleanup(struct pattern **p);
// 1 match, 0 none, negative ERR_LIMIT when a limit was hit (the error names the pattern).
int pattern_match(const struct pattern *p, const char *subject, size_t len, struct err *e);
// Replaces the first match; the replacement is in the syntax of pcre2_substitute ($1, ${name}, $$).
// 1 replaced (`out` holds the new text and nothing else), 0 no match, negative error.
int pattern_replace(const struct pattern *p, const char *replacement, const char *subject,
                    size_t len, struct buf *out, struct err *e);
