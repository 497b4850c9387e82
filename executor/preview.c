// SPDX-License-Identifier: Apache-2.0
#include "executor/preview.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/stop.h"
#include "executor/delete.h"
#include "executor/step_files.h"
#include "plans/params.h"

#define TRIES 5
#define PAUSE_MS 500
#define TICK_NS INT64_C(200000000)
#define WORKERS_MAX 64

struct previewing {
    struct run *r;
    pthread_mutex_t lock; // around all below
    pthread_cond_t change;
    size_t next; // step to take
    int workers;
    struct preview total;
    struct err failure; // the first
};

static void add(struct preview *to, const struct preview *from) {
    to->files += from->files;
    to->bytes += from->bytes;
    to->to_send += from->to_send;
    to->to_send_bytes += from->to_send_bytes;
    to->to_mend += from->to_mend;
    to->kept += from->kept;
    to->problems += from->problems;
}

static int preview_step(struct run *r, const struct plan_step *s, struct preview *out,
                        struct err *e) {
    int rc = ERR_RETRY;
    for (int tries = 0; rc == ERR_RETRY && tries < TRIES && !stop_asked(); tries++) {
        if (tries > 0) {
            clock_sleep_ms(PAUSE_MS * tries);
        }
        *e = (struct err){0};
        rc = step_files_preview(r, s, out, e);
    }
    return rc;
}

static void *worker(void *arg) {
    struct previewing *p = arg;
    const struct plan *plan = p->r->plan;
    pthread_mutex_lock(&p->lock);
    while (p->next < plan->n_steps && p->failure.code == 0) {
        const struct plan_step *s = &plan->steps[p->next++];
        struct preview one = {0};
        struct err e = {0};
        if (!plan_is_file_step(s)) {
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        int rc = stop_asked() ? (e.code = stop_error()) : preview_step(p->r, s, &one, &e);
        pthread_mutex_lock(&p->lock);
        if (rc == 0) {
            add(&p->total, &one);
        } else if (p->failure.code == 0) {
            p->failure = e;
            err_wrap(&p->failure, "%s", s->id);
        }
    }
    p->workers--;
    pthread_cond_broadcast(&p->change);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

// This thread's part: to tell how far the others are.
static void wait_for_workers(struct previewing *p, void (*progress)(void *arg, uint64_t files),
                             void *arg) {
    pthread_mutex_lock(&p->lock);
    while (p->workers > 0) {
        struct timespec until = clock_mono_after(TICK_NS);
        pthread_cond_timedwait(&p->change, &p->lock, &until);
        pthread_mutex_unlock(&p->lock);
        progress(arg, p->r->progress.items);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

int preview_files(struct run *r, void (*progress)(void *arg, uint64_t files), void *arg,
                  struct preview *out, struct err *e) {
    struct previewing p = {.r = r};
    pthread_t threads[WORKERS_MAX];
    pthread_condattr_t attributes;
    int started = 0;
    pthread_mutex_init(&p.lock, NULL);
    MUST(pthread_condattr_init(&attributes) == 0);
    MUST(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    pthread_cond_init(&p.change, &attributes);
    pthread_condattr_destroy(&attributes);
    p.workers = r->jobs < WORKERS_MAX ? r->jobs : WORKERS_MAX;
    int wanted = p.workers;
    while (started < wanted && pthread_create(&threads[started], NULL, worker, &p) == 0) {
        started++;
    }
    pthread_mutex_lock(&p.lock);
    p.workers -= wanted - started;
    pthread_mutex_unlock(&p.lock);
    wait_for_workers(&p, progress, arg);
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_cond_destroy(&p.change);
    pthread_mutex_destroy(&p.lock);
    *out = p.total;
    *e = started == 0 ? *e : p.failure;
    return started == 0 ? err_set(e, ERR_FAILED, "no thread to compare files in") : e->code;
}

static int count_deletions(struct run *r, const struct plan_step *step, uint64_t *n,
                           struct err *e) {
    int rc = ERR_RETRY;
    for (int tries = 0; rc == ERR_RETRY && tries < TRIES && !stop_asked(); tries++) {
        AUTO_MONGO struct mongo *source = NULL, *destination = NULL;
        struct step_run s = {
            .run = r, .step = step, .source_db = &source, .destination_db = &destination};
        if (tries > 0) {
            clock_sleep_ms(PAUSE_MS * tries);
        }
        *e = (struct err){0};
        rc = step->collection != NULL ? delete_documents_count(&s, n, e)
                                      : delete_files_count(&s, n, e);
    }
    return rc < 0 ? err_wrap(e, "%s", step->id) : rc;
}

int preview_deletions(struct run *r, struct preview_deletions *out, struct err *e) {
    int rc = 0;
    *out = (struct preview_deletions){0};
    for (size_t i = 0; rc == 0 && r->base != NULL && i < r->plan->n_steps; i++) {
        const struct plan_step *s = &r->plan->steps[i];
        uint64_t n = 0;
        rc = s->kind == KIND_DELETE ? count_deletions(r, s, &n, e) : 0;
        *(s->collection != NULL ? &out->documents : &out->files) += n;
    }
    return rc;
}
