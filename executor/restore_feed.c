// SPDX-License-Identifier: Apache-2.0
// One thread fills batches, the worker takes them: two batches take turns, so that one is filled
// while the other is at the server. Batches of large documents do not: four workers would hold a
// quarter of a gigabyte.
#include <pthread.h>
#include <stdlib.h>

#include "executor/restore.h"

#define BATCHES 2

struct restore_feed {
    struct restore_source *source;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct restore_batch *batch[BATCHES];
    unsigned filled, taken; // batches so far; the one in the worker's hands counts as not taken
    bool in_hand;
    bool stop;
    int result; // of the last restore_batch_fill: 1 while there is more
    struct err failure;
};

static bool has_room(const struct restore_feed *f) {
    unsigned waiting = f->filled - f->taken;
    return waiting == 0 ||
           (waiting < BATCHES && f->batch[f->taken % BATCHES]->source.len < RESTORE_LARGE);
}

// The other batch is in nobody's hands: of the two, only one keeps memory for a large document.
static void take_larger(struct restore_batch *b, struct restore_batch *other) {
    if (other->source.cap > b->source.cap) {
        restore_batch_clear(other);
        struct buf small = b->source;
        b->source = other->source;
        other->source = small;
    }
}

static void *fill_batches(void *arg) {
    struct restore_feed *f = arg;
    pthread_mutex_lock(&f->lock);
    while (!f->stop && f->result > 0) {
        if (!has_room(f)) {
            pthread_cond_wait(&f->change, &f->lock);
            continue;
        }
        struct restore_batch *b = f->batch[f->filled % BATCHES];
        if (f->filled == f->taken) {
            take_larger(b, f->batch[(f->filled + 1) % BATCHES]);
        }
        pthread_mutex_unlock(&f->lock);
        int rc = restore_batch_fill(f->source, b, &f->failure);
        pthread_mutex_lock(&f->lock);
        f->result = rc;
        f->filled += rc > 0;
        pthread_cond_broadcast(&f->change);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

struct restore_feed *restore_feed_start(struct restore_source *s) {
    struct restore_feed *f = must_calloc(1, sizeof *f);
    f->source = s;
    f->result = 1;
    for (int i = 0; i < BATCHES; i++) {
        f->batch[i] = restore_batch_new();
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->change, NULL);
    int errnum = pthread_create(&f->thread, NULL, fill_batches, f);
    f->has_thread = errnum == 0;
    if (!f->has_thread) { // told by the first restore_feed_next; others may end meanwhile
        f->result = err_sys(&f->failure, ERR_RETRY, errnum, "no thread can be started");
    }
    return f;
}

int restore_feed_next(struct restore_feed *f, struct restore_batch **b, struct err *e) {
    pthread_mutex_lock(&f->lock);
    f->taken += f->in_hand;
    f->in_hand = false;
    pthread_cond_broadcast(&f->change);
    while (f->filled == f->taken && f->result > 0) {
        pthread_cond_wait(&f->change, &f->lock);
    }
    int rc = f->result;
    if (f->filled != f->taken) {
        *b = f->batch[f->taken % BATCHES];
        f->in_hand = true;
        rc = 1;
    } else if (rc < 0) {
        *e = f->failure;
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static void restore_feed_stop(struct restore_feed *f) {
    if (!f) {
        return;
    }
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->change);
    pthread_mutex_unlock(&f->lock);
    if (f->has_thread) {
        pthread_join(f->thread, NULL);
    }
    pthread_cond_destroy(&f->change);
    pthread_mutex_destroy(&f->lock);
    for (int i = 0; i < BATCHES; i++) {
        restore_batch_free(f->batch[i]);
    }
    free(f);
}

void restore_feed_cleanup(struct restore_feed **f) {
    restore_feed_stop(*f);
}
