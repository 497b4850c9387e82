// SPDX-License-Identifier: Apache-2.0
#include "base/tempdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "base/path.h"

#define ATTEMPTS 10
#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *parent_of_all(void) {
    const char *dir = getenv("TMPDIR");
    return dir != NULL && dir[0] == '/' ? dir : "/tmp";
}

// Ours, and nobody holds its lock: its process is gone.
static bool is_left(int parent, const char *name) {
    struct stat st;
    AUTO_CLOSE int fd = openat(parent, name, OPEN_FLAGS);
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
           flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void sweep(const char *parent, const char *prefix) {
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        auto_close(&fd);
        return;
    }
    size_t len = strlen(prefix);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (strncmp(d->d_name, prefix, len) == 0 && is_left(fd, d->d_name)) {
            path_remove_tree(fd, d->d_name);
        }
    }
    closedir(dir);
}

// Between making and locking a sweep may have taken it: then it is made again.
static bool take(struct tempdir *t) {
    struct stat named, held;
    t->fd = open(t->path, OPEN_FLAGS);
    if (t->fd >= 0 && flock(t->fd, LOCK_EX | LOCK_NB) == 0 && stat(t->path, &named) == 0 &&
        fstat(t->fd, &held) == 0 && named.st_ino == held.st_ino) {
        return true;
    }
    auto_close(&t->fd);
    t->fd = -1;
    return false;
}

int tempdir_make(struct tempdir *t, const char *kind, struct err *e) {
    AUTO_FREE char *prefix = must_sprintf("mvimig-%s-", kind);
    const char *parent = parent_of_all();
    *t = (struct tempdir)TEMPDIR_INIT;
    sweep(parent, prefix);
    for (int i = 0; i < ATTEMPTS; i++) {
        int n = snprintf(t->path, sizeof t->path, "%s/%sXXXXXX", parent, prefix);
        if (n < 0 || (size_t)n >= sizeof t->path) {
            return err_set(e, ERR_IO,
                           "the name of the folder for temporary files is too long; "
                           "set TMPDIR to another");
        }
        if (mkdtemp(t->path) == NULL) {
            return err_sys(e, ERR_IO, errno,
                           "no folder can be made below %s; set TMPDIR to one that can be written",
                           parent);
        }
        if (take(t)) {
            return 0;
        }
    }
    return err_set(e, ERR_IO, "a folder below %s could not be kept", parent);
}

void tempdir_remove(struct tempdir *t) {
    if (t->fd < 0) {
        return;
    }
    char *slash = strrchr(t->path, '/');
    *slash = 0;
    AUTO_CLOSE int parent = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0) {
        path_remove_tree(parent, slash + 1);
    }
    auto_close(&t->fd);
    t->fd = -1;
}
