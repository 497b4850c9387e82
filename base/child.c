// SPDX-License-Identifier: Apache-2.0
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fault.h"
#include "base/tempfile.h"

#define CHILD_ENV_MAX 64

// A pipe whose ends are close-on-exec and above 2, so that no dup2 in the child hits another.
static int child_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        if (ends[i] <= STDERR_FILENO) {
            int high = fcntl(ends[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
            auto_close(&ends[i]);
            ends[i] = high;
        }
    }
    if (ends[0] >= 0 && ends[1] >= 0) {
        return 0;
    }
    auto_close(&ends[0]);
    auto_close(&ends[1]);
    return -1;
}

// The environment: the caller's variables, then those of ours that every program needs.
static void child_environment(const char *const *extra, char *env[CHILD_ENV_MAX]) {
    static const char *const kept[] = {"PATH", "HOME", "LANG", "TZ"};
    size_t n = 0;
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++) {
        MUST(n < CHILD_ENV_MAX - 5);
        env[n++] = must_strdup(extra[i]);
    }
    size_t given = n;
    for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++) {
        const char *value = getenv(kept[k]);
        size_t len = strlen(kept[k]);
        bool taken = value == NULL;
        for (size_t i = 0; i < given && !taken; i++) {
            taken = strncmp(env[i], kept[k], len) == 0 && env[i][len] == '=';
        }
        if (!taken) {
            env[n++] = must_sprintf("%s=%s", kept[k], value);
        }
    }
    env[n] = NULL;
}

// posix_spawn(3) runs nothing but async-signal-safe code between its clone and exec, and says when
// exec failed; both matter in a process with threads.
static int child_spawn(struct child *c, const struct child_options *o, int in, int out, int err) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    MUST(posix_spawn_file_actions_init(&files) == 0 && posix_spawnattr_init(&attr) == 0);
    const int given[3] = {in, out, err};
    for (int fd = 0; fd < 3; fd++) {
        if (given[fd] >= 0) {
            MUST(posix_spawn_file_actions_adddup2(&files, given[fd], fd) == 0);
        } else if (fd != STDERR_FILENO) {
            int mode = fd == STDIN_FILENO ? O_RDONLY : O_WRONLY;
            MUST(posix_spawn_file_actions_addopen(&files, fd, "/dev/null", mode, 0) == 0);
        }
    }
    MUST(posix_spawn_file_actions_addclosefrom_np(&files, 3) == 0);
    MUST(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                             POSIX_SPAWN_SETSIGMASK) == 0);
    MUST(posix_spawnattr_setpgroup(&attr, 0) == 0);
    MUST(posix_spawnattr_setsigdefault(&attr, &all) == 0);
    MUST(posix_spawnattr_setsigmask(&attr, &none) == 0);
    char *env[CHILD_ENV_MAX];
    child_environment(o->env, env);
    int rc = posix_spawnp(&c->pid, o->argv[0], &files, &attr, (char *const *)o->argv, env);
    for (size_t i = 0; env[i] != NULL; i++) {
        free(env[i]);
    }
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

// Between fork and exec: nothing but async-signal-safe calls. Never returns.
static void become_child(const struct child_options *o, const int given[3], char **env, int report,
                         pid_t parent) {
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    bool ok = prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent && setpgid(0, 0) == 0;
    for (int sig = 1; sig < NSIG; sig++) {
        sigaction(sig, &dfl, NULL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int fd = 0; ok && fd < 3; fd++) {
        if (given[fd] >= 0) {
            ok = dup2(given[fd], fd) == fd;
        } else if (fd != STDERR_FILENO) {
            int null = open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY);
            ok = null >= 0 && dup2(null, fd) == fd;
        }
    }
    ok = ok && dup2(report, 3) == 3 && fcntl(3, F_SETFD, FD_CLOEXEC) == 0;
    if (ok) {
        closefrom(4);
        execvpe(o->argv[0], (char *const *)o->argv, env);
    }
    int errnum = errno;
    ssize_t told = write(ok ? 3 : report, &errnum, sizeof errnum);
    _exit(told < 0 ? 126 : 127);
}

// As child_spawn, for a child that is to end with us, which posix_spawn(3) cannot arrange.
static int child_fork(struct child *c, const struct child_options *o, int in, int out, int err) {
    const int given[3] = {in, out, err};
    char *env[CHILD_ENV_MAX];
    int report[2], errnum = 0;
    if (child_pipe(report) != 0) {
        return errno;
    }
    child_environment(o->env, env);
    pid_t parent = getpid();
    c->pid = fork();
    if (c->pid == 0) {
        become_child(o, given, env, report[1], parent);
    }
    int rc = c->pid < 0 ? errno : 0;
    auto_close(&report[1]);
    if (rc == 0 && fd_read_all(report[0], &errnum, sizeof errnum) == 0) {
        waitpid(c->pid, NULL, 0);
        rc = errnum;
    }
    auto_close(&report[0]);
    for (size_t i = 0; env[i] != NULL; i++) {
        free(env[i]);
    }
    return rc;
}

int child_start(struct child *c, const struct child_options *o, struct err *e) {
    MUST(o->argv != NULL && o->argv[0] != NULL);
    *c = (struct child){.pid = -1, .in = -1, .out = -1, .err = -1};
    AUTO_CLOSE int in = -1;
    AUTO_CLOSE int out = -1;
    AUTO_CLOSE int err = -1;
    int ends[2];
    int rc = 0;
    if (o->want_in && (rc = child_pipe(ends)) == 0) {
        in = ends[0];
        c->in = ends[1];
    }
    if (rc == 0 && o->want_out && (rc = child_pipe(ends)) == 0) {
        c->out = ends[0];
        out = ends[1];
    }
    if (rc == 0 && o->want_err && (rc = child_pipe(ends)) == 0) {
        c->err = ends[0];
        err = ends[1];
    }
    int errnum = rc != 0 ? errno : FAULT("child.start");
    if (errnum == 0) {
        errnum = (o->ends_with_us ? child_fork : child_spawn)(c, o, in, out, err);
    }
    if (errnum != 0) {
        c->pid = -1;
        child_stop(c, 0);
        return err_sys(e, errnum == ENOENT ? ERR_NOTFOUND : ERR_FAILED, errnum,
                       "%s: cannot be started", o->argv[0]);
    }
    return 0;
}

static int child_poll_ms(int64_t end_ns) {
    int64_t left = end_ns - clock_mono_ns();
    return left <= 0 ? 0 : (int)(left / 1000000 + 1);
}

// Waits for the end without reaping, so that the process group still is the child's.
static bool child_ended(const struct child *c, int timeout_ms) {
    int64_t end = clock_mono_ns() + (int64_t)timeout_ms * 1000000;
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        int rc = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT);
        MUST(rc == 0 || errno == EINTR);
        if (rc == 0 && info.si_pid != 0) {
            return true;
        }
        int left = timeout_ms < 0 ? -1 : child_poll_ms(end);
        if (left == 0) {
            return false;
        }
        // Without pidfd_open (Linux before 5.3) poll() is a nap.
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        poll(&p, pidfd >= 0 ? 1 : 0, pidfd >= 0 || (left > 0 && left < 10) ? left : 10);
    }
}

static void child_reap(struct child *c, int *status) {
    pid_t got;
    do {
        got = waitpid(c->pid, status, 0);
    } while (got < 0 && errno == EINTR);
    MUST(got == c->pid);
    c->pid = -1;
}

int child_wait(struct child *c, int timeout_ms, int *status) {
    MUST(c->pid > 0);
    if (!child_ended(c, timeout_ms)) {
        return 0;
    }
    child_reap(c, status);
    return 1;
}

void child_stop(struct child *c, int grace_ms) {
    auto_close(&c->in);
    if (c->pid > 0) {
        int status;
        kill(-c->pid, SIGTERM);
        child_ended(c, grace_ms);
        kill(-c->pid, SIGKILL);
        child_reap(c, &status);
    }
    auto_close(&c->out);
    auto_close(&c->err);
}

#define CHILD_ERR_KEPT 65536
#define CHILD_GRACE_MS 2000

// One child_run() under way.
struct run {
    struct child child;
    const char *input;
    size_t left; // of the input
    struct buf *out;
    size_t max_out;
    struct buf err;
};

static void run_feed(struct run *r) {
    ssize_t n = write(r->child.in, r->input, r->left);
    if (n > 0) {
        r->input += n;
        r->left -= (size_t)n;
    }
    bool again = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (r->left == 0 || (n < 0 && !again)) {
        auto_close(&r->child.in); // a reader that had enough is no error; its status tells
    }
}

static int run_take_out(struct run *r, struct err *e) {
    char block[65536];
    ssize_t n = read(r->child.out, block, sizeof block);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        auto_close(&r->child.out);
    }
    if (n <= 0 || r->out == NULL) {
        return 0;
    }
    if ((size_t)n > r->max_out) {
        return err_set(e, ERR_LIMIT, "more output than expected");
    }
    r->max_out -= (size_t)n;
    return buf_append(r->out, block, (size_t)n, e);
}

static void run_take_err(struct run *r) {
    char block[4096];
    ssize_t n = read(r->child.err, block, sizeof block);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        auto_close(&r->child.err);
    }
    if (n > 0) {
        if (r->err.len + (size_t)n > CHILD_ERR_KEPT) {
            size_t cut = r->err.len + (size_t)n - CHILD_ERR_KEPT;
            memmove(r->err.data, r->err.data + cut, r->err.len - cut);
            r->err.len -= cut;
        }
        buf_put(&r->err, block, (size_t)n);
    }
}

// Carries bytes until the child has closed its ends. 0, 1 at the timeout, or an error.
static int run_carry(struct run *r, int timeout_ms, struct err *e) {
    int64_t end = clock_mono_ns() + (int64_t)timeout_ms * 1000000;
    while (r->child.out >= 0 || r->child.err >= 0) {
        struct pollfd p[3] = {{.fd = r->child.in, .events = POLLOUT},
                              {.fd = r->child.out, .events = POLLIN},
                              {.fd = r->child.err, .events = POLLIN}};
        int n = poll(p, 3, timeout_ms < 0 ? -1 : child_poll_ms(end));
        if (n == 0) {
            return 1;
        }
        if (n < 0) {
            continue; // EINTR
        }
        if (p[0].revents != 0) {
            run_feed(r);
        }
        int rc = p[1].revents != 0 ? run_take_out(r, e) : 0;
        if (rc != 0) {
            return rc;
        }
        if (p[2].revents != 0) {
            run_take_err(r);
        }
    }
    int status_left = timeout_ms < 0 ? -1 : child_poll_ms(end);
    return child_ended(&r->child, status_left) ? 0 : 1;
}

// The last line with something in it.
static void run_last_line(struct buf *text, char *out, size_t size) {
    while (text->len > 0 && strchr("\r\n \t", text->data[text->len - 1]) != NULL) {
        text->len--;
    }
    size_t from = text->len;
    while (from > 0 && text->data[from - 1] != '\n') {
        from--;
    }
    escape_into(out, size, buf_str(text) + from, text->len - from);
}

static int run_judge(struct run *r, const char *program, struct err *e) {
    int status;
    char line[512];
    child_reap(&r->child, &status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    run_last_line(&r->err, line, sizeof line);
    if (WIFEXITED(status)) {
        err_set(e, ERR_FAILED, "%s: ended with status %d", program, WEXITSTATUS(status));
    } else {
        err_set(e, ERR_FAILED, "%s: killed by signal %d", program, WTERMSIG(status));
    }
    return line[0] != 0 ? err_append(e, ": %s", line) : e->code;
}

// A child that ends early must cost us an EPIPE and no signal. What was pending before stays so.
static void run_without_sigpipe(struct run *r, int timeout_ms, int *rc, struct err *e) {
    sigset_t pipe_only, before, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    *rc = run_carry(r, timeout_ms, e);
    if (!sigismember(&pending, SIGPIPE)) {
        struct timespec now = {0, 0};
        while (sigtimedwait(&pipe_only, NULL, &now) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_nonblocking(int fd) {
    if (fd >= 0) {
        MUST(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    }
}

int child_run(const struct child_options *o, const void *input, size_t input_len, size_t max_out,
              int timeout_ms, struct buf *out, struct err *e) {
    struct child_options all = *o;
    all.want_in = input_len > 0;
    all.want_out = true;
    all.want_err = true;
    struct run r = {.input = input,
                    .left = input_len,
                    .out = out,
                    .max_out = max_out,
                    .err = BUF_INIT(CHILD_ERR_KEPT)};
    int rc = child_start(&r.child, &all, e);
    if (rc != 0) {
        return rc;
    }
    run_nonblocking(r.child.in);
    run_nonblocking(r.child.out);
    run_nonblocking(r.child.err);
    run_without_sigpipe(&r, timeout_ms, &rc, e);
    if (rc == 0) {
        rc = run_judge(&r, o->argv[0], e);
    } else if (rc > 0) {
        rc = err_set(e, ERR_FAILED, "%s: not ended after %d ms; stopped", o->argv[0], timeout_ms);
    } else {
        err_wrap(e, "%s", o->argv[0]);
    }
    child_stop(&r.child, CHILD_GRACE_MS);
    buf_free(&r.err);
    return rc;
}

bool child_in_path(const char *program) {
    const char *path = getenv("PATH");
    for (const char *p = path != NULL ? path : ""; *p != 0;) {
        size_t len = strcspn(p, ":");
        AUTO_FREE char *full = must_sprintf("%.*s/%s", (int)len, p, program);
        if (len > 0 && access(full, X_OK) == 0) {
            return true;
        }
        p += len + (p[len] == ':');
    }
    return false;
}
