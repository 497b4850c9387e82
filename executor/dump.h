// SPDX-License-Identifier: Apache-2.0
// Parts of the dump step: which documents it reads and how (dump_range.c, dump_set.c), and the
// filter they all pass on their way into the file (dump_filter.c).
//
// No cursor lives long: a range is read in pages, each a query of its own that begins at the last
// _id seen; a set is read by one drained query per batch of IDs. Ranges are min and max of an index
// scan, never operators: $gt and $lt compare within one BSON type and would lose mixed _ids.
#pragma once

#include "base/buf.h"
#include "base/strtab.h"
#include "executor/step.h"
#include "site/segment.h"

struct dump {
    struct step_run *s;
    struct mongo *source;
    struct segment_writer *out; // or, when NULL,
    int (*take)(void *arg, const uint8_t *doc, size_t len, struct err *e);
    void *take_arg;
    const char *by;              // the field that the set is about; "_id" when the plan names none
    const struct strtab *ids;    // of the set; NULL: the step has none
    const struct strtab *known;  // with orphansOf: every _id there that a set can hold
    uint64_t documents, bytes;   // written so far
    uint64_t shown, shown_bytes; // of those, in the progress line
};

// Every document that the step takes, as it is at the source now, without a file.
int dump_each(struct step_run *s, struct mongo *source,
              int (*take)(void *arg, const uint8_t *doc, size_t len, struct err *e), void *arg,
              struct err *e);

// Writes a document that the query found, when the step's filter lets it through.
int dump_document(struct dump *d, const uint8_t *doc, size_t len, struct err *e);

// Brings the progress line up to date; dump_document does so now and then.
void dump_progress(struct dump *d);

// All documents from from_id (inclusive; NULL: the first) to to_id (exclusive; NULL: the last).
// `filter` (may be NULL) is the server's part of the step's filter.
int dump_range(struct dump *d, const bson_t *filter, struct err *e);
// The documents whose `by` field is one of the set's IDs.
int dump_set(struct dump *d, struct err *e);
// Every _id of a collection at the source that a set can hold (plan_id_ok).
int dump_known_ids(struct step_run *s, struct mongo *source, const char *collection,
                   struct strtab *out, struct err *e);
