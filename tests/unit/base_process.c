// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/stop.h"
#include "base/tempfile.h"

#define MAX_OUT 200000

static void runs(void **state) {
    (void)state;
    static const struct {
        const char *argv[4];
        const char *in;
        size_t max_out;
        int timeout_ms;
        int rc;
        const char *out; // or the error
    } rows[] = {
        {{"echo", "a b"}, "", 100, 5000, 0, "a b\n"},
        {{"cat"}, "input", 100, 5000, 0, "input"}, // both ways
        {{"cat"}, "", 100, 5000, 0, ""},           // no input is an end of file, not ours
        {{"true"}, "unread", 100, 5000, 0, ""},    // who does not read does no harm
        {{"sh", "-c", "echo out; echo one >&2; echo two >&2; exit 3"},
         "",
         100,
         5000,
         ERR_FAILED,
         "sh: ended with status 3: two"},
        {{"sh", "-c", "printf 'b\\033d\\n\\n' >&2; exit 1"},
         "",
         100,
         5000,
         ERR_FAILED,
         "sh: ended with status 1: b\\x1Bd"}, // what it says is escaped
        {{"false"}, "", 100, 5000, ERR_FAILED, "false: ended with status 1"},
        {{"sh", "-c", "kill -9 $$"}, "", 100, 5000, ERR_FAILED, "sh: killed by signal 9"},
        {{"echo", "12345"}, "", 5, 5000, ERR_LIMIT, "echo: more output than expected"},
        {{"echo", "12345"}, "", 6, 5000, 0, "12345\n"},
        {{"yes"}, "", 100, 5000, ERR_LIMIT, "yes: more output than expected"}, // is stopped
        {{"sleep", "60"}, "", 100, 100, ERR_FAILED, "sleep: not ended after 100 ms; stopped"},
        {{"sh", "-c", "trap '' TERM; sleep 60 & wait; wait"},
         "",
         100,
         100,
         ERR_FAILED,
         "sh: not ended after 100 ms; stopped"}, // deaf to TERM, with a child of its own
        {{"sh", "-c", "exec >&- 2>&-; sleep 60"},
         "",
         100,
         100,
         ERR_FAILED,
         "sh: not ended after 100 ms; stopped"}, // closed its ends and lives on
        {{"no-such-program-here"},
         "",
         100,
         5000,
         ERR_NOTFOUND,
         "no-such-program-here: cannot be started: No such file or directory"},
    };
    for (size_t n = 0; n < 2 * (sizeof rows / sizeof rows[0]); n++) {
        size_t i = n / 2;
        AUTO_BUF struct buf out = BUF_INIT(MAX_OUT);
        struct err e = {0};
        struct child_options o = {.argv = rows[i].argv, .ends_with_us = n % 2 == 1};
        int64_t begun = clock_mono_ns();
        int rc = child_run(&o, rows[i].in, strlen(rows[i].in), rows[i].max_out, rows[i].timeout_ms,
                           &out, &e);
        assert_string_equal(rc == 0 ? buf_str(&out) : e.text, rows[i].out);
        assert_int_equal(rc, rows[i].rc);
        assert_true(clock_mono_ns() - begun < INT64_C(5000000000));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); // nothing is left to reap
        assert_int_equal(errno, ECHILD);
    }
}

// More than pipes hold, in all three directions at once.
static void carries_much(void **state) {
    (void)state;
    const char *const argv[] = {"sh", "-c", "tee /dev/stderr", NULL};
    struct child_options o = {.argv = argv};
    AUTO_FREE char *input = must_calloc(MAX_OUT, 1);
    for (size_t i = 0; i < MAX_OUT; i++) {
        input[i] = (char)('a' + i % 26);
    }
    AUTO_BUF struct buf out = BUF_INIT(MAX_OUT);
    struct err e = {0};
    assert_int_equal(child_run(&o, input, MAX_OUT, MAX_OUT, 20000, &out, &e), 0);
    assert_int_equal(out.len, MAX_OUT);
    assert_memory_equal(out.data, input, MAX_OUT);
    assert_int_equal(child_run(&o, input, MAX_OUT, 0, 20000, NULL, &e), 0); // thrown away
}

static void environment_is_small(void **state) {
    (void)state;
    const char *const argv[] = {"env", NULL};
    const char *const env[] = {"KUBECONFIG=/x", "HOME=/other", NULL};
    struct child_options o = {.argv = argv, .env = env};
    AUTO_BUF struct buf out = BUF_INIT(10000);
    struct err e = {0};
    setenv("MVIMIG_TEST_SECRET", "hunter2", 1);
    setenv("LANG", "C.UTF-8", 1);
    unsetenv("TZ");
    assert_int_equal(child_run(&o, NULL, 0, 10000, 5000, &out, &e), 0);
    assert_non_null(strstr(buf_str(&out), "KUBECONFIG=/x\n"));
    assert_non_null(strstr(buf_str(&out), "HOME=/other\n")); // the caller's counts
    assert_non_null(strstr(buf_str(&out), "LANG=C.UTF-8\n"));
    assert_non_null(strstr(buf_str(&out), "PATH="));
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++) {
        lines += out.data[i] == '\n' ? 1 : 0;
    }
    assert_int_equal(lines, 4); // and nothing else
}

// 0, 1 and 2 are open and no other; signals are as a program expects them.
static void inherits_nothing(bool ends_with_us) {
    const char *const argv[] = {
        "sh", "-c", "ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status", NULL};
    struct child_options o = {.argv = argv, .ends_with_us = ends_with_us};
    AUTO_BUF struct buf out = BUF_INIT(10000);
    struct err e = {0};
    signal(SIGPIPE, SIG_IGN);
    int leaked = dup(0); // without close-on-exec
    assert_int_equal(child_run(&o, NULL, 0, 10000, 5000, &out, &e), 0);
    close(leaked);
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(strncmp(buf_str(&out), "4\nSigBlk:\t0000000000000000\nSigIgn:\t", 35), 0);
    // Two signals past the standard ones belong to the C library, which ignores them in spawned
    // programs.
    assert_int_equal(strtoull(buf_str(&out) + 35, NULL, 16) & 0x7FFFFFFF, 0);
}

static void nothing_is_inherited(void **state) {
    (void)state;
    inherits_nothing(false);
    inherits_nothing(true);
}

static void started_and_stopped(void **state) {
    (void)state;
    const char *const argv[] = {"sh", "-c", "sleep 60 & echo $!; wait", NULL};
    struct child_options o = {.argv = argv, .want_out = true};
    struct child c;
    struct err e = {0};
    int status;
    char line[32] = "";
    assert_int_equal(child_start(&c, &o, &e), 0);
    assert_int_equal(c.in, -1);
    assert_int_equal(c.err, -1);
    assert_true(read(c.out, line, sizeof line - 1) > 0);
    assert_int_equal(child_wait(&c, 50, &status), 0);
    assert_int_equal(getpgid(c.pid), c.pid);
    pid_t grandchild = (pid_t)strtol(line, NULL, 10);
    assert_int_equal(kill(grandchild, 0), 0);
    child_stop(&c, 2000);
    assert_int_equal(c.out, -1);
    // It is init's to reap now: gone, or a zombie for a moment.
    char path[64], stat[128] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)grandchild);
    for (int i = 0; i < 100; i++) {
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, stat, sizeof stat - 1);
        close(fd);
        if (n <= 0 || strstr(stat, ") Z") != NULL) {
            break;
        }
        clock_sleep_ms(20);
        assert_true(i < 99);
    }
    child_stop(&c, 0); // a second time does nothing
}

static void *start_and_end(void *arg) {
    const char *const argv[] = {"sleep", "60", NULL};
    struct child_options o = {.argv = argv, .ends_with_us = true};
    struct err e = {0};
    assert_int_equal(child_start(arg, &o, &e), 0);
    return NULL;
}

// With the thread that started it, as with the process.
static void ends_with_its_starter(void **state) {
    (void)state;
    struct child c;
    pthread_t thread;
    int status = 0;
    assert_int_equal(pthread_create(&thread, NULL, start_and_end, &c), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(child_wait(&c, 5000, &status), 1);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void waits_for_the_end(void **state) {
    (void)state;
    const char *const argv[] = {"sh", "-c", "read x; exit $x", NULL};
    struct child_options o = {.argv = argv, .want_in = true};
    struct child c;
    struct err e = {0};
    int status = 0;
    assert_int_equal(child_start(&c, &o, &e), 0);
    assert_int_equal(fd_write_all(c.in, "7\n", 2), 0);
    assert_int_equal(child_wait(&c, -1, &status), 1);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    child_stop(&c, 0);
    assert_int_equal(c.in, -1);
}

// Runs a function in a fork, where signals and fault points can be tried; its wait status.
static int in_fork(void (*fn)(void)) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void one_signal(void) {
    signal(SIGCHLD, SIG_IGN); // as a careless parent leaves it
    stop_install();
    const char *const argv[] = {"true", NULL};
    struct child_options o = {.argv = argv};
    struct err e = {0};
    if (child_run(&o, NULL, 0, 0, 5000, NULL, &e) != 0) {
        _exit(5);
    }
    if (stop_asked() || stop_take_usr1()) {
        _exit(1);
    }
    raise(SIGUSR1);
    raise(SIGPIPE);
    if (!stop_take_usr1() || stop_take_usr1() || stop_asked()) {
        _exit(2);
    }
    raise(SIGTERM);
    if (!stop_asked() || stop_signal() != SIGTERM || stop_error() != ERR_TERMINATED) {
        _exit(3);
    }
    int64_t begun = clock_mono_ns();
    clock_sleep_ms(5000);
    _exit(clock_mono_ns() - begun < INT64_C(1000000000) ? 0 : 4);
}

static void two_signals(void) {
    stop_install();
    raise(SIGINT);
    if (stop_error() != ERR_INTERRUPTED) {
        _exit(1);
    }
    raise(SIGTERM);
    _exit(2);
}

static void signals(void **state) {
    (void)state;
    int status = in_fork(one_signal);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    status = in_fork(two_signals);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs),
        cmocka_unit_test(carries_much),
        cmocka_unit_test(environment_is_small),
        cmocka_unit_test(nothing_is_inherited),
        cmocka_unit_test(started_and_stopped),
        cmocka_unit_test(ends_with_its_starter),
        cmocka_unit_test(waits_for_the_end),
        cmocka_unit_test(signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
