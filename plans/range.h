// SPDX-License-Identifier: Apache-2.0
// Bounds of _id ranges as they stand in a plan: canonical extended JSON v2
// (https://github.com/mongodb/specifications/blob/master/source/extended-json.md) where that reads
// back byte-equal, else "hex:" and the BSON element bytes (type byte, then value).
// plans/ orders and compares bounds without libbson: strings, which the compiler prefers, by bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

// True when the bound is a JSON string without a zero byte; *text is then its value, made in the
// arena. A string with a zero byte counts as one of the other bounds.
struct arena;
bool range_is_string(const char *bound, struct arena *a, const char **text);
// Writes a string as the bound that stands for it: "\"...\"" with JSON escapes, as libbson writes
// it. The string must be valid UTF-8 (MUST); what is not goes as "hex:".
void range_put_string(struct buf *out, const char *s, size_t len);
// True when the text can be a bound at all: a whole JSON string, the start of another JSON value,
// or "hex:" and an even number of digits. Other values are read by those who have libbson.
bool range_bound_ok(const char *bound);
