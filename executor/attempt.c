// SPDX-License-Identifier: Apache-2.0
#include "executor/attempt.h"

#include <stdlib.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/stop.h"

void worker_sessions_close(struct worker_sessions *w) {
    mongo_free(STEAL(w->source_db));
    mongo_free(STEAL(w->destination_db));
}

// One attempt. *ran is what the step itself returned; the result is that of the journal calls.
static int attempt_once(struct run *r, const struct plan_step *s, struct worker_sessions *w,
                        struct step_told *told, struct step_result *result, int *ran,
                        struct err *failure, struct err *e) {
    const struct step_kind *kind = step_kind_find(s->kind);
    struct step_run sr = {.run = r,
                          .step = s,
                          .source_db = &w->source_db,
                          .destination_db = &w->destination_db,
                          .told = told};
    MUST(kind != NULL);
    int rc = journal_step_begin(r->journal, s, &sr.attempt, e);
    if (rc != 0)
        return rc;
    (void)FAULT("attempt");
    *ran = kind->run(&sr, failure);
    *result = sr.result;
    return journal_step_end(r->journal, s, sr.attempt, &sr.result, *ran == 0 ? NULL : failure, e);
}

// Batches that are durable stay so: an attempt that brought some was none in vain, however often
// the way to the destination breaks. A step of documents counts those of earlier attempts, too; one
// of files finds them there.
static bool got_further(const struct plan_step *s, const struct step_result *result,
                        uint64_t *sent) {
    if (s->kind == KIND_FILE_BATCH || s->kind == KIND_TAR_LIST)
        return result->sent > 0 || result->sent_bytes > 0;
    bool more = result->sent > *sent;
    *sent = more ? result->sent : *sent;
    return more;
}

int attempt_step(struct run *r, const struct plan_step *s, struct worker_sessions *w,
                 struct step_result *result, struct err *e) {
    uint64_t sent = 0;
    struct step_told told = {0};
    struct backoff backoff = {0};
    for (;;) {
        struct err failure = {0};
        int ran = 0;
        int rc = attempt_once(r, s, w, &told, result, &ran, &failure, e);
        if (rc != 0)
            return rc;
        if (ran == 0)
            return 0;
        if (stop_asked())
            return err_set(e, stop_error(), "%s", failure.text);
        if (ran != ERR_RETRY && ran != ERR_UNREACHABLE) {
            *e = failure;
            return ran;
        }
        worker_sessions_close(w);
        if (got_further(s, result, &sent))
            backoff = (struct backoff){0};
        int64_t wait = backoff_next(&backoff);
        if (wait < 0)
            return err_set(e, ERR_UNREACHABLE, "%s (given up after %d attempts)", failure.text,
                           BACKOFF_ATTEMPTS);
        r->progress.retries++;
        run_log(r, RUN_LOG_WARNING, s->id, "%s; trying again in %.1f s", failure.text,
                (double)wait / 1000);
        clock_sleep_ms(wait);
        if (stop_asked())
            return err_set(e, stop_error(), "stopped while waiting to try again");
    }
}
