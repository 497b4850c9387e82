// SPDX-License-Identifier: Apache-2.0
// What the sender's side of further streams (files_streams.c) shares with those who carry
// (files_carrier.c) and with what speaks for all of them (files_voice.c).
#pragma once

#include <pthread.h>

#include "site/files_private.h"

#define STREAMS_MAX 4           // the sender's own among them
#define TURN_NS 200000000       // so often is looked for receipts, and at a stop, while waiting
#define LARGE_BYTES BATCH_BYTES // such a file is carried, rather than holding up the walk

struct carrier {
    struct streams *all;
    pthread_t thread;
    struct sender *sender; // its own: session, batches, what is read
    struct files_counts counts;
    bool ready, ended;
    uint64_t settled; // the last such request that it has answered
};

struct streams {
    struct sender *sender; // whose streams they are
    // files_voice.c
    const struct files_job *told;
    struct files_job job; // calls back to `told`, one call at a time
    pthread_mutex_t told_lock;
    uint64_t n_told; // batches

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t work, turn;
    struct item *first, **last; // to be carried
    struct amount waiting;
    size_t large; // of those
    struct item *back, **back_last;
    uint64_t settle; // requests
    bool end;        // nothing more comes
    struct err failed, not_opened;
    struct carrier *carriers[STREAMS_MAX - 1];
    size_t n;

    _Atomic bool given_up;
    // The sender's own.
    bool enough; // one could not be opened: no more are asked for
    uint64_t offers;
};

// Makes x->job.
void voice_open(struct streams *x);

// The thread's; arg: a struct carrier.
void *carrier_main(void *arg);
