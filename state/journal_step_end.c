// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "base/stop.h"
#include "state/bounded.h"
#include "state/event.h"
#include "state/journal_parts.h"
#include "state/records.h"

struct end_args {
    const struct plan_step *step;
    int64_t attempt;
    const struct step_result *result; // NULL, for failures: what the batches hold
    const char *error;                // NULL: done
    bool stopped;                     // by the user: the error is no failure of the step
    int64_t milliseconds;
    const struct finding *findings;
};

// What the log says of an end. An audit compares it with the rows: keep it canonical.
static int end_event(struct journal *j, const struct end_args *a, const struct step_row *step,
                     struct err *e) {
    if (a->stopped) {
        return event_append(j, "step-interrupted", a->step->id, e, "attempt=%" PRId64 " hash=%s",
                            step->attempt_number, a->step->hash_text);
    }
    if (a->error != NULL) {
        return event_append(j, "step-failed", a->step->id, e, "attempt=%" PRId64 " hash=%s: %s",
                            step->attempt_number, a->step->hash_text, a->error);
    }
    const struct step_result *r = a->result;
    struct records records;
    int rc = records_read(&j->db, step->id, &records, e);
    if (rc != 0) {
        return rc;
    }
    return event_append(j, "step-done", a->step->id, e,
                        "attempt=%" PRId64 " hash=%s files=%" PRIu64 " documents=%" PRIu64
                        " bytes=%" PRIu64 " sent=%" PRIu64 " sent_bytes=%" PRIu64
                        " present=%" PRIu64 " conflicts=%" PRIu64 " rejected=%" PRIu64 " digest=%s"
                        " batch=%s conflict=%s problem=%s",
                        step->attempt_number, a->step->hash_text, r->files, r->documents, r->bytes,
                        r->sent, r->sent_bytes, r->present, r->conflicts, r->rejected, r->digest,
                        records.hex[RECORDS_BATCH], records.hex[RECORDS_CONFLICT],
                        records.hex[RECORDS_PROBLEM]);
}

static int end_attempt(struct journal *j, const struct end_args *a, const struct stamp *now,
                       struct err *e) {
    const char *state = a->error == NULL ? "done" : a->stopped ? "interrupted" : "failed";
    int rc = 0;
    if (a->result != NULL) {
        rc = db_run(&j->db, e, SQL_ATTEMPT_OWN, "ci", a->result, a->attempt);
    }
    return rc == 0 ? db_run(&j->db, e, SQL_ATTEMPT_END, "ttititi", state, now->text,
                            a->milliseconds, a->error == NULL || a->stopped ? "" : a->error,
                            j->chain.seq, a->error == NULL ? a->result->digest : "", a->attempt)
                   : rc;
}

// A pass that is done has looked at everything again that the same step of earlier passes left
// over.
static int supersede_earlier(struct journal *j, int64_t step, struct err *e) {
    int rc = db_run(&j->db, e, SQL_CONFLICT_SUPERSEDE_EARLIER, "i", step);
    return rc == 0 ? db_run(&j->db, e, SQL_PROBLEM_SUPERSEDE_EARLIER, "i", step) : rc;
}

static int step_end(struct journal *j, void *arg, struct err *e) {
    const struct end_args *a = arg;
    struct step_row step = {0};
    struct stamp now = stamp_now();
    int rc = step_find_attempt(j, a->step, a->attempt, &step, e);
    if (rc == 0) {
        rc = findings_write(j, a->step, &step, a->attempt, a->findings, e);
    }
    if (rc == 0) {
        rc = end_event(j, a, &step, e);
    }
    if (rc == 0) {
        rc = end_attempt(j, a, &now, e);
    }
    if (rc == 0 && a->error == NULL) {
        rc = supersede_earlier(j, step.id, e);
    }
    if (rc != 0) {
        return rc;
    }
    return a->stopped         ? db_run(&j->db, e, SQL_STEP_PENDING, "i", step.id)
           : a->error != NULL ? db_run(&j->db, e, SQL_STEP_FAILED, "i", step.id)
                              : db_run(&j->db, e, SQL_STEP_DONE, "ttci", now.text,
                                       a->result->digest, a->result, step.id);
}

int journal_step_end(struct journal *j, const struct plan_step *s, int64_t attempt,
                     const struct step_result *r, const struct err *error, struct err *e) {
    MUST(r != NULL || error != NULL);
    const char *text = error == NULL ? NULL : error->text[0] != 0 ? error->text : "no reason given";
    AUTO_FREE char *bounded = text == NULL ? NULL : bounded_copy(text);
    struct finding *findings = attempt_take(j, attempt);
    struct end_args args = {.step = s,
                            .attempt = attempt,
                            .result = r,
                            .error = bounded,
                            .stopped = error != NULL && stop_asked() && error->code == stop_error(),
                            .milliseconds = attempt_milliseconds(j, attempt),
                            .findings = findings};
    int rc = WRITER_EARLY(j, step_end, &args, e);
    if (rc != 0) {
        attempt_give_back(j, attempt, findings);
        return err_wrap(e, "%s: ending the step", s->id);
    }
    finding_free_list(findings);
    attempt_forget(j, attempt);
    return 0;
}
