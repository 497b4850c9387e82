// SPDX-License-Identifier: Apache-2.0
// Where something grows that is to be there whole or not at all: a folder ".NAME.XXXXXXXX.tmp"
// beside its final name, mode 0700, locked (flock) as long as its writer lives.
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/must.h"

struct backup_stage {
    char *path; // final, as it was given, for texts
    char *leaf; // its last component
    int parent; // folder that holds it
    int fd;     // the stage
    char name[300];
};
#define BACKUP_STAGE_INIT                                                                          \
    { .parent = -1, .fd = -1 }

// `folder`: what is to be published is one; then an empty folder may stand at the name already.
// ERR_USAGE when anything else stands there, or the folder above is missing.
int backup_stage_open(struct backup_stage *s, const char *path, bool folder, struct err *e);
// Renames what is called `inner` in the stage to the final name, never over anything but an empty
// folder, and makes that durable.
int backup_stage_publish(struct backup_stage *s, const char *inner, struct err *e);
// Removes the stage with all that is in it.
void backup_stage_drop(struct backup_stage *s);
