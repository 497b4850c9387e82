// SPDX-License-Identifier: Apache-2.0
// Further streams beside the sender's own, for a step that has much to send. Each is a session of
// its own, with a receiver of its own, and a thread that carries files to it: whole files of one
// name, to a place where nothing stands, in a directory that is there. All else stays with the
// sender: it alone walks, decides, meets conflicts, makes directories and links, and writes the
// manifest, in which a file that was carried stands where it would have stood, with the digest of
// what was carried. So there is one list, one walk and one count, whoever has sent a file.
//
// A file that is handed over waits in the sender's queue as ITEM_AWAY until its carrier has read
// it; nobody else touches it meanwhile. When a directory ends whose files were handed over, the
// sender has all carriers end their batches and waits for the receipts (streams_settle), so that
// nothing is renamed into it behind the moment in which it gets its own time.
//
// A stream that breaks ends the attempt, as the sender's own does; what the others have on its way
// still gets its receipt.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "site/files_streams.h"

// From how much on a step gets further streams, and of a directory on they get of its files: to
// wait for its last receipts must not cost more than was gained. Then what may wait for each
// carrier.
static const struct streams_limits limits_usual = {
    .step = {.files = 4096, .bytes = UINT64_C(512) << 20},
    .dir = {.files = 256, .bytes = UINT64_C(64) << 20},
    .waiting = {.files = 256, .bytes = UINT64_C(64) << 20}};
static const struct streams_limits limits_soon = { // for tests
    .step = {.files = 20, .bytes = 512u << 10},
    .dir = {.files = 5, .bytes = 256u << 10},
    .waiting = {.files = 4, .bytes = 64u << 10}};

static void take_back(struct sender *s, struct item *i, int *rc, struct err *e) {
    while (*rc == 0 && i != NULL) {
        struct item *next = i->away_next; // the item may go with what is decided
        *rc = decide_returned(s, i, e);
        i = next;
    }
}

int streams_collect(struct sender *s, struct err *e) {
    struct streams *x = s->streams;
    int rc = 0;
    if (x == NULL || x->n == 0) {
        return 0;
    }
    pthread_mutex_lock(&x->lock);
    struct item *back = STEAL(x->back);
    x->back_last = &x->back;
    if (x->failed.code != 0) {
        *e = x->failed;
        rc = e->code;
    }
    pthread_mutex_unlock(&x->lock);
    take_back(s, back, &rc, e);
    return rc;
}

// Waits for something to change, with the lock held, and sees meanwhile to the sender's own stream.
static int wait_turn(struct sender *s, struct err *e) {
    struct streams *x = s->streams;
    struct timespec until = clock_mono_after(TURN_NS);
    pthread_cond_timedwait(&x->turn, &x->lock, &until);
    pthread_mutex_unlock(&x->lock);
    int rc = sender_stopped(s, e);
    rc = rc < 0 ? rc : session_turn(&s->session, false, e);
    rc = rc < 0 ? rc : wire_alive(&s->session.wire, e);
    rc = rc < 0 ? rc : streams_collect(s, e);
    pthread_mutex_lock(&x->lock);
    return rc;
}

static bool is_settled(const struct streams *x) {
    bool settled = x->first == NULL && x->back == NULL;
    for (size_t k = 0; k < x->n; k++) {
        const struct carrier *c = x->carriers[k];
        settled = settled && (!c->ready || c->settled == x->settle);
    }
    return settled;
}

int streams_settle(struct sender *s, struct err *e) {
    struct streams *x = s->streams;
    if (x == NULL || x->n == 0) {
        return 0;
    }
    pthread_mutex_lock(&x->lock);
    x->settle++;
    pthread_cond_broadcast(&x->work);
    int rc = 0;
    while (rc == 0 && !is_settled(x)) {
        rc = wait_turn(s, e);
    }
    pthread_mutex_unlock(&x->lock);
    return rc;
}

int streams_wait_first(struct sender *s, struct err *e) {
    struct streams *x = s->streams;
    int rc = streams_collect(s, e);
    pthread_mutex_lock(&x->lock);
    while (rc == 0 && s->first != NULL && s->first->state == ITEM_AWAY) {
        rc = wait_turn(s, e);
    }
    pthread_mutex_unlock(&x->lock);
    return rc;
}

// --- handing over

static bool is_much(const struct amount *a, const struct amount *limit) {
    return a->files >= limit->files || a->bytes >= limit->bytes;
}

// The receipt of the batch that made it has come, and so it was with those above it.
static bool is_there(const struct sender *s, const struct dir *d) {
    const struct out_batch *oldest = s->flying != NULL ? s->flying : s->batch;
    return d == NULL || !d->sent || oldest == NULL || oldest->number > d->made_by;
}

static bool fits(struct sender *s, const struct item *i) {
    const struct streams_limits *l = &s->limits;
    struct amount *of_dir = i->dir != NULL ? &i->dir->due : &s->due_top;
    bool much = is_much(&s->due, &l->step) && is_much(of_dir, &l->dir);
    s->due.files++;
    s->due.bytes += i->t.size;
    of_dir->files++;
    of_dir->bytes += i->t.size;
    return much && i->t.type == TREE_FILE && i->t.nlink == 1 && i->far == NULL && i->tries == 0 &&
           is_there(s, i->dir);
}

static void start_carrier(struct streams *x) {
    struct carrier *c = must_calloc(1, sizeof *c);
    c->all = x;
    c->sender = sender_new(&x->job, &c->counts);
    c->sender->streams_of = x;
    pthread_mutex_lock(&x->lock);
    c->settled = x->settle;
    pthread_mutex_unlock(&x->lock);
    if (pthread_create(&c->thread, NULL, carrier_main, c) != 0) {
        sender_free(c->sender);
        free(c);
        x->enough = true;
        x->told->stream_less(x->told->arg);
        return;
    }
    pthread_mutex_lock(&x->lock);
    x->carriers[x->n++] = c;
    pthread_mutex_unlock(&x->lock);
}

// One that cannot be opened is done without: where there are too few, it only takes longer.
static void note_not_opened(struct streams *x) {
    char text[ERR_TEXT_MAX + 80];
    struct err why;
    pthread_mutex_lock(&x->lock);
    why = x->not_opened;
    pthread_mutex_unlock(&x->lock);
    if (why.code != 0 && !x->enough) {
        x->enough = true;
        snprintf(text, sizeof text, "no further stream could be opened, it goes on without: %s",
                 why.text);
        if (x->job.note != NULL) {
            x->job.note(x->job.arg, text);
        }
    }
}

static void want_more(struct streams *x) {
    const struct files_job *told = x->told;
    note_not_opened(x);
    while (!x->enough && x->n < STREAMS_MAX - 1 && told->stream_more(told->arg)) {
        start_carrier(x);
    }
}

static size_t count_ready(const struct streams *x) {
    size_t n = 0;
    for (size_t k = 0; k < x->n; k++) {
        n += x->carriers[k]->ready && !x->carriers[k]->ended;
    }
    return n;
}

// For tests, which have to meet them at work.
static int wait_opened(struct sender *s, struct err *e) {
    struct streams *x = s->streams;
    int rc = 0;
    pthread_mutex_lock(&x->lock);
    while (rc == 0 && count_ready(x) < x->n && x->not_opened.code == 0) {
        rc = wait_turn(s, e);
    }
    pthread_mutex_unlock(&x->lock);
    return rc;
}

// Small files go to the sender's own stream as well, whenever the others have enough; a large one
// only when they have such waiting already.
static bool has_room(const struct streams *x, const struct item *i, size_t ready) {
    const struct amount *each = &x->sender->limits.waiting;
    return i->t.size >= LARGE_BYTES
               ? x->large < ready
               : x->waiting.files < ready * each->files && x->waiting.bytes < ready * each->bytes;
}

int streams_offer(struct sender *s, struct item *i, bool *taken, struct err *e) {
    struct streams *x = s->streams;
    *taken = false;
    if (x == NULL || !fits(s, i)) {
        return 0;
    }
    if (x->offers++ % 64 == 0) {
        want_more(x);
    }
    int rc = FAULT("streams-soon") != 0 ? wait_opened(s, e) : streams_collect(s, e);
    if (rc < 0) {
        return rc;
    }
    pthread_mutex_lock(&x->lock);
    *taken = has_room(x, i, count_ready(x));
    if (*taken) {
        i->state = ITEM_AWAY;
        i->away_next = NULL;
        *x->last = i;
        x->last = &i->away_next;
        x->waiting.files++;
        x->waiting.bytes += i->t.size;
        x->large += i->t.size >= LARGE_BYTES;
        pthread_cond_signal(&x->work);
    }
    pthread_mutex_unlock(&x->lock);
    if (*taken && i->dir != NULL) {
        i->dir->spread = true;
    }
    return 0;
}

// --- beginning and end

void streams_new(struct sender *s) {
    struct streams *x = must_calloc(1, sizeof *x);
    x->sender = s;
    x->told = s->job;
    x->last = &x->first;
    x->back_last = &x->back;
    pthread_mutex_init(&x->told_lock, NULL);
    pthread_mutex_init(&x->lock, NULL);
    clock_cond_init(&x->work);
    clock_cond_init(&x->turn);
    voice_open(x);
    s->job = &x->job;
    s->streams = x;
    s->limits = FAULT("streams-soon") != 0 ? limits_soon : limits_usual;
}

bool streams_given_up(const struct streams *x) {
    return x->given_up;
}

static void add_counts(struct files_counts *sum, const struct files_counts *c) {
    sum->sent += c->sent;
    sum->sent_bytes += c->sent_bytes;
    sum->present += c->present;
    sum->problems += c->problems;
}

int streams_end(struct sender *s, int rc, struct err *e) {
    struct streams *x = s->streams;
    if (x == NULL || x->n == 0) {
        return rc;
    }
    x->given_up = rc < 0;
    pthread_mutex_lock(&x->lock);
    x->end = true;
    pthread_cond_broadcast(&x->work);
    pthread_mutex_unlock(&x->lock);
    for (size_t k = 0; k < x->n; k++) {
        struct carrier *c = x->carriers[k];
        pthread_join(c->thread, NULL);
        add_counts(s->counts, &c->counts);
        s->parts_made = s->parts_made || c->sender->parts_made;
        sender_free(c->sender);
        free(c);
        x->told->stream_less(x->told->arg);
    }
    x->n = 0;
    if (rc == 0 && x->failed.code != 0) {
        *e = x->failed;
        rc = e->code;
    }
    if (x->failed.code != 0) { // the sender's own stream is as good as before
        struct err ignored = {0};
        batch_wait_all(s, &ignored);
    }
    return rc;
}

void streams_free(struct streams *x) {
    if (x != NULL) {
        pthread_cond_destroy(&x->work);
        pthread_cond_destroy(&x->turn);
        pthread_mutex_destroy(&x->lock);
        pthread_mutex_destroy(&x->told_lock);
        free(x);
    }
}
