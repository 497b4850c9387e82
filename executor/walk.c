// SPDX-License-Identifier: Apache-2.0
// Threads: the caller's thread ticks and waits; `jobs` workers take ready steps. One mutex guards
// the graph and the outcome; no step runs under it.
#include "executor/walk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/stop.h"
#include "executor/attempt.h"
#include "executor/graph.h"

#define TICK_NS 200000000 // a progress line five times a second looks alive and costs nothing

struct walk {
    struct run *run;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct graph *graph;
    bool *needed; // dumps whose restore is not done: their files must be there
    int running;
    int workers;
    bool no_more;     // take no further steps
    struct err fatal; // the journal died
    struct walk_outcome *out;
};

// Dumps that a restore still has to read.
static void mark_needed(struct walk *w) {
    const struct plan *p = w->run->plan;
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct plan_step *s = &p->steps[i];
        struct step_status st;
        struct err ignored = {0};
        if (s->kind != KIND_RESTORE)
            continue;
        if (journal_step(w->run->journal, s->hash_text, &st, &ignored) != 0 ||
            st.state != STEP_DONE)
            w->needed[s->from_index] = true;
    }
}

static bool product_is_there(struct walk *w, const struct plan_step *s) {
    char path[STEP_PRODUCT_MAX];
    struct stat st;
    step_product_path(w->run->plan, s, path);
    return fstatat(w->run->workdir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

// 1: done before, nothing to do; 0: to be run; negative: the journal cannot be read.
static int is_done(struct walk *w, size_t i, struct err *e) {
    const struct plan_step *s = &w->run->plan->steps[i];
    struct step_status st = {0};
    int rc = journal_step(w->run->journal, s->hash_text, &st, e);
    if (rc != 0)
        return rc;
    if (st.state != STEP_DONE) {
        run_log(w->run, RUN_LOG_DEBUG, s->id, "run: %s, %lld attempt(s) before",
                step_state_names[st.state], (long long)st.attempts);
        return 0;
    }
    if (s->kind == KIND_DUMP && w->needed[i] && !product_is_there(w, s)) {
        run_log(w->run, RUN_LOG_WARNING, s->id,
                "run again: its dump file is gone and a restore still needs it");
        rc = journal_step_reset(w->run->journal, s, "dump file is gone", e);
        return rc != 0 ? rc : 0;
    }
    run_log(w->run, RUN_LOG_DEBUG, s->id, "skipped: done before (%.8s)", s->hash_text);
    return 1;
}

static void add_totals(struct step_result *sum, const struct step_result *r) {
    sum->files += r->files;
    sum->documents += r->documents;
    sum->bytes += r->bytes;
    sum->sent += r->sent;
    sum->sent_bytes += r->sent_bytes;
    sum->present += r->present;
    sum->conflicts += r->conflicts;
    sum->rejected += r->rejected;
}

static void note_failure(struct walk *w, const struct plan_step *s, const struct err *failure) {
    struct walk_outcome *out = w->out;
    out->failed++;
    w->run->progress.steps_failed++;
    run_log(w->run, RUN_LOG_ERROR, s->id, "failed: %s", failure->text);
    // A refused login or an end that is away is what every other step would meet, too.
    if (failure->code == ERR_LOGIN || failure->code == ERR_UNREACHABLE || w->run->fail_fast)
        w->no_more = true;
    if (out->first_error_code == 0) {
        out->first_error_code = failure->code;
        struct err named = *failure;
        err_wrap(&named, "%s", s->id);
        memcpy(out->first_error, named.text, sizeof out->first_error);
    }
}

// Called with the lock held, after a step was run or skipped.
static void note_result(struct walk *w, size_t i, int rc, const struct step_result *result,
                        const struct err *failure) {
    const struct plan_step *s = &w->run->plan->steps[i];
    if (rc == 0) {
        w->out->done++;
        w->run->progress.steps_done++;
        add_totals(&w->out->totals, result);
        graph_finish(w->graph, i);
    } else if (rc == ERR_JOURNAL) {
        w->fatal = *failure;
        w->no_more = true;
    } else if (stop_asked()) {
        w->out->not_reached++;
        w->no_more = true;
    } else {
        note_failure(w, s, failure);
    }
}

static void run_step(struct walk *w, size_t i, struct worker_sessions *sessions) {
    const struct plan_step *s = &w->run->plan->steps[i];
    struct err failure = {0};
    struct step_result result = {0};
    pthread_mutex_unlock(&w->lock);
    int done = is_done(w, i, &failure);
    int rc = done < 0 ? ERR_JOURNAL : 0;
    if (done == 0) {
        w->run->progress.steps_running++;
        rc = attempt_step(w->run, s, sessions, &result, &failure);
        w->run->progress.steps_running--;
    }
    pthread_mutex_lock(&w->lock);
    if (done == 1) {
        w->out->skipped++;
        graph_finish(w->graph, i);
    } else {
        note_result(w, i, rc, &result, &failure);
    }
}

static void *worker(void *arg) {
    struct walk *w = arg;
    struct worker_sessions sessions = {0};
    size_t step;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        if (stop_asked())
            w->no_more = true;
        if (!w->no_more && graph_take(w->graph, &step)) {
            w->running++;
            run_step(w, step, &sessions);
            w->running--;
            pthread_cond_broadcast(&w->change);
        } else if (w->no_more || w->running == 0) {
            break; // nothing is ready and nothing runs that could make it so
        } else {
            pthread_cond_wait(&w->change, &w->lock);
        }
    }
    w->workers--;
    pthread_cond_broadcast(&w->change);
    pthread_mutex_unlock(&w->lock);
    worker_sessions_close(&sessions);
    return NULL;
}

// The caller's thread, until the last worker is gone.
static void tick_until_done(struct walk *w, void (*tick)(void *arg), void *arg) {
    pthread_mutex_lock(&w->lock);
    while (w->workers > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        while (w->workers > 0 && pthread_cond_timedwait(&w->change, &w->lock, &until) == 0) {
        }
        if (tick == NULL)
            continue;
        pthread_mutex_unlock(&w->lock);
        tick(arg);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

static int outcome_code(const struct walk *w, struct err *e) {
    struct walk_outcome *out = w->out;
    out->not_reached += graph_left(w->graph);
    if (w->fatal.code != 0) {
        *e = w->fatal;
        return e->code;
    }
    if (stop_asked())
        return err_set(e, stop_error(), "stopped; `mvimig resume` goes on");
    if (out->failed == 0)
        return 0;
    if (out->first_error_code == ERR_LOGIN || out->first_error_code == ERR_UNREACHABLE)
        return err_set(e, out->first_error_code, "%s", out->first_error);
    return err_set(e, ERR_LEFTOVER, "%s", out->first_error);
}

int walk(struct run *r, void (*tick)(void *arg), void *arg, struct walk_outcome *out,
         struct err *e) {
    MUST(r->jobs >= 1 && r->jobs <= 64);
    struct walk w = {.run = r,
                     .out = out,
                     .graph = graph_new(r->plan),
                     .needed = must_calloc(r->plan->n_steps + 1, sizeof *w.needed),
                     .workers = r->jobs};
    pthread_t threads[64];
    memset(out, 0, sizeof *out);
    mark_needed(&w);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.change, NULL);
    for (int i = 0; i < r->jobs; i++)
        MUST(pthread_create(&threads[i], NULL, worker, &w) == 0);
    tick_until_done(&w, tick, arg);
    for (int i = 0; i < r->jobs; i++)
        pthread_join(threads[i], NULL);
    int rc = outcome_code(&w, e);
    out->conflicts = r->progress.conflicts;
    out->problems = r->progress.problems;
    pthread_cond_destroy(&w.change);
    pthread_mutex_destroy(&w.lock);
    graph_free(w.graph);
    free(w.needed);
    return rc;
}
