// SPDX-License-Identifier: Apache-2.0
#include "site/far_shell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/stop.h"

#define BANNER_MAX (64u << 10)
#define SLICE_MS 200 // how soon a stop is seen
#define LAST_WORDS_MS 500

// --- standard error

static void keep(struct far_shell *s, const char *data, size_t len) {
    const size_t max = sizeof s->said;
    if (len > max) {
        data += len - max;
        len = max;
    }
    pthread_mutex_lock(&s->lock);
    if (s->n_said + len > max) {
        size_t cut = s->n_said + len - max;
        memmove(s->said, s->said + cut, s->n_said - cut);
        s->n_said -= cut;
    }
    memcpy(s->said + s->n_said, data, len);
    s->n_said += len;
    pthread_mutex_unlock(&s->lock);
}

static void *listen_main(void *arg) {
    struct far_shell *s = arg;
    char block[4096];
    for (;;) {
        struct pollfd p[2] = {{.fd = s->child.err, .events = POLLIN},
                              {.fd = s->end_listener, .events = POLLIN}};
        if (poll(p, 2, -1) < 0) {
            continue; // EINTR
        }
        ssize_t n = p[0].revents != 0 ? read(s->child.err, block, sizeof block) : -1;
        if (n > 0) {
            keep(s, block, (size_t)n);
        } else if (n == 0 || p[1].revents != 0) {
            break;
        }
    }
    atomic_store(&s->silent, true);
    return NULL;
}

// Signals are for the other threads.
static int listen_start(struct far_shell *s) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int errnum = pthread_create(&s->listener, NULL, listen_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return errnum;
}

int far_shell_explain(struct far_shell *s, struct err *e) {
    char shown[4 * sizeof s->said];
    s->explained = true;
    int64_t end = clock_mono_ns() + LAST_WORDS_MS * 1000000LL;
    while (!atomic_load(&s->silent) && clock_mono_ns() < end) {
        struct timespec nap = {.tv_nsec = 5000000};
        nanosleep(&nap, NULL);
    }
    pthread_mutex_lock(&s->lock);
    size_t len = s->n_said;
    while (len > 0 && strchr("\r\n \t", s->said[len - 1]) != NULL) {
        len--;
    }
    size_t from = len;
    while (from > 0 && s->said[from - 1] != '\n') {
        from--;
    }
    escape_into(shown, sizeof shown, s->said + from, len - from);
    pthread_mutex_unlock(&s->lock);
    return shown[0] != 0 ? err_append(e, ": %s", shown) : e->code;
}

// --- starting and ending

static void make_word(struct far_shell *s) {
    uint8_t nonce[16];
    ssize_t got;
    do {
        got = getrandom(nonce, sizeof nonce, 0);
    } while (got < 0 && errno == EINTR);
    MUST(got == (ssize_t)sizeof nonce);
    size_t at = (size_t)snprintf(s->word, sizeof s->word, "mvimig ");
    for (size_t i = 0; i < sizeof nonce; i++, at += 2) {
        snprintf(s->word + at, sizeof s->word - at, "%02x", nonce[i]);
    }
}

int far_shell_open(struct far_shell *s, const char *label, const char *const *prefix,
                   const char *const *env, int timeout_ms, struct err *e) {
    size_t n = 0;
    while (prefix[n] != NULL) {
        n++;
    }
    *s = (struct far_shell){
        .label = label, .timeout_ms = timeout_ms, .in = BUF_INIT(BANNER_MAX), .end_listener = -1};
    AUTO_FREE const char **argv = must_calloc(n + 2, sizeof *argv);
    memcpy(argv, prefix, n * sizeof *argv);
    argv[n] = "sh";
    const struct child_options o = {
        .argv = argv, .env = env, .want_in = true, .want_out = true, .want_err = true};
    int rc = child_start(&s->child, &o, e);
    if (rc < 0) {
        return err_wrap(e, "%s", label);
    }
    pthread_mutex_init(&s->lock, NULL);
    make_word(s);
    s->end_listener = eventfd(0, EFD_CLOEXEC);
    int errnum = s->end_listener < 0 ? errno : listen_start(s);
    if (errnum != 0) {
        child_stop(&s->child, 0);
        auto_close(&s->end_listener);
        pthread_mutex_destroy(&s->lock);
        return err_sys(e, ERR_FAILED, errnum, "%s: no thread for its errors", label);
    }
    fcntl(s->child.in, F_SETFL, O_NONBLOCK);
    fcntl(s->child.out, F_SETFL, O_NONBLOCK);
    AUTO_BUF struct buf first = BUF_INIT(256);
    buf_printf(&first, "m='%s'; LC_ALL=C; export LC_ALL\n", s->word);
    rc = far_shell_write(s, first.data, first.len, e);
    if (rc < 0) {
        far_shell_explain(s, e);
        far_shell_close(s, 0);
    }
    return rc;
}

void far_shell_close(struct far_shell *s, int grace_ms) {
    int status;
    grace_ms = s->explained ? 0 : grace_ms;
    auto_close(&s->child.in);
    if (grace_ms > 0) {
        child_wait(&s->child, grace_ms, &status);
    }
    ssize_t told = write(s->end_listener, &(uint64_t){1}, sizeof(uint64_t));
    MUST(told == sizeof(uint64_t));
    pthread_join(s->listener, NULL);
    child_stop(&s->child, grace_ms);
    auto_close(&s->end_listener);
    pthread_mutex_destroy(&s->lock);
    buf_free(&s->in);
}

// --- speaking

// Waits for a descriptor: 0 when it is ready.
static int wait_for(const struct far_shell *s, int fd, short what, int64_t since, struct err *e) {
    for (;;) {
        int64_t left = s->timeout_ms - (clock_mono_ns() - since) / 1000000;
        int rc = s->idle != NULL ? s->idle(s->idle_arg, e)
                 : stop_asked()  ? err_set(e, stop_error(), "stopped")
                                 : 0;
        if (rc < 0) {
            return rc;
        }
        if (left <= 0) {
            return err_set(e, ERR_RETRY, "%s: silent for %d s", s->label,
                           (s->timeout_ms + 999) / 1000);
        }
        struct pollfd p = {.fd = fd, .events = what};
        if (poll(&p, 1, left < SLICE_MS ? (int)left : SLICE_MS) > 0) {
            return 0;
        }
    }
}

int far_shell_write(struct far_shell *s, const void *data, size_t len, struct err *e) {
    const char *from = data;
    while (len > 0) {
        ssize_t n = write(s->child.in, from, len);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return err_sys(e, ERR_RETRY, errno, "%s: the stream broke", s->label);
        }
        int rc = n < 0 ? wait_for(s, s->child.in, POLLOUT, clock_mono_ns(), e) : 0;
        if (rc < 0) {
            return rc;
        }
        from += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

// The next whole line of what came, taken out; NULL when there is none.
static bool take_line(struct far_shell *s, char *line, size_t size) {
    const uint8_t *end = s->in.len > 0 ? memchr(s->in.data, '\n', s->in.len) : NULL;
    if (end == NULL) {
        return false;
    }
    size_t len = (size_t)(end - s->in.data);
    size_t kept = len < size ? len : size - 1;
    memcpy(line, s->in.data, kept);
    line[kept] = 0;
    s->in.len -= len + 1;
    memmove(s->in.data, end + 1, s->in.len);
    return true;
}

// Takes in what comes next: at least a byte.
static int take_in(struct far_shell *s, struct err *e) {
    char block[16384];
    for (;;) {
        int rc = wait_for(s, s->child.out, POLLIN, clock_mono_ns(), e);
        if (rc < 0) {
            return rc;
        }
        ssize_t n = read(s->child.out, block, sizeof block);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (n <= 0) {
            return err_set(e, ERR_RETRY, "%s: the command ended before it answered", s->label);
        }
        s->passed_over += (size_t)n;
        return buf_append(&s->in, block, (size_t)n, e) < 0
                   ? err_set(e, ERR_RETRY, "%s: the command says too much that is no answer",
                             s->label)
                   : 0;
    }
}

int far_shell_answer(struct far_shell *s, char answer[FAR_ANSWER_MAX], struct err *e) {
    char line[FAR_ANSWER_MAX];
    size_t n_word = strlen(s->word);
    for (;;) {
        while (take_line(s, line, sizeof line)) {
            if (strncmp(line, s->word, n_word) == 0 && line[n_word] == ' ') {
                memcpy(answer, line + n_word + 1, strlen(line + n_word + 1) + 1);
                s->passed_over = 0;
                return 0;
            }
        }
        int rc = take_in(s, e);
        if (rc < 0) {
            return rc;
        }
        if (s->passed_over > BANNER_MAX) {
            return err_set(e, ERR_RETRY, "%s: the command says too much that is no answer",
                           s->label);
        }
    }
}

int far_shell_until(struct far_shell *s, char end, struct buf *out, struct err *e) {
    buf_clear(out);
    for (;;) {
        const uint8_t *at = s->in.len > 0 ? memchr(s->in.data, end, s->in.len) : NULL;
        if (at != NULL) {
            size_t len = (size_t)(at - s->in.data);
            int rc = buf_append(out, s->in.data, len, e);
            s->in.len -= len + 1;
            memmove(s->in.data, at + 1, s->in.len);
            return rc < 0 ? err_set(e, ERR_RETRY, "%s: an answer that is none", s->label) : 0;
        }
        int rc = take_in(s, e);
        if (rc < 0) {
            return rc;
        }
    }
}

int far_shell_ask(struct far_shell *s, const char *line, char answer[FAR_ANSWER_MAX],
                  struct err *e) {
    int rc = far_shell_write(s, line, strlen(line), e);
    return rc < 0 ? rc : far_shell_answer(s, answer, e);
}

void far_shell_quote(struct buf *b, const char *text) {
    buf_puts(b, "'");
    for (const char *at = text; *at != 0;) {
        size_t n = strcspn(at, "'");
        buf_put(b, at, n);
        at += n;
        if (*at == '\'') {
            buf_puts(b, "'\\''");
            at++;
        }
    }
    buf_puts(b, "'");
}
