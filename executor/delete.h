// SPDX-License-Identifier: Apache-2.0
// Parts of the delete step.
#pragma once

#include "base/buf.h"
#include "executor/step.h"

int delete_documents(struct step_run *s, struct err *e);
int delete_files(struct step_run *s, struct err *e);
// How many it would delete now. Only looks; needs no journal.
int delete_documents_count(struct step_run *s, uint64_t *n, struct err *e);
int delete_files_count(struct step_run *s, uint64_t *n, struct err *e);

// Before n deletions: an error when that were more than the step's `max`, alone, with what this run
// has deleted, or with what all delete steps of the plan came to before the first of them.
int delete_begin(struct step_run *s, uint64_t n, const char *what, struct err *e);
// Behind them: how many were done.
void delete_end(struct step_run *s, uint64_t n, uint64_t done);
// The journal's row for something that is deleted (`last`: and all rows before it are durable when
// this returns) or kept. `old`: a document's bytes, or NULL.
struct delete_row {
    const char *object, *id, *digest;
    const struct buf *old;
    bool deleted, last;
};
int delete_record(struct step_run *s, const struct delete_row *row, struct err *e);
