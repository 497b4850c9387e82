// SPDX-License-Identifier: Apache-2.0
// The life of a migration in its journal, seen through the calls and through SQL.
#include "tests/unit/state_support.h"

static void a_new_journal_holds_the_plan(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    umask(0077);
    journal_close(create(at(state), p));
    struct stat st;
    assert_int_equal(fstatat(at(state), "journal.db", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(fstat(at(state), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(faccessat(at(state), ".journal.db.new", F_OK, 0), -1);
    assert_string_equal(ask(state, "PRAGMA application_id"), "1297500493");
    assert_string_equal(ask(state, "PRAGMA user_version"), "2");
    assert_string_equal(ask(state, "PRAGMA journal_mode"), "delete");
    assert_string_equal(ask(state, "SELECT count(*) FROM step WHERE state = 'pending'"), "6");
    assert_string_equal(ask(state, "SELECT stage FROM step WHERE place = 3"), "dump");
    assert_string_equal(ask(state, "SELECT expected_files IS NULL FROM step WHERE place = 5"), "1");
    assert_has(ask(state, "SELECT detail FROM event WHERE seq = 0"), "\"name\":\"line3\"");
}

static void modes_hold_under_any_umask(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    mode_t old = umask(0777);
    journal_close(create(at(state), p));
    umask(old);
    struct stat st;
    assert_int_equal(fstatat(at(state), "journal.db", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_step_lives_from_pending_to_done(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0};
    struct step_status st;
    const struct plan_step *s = &p->steps[0];
    OK(journal_bind(j, p, "/etc/network.json", &e), e);
    OK(journal_step(j, s->hash_text, &st, &e), e);
    assert_int_equal(st.state, STEP_PENDING);
    run_begin(j);
    int64_t attempt = step_begin(j, s);
    OK(journal_step(j, s->hash_text, &st, &e), e);
    assert_int_equal(st.state, STEP_RUNNING);
    struct step_result r = {.files = 10, .bytes = 1000, .sent = 7, .sent_bytes = 700, .present = 3};
    memset(r.digest, 'a', HASH_HEX - 1);
    step_done(j, s, attempt, &r);
    OK(journal_step(j, s->hash_text, &st, &e), e);
    assert_int_equal(st.state, STEP_DONE);
    assert_int_equal(st.attempts, 1);
    assert_memory_equal(&st.result, &r, sizeof r);
    assert_int_equal(journal_step_begin(j, s, &attempt, &e), ERR_FAILED);
    assert_has(e.text, "it is done");
    OK(journal_run_end(j, 0, "done", &e), e);
    journal_close(j);
    assert_string_equal(ask(state, "SELECT group_concat(kind, ' ') FROM event"),
                        "created bound run-begin step-begin step-done run-end");
    assert_string_equal(ask(state, "SELECT config_path FROM migration"), "/etc/network.json");
    assert_string_equal(ask(state, "SELECT outcome || exit_status FROM run"), "done0");
}

static void a_failed_step_keeps_its_error_and_is_tried_again(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0}, why = {0};
    struct step_status st;
    run_begin(j);
    int64_t attempt = step_begin(j, &p->steps[1]);
    err_set(&why, ERR_IO, "the disk \"broke\" \xE2\x80\x93 twice");
    OK(journal_step_end(j, &p->steps[1], attempt, NULL, &why, &e), e);
    OK(journal_step(j, p->steps[1].hash_text, &st, &e), e);
    assert_int_equal(st.state, STEP_FAILED);
    assert_string_equal(st.error, why.text);
    attempt = step_begin(j, &p->steps[1]);
    step_done(j, &p->steps[1], attempt, &(struct step_result){.files = 20, .bytes = 2000});
    OK(journal_step(j, p->steps[1].hash_text, &st, &e), e);
    assert_int_equal(st.attempts, 2);
    assert_string_equal(st.error, why.text);
    journal_close(j);
    assert_string_equal(ask(state, "SELECT step || attempt || step_is_now FROM failures"),
                        "files/datasets/bob/00011done");
}

static int count_batch(void *arg, const struct batch_record *b) {
    uint64_t *last = arg;
    assert_true(b->position >= *last);
    assert_int_equal(b->result.documents, 1000);
    *last = b->end;
    return 0;
}

static void a_killed_step_goes_on_behind_its_batches(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    const struct plan_step *s = &p->steps[4];
    struct journal *j = create(at(state), p);
    struct err e = {0};
    struct step_status st;
    run_begin(j);
    int64_t attempt = step_begin(j, s);
    batch(j, s, attempt, 0, 1000);
    batch(j, s, attempt, 100000, 1000);
    journal_close(j); // as if killed: neither the step nor the run has ended
    j = reopen(at(state));
    OK(journal_step(j, s->hash_text, &st, &e), e);
    assert_int_equal(st.state, STEP_RUNNING);
    run_begin(j);
    OK(journal_step(j, s->hash_text, &st, &e), e);
    assert_int_equal(st.state, STEP_PENDING);
    uint64_t last = 0;
    OK(journal_batches(j, s, count_batch, &last, &e), e);
    assert_int_equal(last, 200000);
    attempt = step_begin(j, s);
    batch(j, s, attempt, last, 1000);
    step_done(j, s, attempt,
              &(struct step_result){.documents = 3000, .bytes = 300000, .sent = 3000});
    journal_close(j);
    assert_string_equal(ask(state, "SELECT group_concat(state || documents || sent) FROM attempt"),
                        "interrupted20002000,done10001000");
    assert_string_equal(ask(state, "SELECT documents FROM step WHERE state = 'done'"), "3000");
    assert_string_equal(ask(state, "SELECT outcome FROM run WHERE id = 1"), "interrupted");
    assert_string_equal(ask(state, "SELECT ended = (SELECT max(recorded) FROM batch WHERE attempt "
                                   "= 1) FROM attempt WHERE id = 1"),
                        "1");
    assert_string_equal(ask(state, "SELECT group_concat(kind, ' ') FROM event WHERE run IS NULL"),
                        "created step-interrupted run-interrupted");
}

static void a_batch_is_recorded_once(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0};
    run_begin(j);
    int64_t attempt = step_begin(j, &p->steps[4]);
    batch(j, &p->steps[4], attempt, 0, 1000);
    struct batch_record again = {.position = 0, .end = 1, .result = {.documents = 5}};
    assert_int_equal(journal_batch(j, &p->steps[4], attempt, &again, &e), ERR_JOURNAL);
    assert_has(e.text, "restore/DataSetFiles/0001: recording the batch at 0: UNIQUE");
    batch(j, &p->steps[4], attempt, 100000, 1000); // and the journal lives on
    assert_int_equal(journal_batch(j, &p->steps[0], attempt, &again, &e), ERR_FAILED);
    assert_int_equal(journal_batch(j, &p->steps[4], attempt + 1, &again, &e), ERR_FAILED);
    journal_close(j);
    assert_string_equal(ask(state, "SELECT documents FROM step WHERE place = 4"), "2000");
}

static void a_step_sent_back_begins_anew(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    const struct plan_step *s = &p->steps[4];
    struct journal *j = create(at(state), p);
    struct err e = {0};
    run_begin(j);
    int64_t attempt = step_begin(j, s);
    batch(j, s, attempt, 0, 3000);
    step_done(j, s, attempt, &(struct step_result){.documents = 3000});
    OK(journal_step_reset(j, s, "dump file is gone", &e), e);
    uint64_t last = 0;
    OK(journal_batches(j, s, count_batch, &last, &e), e);
    assert_int_equal(last, 0);
    attempt = step_begin(j, s);
    batch(j, s, attempt, 0, 1000);
    OK(journal_batches_forget(j, s, &e), e);
    batch(j, s, attempt, 0, 3000);
    step_done(j, s, attempt, &(struct step_result){.documents = 3000});
    journal_close(j);
    assert_string_equal(ask(state, "SELECT group_concat(forgotten, '') FROM batch"), "110");
    assert_string_equal(ask(state, "SELECT documents FROM step WHERE place = 4"), "3000");
    assert_string_equal(ask(state, "SELECT count(*) FROM event WHERE kind IN ('step-reset', "
                                   "'batches-forgotten')"),
                        "2");
}

static void an_edited_plan_is_bound_by_hash(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0};
    run_begin(j);
    int64_t attempt = step_begin(j, &p->steps[0]);
    step_done(j, &p->steps[0], attempt, &(struct step_result){.files = 10});
    p->steps[0].id = "files/datasets/alice/0009"; // a new label for the same work
    p->steps[1].expect.files = 21;
    p->n_steps = 5; // and one taken out
    plan_add(p, "restore/Models/0001", KIND_RESTORE, 1, 1);
    OK(journal_bind(j, p, NULL, &e), e);
    OK(journal_bind(j, p, NULL, &e), e);
    struct step_status st;
    OK(journal_step(j, p->steps[0].hash_text, &st, &e), e);
    assert_int_equal(st.state, STEP_DONE);
    journal_close(j);
    assert_string_equal(ask(state, "SELECT count(*) || sum(in_plan) FROM step"), "76");
    assert_string_equal(ask(state, "SELECT name FROM step WHERE state = 'done'"),
                        "files/datasets/alice/0009");
    assert_string_equal(ask(state, "SELECT expected_files FROM step WHERE place = 1"), "21");
    assert_has(ask(state, "SELECT group_concat(detail) FROM event WHERE kind = 'bound'"),
               "steps=6 new=1 not-in-plan=1,");
    assert_has(ask(state, "SELECT detail FROM event ORDER BY seq DESC LIMIT 1"),
               "steps=6 new=0 not-in-plan=1");
}

static void another_migrations_plan_is_refused(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0};
    p->name = "line4";
    assert_int_equal(journal_bind(j, p, NULL, &e), ERR_PLAN);
    assert_has(e.text, "the plan is of migration line4, the journal of line3");
    p->name = "line3";
    p->source.fingerprint = "cccc";
    assert_int_equal(journal_bind(j, p, NULL, &e), ERR_PLAN);
    assert_has(e.text, "another source");
    p->source.fingerprint = "aaaa";
    p->destination.fingerprint = "cccc";
    assert_int_equal(journal_bind(j, p, NULL, &e), ERR_PLAN);
    assert_has(e.text, "another destination");
    p->destination.fingerprint = NULL;
    memcpy(p->steps[1].hash_text, p->steps[0].hash_text, HASH_HEX);
    assert_int_equal(journal_bind(j, p, NULL, &e), ERR_PLAN);
    assert_has(e.text, "do the same");
    journal_close(j);
    assert_string_equal(ask(state, "SELECT sum(in_plan) FROM step"), "6");
}

static void a_fingerprint_is_learnt_once(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    p->destination.fingerprint = "";
    struct journal *j = create(at(state), p);
    struct err e = {0};
    OK(journal_set_fingerprint(j, false, "bbbb", &e), e);
    OK(journal_set_fingerprint(j, false, "bbbb", &e), e);
    OK(journal_bind(j, p, NULL, &e), e);
    assert_int_equal(journal_set_fingerprint(j, false, "cccc", &e), ERR_PLAN);
    journal_close(j);
    assert_string_equal(ask(state, "SELECT count(*) FROM event WHERE kind = 'fingerprint'"), "1");
    journal_close(reopen(at(state))); // event 0 and the migration row still agree
}

static void the_head_and_the_sealed_copy(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0};
    char head[200], expected[200];
    OK(journal_event(j, "phase", NULL, "files done", &e), e);
    OK(journal_head(j, head, sizeof head, &e), e);
    OK(journal_seal(j, &e), e);
    OK(journal_seal(j, &e), e); // the newer copy takes the place of the older
    OK(journal_event(j, "after", NULL, "x", &e), e);
    journal_close(j);
    snprintf(expected, sizeof expected, "%s",
             ask(state, "SELECT 'seq=' || seq || ' sha256=' || hash FROM event WHERE seq = 1"));
    assert_string_equal(head, expected);
    struct stat st;
    assert_int_equal(fstatat(at(state), "journal-sealed.db", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(unlinkat(at(state), "journal.db", 0), 0);
    assert_int_equal(renameat(at(state), "journal-sealed.db", at(state), "journal.db"), 0);
    assert_string_equal(ask(state, "SELECT max(seq) FROM event"), "1");
}

static void texts_from_outside_are_bounded(void **state) {
    AUTO_PLAN struct plan *p = plan_small();
    struct journal *j = create(at(state), p);
    struct err e = {0};
    run_begin(j);
    int64_t attempt = step_begin(j, &p->steps[4]);
    AUTO_FREE char *huge = must_calloc(1, 100001);
    memset(huge, 'x', 100000);
    for (int i = 0; i < 2; i++) {
        huge[99999] = (char)('a' + i); // two that differ behind the cut stay two
        struct problem_record r = {"DataSetFiles", huge, "rejected", huge};
        OK(journal_problem(j, &p->steps[4], attempt, &r, &e), e);
        OK(journal_problem(j, &p->steps[4], attempt, &r, &e), e);
    }
    step_done(j, &p->steps[4], attempt, &(struct step_result){.rejected = 2});
    OK(journal_event(j, "long", NULL, huge, &e), e);
    journal_close(j);
    assert_string_equal(ask(state, "SELECT count(*) FROM problem"), "2");
    assert_string_equal(ask(state, "SELECT max(length(object_id)) < 8300 FROM problem"), "1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
        TEST(a_new_journal_holds_the_plan),
        TEST(modes_hold_under_any_umask),
        TEST(a_step_lives_from_pending_to_done),
        TEST(a_failed_step_keeps_its_error_and_is_tried_again),
        TEST(a_killed_step_goes_on_behind_its_batches),
        TEST(a_batch_is_recorded_once),
        TEST(a_step_sent_back_begins_anew),
        TEST(an_edited_plan_is_bound_by_hash),
        TEST(another_migrations_plan_is_refused),
        TEST(a_fingerprint_is_learnt_once),
        TEST(the_head_and_the_sealed_copy),
        TEST(texts_from_outside_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
