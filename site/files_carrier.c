// SPDX-License-Identifier: Apache-2.0
// The thread of one further stream: takes files that wait, sends them over its own session, and
// gives each back when it has been read. Its receipts are told as all others are.
#include "base/clock.h"
#include "site/files_streams.h"

enum next { NEXT_FILE, NEXT_SETTLE, NEXT_NOTHING, NEXT_END };

static enum next next_work(struct carrier *c, struct item **out) {
    struct streams *x = c->all;
    struct timespec until = clock_mono_after(TURN_NS);
    enum next next = NEXT_NOTHING;
    pthread_mutex_lock(&x->lock);
    while (x->first == NULL && !x->end && c->settled == x->settle &&
           pthread_cond_timedwait(&x->work, &x->lock, &until) == 0) {
    }
    if (x->first != NULL && !x->end) {
        struct item *i = *out = x->first;
        x->first = i->away_next;
        x->last = x->first == NULL ? &x->first : x->last;
        x->waiting.files--;
        x->waiting.bytes -= i->t.size;
        x->large -= i->t.size >= LARGE_BYTES;
        next = NEXT_FILE;
    } else if (x->end) {
        next = NEXT_END;
    } else if (c->settled != x->settle) {
        next = NEXT_SETTLE;
    }
    pthread_mutex_unlock(&x->lock);
    return next;
}

static int carry(struct carrier *c, struct item *i, struct err *e) {
    struct streams *x = c->all;
    int rc = batch_send(c->sender, i, e);
    if (rc < 0) {
        return rc; // the sender's queue has it still
    }
    pthread_mutex_lock(&x->lock);
    i->outcome = rc;
    i->away_next = NULL;
    *x->back_last = i;
    x->back_last = &i->away_next;
    pthread_cond_broadcast(&x->turn);
    pthread_mutex_unlock(&x->lock);
    return 0;
}

static int settle(struct carrier *c, struct err *e) {
    struct streams *x = c->all;
    pthread_mutex_lock(&x->lock);
    uint64_t asked = x->settle;
    pthread_mutex_unlock(&x->lock);
    int rc = batch_end(c->sender, e);
    rc = rc < 0 ? rc : batch_wait_all(c->sender, e);
    pthread_mutex_lock(&x->lock);
    c->settled = rc < 0 ? c->settled : asked;
    pthread_cond_broadcast(&x->turn);
    pthread_mutex_unlock(&x->lock);
    return rc;
}

// Until there is no more work: it was settled by then, or is given up.
static int carry_all(struct carrier *c, struct err *e) {
    struct session *session = &c->sender->session;
    struct item *i = NULL;
    for (;;) {
        int rc = sender_stopped(c->sender, e);
        if (rc == 0) {
            switch (next_work(c, &i)) {
            case NEXT_FILE:
                rc = carry(c, i, e);
                break;
            case NEXT_SETTLE:
                rc = settle(c, e);
                break;
            case NEXT_NOTHING:
                rc = session_turn(session, false, e);
                rc = rc < 0 ? rc : wire_alive(&session->wire, e);
                break;
            case NEXT_END:
                return 0;
            }
        }
        if (rc < 0) {
            return rc;
        }
    }
}

static void set_ready(struct carrier *c, const struct err *not_opened) {
    struct streams *x = c->all;
    pthread_mutex_lock(&x->lock);
    c->ready = not_opened == NULL;
    if (not_opened != NULL && x->not_opened.code == 0) {
        x->not_opened = *not_opened;
    }
    pthread_cond_broadcast(&x->turn);
    pthread_mutex_unlock(&x->lock);
}

static int open_carrier(struct carrier *c, struct err *e) {
    struct sender *s = c->sender;
    int rc = session_open(&s->session, c->all->sender->session.end, true, s->job->token, e);
    s->session.receipt = batch_receipt;
    s->session.arg = s;
    return rc < 0 ? rc
                  : session_place(&s->session, s->job->source_root, s->job->selection.under, e);
}

void *carrier_main(void *arg) {
    struct carrier *c = arg;
    struct streams *x = c->all;
    struct session *session = &c->sender->session;
    struct err e = {0}, ignored = {0};
    int rc = open_carrier(c, &e);
    bool opened = rc == 0;
    session_explain(session, rc, &e);
    set_ready(c, opened ? NULL : &e);
    if (opened) {
        rc = carry_all(c, &e);
        session_explain(session, rc, &e);
    }
    if (opened && (rc == 0 || sender_stopped(c->sender, &ignored) < 0)) {
        // What is complete gets its receipt, also when all is given up.
        if (batch_wait_all(c->sender, &ignored) == 0) {
            session_bye(session, &ignored);
        }
    }
    pthread_mutex_lock(&x->lock);
    if (opened && rc < 0 && x->failed.code == 0) {
        x->failed = e;
    }
    c->ended = true;
    pthread_cond_broadcast(&x->turn);
    pthread_mutex_unlock(&x->lock);
    session_close(session);
    return NULL;
}
