// SPDX-License-Identifier: Apache-2.0
// What both kinds of file step do: a selection of the source's files is sent, its manifest kept.
#pragma once

#include "executor/preview.h"
#include "executor/step.h"

int step_files_run(struct step_run *s, struct err *e);
int step_files_verify(struct step_verify *v, struct err *e);
// Every entry that the step takes, as it is at the source now.
int step_files_each(const struct run *r, const struct plan_step *s, const struct tree_walker *w,
                    struct err *e);
// What step_files_run would find and send. Entries are added to r->progress.
int step_files_preview(struct run *r, const struct plan_step *s, struct preview *out,
                       struct err *e);
