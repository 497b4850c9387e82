// SPDX-License-Identifier: Apache-2.0
#include "executor/verify.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/stop.h"
#include "base/strtab.h"
#include "executor/attempt.h"
#include "plans/params.h"

struct verify {
    const struct verify_job *job;
    pthread_mutex_t lock;
    pthread_cond_t change;
    size_t next; // step to look at
    int workers;
    struct err error; // of the first step that could not be verified
    struct verify_outcome *out;
};

// One step, however often it is begun.
struct looking {
    struct verify *v;
    struct worker_sessions *sessions;
    struct step_told counted; // for the progress line
    struct strtab *told;      // differences that were handed on, by the number of the attempt
    uintptr_t attempt;
};

static int hand_on(void *arg, const struct plan_step *s, const struct step_difference *d,
                   struct err *e) {
    struct looking *l = arg;
    struct verify *v = l->v;
    bool added;
    AUTO_FREE char *key = must_sprintf("%s\n%s\n%s", d->object, d->what, d->id);
    uintptr_t *slot = strtab_slot(l->told, key, strlen(key), &added);
    if (added)
        *slot = l->attempt;
    if (*slot != l->attempt)
        return 0; // an attempt that broke off has told it
    pthread_mutex_lock(&v->lock);
    int rc = v->job->difference(v->job->arg, s, d, e);
    pthread_mutex_unlock(&v->lock);
    return rc;
}

static int look_once(struct looking *l, const struct plan_step *s, struct step_verify *sv,
                     struct err *e) {
    const struct step_kind *kind = step_kind_find(s->kind);
    *sv = (struct step_verify){.run = l->v->job->run,
                               .step = s,
                               .source_db = &l->sessions->source_db,
                               .destination_db = &l->sessions->destination_db,
                               .live = l->v->job->live,
                               .told = &l->counted,
                               .difference = hand_on,
                               .arg = l};
    l->attempt++;
    int rc = kind->verify(sv, e);
    return rc == 0 && FAULT("verify-breaks") ? err_set(e, ERR_RETRY, "fault") : rc;
}

// Questions to MongoDB are tried again one by one (step_verify_db). What is left is a stream of
// files that breaks, or an answer that does: the step is begun anew.
static int look(struct looking *l, const struct plan_step *s, struct step_verify *sv,
                struct err *e) {
    struct run *r = l->v->job->run;
    struct backoff backoff = {0};
    (void)FAULT("verify-step");
    for (;;) {
        struct err failure = {0};
        int rc = look_once(l, s, sv, &failure);
        if (rc == 0)
            return 0;
        bool passing = rc == ERR_RETRY || (rc == ERR_UNREACHABLE && plan_is_file_step(s));
        int64_t wait = passing && !stop_asked() ? backoff_next(&backoff) : -1;
        if (wait < 0) {
            *e = failure;
            return passing && !stop_asked()
                       ? err_append(e, " (given up after %d attempts)", BACKOFF_ATTEMPTS)
                       : rc;
        }
        run_log(r, RUN_LOG_WARNING, s->id, "%s; trying again in %.1f s", failure.text,
                (double)wait / 1000);
        worker_sessions_close(l->sessions);
        clock_sleep_ms(wait);
    }
}

static int verify_step(struct verify *v, const struct plan_step *s, struct worker_sessions *w,
                       struct err *e) {
    struct run *r = v->job->run;
    bool done = r->known[s - r->plan->steps].state == STEP_DONE;
    bool compares = done && step_kind_find(s->kind)->verify != NULL;
    AUTO_STRTAB struct strtab *told = strtab_new();
    struct looking l = {.v = v, .sessions = w, .told = told};
    struct step_verify sv = {0};
    int rc = compares ? look(&l, s, &sv, e) : 0;
    pthread_mutex_lock(&v->lock);
    v->out->steps += compares;
    v->out->not_done += !done;
    v->out->compared += sv.compared;
    v->out->same += sv.same;
    v->out->differ += sv.differ;
    v->out->changed += sv.changed;
    if (rc == 0 && compares && v->job->verified != NULL)
        rc = v->job->verified(v->job->arg, s, &sv, e);
    pthread_mutex_unlock(&v->lock);
    return rc;
}

static void *worker(void *arg) {
    struct verify *v = arg;
    struct worker_sessions sessions = {0};
    const struct plan *p = v->job->run->plan;
    pthread_mutex_lock(&v->lock);
    while (v->next < p->n_steps && v->error.code == 0 && !stop_asked()) {
        const struct plan_step *s = &p->steps[v->next++];
        struct err e = {0};
        if (v->job->passed != NULL && v->job->passed[s - p->steps])
            continue;
        pthread_mutex_unlock(&v->lock);
        int rc = verify_step(v, s, &sessions, &e);
        pthread_mutex_lock(&v->lock);
        if (rc != 0 && v->error.code == 0) {
            err_wrap(&e, "%s", s->id);
            v->error = e;
        }
    }
    v->workers--;
    pthread_cond_broadcast(&v->change);
    pthread_mutex_unlock(&v->lock);
    worker_sessions_close(&sessions);
    return NULL;
}

static void tick_until_done(struct verify *v) {
    pthread_mutex_lock(&v->lock);
    while (v->workers > 0) {
        struct timespec until = clock_mono_after(INT64_C(1000000000));
        pthread_cond_timedwait(&v->change, &v->lock, &until);
        if (v->workers > 0 && v->job->tick != NULL)
            v->job->tick(v->job->tick_arg);
    }
    pthread_mutex_unlock(&v->lock);
}

int verify_steps(const struct verify_job *job, struct verify_outcome *out, struct err *e) {
    struct verify v = {.job = job, .workers = job->run->jobs, .out = out};
    pthread_t threads[64];
    memset(out, 0, sizeof *out);
    MUST(job->run->known != NULL);
    MUST(job->run->jobs >= 1 && job->run->jobs <= 64);
    pthread_mutex_init(&v.lock, NULL);
    clock_cond_init(&v.change);
    int started = 0, errnum = 0;
    while (started < job->run->jobs &&
           (errnum = pthread_create(&threads[started], NULL, worker, &v)) == 0)
        started++;
    pthread_mutex_lock(&v.lock);
    v.workers -= job->run->jobs - started; // fewer take longer, and do the same
    if (started == 0)
        err_sys(&v.error, ERR_FAILED, errnum,
                "no thread can be started that compares (allow this user or pod more of them)");
    pthread_mutex_unlock(&v.lock);
    tick_until_done(&v);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_cond_destroy(&v.change);
    pthread_mutex_destroy(&v.lock);
    if (v.error.code != 0)
        *e = v.error;
    else if (stop_asked())
        return err_set(e, stop_error(), "stopped before everything was compared");
    return v.error.code;
}
