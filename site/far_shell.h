// SPDX-License-Identifier: Apache-2.0
// A shell at the far side of a command prefix, spoken to line by line (site/file_end_exec.h says
// how). The shell's variable `m` holds the word that every answer begins with.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/err.h"

#define FAR_ANSWER_MAX 512

struct far_shell {
    struct child child;
    const char *label; // borrowed
    int timeout_ms;
    char word[48]; // what an answer begins with
    struct buf in; // what came and was not looked at
    size_t passed_over;
    pthread_t listener;  // to standard error
    int end_listener;    // eventfd
    bool explained;      // it failed: its end is not worth waiting for
    _Atomic bool silent; // standard error has ended
    pthread_mutex_t lock;
    char said[512]; // its last bytes
    size_t n_said;
    // Called while it waits, a few times a second; a negative result ends the waiting. It then has
    // to look itself whether a stop was asked for.
    int (*idle)(void *arg, struct err *e);
    void *idle_arg;
};

// Starts it: `prefix` and "sh". ERR_NOTFOUND when there is no such program here.
int far_shell_open(struct far_shell *s, const char *label, const char *const *prefix,
                   const char *const *env, int timeout_ms, struct err *e);
// Writes bytes. ERR_RETRY when nobody takes them for the timeout or the stream broke; the code of
// the stop when a stop was asked for.
int far_shell_write(struct far_shell *s, const void *data, size_t len, struct err *e);
// Waits for an answer: the rest of a line that begins with the word. Errors as above, also for too
// much that is none.
int far_shell_answer(struct far_shell *s, char answer[FAR_ANSWER_MAX], struct err *e);
// Both.
int far_shell_ask(struct far_shell *s, const char *line, char answer[FAR_ANSWER_MAX],
                  struct err *e);
// Reads on, behind an answer: the bytes in front of the next `end`, which is taken, too. ERR_RETRY
// as above, and when they are more than the buffer takes.
int far_shell_until(struct far_shell *s, char end, struct buf *out, struct err *e);
// Appends the last line that was said on standard error; waits a little for it.
int far_shell_explain(struct far_shell *s, struct err *e);
// Ends its input, waits up to grace_ms for its end (not when it was explained), and stops what is
// left.
void far_shell_close(struct far_shell *s, int grace_ms);

// Appends `text` as one word of a POSIX shell.
void far_shell_quote(struct buf *b, const char *text);
