// SPDX-License-Identifier: Apache-2.0
// Parts of the delete step.
#pragma once

#include "base/buf.h"
#include "executor/step.h"

int delete_documents(struct step_run *s, struct err *e);
int delete_files(struct step_run *s, struct err *e);

int delete_check_max(const struct plan_step *s, size_t n, const char *what, struct err *e);
// The journal's row for something that is deleted (`last`: and all rows before it are durable when
// this returns) or kept. `old`: a document's bytes, or NULL.
struct delete_row {
    const char *object, *id, *digest;
    const struct buf *old;
    bool deleted, last;
};
int delete_record(struct step_run *s, const struct delete_row *row, struct err *e);
