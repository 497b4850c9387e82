// SPDX-License-Identifier: Apache-2.0
// Text of unknown origin made printable: control bytes (C0, DEL, C1 in UTF-8 form), line and
// paragraph separators, bidirectional overrides, backslash, and bytes that are not UTF-8 become
// \n, \t, \\, \xHH or \u{HHHH}. What is printed or logged of names, IDs and server replies passes
// here.
#pragma once

#include <stddef.h>

#include "base/buf.h"

void escape_text(struct buf *out, const char *text, size_t len);
// As above into a fixed buffer, cut with "..." when too long; returns `out`.
const char *escape_into(char *out, size_t size, const char *text, size_t len);
bool escape_is_utf8(const char *text, size_t len);
