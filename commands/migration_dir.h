// SPDX-License-Identifier: Apache-2.0
// The work directory of a migration: journal.db, lock, plan.yaml (the plan applied last), dumps and
// manifests per pass. DATADIR/logs/migrations/NAME of the source, or --work-dir.
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "commands/command.h"
#include "commands/ends.h"

#define WORKDIR_PLAN "plan.yaml"
#define WORKDIR_JOURNAL "journal.db"

// Its path for a migration of this name. ERR_USAGE when nothing says where the source's data are.
int migration_dir_path(struct command_context *c, const struct ends *ends, const char *name,
                       const char **out, struct err *e);
// Finds the one that a reader or `resume` means: a directory, a name, or nothing at all when there
// is just one (for resume: just one unfinished). A configuration that is given, by -c or, unless a
// directory is named, by $MVI_MIG_CONFIG, is read into `ends`; without one the data directory is
// $MIGMGR_MOUNTPOINT or /opt/powerai-vision/data. ERR_JOURNAL when there is none.
int migration_dir_find(struct command_context *c, struct ends *ends, const char *word,
                       bool unfinished, const char **out, struct err *e);
// Opens it; with `create` it is made (0700) where it is missing, with its parents. ERR_JOURNAL.
int migration_dir_open(const char *path, bool create, int *fd, struct err *e);
// Finds and opens the one that the command's first word means: for commands that need no end.
int migration_dir_named(struct command_context *c, const char **dir, int *fd, struct err *e);
