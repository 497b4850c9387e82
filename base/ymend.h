// SPDX-License-Identifier: Apache-2.0
// What is checked and mended in a text before libyaml sees it; part of base/ytree.h.
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

// Every byte is part of a character that may stand in YAML; a byte order mark only at the start;
// of the line ends only those that JSON knows. Errors are "NAME:LINE: ...".
int ymend_check(const char *name, const char *text, size_t len, struct err *e);

// True when the text is JSON: its first character behind comments and space is { or [.
bool ymend_is_json(const char *text, size_t len);

// JSON text as libyaml can read it: without comments, tabs between values as spaces, surrogate
// pairs as one escape. Lines keep their numbers.
int ymend_json(const char *name, const char *text, size_t len, struct buf *out, struct err *e);
