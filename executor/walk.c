// SPDX-License-Identifier: Apache-2.0
// Threads: the caller's thread ticks and waits; `jobs` workers take ready steps. One mutex guards
// the graph and the outcome; no step runs under it.
#include "executor/walk.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/stop.h"
#include "executor/attempt.h"
#include "executor/graph.h"

#define TICK_NS 200000000 // a progress line five times a second looks alive and costs nothing

// A dump is what its restores are checked against: none of them begins before its end is durable.
struct told {
    size_t step;
    uint64_t mark; // of the journal
};

struct walk {
    struct run *run;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct graph *graph;
    bool *needed;      // dumps whose restore is not done: their files must be there
    bool *taken;       // were ready, and were decided on
    bool *rerun;       // done before, and to be done again
    struct told *told; // dumps that have ended, whose record is on its way to the disk
    size_t n_told;
    int running, reading; // reading: of those, the ones that are no restores
    int workers, workers_max;
    bool no_more;     // take no further steps
    struct err fatal; // the journal died
    struct walk_outcome *out;
};

static bool is_done(const struct walk *w, size_t i) {
    return w->run->known[i].state == STEP_DONE && !w->rerun[i];
}

// Dumps that a restore still has to read.
static void mark_needed(struct walk *w) {
    const struct plan *p = w->run->plan;
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].kind == KIND_RESTORE && !is_done(w, i))
            w->needed[p->steps[i].from_index] = true;
}

static bool names_any(const struct plan *p, const char *word) {
    for (size_t i = 0; i < p->n_steps; i++)
        if (run_names_step(word, &p->steps[i]))
            return true;
    return false;
}

static bool rerun_names(const char *word, const struct plan_step *s) {
    bool files = s->kind == KIND_FILE_BATCH || s->kind == KIND_TAR_LIST;
    if (*word == 0)
        return true;
    if (strcmp(word, "files") == 0 || strcmp(word, "db") == 0)
        return files == (strcmp(word, "files") == 0);
    return run_names_step(word, s);
}

static bool rerun_names_any(const struct plan *p, const char *word) {
    return *word == 0 || strcmp(word, "files") == 0 || strcmp(word, "db") == 0 ||
           names_any(p, word);
}

// What was read again must also be written again: a restore goes along with its dump.
static int mark_rerun(struct walk *w, struct err *e) {
    struct run *r = w->run;
    const struct plan *p = r->plan;
    size_t marked = 0;
    for (size_t i = 0; i < p->n_steps && r->rerun != NULL; i++)
        w->rerun[i] = rerun_names(r->rerun, &p->steps[i]);
    for (size_t i = 0; i < p->n_steps && r->rerun != NULL; i++)
        if (p->steps[i].kind == KIND_RESTORE && w->rerun[p->steps[i].from_index])
            w->rerun[i] = true;
    for (size_t i = 0; i < p->n_steps; i++) {
        w->rerun[i] = w->rerun[i] && r->known[i].state == STEP_DONE &&
                      (r->only == NULL || run_names_step(r->only, &p->steps[i]));
        marked += w->rerun[i];
    }
    return marked == 0 || r->dry_run ? 0 : journal_rerun(r->journal, p, w->rerun, e);
}

static bool product_is_there(struct walk *w, const struct plan_step *s) {
    char path[STEP_PRODUCT_MAX];
    struct stat st;
    step_product_path(w->run->plan, s, path);
    return fstatat(w->run->workdir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void explain(struct walk *w, const struct plan_step *s, bool runs, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void explain(struct walk *w, const struct plan_step *s, bool runs, const char *fmt, ...) {
    char why[200];
    va_list ap;
    if (w->run->explain == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    w->run->explain(w->run->explain_arg, s->id, runs, why);
}

enum decision { DECIDE_RUN, DECIDE_RUN_AGAIN, DECIDE_SKIP, DECIDE_LEAVE_OUT };

// What is to be done with a ready step, explained; called with the lock held.
static enum decision decide(struct walk *w, size_t i) {
    const struct run *r = w->run;
    const struct plan_step *s = &r->plan->steps[i];
    const struct step_brief *known = &r->known[i];
    bool lost = is_done(w, i) && s->kind == KIND_DUMP && w->needed[i] && !product_is_there(w, s);
    if (is_done(w, i) && !lost) {
        explain(w, s, false, "done before (%.8s)", s->hash_text);
        return DECIDE_SKIP;
    }
    if (r->only != NULL && !run_names_step(r->only, s)) {
        explain(w, s, false, "left out by --only, and not done before");
        return DECIDE_LEAVE_OUT;
    }
    if (lost)
        explain(w, s, true, "its dump file is gone and a restore still needs it");
    else if (w->rerun[i])
        explain(w, s, true, "done before; asked for by --rerun");
    else if (known->attempts == 0)
        explain(w, s, true, "not begun yet");
    else
        explain(w, s, true, "%s after %lld attempt(s)",
                known->state == STEP_FAILED ? "failed" : "unfinished", (long long)known->attempts);
    return lost ? DECIDE_RUN_AGAIN : DECIDE_RUN;
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
        step_result_add(&w->out->totals, result);
        if (s->kind == KIND_DUMP && !w->run->dry_run)
            w->told[w->n_told++] = (struct told){i, journal_mark(w->run->journal)};
        else
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

static int do_step(struct walk *w, const struct plan_step *s, bool again,
                   struct worker_sessions *sessions, struct step_result *result,
                   struct err *failure) {
    struct run *r = w->run;
    if (r->dry_run)
        return 0;
    if (again && journal_step_reset(r->journal, s, "dump file is gone", failure) != 0)
        return ERR_JOURNAL;
    r->progress.steps_running++;
    int rc = attempt_step(r, s, sessions, result, failure);
    r->progress.steps_running--;
    return rc;
}

static void run_step(struct walk *w, size_t i, struct worker_sessions *sessions) {
    struct err failure = {0};
    struct step_result result = {0};
    enum decision decision = decide(w, i);
    if (decision == DECIDE_SKIP) {
        w->out->skipped++;
        graph_finish(w->graph, i);
    } else if (decision == DECIDE_LEAVE_OUT) {
        w->out->left_out++;
    } else {
        pthread_mutex_unlock(&w->lock);
        int rc = do_step(w, &w->run->plan->steps[i], decision == DECIDE_RUN_AGAIN, sessions,
                         &result, &failure);
        pthread_mutex_lock(&w->lock);
        note_result(w, i, rc, &result, &failure);
    }
}

static void finish_durable(struct walk *w) {
    size_t left = 0;
    for (size_t i = 0; i < w->n_told; i++) {
        if (journal_settled(w->run->journal, w->told[i].mark))
            graph_finish(w->graph, w->told[i].step);
        else
            w->told[left++] = w->told[i];
    }
    w->n_told = left;
}

// Takes the next step; false when none is ready. One worker reads while the others write: so
// neither end waits for the other, and what was dumped is restored while the page cache still has
// it. Alone, a worker keeps to the order of the plan. The journal takes its time to commit; a
// worker that would have nothing of its kind to do until then asks for it at once. Called with the
// lock held.
static bool take(struct walk *w, size_t *step) {
    finish_durable(w);
    if (w->n_told > 0 && !graph_ready(w->graph, w->reading > 0)) {
        struct err e = {0};
        w->running++;
        pthread_mutex_unlock(&w->lock);
        int rc = journal_settle(w->run->journal, &e);
        pthread_mutex_lock(&w->lock);
        w->running--;
        if (rc != 0) {
            w->fatal = e;
            w->no_more = true;
            return false;
        }
        finish_durable(w);
        pthread_cond_broadcast(&w->change);
    }
    return graph_take(w->graph, w->reading > 0, step);
}

static void *worker(void *arg) {
    struct walk *w = arg;
    struct worker_sessions sessions = {0};
    size_t step;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        if (stop_asked())
            w->no_more = true;
        if (!w->no_more && take(w, &step)) {
            bool reads = w->run->plan->steps[step].kind != KIND_RESTORE;
            w->running++;
            w->reading += reads;
            w->taken[step] = true;
            run_step(w, step, &sessions);
            w->reading -= reads;
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
        struct timespec until = clock_mono_after(TICK_NS);
        while (w->workers > 0 && pthread_cond_timedwait(&w->change, &w->lock, &until) == 0) {
        }
        if (w->run->deadline_mono_ns > 0 && clock_mono_ns() >= w->run->deadline_mono_ns)
            stop_time_is_up();
        if (tick == NULL)
            continue;
        pthread_mutex_unlock(&w->lock);
        tick(arg);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

// Steps that were never ready, less those that --only leaves out anyway.
static uint64_t count_behind(struct walk *w) {
    const struct plan *p = w->run->plan;
    uint64_t behind = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        if (w->taken[i] || is_done(w, i))
            continue;
        bool out = w->run->only != NULL && !run_names_step(w->run->only, &p->steps[i]);
        w->out->left_out += out;
        behind += !out;
        if (!stop_asked())
            explain(w, &p->steps[i], false,
                    out ? "left out by --only, and not done before"
                        : "waits for steps that are not done");
    }
    return behind;
}

static int outcome_code(struct walk *w, struct err *e) {
    struct walk_outcome *out = w->out;
    out->not_reached += count_behind(w);
    if (w->fatal.code != 0) {
        *e = w->fatal;
        return e->code;
    }
    if (stop_asked() && (out->not_reached > 0 || out->failed > 0))
        return err_set(e, stop_error(), "%s; `mvimig resume` goes on",
                       stop_is_time_up() ? "stopped: --max-duration is over" : "stopped");
    if (out->failed == 0 && out->not_reached > 0)
        return err_set(e, ERR_LEFTOVER, "%llu step(s) wait for others that --only leaves out",
                       (unsigned long long)out->not_reached);
    if (out->failed == 0)
        return 0;
    if (out->first_error_code == ERR_LOGIN || out->first_error_code == ERR_UNREACHABLE)
        return err_set(e, out->first_error_code, "%s", out->first_error);
    return err_set(e, ERR_LEFTOVER, "%s", out->first_error);
}

static void run_workers(struct walk *w, void (*tick)(void *arg), void *arg) {
    pthread_t threads[64];
    const int n = w->workers_max;
    int started = 0, errnum = 0;
    pthread_mutex_init(&w->lock, NULL);
    clock_cond_init(&w->change);
    while (started < n && (errnum = pthread_create(&threads[started], NULL, worker, w)) == 0)
        started++;
    pthread_mutex_lock(&w->lock);
    w->workers -= n - started; // fewer take longer, and do the same
    if (started == 0)
        err_sys(
            &w->fatal, ERR_FAILED, errnum,
            "no thread can be started that does the steps (allow this user or pod more of them)");
    pthread_mutex_unlock(&w->lock);
    tick_until_done(w, tick, arg);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_cond_destroy(&w->change);
    pthread_mutex_destroy(&w->lock);
}

int walk_check_words(const struct plan *p, const char *only, const char *rerun, struct err *e) {
    if (only != NULL && !names_any(p, only))
        return err_set(e, ERR_USAGE,
                       "--only %s: the plan has no such step (a prefix ends in \"/\")", only);
    if (rerun != NULL && !rerun_names_any(p, rerun))
        return err_set(e, ERR_USAGE,
                       "--rerun=%s: neither files, db nor a step of the plan (a prefix ends in "
                       "\"/\")",
                       rerun);
    return 0;
}

// What the journal knows, and what is to be done again in spite of that.
static int prepare(struct walk *w, struct err *e) {
    struct run *r = w->run;
    int rc = 0;
    if (r->known == NULL) {
        r->known = arena_alloc(r->plan->arena, r->plan->n_steps * sizeof *r->known);
        rc = journal_steps(r->journal, r->plan, r->known, e);
    }
    if (rc == 0)
        rc = mark_rerun(w, e);
    if (rc == 0)
        mark_needed(w);
    return rc;
}

static void forget_dumped(struct run *r) {
    for (size_t i = 0; i < r->plan->n_steps; i++)
        free(r->dumped[i]);
    free(r->dumped);
    r->dumped = NULL;
}

int walk(struct run *r, void (*tick)(void *arg), void *arg, struct walk_outcome *out,
         struct err *e) {
    size_t n = r->plan->n_steps + 1;
    AUTO_FREE bool *needed = must_calloc(n, sizeof *needed);
    AUTO_FREE bool *rerun = must_calloc(n, sizeof *rerun);
    AUTO_FREE bool *taken = must_calloc(n, sizeof *taken);
    AUTO_FREE struct told *told = must_calloc(n, sizeof *told);
    MUST(r->jobs >= 1 && r->jobs <= 64);
    struct walk w = {.run = r,
                     .out = out,
                     .needed = needed,
                     .rerun = rerun,
                     .taken = taken,
                     .told = told,
                     .workers = r->dry_run ? 1 : r->jobs};
    memset(out, 0, sizeof *out);
    w.workers_max = w.workers;
    int rc = prepare(&w, e);
    if (rc != 0)
        return rc;
    w.graph = graph_new(r->plan);
    r->dumped = must_calloc(n, sizeof *r->dumped);
    pthread_mutex_init(&r->deletions.lock, NULL);
    run_workers(&w, tick, arg);
    pthread_mutex_destroy(&r->deletions.lock);
    rc = outcome_code(&w, e);
    out->conflicts = r->progress.conflicts;
    out->problems = r->progress.problems;
    forget_dumped(r);
    graph_free(w.graph);
    return rc;
}
