// SPDX-License-Identifier: Apache-2.0
// Files without a name: what they are when they get one, and how many there may be.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "site/tree.h"
#include "site/unnamed.h"

#define NO_SUCH_FILES 77

static char folder[] = "/tmp/mvimig-unnamed-XXXXXX";
static int dir;

static int setup(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    dir = open(folder, O_RDONLY | O_DIRECTORY);
    return dir < 0 ? -1 : 0;
}

static int teardown(void **state) {
    (void)state;
    close(dir);
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY);
    int rc = path_remove_tree(tmp, strrchr(folder, '/') + 1);
    close(tmp);
    return rc;
}

static int count_one(void *arg, const char *name, struct err *e) {
    (void)name;
    (void)e;
    ++*(size_t *)arg;
    return 0;
}

static size_t n_names(void) {
    size_t n = 0;
    struct err e = {0};
    assert_int_equal(tree_each_name(dir, count_one, &n, &e), 0);
    return n;
}

static void test_gets_its_name_when_told(void **state) {
    (void)state;
    char text[8] = {0};
    int fd = unnamed_open(dir, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "whole", 5), 5);
    assert_int_equal(n_names(), 0);
    assert_int_equal(unnamed_link(fd, dir, "a"), 0);
    unnamed_close(&fd);
    assert_int_equal(fd, -1);
    struct stat st;
    assert_int_equal(fstatat(dir, "a", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mode & 07777, 0640);
    fd = openat(dir, "a", O_RDONLY);
    assert_int_equal(read(fd, text, sizeof text), 5);
    assert_string_equal(text, "whole");
    close(fd);
    assert_int_equal(unlinkat(dir, "a", 0), 0);
}

static void test_takes_nobodys_place(void **state) {
    (void)state;
    static const char *const stands[] = {"file", "dir", "link", "dangling"};
    close(openat(dir, "file", O_CREAT | O_WRONLY, 0600));
    assert_int_equal(mkdirat(dir, "dir", 0700), 0);
    assert_int_equal(symlinkat("dir", dir, "link"), 0);
    assert_int_equal(symlinkat("nothing", dir, "dangling"), 0);
    int fd = unnamed_open(dir, 0600);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(unnamed_link(fd, dir, stands[i]), -1);
        assert_int_equal(errno, EEXIST);
    }
    unnamed_close(&fd);
    assert_int_equal(n_names(), 4); // and none was made behind a link
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(unlinkat(dir, stands[i], i == 1 ? AT_REMOVEDIR : 0), 0);
    }
}

// In a process of its own, since the limit is looked at once. Returns how many there can be.
static int most_with(rlim_t soft, rlim_t hard) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
        int n = 0;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            _exit(255);
        }
        while (n < 200 && unnamed_open(dir, 0600) >= 0) {
            n++;
        }
        _exit(n < 200 && errno != EMFILE ? 255 : n);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_leaves_descriptors_to_others(void **state) {
    (void)state;
    assert_int_equal(most_with(64, 64), 0);
    assert_int_equal(most_with(1023, 1023), 0);
    assert_int_equal(most_with(64, 1024), 200); // the soft limit is raised
}

int main(void) {
    // First, before this process has looked at its own limit.
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves_descriptors_to_others),
        cmocka_unit_test(test_gets_its_name_when_told),
        cmocka_unit_test(test_takes_nobodys_place),
    };
    int probe = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    if (probe < 0) {
        return NO_SUCH_FILES;
    }
    close(probe);
    return cmocka_run_group_tests(tests, setup, teardown);
}
