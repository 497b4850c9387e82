// SPDX-License-Identifier: Apache-2.0
// What a migration has left over, a line of JSON each, in WORKDIR/left.ndjson: every document and
// file that did not move (type "rejected"), conflicts where the destination's content was kept
// ("kept"), steps that failed ("failed") and steps that were not reached ("not reached").
#pragma once

#include "commands/execution.h"

#define LEFT_FILE "left.ndjson"

// Writes it anew at the end of a run (temporary file, rename); without anything left there is no
// such file. *lines: how many.
int left_write(struct execution *x, uint64_t *lines, struct err *e);
