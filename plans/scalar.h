// SPDX-License-Identifier: Apache-2.0
// Texts as they stand in a written plan. Whatever the text, what is written is one token on one
// line: everything but printable ASCII and letters of scripts that neither combine nor turn the
// reading order round is escaped. (A YAML comment ends at NEL, U+2028, U+2029 and CR as well as at
// a newline, and so a name could otherwise go on as plan text.)
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

// Plain when the text is a word that YAML can take for nothing else, 'single' when it holds double
// quotes or backslashes and nothing that needs an escape, "double" otherwise. Valid UTF-8 (MUST).
void scalar_put(struct buf *out, const char *text);
void scalar_put_quoted(struct buf *out, const char *text); // always "double"

// A comment's text: any bytes (\xHH for what is not UTF-8), blanks at both ends dropped, at most
// `max` bytes, cut with "...". Backslashes stay single, so that a comment that was written and read
// is written again the same.
void scalar_put_comment(struct buf *out, const char *text, size_t len, size_t max);
