// SPDX-License-Identifier: Apache-2.0
// What a plan has still to move, and how long that will take: behind a first pass, the time for
// which the source has to stand still. Told beside the plan, never in it: the plan says what is to
// be done, and stays the same bytes whatever is at the destination already.
#pragma once

#include <jansson.h>

#include "commands/command.h"
#include "commands/ends.h"
#include "executor/preview.h"
#include "schema/inventory.h"

struct estimate {
    bool has_files, has_documents;           // the plan moves such
    bool files_compared, documents_compared; // with the destination; else all counts as to move
    struct preview files;
    uint64_t documents, document_bytes; // that the plan selects
    uint64_t to_move;                   // of them: not there, or to be mended
    bool has_deletions, deletions_compared;
    struct preview_deletions deletions;
    uint64_t differ;      // there with other content: conflicts, or updates of what
                          // an earlier pass laid
    double low, high;     // seconds
    const char *measured; // the migrations whose runs it goes by; "" when none
    bool assumed;         // rates were assumed for what no run has shown
};

// Compares the plan's files with the destination (files that stand there as an earlier pass laid
// them are to be updated), and looks what it would delete, unless --no-predict is given, and reads
// the journals of the plan's bases
// beside `workdir`. A journal that cannot be read is left out with a warning.
int estimate_make(struct command_context *c, const struct ends *ends, const struct plan *plan,
                  const struct inventory *inv, const char *workdir, struct estimate *out,
                  struct err *e);
// False when a run of the plan would change nothing, as far as can be told: what
// --detailed-exitcode goes by.
bool estimate_is_work(const struct estimate *est);

// Two to five lines of text, without a newline at the end.
const char *estimate_text(struct arena *a, const struct estimate *est);
json_t *estimate_json(const struct estimate *est); // docs/plan-summary.schema.json
