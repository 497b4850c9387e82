// SPDX-License-Identifier: Apache-2.0
// Inside the journal: what this process remembers of the attempts that go on, namely when they
// began by the monotonic clock and the findings not written yet. Several threads may work on one
// attempt.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "state/writer.h"

// A conflict or a problem: a copy of what the caller told, texts cut to a bound.
struct finding {
    bool is_conflict;
    char *object, *id, *class, *detail;
    char *decision, *source_digest, *destination_digest; // conflicts
    void *old_bytes;
    size_t old_len;
    size_t bytes; // of memory, about
    struct finding *next;
};
struct finding *finding_of_conflict(const struct conflict_record *c);
struct finding *finding_of_problem(const struct problem_record *p);
void finding_free_list(struct finding *f);

void attempt_remember(struct journal *j, int64_t id);
// How long it has gone on; -1 when it is not of this process.
int64_t attempt_milliseconds(struct journal *j, int64_t id);
void attempt_forget(struct journal *j, int64_t id);
void attempt_forget_all(struct journal *j);

// Appends a finding, which is taken over. *full: it is time to write them. ERR_FAILED when the
// attempt is not one that goes on.
int attempt_collect(struct journal *j, int64_t id, struct finding *f, bool *full, struct err *e);
// Takes all out; the caller frees them, or gives them back when they could not be written.
struct finding *attempt_take(struct journal *j, int64_t id);
void attempt_give_back(struct journal *j, int64_t id, struct finding *list);
