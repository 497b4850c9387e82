// SPDX-License-Identifier: Apache-2.0
// What earlier runs took, out of their journals: what a forecast goes by.
#pragma once

#include <stdbool.h>

#include "base/err.h"

// Steps that ended well, in time that workers were busy. Those that found nearly all (19 of 20)
// there already are counted apart: to compare costs less than to move.
struct report_rate {
    double ms, items, bytes;
};
enum report_work { REPORT_MOVED, REPORT_COMPARED, N_REPORT_WORK };
enum report_stage_id { REPORT_FILES, REPORT_DUMP, REPORT_RESTORE, N_REPORT_STAGES };
struct report_rates {
    double busy_ms, elapsed_ms; // all stages; their quotient is how many workers were busy
    struct report_rate rates[N_REPORT_STAGES][N_REPORT_WORK]; // dumps are all COMPARED
};
// Adds what the journal in the work directory holds. Errors as report_read.
int report_rates_add(int workdir_fd, struct report_rates *r, struct err *e);
