// SPDX-License-Identifier: Apache-2.0
// A mounted directory as the destination: the receiver is a thread at the other end of a channel,
// and speaks the same protocol as one in a pod.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/path.h"
#include "site/files.h"

struct directory {
    struct file_end end;
    char *label;
    int root;
};
struct serving {
    pthread_t thread;
    int root;
    struct channel *channel;
};

static void *serve(void *arg) {
    struct serving *s = arg;
    struct err ignored = {0}; // the sender was told
    receive_serve_channel(s->root, s->channel, &ignored);
    channel_close(s->channel, 1);
    return NULL;
}

// Signals are for the other threads.
static int start(struct serving *s) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int errnum = pthread_create(&s->thread, NULL, serve, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return errnum;
}

static int directory_open(struct file_end *end, struct file_stream *stream, struct err *e) {
    struct directory *d = (struct directory *)end;
    struct serving *s = must_calloc(1, sizeof *s);
    *s = (struct serving){.root = d->root, .channel = channel_new()};
    int errnum = start(s);
    if (errnum != 0) {
        channel_free(s->channel);
        free(s);
        return err_sys(e, ERR_FAILED, errnum, "%s: no thread for the receiver", end->label);
    }
    *stream = (struct file_stream){.to = -1, .from = -1, .channel = s->channel, .state = s};
    return 0;
}

static void directory_close(struct file_end *end, struct file_stream *stream) {
    struct serving *s = stream->state;
    (void)end;
    channel_close(s->channel, 0);
    pthread_join(s->thread, NULL);
    channel_free(s->channel);
    free(s);
}

static void directory_free(struct file_end *end) {
    struct directory *d = (struct directory *)end;
    auto_close(&d->root);
    free(d->label);
    free(d);
}

int file_end_directory(const char *label, const char *dir, struct file_end **out, struct err *e) {
    struct directory *d = must_calloc(1, sizeof *d);
    d->label = must_strdup(label);
    d->end = (struct file_end){.label = d->label,
                               .open = directory_open,
                               .close = directory_close,
                               .free = directory_free};
    int rc = path_open_root(dir, &d->root, e);
    if (rc < 0) {
        d->root = -1;
        directory_free(&d->end);
        return err_wrap(e, "%s", label);
    }
    *out = &d->end;
    return 0;
}
