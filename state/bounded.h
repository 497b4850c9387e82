// SPDX-License-Identifier: Apache-2.0
// A copy of a text for the journal, with a bound on its length: what is longer is cut, and its
// SHA-256 put behind, so that two that differ stay two. NULL becomes "".
#pragma once

#define BOUNDED_MAX 8192

char *bounded_copy(const char *s); // the caller frees it
