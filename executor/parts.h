// SPDX-License-Identifier: Apache-2.0
// Parts of large files that attempts at file steps have left at the destination (site/parts.h).
#pragma once

#include "executor/run.h"

// By which the attempts at a step find them again.
void parts_token(const struct plan *p, const uint8_t step[HASH_SIZE], uint8_t token[FILES_TOKEN]);
// Removes those of steps that were not done and that the plan no longer has. (A step
// that is done has removed its own.)
int parts_forget(struct run *r, struct err *e);
