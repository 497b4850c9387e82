// SPDX-License-Identifier: Apache-2.0
#include "site/tunnel.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/stop.h"

#define READY_MS 30000      // for the port to come
#define PROBE_MS 10000      // for what lies behind to answer
#define PROBE_EVERY_MS 5000 // a forward that hangs is found within both together
#define SLICE_MS 200
#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS 10000
#define BACKOFF_UP_MS 1000 // for one that was up, but not for
#define LIVED_MS 1000      // so long
#define FIRST_ATTEMPTS 4
#define ELECTION_MS 60000
#define GRACE_MS 1000
#define SAID_MAX 4096

struct tunnel {
    struct tunnel_options o;
    char *label;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool up, was_up, given_up, closing;
    struct tunnel_address address;
    struct err failure;
    int wake; // eventfd, written to by tunnel_close
};

// One life of the child, from its start to its end.
struct life {
    struct tunnel *t;
    struct child child;
    struct tunnel_command command;
    char out[SAID_MAX], err[SAID_MAX]; // the last that was said
    size_t n_out, n_err;
    int64_t up_ns; // 0: never
};

static bool is_closing(struct tunnel *t) {
    pthread_mutex_lock(&t->lock);
    bool closing = t->closing;
    pthread_mutex_unlock(&t->lock);
    return closing;
}

static void nap(struct tunnel *t, int ms) {
    struct pollfd p = {.fd = t->wake, .events = POLLIN};
    poll(&p, 1, ms);
}

// --- what the child says

static void keep(char *said, size_t *n, const char *data, size_t len) {
    if (*n + len >= SAID_MAX) {
        size_t cut = *n + len - SAID_MAX + 1;
        cut = cut > *n ? *n : cut;
        memmove(said, said + cut, *n - cut);
        *n -= cut;
        len = len < SAID_MAX - 1 - *n ? len : SAID_MAX - 1 - *n;
    }
    memcpy(said + *n, data, len);
    *n += len;
    said[*n] = 0;
}

static void take(int *fd, char *said, size_t *n) {
    char block[1024];
    ssize_t got = read(*fd, block, sizeof block);
    if (got > 0) {
        keep(said, n, block, (size_t)got);
    } else if (got == 0 || errno != EINTR) {
        auto_close(fd);
    }
}

// Waits a while and takes what comes.
static void listen_to(struct life *l, int ms) {
    struct pollfd p[3] = {{.fd = l->child.out, .events = POLLIN},
                          {.fd = l->child.err, .events = POLLIN},
                          {.fd = l->t->wake, .events = POLLIN}};
    if (poll(p, 3, ms) <= 0) {
        return;
    }
    if (p[0].revents != 0) {
        take(&l->child.out, l->out, &l->n_out);
    }
    if (p[1].revents != 0) {
        take(&l->child.err, l->err, &l->n_err);
    }
}

static int say_ended(struct life *l, int status, struct err *e) {
    char shown[512];
    while (l->child.out >= 0 || l->child.err >= 0) {
        size_t before = l->n_out + l->n_err;
        int out = l->child.out, err = l->child.err;
        listen_to(l, 100);
        if (before == l->n_out + l->n_err && out == l->child.out && err == l->child.err) {
            break; // somebody else holds the pipe
        }
    }
    size_t len = l->n_err;
    while (len > 0 && strchr("\r\n \t", l->err[len - 1]) != NULL) {
        len--;
    }
    size_t from = len;
    while (from > 0 && l->err[from - 1] != '\n') {
        from--;
    }
    escape_into(shown, sizeof shown, l->err + from, len - from);
    err_set(e, ERR_RETRY, "%s: %s %s %d", l->t->label, l->command.argv[0],
            WIFEXITED(status) ? "ended with status" : "was killed by signal",
            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return shown[0] != 0 ? err_append(e, ": %s", shown) : e->code;
}

// 0 while it runs.
static int check_alive(struct life *l, struct err *e) {
    int status;
    return child_wait(&l->child, 0, &status) == 1 ? say_ended(l, status, e) : 0;
}

// --- becoming ready

static bool port_told(const struct life *l, struct tunnel_address *out) {
    static const char text[] = "Forwarding from 127.0.0.1:";
    const char *at = strstr(l->out, text);
    if (at == NULL || strchr(at, '\n') == NULL) {
        return false;
    }
    char *end;
    unsigned long port = strtoul(at + sizeof text - 1, &end, 10);
    struct sockaddr_in *in = (struct sockaddr_in *)&out->sa;
    *in = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    out->len = sizeof *in;
    return port > 0 && port < 65536;
}

static bool socket_there(const struct life *l, struct tunnel_address *out) {
    struct sockaddr_un *un = (struct sockaddr_un *)&out->sa;
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(un->sun_path, sizeof un->sun_path, "%s", l->command.socket);
    out->len = sizeof *un;
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)un, sizeof *un) == 0;
}

static int wait_ready(struct life *l, struct tunnel_address *out, struct err *e) {
    int64_t end = clock_mono_ns() + READY_MS * INT64_C(1000000);
    while (!is_closing(l->t)) {
        if (l->command.socket != NULL ? socket_there(l, out) : port_told(l, out)) {
            return 0;
        }
        int rc = check_alive(l, e);
        if (rc != 0) {
            return rc;
        }
        if (clock_mono_ns() > end) {
            return err_set(e, ERR_RETRY, "%s: %s names no port after %d s", l->t->label,
                           l->command.argv[0], READY_MS / 1000);
        }
        listen_to(l, l->command.socket != NULL ? SLICE_MS / 4 : SLICE_MS);
    }
    return err_set(e, ERR_RETRY, "closing");
}

static void set_up(struct life *l, const struct tunnel_address *address) {
    struct tunnel *t = l->t;
    l->up_ns = clock_mono_ns();
    pthread_mutex_lock(&t->lock);
    t->address = *address;
    t->up = t->was_up = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void set_down(struct tunnel *t, const struct err *e, bool give_up) {
    pthread_mutex_lock(&t->lock);
    t->up = false;
    t->given_up = give_up;
    t->failure = *e;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static int probe(struct life *l, const struct tunnel_address *address, struct err *e) {
    int rc = l->t->o.probe(l->t->o.arg, address, PROBE_MS, e);
    if (rc != 0) {
        // The end of the child says more than the connection that it broke.
        struct err ended = {0};
        listen_to(l, SLICE_MS);
        if (check_alive(l, &ended) != 0) {
            *e = ended;
            return e->code;
        }
        err_wrap(e, "%s", l->t->label);
    }
    return rc;
}

// Ends with an error, always.
static int stay_up(struct life *l, const struct tunnel_address *address, struct err *e) {
    int64_t next = clock_mono_ns() + PROBE_EVERY_MS * INT64_C(1000000);
    while (!is_closing(l->t)) {
        listen_to(l, SLICE_MS);
        int rc = check_alive(l, e);
        if (rc == 0 && clock_mono_ns() >= next) {
            rc = probe(l, address, e);
            next = clock_mono_ns() + PROBE_EVERY_MS * INT64_C(1000000);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return err_set(e, ERR_RETRY, "closing");
}

static int live(struct life *l, struct err *e) {
    struct tunnel_address address = {0};
    int rc = wait_ready(l, &address, e);
    if (rc == 0) {
        rc = probe(l, &address, e);
    }
    if (rc != 0) {
        return rc;
    }
    set_up(l, &address);
    return stay_up(l, &address, e);
}

// One start. *final: asking again would be of no use.
static int one_life(struct tunnel *t, int64_t *up_ns, bool *final, struct err *e) {
    AUTO_ARENA struct arena *a = arena_new();
    struct life l = {.t = t};
    int rc = t->o.command(t->o.arg, a, &l.command, e);
    *final = rc != 0 && rc != ERR_RETRY;
    if (rc != 0) {
        return rc;
    }
    struct child_options o = {.argv = l.command.argv,
                              .env = l.command.env,
                              .want_out = true,
                              .want_err = true,
                              .ends_with_us = true};
    if (l.command.socket != NULL) {
        unlink(l.command.socket); // of the life before
    }
    rc = child_start(&l.child, &o, e);
    *final = rc == ERR_NOTFOUND;
    if (rc != 0) {
        return rc;
    }
    rc = live(&l, e);
    child_stop(&l.child, GRACE_MS);
    *up_ns = l.up_ns == 0 ? 0 : clock_mono_ns() - l.up_ns;
    return rc;
}

static int next_wait(int wait, int64_t up_ns) {
    if (up_ns > 0) {
        return up_ns >= LIVED_MS * INT64_C(1000000) ? BACKOFF_FIRST_MS : BACKOFF_UP_MS;
    }
    return wait * 2 < BACKOFF_MAX_MS ? wait * 2 : BACKOFF_MAX_MS;
}

static void *tunnel_main(void *arg) {
    struct tunnel *t = arg;
    int wait = BACKOFF_FIRST_MS;
    int64_t election_ends = clock_mono_ns() + ELECTION_MS * INT64_C(1000000);
    for (unsigned attempt = 1; !is_closing(t); attempt++) {
        struct err e = {0};
        int64_t up_ns = 0;
        bool final = false;
        one_life(t, &up_ns, &final, &e);
        pthread_mutex_lock(&t->lock);
        bool was_up = t->was_up, closing = t->closing;
        pthread_mutex_unlock(&t->lock);
        if (closing) {
            break;
        }
        bool waits = e.code == ERR_UNREACHABLE && clock_mono_ns() < election_ends;
        bool give_up = !was_up && (final || (attempt >= FIRST_ATTEMPTS && !waits));
        set_down(t, &e, give_up);
        if (give_up) {
            break;
        }
        wait = next_wait(wait, up_ns);
        AUTO_FREE char *text =
            must_sprintf("%s; starting it again in %.1f s", e.text, (double)wait / 1000);
        t->o.say(t->o.arg, text);
        nap(t, wait);
    }
    return NULL;
}

// --- for its users

// Signals are for the other threads.
static int start_thread(struct tunnel *t) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int errnum = pthread_create(&t->thread, NULL, tunnel_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return errnum;
}

static int wait_first(struct tunnel *t, struct err *e) {
    pthread_mutex_lock(&t->lock);
    while (!t->up && !t->given_up && !stop_asked()) {
        struct timespec end = clock_mono_after(SLICE_MS * INT64_C(1000000));
        pthread_cond_timedwait(&t->changed, &t->lock, &end);
    }
    bool up = t->up;
    *e = up ? *e : t->failure;
    pthread_mutex_unlock(&t->lock);
    if (!up && stop_asked()) {
        return err_set(e, stop_error(), "stopped");
    }
    if (!up && e->code == ERR_RETRY) {
        e->code = ERR_UNREACHABLE;
    }
    return up ? 0 : e->code;
}

int tunnel_open(const struct tunnel_options *o, struct tunnel **out, struct err *e) {
    struct tunnel *t = must_calloc(1, sizeof *t);
    t->o = *o;
    t->label = must_strdup(o->label);
    t->wake = eventfd(0, EFD_CLOEXEC);
    MUST(t->wake >= 0);
    pthread_mutex_init(&t->lock, NULL);
    clock_cond_init(&t->changed);
    int errnum = start_thread(t);
    MUST(errnum == 0);
    int rc = wait_first(t, e);
    if (rc != 0) {
        tunnel_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

bool tunnel_address(struct tunnel *t, int timeout_ms, struct tunnel_address *out) {
    int64_t end = clock_mono_ns() + (int64_t)timeout_ms * 1000000;
    pthread_mutex_lock(&t->lock);
    while (!t->up && !t->closing && !stop_asked() && clock_mono_ns() < end) {
        struct timespec slice = clock_mono_after(SLICE_MS * INT64_C(1000000));
        pthread_cond_timedwait(&t->changed, &t->lock, &slice);
    }
    bool up = t->up;
    *out = t->address;
    pthread_mutex_unlock(&t->lock);
    return up;
}

void tunnel_close(struct tunnel *t) {
    if (t == NULL) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->closing = true;
    pthread_mutex_unlock(&t->lock);
    ssize_t told = write(t->wake, &(uint64_t){1}, sizeof(uint64_t));
    MUST(told == sizeof(uint64_t));
    pthread_join(t->thread, NULL);
    auto_close(&t->wake);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t->label);
    free(t);
}
