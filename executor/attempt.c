// SPDX-License-Identifier: Apache-2.0
#include "executor/attempt.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/stop.h"

// Passing failures in a row, none of which got any further: waits of 0.5 s, 1 s, 2 s ... 30 s,
// about four minutes in all. A fail-over of a replica set takes some ten seconds, a pod's restart
// up to a minute or two.
#define ATTEMPTS_MAX 12
#define WAIT_FIRST_MS 500
#define WAIT_MAX_MS 30000

void worker_sessions_close(struct worker_sessions *w) {
    mongo_free(STEAL(w->source_db));
    mongo_free(STEAL(w->destination_db));
}

static int64_t backoff_ms(int attempt, const char *step_hash) {
    int64_t wait = WAIT_FIRST_MS;
    for (int i = 0; i < attempt && wait < WAIT_MAX_MS; i++)
        wait *= 2;
    if (wait > WAIT_MAX_MS)
        wait = WAIT_MAX_MS;
    // Jitter of up to a quarter, so that workers that failed together do not come back together.
    uint64_t mixed = hash_mix64(step_hash, 64) ^ (uint64_t)clock_mono_ns();
    return wait + (int64_t)(mixed % (uint64_t)(wait / 4 + 1));
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
    for (int attempt = 0;; attempt++) {
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
            attempt = 0;
        if (attempt + 1 == ATTEMPTS_MAX) {
            err_set(e, ERR_UNREACHABLE, "%s (given up after %d attempts)", failure.text,
                    ATTEMPTS_MAX);
            return ERR_UNREACHABLE;
        }
        int64_t wait = backoff_ms(attempt, s->hash_text);
        r->progress.retries++;
        run_log(r, RUN_LOG_WARNING, s->id, "%s; trying again in %.1f s", failure.text,
                (double)wait / 1000);
        clock_sleep_ms(wait);
        if (stop_asked())
            return err_set(e, stop_error(), "stopped while waiting to try again");
    }
}
