// SPDX-License-Identifier: Apache-2.0
// Versions of the libraries of this layer; see base/library.h.
#pragma once

#include "base/library.h"

void state_libraries(library_each *each, void *arg);
