// SPDX-License-Identifier: Apache-2.0
// A migration with everything in it: a run that was killed, one that resumed it, a failure, steps
// done and left, conflicts kept and replaced, a rejected document, a step sent back, an edited
// plan.
#pragma once

#include "tests/unit/state_support.h"

#define STORY_DIGEST "1111111111111111111111111111111111111111111111111111111111111111"
#define STORY_OTHER "2222222222222222222222222222222222222222222222222222222222222222"

UNUSED static void story_conflict(struct journal *j, const struct plan_step *s, int64_t attempt,
                                  const char *id, const char *decision) {
    struct err e = {0};
    struct conflict_record c = {.object = "DataSetFiles",
                                .id = id,
                                .class = "different",
                                .decision = decision,
                                .source_digest = STORY_DIGEST,
                                .destination_digest = STORY_OTHER,
                                .detail = ""};
    if (strcmp(decision, "replaced") == 0) {
        c.old_bytes = "old document";
        c.old_len = 12;
        OK(journal_intent(j, s, attempt, &c, &e), e);
    } else {
        OK(journal_conflict(j, s, attempt, &c, &e), e);
    }
}

UNUSED static void story_whole_step(struct journal *j, const struct plan_step *s, uint64_t files,
                                    uint64_t documents, uint64_t bytes) {
    int64_t attempt = step_begin(j, s);
    struct step_result r = {.files = files,
                            .documents = documents,
                            .bytes = bytes,
                            .sent = files + documents,
                            .sent_bytes = bytes};
    memcpy(r.digest, STORY_DIGEST, HASH_HEX);
    step_done(j, s, attempt, &r);
}

// Alice's datasets move, bob's fail, a restore is under way when the run is killed.
UNUSED static void story_first_run(struct journal *j, const struct plan *p) {
    struct err e = {0}, why = {0};
    OK(journal_run_begin(j, "apply", p->digest, &e), e);
    story_whole_step(j, &p->steps[0], 10, 0, 1000);
    int64_t attempt = step_begin(j, &p->steps[1]);
    err_set(&why, ERR_IO, "x/0001.jpg: cannot be written: No space left on device");
    OK(journal_step_end(j, &p->steps[1], attempt, NULL, &why, &e), e);
    story_whole_step(j, &p->steps[3], 0, 3000, 300000);
    attempt = step_begin(j, &p->steps[4]);
    story_conflict(j, &p->steps[4], attempt, "\"kept\"", "kept");
    batch(j, &p->steps[4], attempt, 0, 1000);
    story_conflict(j, &p->steps[4], attempt, "\"in flight\"", "replaced");
}

UNUSED static void story_restore(struct journal *j, const struct plan_step *s) {
    struct err e = {0};
    int64_t attempt = step_begin(j, s);
    struct problem_record r = {"DataSetFiles", "\"no\"", "rejected", "the server refused it: E13"};
    OK(journal_problem(j, s, attempt, &r, &e), e);
    story_conflict(j, s, attempt, "\"in flight\"", "replaced"); // told again
    batch(j, s, attempt, 100000, 1000);
    batch(j, s, attempt, 200000, 1000);
    step_done(j, s, attempt,
              &(struct step_result){.documents = 3000,
                                    .bytes = 300000,
                                    .sent = 2000,
                                    .sent_bytes = 200000,
                                    .present = 998,
                                    .conflicts = 2,
                                    .rejected = 1});
}

UNUSED static void story_second_run(struct journal *j, struct plan *p) {
    struct err e = {0};
    OK(journal_run_begin(j, "resume", p->digest, &e), e);
    story_whole_step(j, &p->steps[1], 20, 0, 2000);
    OK(journal_step_reset(j, &p->steps[1], "asked for with --rerun", &e), e);
    story_whole_step(j, &p->steps[1], 20, 0, 2000);
    story_whole_step(j, &p->steps[2], 5, 0, 500000);
    story_restore(j, &p->steps[4]);
    OK(journal_run_end(j, 3, "LEFTOVER", &e), e);
    p->n_steps = 5; // restore/DataSets/0001 is taken out, another put in
    plan_add(p, "restore/Models/0001", KIND_RESTORE, 40, 4000);
    OK(journal_bind(j, p, "/etc/network.json", &e), e);
}

UNUSED static void story(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0};
    OK(journal_bind(j, p, "/etc/network.json", &e), e);
    story_first_run(j, p);
    journal_close(j); // killed
    j = reopen(at(state));
    story_second_run(j, p);
    journal_close(j);
}
