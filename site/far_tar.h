// SPDX-License-Identifier: Apache-2.0
// The receiver of a far end where none can be run: it serves a sender's stream in this process, as
// receive_serve does, and has what it does done there by sh, tar, find, stat, sha256sum and the
// like (GNU's or BusyBox's), by one fixed script (site/far_tar.sh).
//
// The same is promised by the same receipts: content is staged below the root, synced, read back by
// sha256sum, compared with what was sent, only then put in place by link(2) or rename(2), and
// synced again. Names travel as quoted words of sh or with a zero byte behind them, and never
// through tar, so that they may hold any byte, newlines included.
//
// What it does less well: no extended attributes, and holes of files are written as zeros; the
// destination's list is held in memory; BusyBox keeps whole seconds; a name that somebody there
// exchanges in the instant between a look and the change is not seen (directories are held, so that
// nothing lands outside). It is slower: about a process there for each file.
#pragma once

#include "site/far_shell.h"
#include "site/files.h"

struct far_tar;
// Starts the thread that serves; `stream` gets the sender's descriptor. `sh` is borrowed until
// far_tar_stop and belongs to the thread; `root` is copied.
int far_tar_start(struct far_shell *sh, const char *root, struct file_stream *stream,
                  struct far_tar **out, struct err *e);
// Closes the sender's descriptor and waits for the thread.
void far_tar_stop(struct far_tar *t, struct file_stream *stream);
