// SPDX-License-Identifier: Apache-2.0
#include "site/unnamed.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/must.h"

// With fewer than LIMIT_MIN, all descriptors are for what cannot do without.
#define LIMIT_MIN 1024
#define LIMIT_MAX 65536

static atomic_size_t n_open, n_max;

static void look_at_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    // Not higher: children have the same limit, and some close all that it allows, one by one.
    rlim_t wanted = limit.rlim_max < LIMIT_MAX ? limit.rlim_max : LIMIT_MAX;
    const struct rlimit raised = {.rlim_cur = wanted, .rlim_max = limit.rlim_max};
    rlim_t now = limit.rlim_cur < LIMIT_MAX ? limit.rlim_cur : LIMIT_MAX;
    if (now < wanted && setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        now = wanted;
    }
    atomic_store(&n_max, now < LIMIT_MIN ? 0 : (size_t)now / 2);
}

int unnamed_open(int dir, mode_t mode) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look_at_limit);
    int fault = FAULT("unnamed-open");
    if (fault != 0 || atomic_fetch_add(&n_open, 1) >= atomic_load(&n_max)) {
        if (fault == 0) {
            atomic_fetch_sub(&n_open, 1);
        }
        errno = fault != 0 ? fault : EMFILE;
        return -1;
    }
    int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    if (fd < 0) {
        atomic_fetch_sub(&n_open, 1);
    }
    return fd;
}

// AT_EMPTY_PATH would do without /proc, but needs a capability that pods do not have (open(2)).
int unnamed_link(int fd, int dir, const char *name) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW);
}

void unnamed_close(int *fd) {
    if (*fd >= 0) {
        auto_close(fd);
        atomic_fetch_sub(&n_open, 1);
    }
}
