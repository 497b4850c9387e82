// SPDX-License-Identifier: Apache-2.0
// What the file steps of a plan would find at the destination and send, without sending it: the
// same comparison as a run's, with its effects off. Nothing is written at either end.
#pragma once

#include "executor/run.h"

struct preview {
    uint64_t files, bytes;           // that the steps select, and the content of its files
    uint64_t to_send, to_send_bytes; // that are not there, or are to be replaced
    uint64_t to_mend;                // mode, owner or time only
    uint64_t kept;                   // that stand there with other content and are to stay
    uint64_t problems;               // that cannot be read, or have no place there
};
// Compares with r->jobs sessions side by side; r->plan is validated, r->base may be NULL.
// `progress` is called now and then from this thread with the entries compared so far. A session
// that breaks is tried again a few times. Errors as files_send; stop_error() after a stop.
int preview_files(struct run *r, void (*progress)(void *arg, uint64_t files), void *arg,
                  struct preview *out, struct err *e);

// What the delete steps of a plan would delete now, as far as the base tells: only looks, writes
// nothing. 0 where r->base is NULL.
struct preview_deletions {
    uint64_t documents, files;
};
int preview_deletions(struct run *r, struct preview_deletions *out, struct err *e);
