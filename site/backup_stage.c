// SPDX-License-Identifier: Apache-2.0
#include "site/backup_stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"

#define TAIL ".tmp"
#define RANDOM_DIGITS 8

static int refuse(const struct backup_stage *s, struct err *e) {
    return err_set(e, ERR_USAGE,
                   "%s is there already: nothing is written over it; give another name, or move it "
                   "away",
                   s->path);
}

static bool is_empty_folder(const struct backup_stage *s) {
    bool empty = true;
    int fd = path_open(s->parent, s->leaf, O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        auto_close(&fd);
        return false;
    }
    for (struct dirent *d; empty && (d = readdir(dir));) {
        empty = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
    }
    closedir(dir);
    return empty;
}

static int split(struct backup_stage *s, const char *path, struct err *e) {
    AUTO_FREE char *copy = must_strdup(path);
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/') {
        copy[--len] = 0;
    }
    char *slash = strrchr(copy, '/');
    s->path = must_strdup(copy);
    s->leaf = must_strdup(slash ? slash + 1 : copy);
    // Room for what the stage's name has around it.
    if (!path_component_ok(s->leaf, strlen(s->leaf)) || strlen(s->leaf) > 200) {
        return err_set(e, ERR_USAGE, "-o %s: that is no name to write to", path);
    }
    const char *dir = slash == copy ? "/" : slash ? copy : ".";
    if (slash) {
        *slash = 0;
    }
    s->parent = open(slash == copy ? "/" : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->parent >= 0
               ? 0
               : err_sys(e, ERR_USAGE, errno, "-o %s: its folder cannot be opened", s->path);
}

static bool is_stage_of(const struct backup_stage *s, const char *name) {
    size_t leaf = strlen(s->leaf), len = strlen(name);
    return len == leaf + 2 + RANDOM_DIGITS + strlen(TAIL) && name[0] == '.' &&
           strncmp(name + 1, s->leaf, leaf) == 0 && name[1 + leaf] == '.' &&
           strcmp(name + len - strlen(TAIL), TAIL) == 0;
}

// What writers of this name have left when they were killed: theirs is not locked any more.
static void sweep(const struct backup_stage *s) {
    int fd = openat(s->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        auto_close(&fd);
        return;
    }
    for (struct dirent *d; (d = readdir(dir));) {
        if (is_stage_of(s, d->d_name)) {
            AUTO_CLOSE int old = path_open(s->parent, d->d_name, O_RDONLY | O_DIRECTORY, 0);
            if (old >= 0 && flock(old, LOCK_EX | LOCK_NB) == 0) {
                (void)path_remove_tree(s->parent, d->d_name);
            }
        }
    }
    closedir(dir);
}

// A sweeper may lock or remove the folder before we lock it: then it is not ours.
static bool make_once(struct backup_stage *s) {
    uint32_t random;
    struct stat st;
    MUST(getrandom(&random, sizeof random, 0) == (ssize_t)sizeof random);
    (void)snprintf(s->name, sizeof s->name, ".%s.%08x" TAIL, s->leaf, random);
    if (mkdirat(s->parent, s->name, 0700) != 0) {
        return false;
    }
    s->fd = path_open(s->parent, s->name, O_RDONLY | O_DIRECTORY, 0);
    if (s->fd >= 0 && flock(s->fd, LOCK_EX | LOCK_NB) == 0 && fstat(s->fd, &st) == 0 &&
        st.st_nlink > 0) {
        return true;
    }
    int saved = errno;
    auto_close(&s->fd);
    s->fd = -1;
    errno = saved;
    return false;
}

int backup_stage_open(struct backup_stage *s, const char *path, bool folder, struct err *e) {
    struct stat st;
    int rc = split(s, path, e);
    if (rc) {
        return rc;
    }
    bool there = fstatat(s->parent, s->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !(folder && is_empty_folder(s))) {
        return refuse(s, e);
    }
    sweep(s);
    for (int tries = 0; tries < 16; tries++) {
        if (make_once(s)) {
            return 0;
        }
    }
    return err_sys(e, ERR_IO, errno, "-o %s: nothing can be written beside it", s->path);
}

static int rename_new(struct backup_stage *s, const char *inner) {
    if (renameat2(s->fd, inner, s->parent, s->leaf, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    struct stat st;
    bool there = fstatat(s->parent, s->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISDIR(st.st_mode)) {
        errno = EEXIST;
        return -1;
    }
    // An empty folder, or a file system that has no RENAME_NOREPLACE.
    return renameat(s->fd, inner, s->parent, s->leaf);
}

int backup_stage_publish(struct backup_stage *s, const char *inner, struct err *e) {
    if (rename_new(s, inner) != 0) {
        return errno == EEXIST || errno == ENOTEMPTY
                   ? refuse(s, e)
                   : err_sys(e, ERR_IO, errno, "%s cannot be given its name", s->path);
    }
    if (fsync(s->parent) != 0) {
        return err_sys(e, ERR_IO, errno, "%s: its folder cannot be synced", s->path);
    }
    return 0;
}

void backup_stage_drop(struct backup_stage *s) {
    if (s->fd >= 0) {
        (void)path_remove_tree(s->parent, s->name);
    }
    auto_close(&s->fd);
    auto_close(&s->parent);
    s->fd = s->parent = -1;
    free(STEAL(s->path));
    free(STEAL(s->leaf));
}
