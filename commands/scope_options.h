// SPDX-License-Identifier: Apache-2.0
// The scope that the options ask for.
#pragma once

#include "commands/options.h"
#include "schema/scope.h"

// Borrows from the options. ERR_USAGE.
int scope_from_options(const struct options *o, struct scope *s, struct err *e);
