// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/must.h"
#include "base/tempfile.h"

#ifdef MVIMIG_FAULTS
// Runs a function in a fork, where MVIMIG_FAULT is read for the first time; its wait status.
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

static const char *fault_spec;
static int fault_hits[4]; // what four hits of "x" have to give

static void hit_four_times(void) {
    setenv("MVIMIG_FAULT", fault_spec, 1);
    for (int i = 0; i < 4; i++) {
        if (FAULT("x") != fault_hits[i]) {
            _exit(1);
        }
    }
    _exit(0);
}

static void holds(void **state) {
    (void)state;
    char file[] = "/tmp/fault-XXXXXX", spec[64];
    int fd = mkstemp(file), status;
    assert_true(fd >= 0);
    close(fd);
    (void)snprintf(spec, sizeof spec, "x:hold=%s:1", file);
    fault_spec = spec;
    memset(fault_hits, 0, sizeof fault_hits);
    pid_t pid = fork();
    if (pid == 0) {
        hit_four_times();
    }
    usleep(50000);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    unlink(file);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void faults(void **state) {
    (void)state;
    static const struct {
        const char *spec;
        int hits[4];
        int signal; // that ends the process
    } rows[] = {
        {"", {0, 0, 0, 0}, 0},                                // nothing asked for
        {"y:fail", {0, 0, 0, 0}, 0},                          // another point
        {"x:fail", {EIO, EIO, EIO, EIO}, 0},                  // each time
        {"x:fail:2", {0, EIO, 0, 0}, 0},                      // once
        {"x:fail=ENOSPC:3+", {0, 0, ENOSPC, ENOSPC}, 0},      // from then on
        {"x:fail=ENOSPC:1,x:fail:3", {ENOSPC, 0, EIO, 0}, 0}, // two for one point
        {"x:sleep=1:2", {0, 0, 0, 0}, 0},                     //
        {"x:hold=/no/such/file", {0, 0, 0, 0}, 0},            // nothing to wait for
        {"x:kill:3", {0, 0, 0, 0}, SIGKILL},                  //
        {"x:kill:5", {0, 0, 0, 0}, 0},                        // not reached
        {"x", {0, 0, 0, 0}, SIGABRT},                         // a slip in a test is loud
        {"x:crash", {0, 0, 0, 0}, SIGABRT},                   //
        {"x:fail=EWHAT", {0, 0, 0, 0}, SIGABRT},              //
        {"x:fail:0", {0, 0, 0, 0}, SIGABRT},                  //
        {"x:fail:2x", {0, 0, 0, 0}, SIGABRT},                 //
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fault_spec = rows[i].spec;
        memcpy(fault_hits, rows[i].hits, sizeof fault_hits);
        int status = in_fork(hit_four_times);
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, rows[i].signal);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
}

// Each fault on the way of a file to its place: an error, and no trace but where it is in place.
static void write_a_file(void) {
    setenv("MVIMIG_FAULT", fault_spec, 1);
    char dir[] = "/tmp/mvimig-test-XXXXXX";
    struct err e = {0};
    if (mkdtemp(dir) == NULL || chdir(dir) != 0 ||
        tempfile_put(AT_FDCWD, "f", 0600, "x", 1, &e) != ERR_IO) {
        _exit(1);
    }
    bool renamed = strstr(fault_spec, "dirsync") != NULL;
    if (strstr(e.text, "f: ") != e.text || (unlink("f") == 0) != renamed || rmdir(dir) != 0) {
        _exit(2);
    }
    _exit(0);
}

static void file_faults(void **state) {
    (void)state;
    static const char *const rows[] = {
        "tempfile.create:fail",       // nothing begun
        "tempfile.write:fail=ENOSPC", // a full disk
        "tempfile.sync:fail",         // a failing one
        "tempfile.rename:fail=EROFS", //
        "tempfile.dirsync:fail",      // in place, but perhaps not for long
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fault_spec = rows[i];
        int status = in_fork(write_a_file);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}
#else
static void faults(void **state) {
    (void)state;
    setenv("MVIMIG_FAULT", "x:kill", 1);
    assert_int_equal(FAULT("x"), 0);
}

static void holds(void **state) {
    (void)state;
}

static void file_faults(void **state) {
    (void)state;
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),
        cmocka_unit_test(holds),
        cmocka_unit_test(file_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
