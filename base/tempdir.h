// SPDX-License-Identifier: Apache-2.0
// A folder for what lives as long as this process: mode 0700, below $TMPDIR or /tmp. What a process
// that was killed has left is removed by the next that makes one of the same kind.
#pragma once

#include "base/err.h"

struct tempdir {
    int fd; // the folder, locked (flock) as long as it is in use; -1: none
    char path[512];
};
#define TEMPDIR_INIT                                                                               \
    { .fd = -1 }

// `kind` is part of its name: letters and '-'. ERR_IO names the folder and the mend.
int tempdir_make(struct tempdir *t, const char *kind, struct err *e);
// With all that is in it. Nothing when there is none.
void tempdir_remove(struct tempdir *t);
