// SPDX-License-Identifier: Apache-2.0
// An end that is reached by running commands there: `ssh HOST`, `oc exec -i POD --`, `kubectl exec
// -i -n NS POD -c C --`. The command is an argument vector; nothing but the word "sh" is added to
// it, so that it does not matter whether what carries it splits or quotes its arguments. What has
// to be done is written to that shell line by line; each line answers before the next is written,
// with a word that holds a nonce. What is said before an answer (a banner) is passed over, and what
// is said on standard error is kept (its end) for the error message. No exit status is looked at.
//
// The receiver is the one that is there (`mvimig-receive`, else `mvimig receive`, speaking this
// version of the protocol), else the one beside this program is sent: into a folder of its own
// below the far side's $TMPDIR, /tmp, /var/tmp or /dev/shm, checked there by its SHA-256, used by
// all streams of the end and removed when the end is freed.
//
// Where none can be run (another machine, no folder that programs run in, no tools to check it) the
// far side's own tools are used: site/far_tar.h.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "site/files.h"

enum file_receiver {
    RECEIVER_AUTO,   // mvimig-receive, else tar
    RECEIVER_MVIMIG, // only that
    RECEIVER_TAR,    // only that
};

struct file_end_exec {
    const char *label;         // "destination", for messages
    const char *const *prefix; // ends with NULL
    const char *const *env;    // as of struct child_options; may be NULL
    const char *root;          // the data directory as the far side names it; absolute
    const char *program;       // the receiver to send; NULL: the one beside this program
    // Another prefix, asked for after a stream broke (the pod may be another one by then); lives in
    // the arena. ERR_RETRY when there is none at the moment. NULL: it stays.
    int (*find)(void *arg, struct arena *a, const char *const **prefix, struct err *e);
    void *find_arg;
    // Whether the text of a stream that did not open tells that nobody is let in: then it makes of
    // it an ERR_LOGIN, and the stream is not tried again. NULL: nothing is known of such texts.
    bool (*refuses)(struct err *e);
    enum file_receiver receiver;
    int timeout_ms; // without a byte from there; 0: PROTOCOL_TIMEOUT_MS
};
// Copies what it is given; starts nothing yet. ERR_USAGE for an empty prefix or a root that is not
// absolute.
int file_end_exec_open(const struct file_end_exec *o, struct file_end **out, struct err *e);
