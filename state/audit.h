// SPDX-License-Identifier: Apache-2.0
// Whether a journal's rows are what its event chain says: for `mvimig audit`. Reads only.
#pragma once

#include <stddef.h>

#include "base/err.h"

struct audit_report {
    char head[128]; // "seq=N sha256=..." of the newest event
    size_t checks, findings;
};
// Calls back with each finding: the first bad row of each check, ready to show. 0 also when there
// were some; ERR_JOURNAL when the journal cannot be read at all.
int audit_journal(int workdir_fd, void (*finding)(void *arg, const char *text), void *arg,
                  struct audit_report *out, struct err *e);
