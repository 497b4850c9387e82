// SPDX-License-Identifier: Apache-2.0
// Child processes: an argument vector, never a shell; an environment of what the child needs and
// nothing else; every descriptor but 0, 1 and 2 closed; its own process group, killed whole.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct child {
    pid_t pid;
    int in;  // write end of its standard input, -1 when it has none
    int out; // read end of its standard output, -1 when closed
    int err; // read end of its standard error, -1 when it is merged into ours
};

struct child_options {
    const char *const *argv; // argv[0] is looked up in PATH
    const char *const *env;  // NULL-terminated "NAME=VALUE" on top of PATH, HOME, LANG, TZ
    bool want_in, want_out, want_err;
    // TERM when the thread that starts it ends, also by a kill of the whole process: for children
    // that no end of a pipe would end.
    bool ends_with_us;
};

// ERR_NOTFOUND when there is no such program. Standard input and output that are not wanted are
// /dev/null.
int child_start(struct child *c, const struct child_options *o, struct err *e);
// Waits up to timeout_ms (negative: for ever) for the end; *status as of waitpid(2).
// Returns 1 when it ended, 0 on timeout.
int child_wait(struct child *c, int timeout_ms, int *status);
// TERM, then KILL after `grace_ms`, to the whole group; reaps; closes the pipes.
void child_stop(struct child *c, int grace_ms);
// Runs to the end with `input` on its standard input; keeps its output in `out` (NULL: drops it)
// and the last 64 KiB of its standard error. More than max_out bytes of output are ERR_LIMIT and
// the end of the child, as is the timeout (ERR_FAILED). Otherwise ERR_FAILED names the program, how
// it ended and the last line of its standard error, escaped.
int child_run(const struct child_options *o, const void *input, size_t input_len, size_t max_out,
              int timeout_ms, struct buf *out, struct err *e);

// True when PATH leads to a program of this name.
bool child_in_path(const char *program);
