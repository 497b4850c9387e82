// SPDX-License-Identifier: Apache-2.0
// All steps of a plan at once: what the journal knows of them, in one query.
#pragma once

#include "state/db.h"
#include "state/journal.h"
