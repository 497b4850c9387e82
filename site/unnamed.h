// SPDX-License-Identifier: Apache-2.0
// Files that are written without a name and get one when they are put in place: O_TMPFILE of
// open(2). Directories are touched once instead of three times for each file, and nothing is left
// lying when the program is killed. Not every file system has it (NFS has not), and each such file
// keeps a descriptor until it has its name; so whoever uses it can do without.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// A new file on the directory's file system, for reading and writing. -1 with errno; EMFILE also
// when as many as may be have no name yet: half of what the process may have, whose soft limit the
// first call raises, and none where that is small.
int unnamed_open(int dir, mode_t mode);
// Gives it a name, where nothing may stand (EEXIST). The descriptor stays. -1 with errno.
int unnamed_link(int fd, int dir, const char *name);
// What has no name is gone. Errors of the content are told by a sync, not here.
void unnamed_close(int *fd);
