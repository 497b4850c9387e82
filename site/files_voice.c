// SPDX-License-Identifier: Apache-2.0
// What all streams of a step tell is told as by one: a call at a time, and batches in the order in
// which their receipts came.
#include "site/files_streams.h"

static int told_batch(void *arg, const struct files_batch *b, struct err *e) {
    struct streams *x = arg;
    struct files_batch told = *b;
    pthread_mutex_lock(&x->told_lock);
    told.number = x->n_told++; // those of each session count from 0
    int rc = x->told->batch == NULL ? 0 : x->told->batch(x->told->arg, &told, e);
    pthread_mutex_unlock(&x->told_lock);
    return rc;
}

static int told_conflict(void *arg, const struct files_conflict *c, struct err *e) {
    struct streams *x = arg;
    pthread_mutex_lock(&x->told_lock);
    int rc = x->told->conflict(x->told->arg, c, e);
    pthread_mutex_unlock(&x->told_lock);
    return rc;
}

static int told_problem(void *arg, const char *path, const char *class, const char *detail,
                        struct err *e) {
    struct streams *x = arg;
    pthread_mutex_lock(&x->told_lock);
    int rc = x->told->problem(x->told->arg, path, class, detail, e);
    pthread_mutex_unlock(&x->told_lock);
    return rc;
}

static int told_as_laid(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE],
                        bool *ours, struct err *e) {
    struct streams *x = arg;
    pthread_mutex_lock(&x->told_lock);
    int rc = x->told->as_laid(x->told->arg, type, path, digest, ours, e);
    pthread_mutex_unlock(&x->told_lock);
    return rc;
}

static void told_laid(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE]) {
    struct streams *x = arg;
    pthread_mutex_lock(&x->told_lock);
    x->told->laid(x->told->arg, type, path, digest);
    pthread_mutex_unlock(&x->told_lock);
}

static void told_progress(void *arg, uint64_t files, uint64_t bytes) {
    struct streams *x = arg;
    pthread_mutex_lock(&x->told_lock);
    x->told->progress(x->told->arg, files, bytes);
    pthread_mutex_unlock(&x->told_lock);
}

static void told_note(void *arg, const char *text) {
    struct streams *x = arg;
    pthread_mutex_lock(&x->told_lock);
    x->told->note(x->told->arg, text);
    pthread_mutex_unlock(&x->told_lock);
}

void voice_open(struct streams *x) {
    struct files_job job = *x->told;
    job.arg = x;
    job.batch = told_batch;
    job.conflict = told_conflict;
    job.problem = told_problem;
    job.as_laid = job.as_laid == NULL ? NULL : told_as_laid;
    job.laid = job.laid == NULL ? NULL : told_laid;
    job.progress = job.progress == NULL ? NULL : told_progress;
    job.note = job.note == NULL ? NULL : told_note;
    x->job = job;
}
