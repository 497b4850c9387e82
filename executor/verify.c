// SPDX-License-Identifier: Apache-2.0
#include "executor/verify.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/stop.h"
#include "executor/attempt.h"

struct verify {
    const struct verify_job *job;
    pthread_mutex_t lock;
    pthread_cond_t change;
    size_t next; // step to look at
    int workers;
    struct err error; // of the first step that could not be verified
    struct verify_outcome *out;
};

static int one_at_a_time(void *arg, const struct plan_step *s, const struct step_difference *d,
                         struct err *e) {
    struct verify *v = arg;
    pthread_mutex_lock(&v->lock);
    int rc = v->job->difference(v->job->arg, s, d, e);
    pthread_mutex_unlock(&v->lock);
    return rc;
}

static int verify_step(struct verify *v, const struct plan_step *s, struct worker_sessions *w,
                       struct err *e) {
    const struct step_kind *kind = step_kind_find(s->kind);
    struct run *r = v->job->run;
    bool done = r->known[s - r->plan->steps].state == STEP_DONE;
    struct step_verify sv = {.run = r,
                             .step = s,
                             .source_db = &w->source_db,
                             .destination_db = &w->destination_db,
                             .live = v->job->live,
                             .difference = one_at_a_time,
                             .arg = v};
    bool compares = done && kind->verify != NULL;
    if (compares)
        (void)FAULT("verify-step");
    int rc = compares ? kind->verify(&sv, e) : 0;
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
    for (int i = 0; i < job->run->jobs; i++)
        MUST(pthread_create(&threads[i], NULL, worker, &v) == 0);
    tick_until_done(&v);
    for (int i = 0; i < job->run->jobs; i++)
        pthread_join(threads[i], NULL);
    pthread_cond_destroy(&v.change);
    pthread_mutex_destroy(&v.lock);
    if (v.error.code != 0)
        *e = v.error;
    else if (stop_asked())
        return err_set(e, stop_error(), "stopped before everything was compared");
    return v.error.code;
}
