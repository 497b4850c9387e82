// SPDX-License-Identifier: Apache-2.0
#include "site/channel.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"

// Of bounded frames that wait to be taken: enough that neither thread waits for the other's every
// step, little enough to stay in the processor's cache.
#define QUEUED_MAX 4
#define SPARE 4
#define SPARE_LEAST (64u << 10)

struct frame_queued {
    struct frame_queued *next;
    uint8_t type;
    bool bounded;
    struct buf content;
};

// What goes to one side.
struct queue {
    struct frame_queued *first, **last;
    int n_bounded;
    int64_t put_ns, taken_ns; // when that was last
    pthread_cond_t turn;      // something was put, taken or closed
};

struct channel {
    pthread_mutex_t lock;
    struct queue to[2];
    bool closed[2];
    struct buf spare[SPARE]; // memory of frames that were taken
    int n_spare;
};

struct channel *channel_new(void) {
    struct channel *c = must_calloc(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    for (int side = 0; side < 2; side++) {
        c->to[side].last = &c->to[side].first;
        clock_cond_init(&c->to[side].turn);
    }
    return c;
}

void channel_free(struct channel *c) {
    for (int side = 0; side < 2; side++) {
        while (c->to[side].first != NULL) {
            struct frame_queued *f = c->to[side].first;
            c->to[side].first = f->next;
            buf_free(&f->content);
            free(f);
        }
        pthread_cond_destroy(&c->to[side].turn);
    }
    while (c->n_spare > 0) {
        buf_free(&c->spare[--c->n_spare]);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void channel_close(struct channel *c, int side) {
    pthread_mutex_lock(&c->lock);
    c->closed[side] = true;
    pthread_cond_broadcast(&c->to[0].turn);
    pthread_cond_broadcast(&c->to[1].turn);
    pthread_mutex_unlock(&c->lock);
}

static void give_spare(struct channel *c, struct buf *b) {
    if (c->n_spare < SPARE && b->cap >= SPARE_LEAST) {
        c->spare[c->n_spare++] = *b;
    } else {
        buf_free(b);
    }
}

// Other memory for a sender whose own has gone to the other side.
static struct buf take_spare(struct channel *c, size_t max) {
    struct buf b = c->n_spare > 0 ? c->spare[--c->n_spare] : (struct buf)BUF_INIT(max);
    b.max = max;
    buf_clear(&b);
    return b;
}

// False when nobody has done anything for the timeout.
static bool wait_for_room(struct channel *c, int side, int64_t since, int timeout_ms) {
    struct queue *out = &c->to[!side];
    if (timeout_ms <= 0) {
        pthread_cond_wait(&out->turn, &c->lock);
        return true;
    }
    int64_t seen = out->taken_ns > since ? out->taken_ns : since;
    seen = c->to[side].put_ns > seen ? c->to[side].put_ns : seen;
    int64_t left = seen + (int64_t)timeout_ms * 1000000 - clock_mono_ns();
    struct timespec until = clock_mono_after(left);
    if (left > 0) {
        pthread_cond_timedwait(&out->turn, &c->lock, &until);
    }
    return left > 0;
}

enum channel_result channel_send(struct channel *c, int side, uint8_t type, struct buf *b,
                                 bool bounded, int timeout_ms) {
    struct queue *out = &c->to[!side];
    int64_t since = clock_mono_ns();
    enum channel_result result = CHANNEL_OK;
    struct frame_queued *f = must_calloc(1, sizeof *f);
    pthread_mutex_lock(&c->lock);
    while (bounded && out->n_bounded == QUEUED_MAX && !c->closed[!side] && result == CHANNEL_OK) {
        result = wait_for_room(c, side, since, timeout_ms) ? CHANNEL_OK : CHANNEL_SILENT;
    }
    result = c->closed[!side] ? CHANNEL_CLOSED : result;
    if (result == CHANNEL_OK) {
        *f = (struct frame_queued){.type = type, .bounded = bounded, .content = *b};
        *b = b->cap >= SPARE_LEAST ? take_spare(c, b->max) : (struct buf)BUF_INIT(b->max);
        *out->last = f;
        out->last = &f->next;
        out->n_bounded += bounded;
        out->put_ns = clock_mono_ns();
        f = NULL;
        pthread_cond_broadcast(&out->turn);
    }
    pthread_mutex_unlock(&c->lock);
    free(f);
    return result;
}

enum channel_result channel_take(struct channel *c, int side, uint8_t *type, struct buf *b,
                                 int wait_ms) {
    struct queue *in = &c->to[side];
    struct timespec until = clock_mono_after((int64_t)wait_ms * 1000000);
    pthread_mutex_lock(&c->lock);
    for (bool more = wait_ms > 0; more && in->first == NULL && !c->closed[!side];) {
        more = pthread_cond_timedwait(&in->turn, &c->lock, &until) == 0;
    }
    struct frame_queued *f = in->first;
    enum channel_result result = f != NULL          ? CHANNEL_OK
                                 : c->closed[!side] ? CHANNEL_CLOSED
                                                    : CHANNEL_NONE;
    if (f != NULL) {
        in->first = f->next;
        in->last = in->first == NULL ? &in->first : in->last;
        in->n_bounded -= f->bounded;
        in->taken_ns = clock_mono_ns();
        give_spare(c, b);
        *b = f->content;
        *type = f->type;
        pthread_cond_broadcast(&in->turn);
    }
    pthread_mutex_unlock(&c->lock);
    free(f);
    return result;
}
