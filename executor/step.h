// SPDX-License-Identifier: Apache-2.0
// A kind of step: one file (executor/step_KIND.c) with one const struct, one line in
// plans/kinds.tbl.h.
//
// Contract of run: it may be killed anywhere and repeated. Intent, effect, check, made durable, and
// only then recorded. It returns 0 when the effect is durable at the destination and checked;
// ERR_RETRY for a passing failure (the executor calls it again with back-off: it goes on where the
// journal's batches end); anything else fails the step. It looks at stop_asked() between batches
// and returns stop_error() after the batch in flight is durable and recorded.
//
// Contract of verify: it only reads. It reports each difference and counts what it compared.
// ERR_RETRY: it is called again from the beginning, and what it reports again is told once. Live,
// it reads what differs once more, STEP_LIVE_WAIT_MS later, and reports only what differs then as
// well.
#pragma once

#include "executor/run.h"

// What the progress line has heard of a step: the most that any of its attempts came to. Each
// attempt counts from the step's beginning, so that what is done again is not told again.
struct step_told {
    uint64_t items, bytes;
};

struct step_run {
    struct run *run;
    const struct plan_step *step;
    int64_t attempt;
    // The worker's own sessions, opened on first use by step_source_db and step_destination_db,
    // kept for the worker's next steps.
    struct mongo **source_db, **destination_db;
    struct step_result result; // totals of the step, earlier batches included
    struct step_told counted;  // by this attempt
    struct step_told *told;    // by all of them; NULL: nobody looks at the progress
};

#define STEP_LIVE_WAIT_MS 1000

struct step_difference {
    const char *object; // collection or "file"
    const char *id;     // _id or path, escaped
    const char *what;   // "missing", "differs", "extra", "size", "mode"..., "source changed"
    const char *detail;
};
struct step_verify {
    struct run *run;
    const struct plan_step *step;
    struct mongo **source_db, **destination_db;
    bool live; // compare with the source as it is now
    uint64_t compared, same, differ;
    uint64_t changed; // live: the destination has what was read, the source another content now
    struct step_told counted, *told; // as in struct step_run
    int (*difference)(void *arg, const struct plan_step *s, const struct step_difference *d,
                      struct err *e);
    void *arg;
};

struct step_kind {
    int (*run)(struct step_run *s, struct err *e);
    int (*verify)(struct step_verify *v, struct err *e); // NULL: nothing to compare of its own
};
const struct step_kind *step_kind_find(enum step_kind_id id);

#define STEPKIND(id, variable, ...) extern const struct step_kind step_##variable;
#include "plans/kinds.tbl.h"
#undef STEPKIND

// The worker's session with an end; a broken one (after ERR_RETRY) is dropped by
// step_drop_sessions and opened anew.
int step_source_db(struct step_run *s, struct mongo **out, struct err *e);
int step_destination_db(struct step_run *s, struct mongo **out, struct err *e);
int step_verify_db(struct step_verify *v, struct mongo **out, struct err *e);

// Where a step leaves its product: WORKDIR/pass-N/db/COLLECTION/NNNN-HHHHHHHH.bson.zst for dumps
// and WORKDIR/pass-N/files/LABEL-HHHHHHHH.manifest for file steps; NNNN and LABEL from the step's
// ID, H the first 8 digits of its hash, so that an edited step never meets another one's file.
#define STEP_PRODUCT_MAX 600
void step_product_path(const struct plan *p, const struct plan_step *s, char out[STEP_PRODUCT_MAX]);

// Adds the counts; the digest stays.
void step_result_add(struct step_result *sum, const struct step_result *r);
// Adds to what this attempt has handled, batches of earlier attempts included; one thread at a
// time.
void step_progress(struct step_run *s, uint64_t items, uint64_t bytes);
void step_verify_progress(struct step_verify *v, uint64_t items, uint64_t bytes);

// Conflicts and problems of a step: recorded in the journal and counted in result and progress.
int step_conflict(struct step_run *s, const struct conflict_record *c, struct err *e);
int step_problem(struct step_run *s, const struct problem_record *p, struct err *e);
