// SPDX-License-Identifier: Apache-2.0
// What an edit took out of a plan that was applied before: it stays at the destination.
#pragma once

#include "commands/execution.h"

// Compares the plan with the one that the work directory keeps from the last apply, and tells in
// log and journal how many objects are no longer in it. Call it before the new one is kept. A plan
// that is not there, or that this version cannot read, is passed over.
int taken_out_tell(struct execution *x, struct err *e);
