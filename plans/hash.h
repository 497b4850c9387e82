// SPDX-License-Identifier: Apache-2.0
// The hash of what a step does, also with another pass than the plan's, so that two passes can be
// compared.
#pragma once

#include <stdint.h>

#include "plans/plan.h"

// One hash of HASH_SIZE bytes for each step; `out` has room for them.
void hash_plan_steps(const struct plan *p, int pass, uint8_t (*out)[HASH_SIZE]);
