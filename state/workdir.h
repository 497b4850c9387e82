// SPDX-License-Identifier: Apache-2.0
// The work directory as the journal sees it: SQLite wants paths, we hold a descriptor.
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define JOURNAL_NAME "journal.db"
#define JOURNAL_ROLLBACK "journal.db-journal" // SQLite's name for what undoes a transaction
#define JOURNAL_NEW ".journal.db.new"         // while it is being made
#define JOURNAL_SEALED "journal-sealed.db"

// The mend of a journal that is lost or cannot be trusted.
#define JOURNAL_MEND                                                                               \
    "put it back from " JOURNAL_SEALED " or a backup, or begin it anew with `mvimig apply PLAN "   \
    "--rebuild-journal`: what is at the destination already is found there"

// The absolute path, without symlinks, of `name` in the directory; the caller frees it.
// /proc/self/fd/N/NAME would do for plain files, but SQLite refuses the symlink in it as it should.
int workdir_path(int dirfd, const char *name, char **out, struct err *e);

// ERR_JOURNAL with the mend unless journal.db is a regular file that is not empty and, with
// `write`, it and its directory can be written. Looks without opening it: closing a descriptor of a
// database would drop the locks that SQLite holds on it in this process.
int workdir_check_journal(int dirfd, bool write, struct err *e);

// Makes an empty file that only its owner can read, whatever the umask.
int workdir_make_file(int dirfd, const char *name, struct err *e);
// Gives a finished file its name, in one step, and makes that durable. With `replace` false a file
// that stands there already is ERR_JOURNAL and stays.
int workdir_publish(int dirfd, const char *temp, const char *name, bool replace, struct err *e);
// The kind of file system: "ext", "nfs", "xfs", "overlay"..., or its magic number in hex.
void workdir_file_system(int dirfd, char out[20]);
