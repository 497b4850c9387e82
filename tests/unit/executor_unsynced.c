// SPDX-License-Identifier: Apache-2.0
// Files that are synced together: each descriptor is given back, and a sync that failed stays
// failed.
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "executor/unsynced.h"

static size_t n_descriptors(void) {
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

static int folder(void) {
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void add(struct unsynced *u) {
    struct err e = {0};
    char name[] = "/tmp/mvimig-unsynced-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(unsynced_add(u, fd, folder(), &e), 0);
}

static void test_gives_descriptors_back(void **state) {
    (void)state;
    size_t before = n_descriptors();
    int workdir = folder();
    for (size_t n = 0; n < 3 * UNSYNCED_FEW; n++) {
        struct unsynced u;
        struct err e = {0};
        unsynced_init(&u);
        u.workdir_fd = workdir;
        for (size_t i = 0; i < n; i++) {
            add(&u);
        }
        assert_int_equal(unsynced_sync(&u, &e), 0);
        assert_int_equal(u.n, 0);
        add(&u); // nobody asks for this one
        unsynced_free(&u);
        assert_int_equal(n_descriptors(), before + 1);
    }
    close(workdir);
}

static void test_stays_failed(void **state) {
    (void)state;
    for (size_t n = 1; n < 3 * UNSYNCED_FEW; n++) {
        struct unsynced u;
        struct err e = {0};
        unsynced_init(&u);
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        u.workdir_fd = -1;                                             // no syncfs
        assert_int_equal(unsynced_add(&u, pipes[0], folder(), &e), 0); // no fsync of a pipe
        close(pipes[1]);
        for (size_t i = 1; i < n; i++) {
            add(&u);
        }
        assert_int_equal(unsynced_sync(&u, &e), ERR_IO);
        e = (struct err){0};
        assert_int_equal(unsynced_sync(&u, &e), ERR_IO); // although nothing is left
        assert_non_null(strstr(e.text, "work directory"));
        unsynced_free(&u);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gives_descriptors_back),
        cmocka_unit_test(test_stays_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
