// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "site/tree.h"

int tree_compare(const char *a, const char *b) {
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    // The end of a path is below '/', and '/' is below every other byte.
    int x = *a == '/' ? 0 : *a == 0 ? -1 : (unsigned char)*a;
    int y = *b == '/' ? 0 : *b == 0 ? -1 : (unsigned char)*b;
    return x - y;
}

bool tree_is_below(const char *path, const char *dir) {
    size_t n = strlen(dir);
    return strcmp(dir, ".") == 0 || (strncmp(path, dir, n) == 0 && path[n] == '/');
}

void tree_entry_of(const char *path, const struct stat *st, struct tree_entry *out) {
    *out = (struct tree_entry){
        .path = path,
        .type = S_ISREG(st->st_mode)   ? TREE_FILE
                : S_ISDIR(st->st_mode) ? TREE_DIR
                : S_ISLNK(st->st_mode) ? TREE_LINK
                                       : TREE_OTHER,
        .mode = st->st_mode & 07777,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .size = (uint64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .dev = st->st_dev,
        .ino = st->st_ino,
        .nlink = st->st_nlink,
        .blocks = (uint64_t)st->st_blocks,
    };
}

bool tree_errno_is_general(int errnum) {
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM || errnum == ENOBUFS ||
           errnum == EAGAIN || errnum == EINTR || errnum == ETIMEDOUT;
}

int tree_parent_of(struct tree_parent *p, const char *path, const char **leaf) {
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    *leaf = slash == NULL ? path : slash + 1;
    if (len > PATH_REL_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (len == 0) {
        return p->rootfd;
    }
    if (p->fd >= 0 && memcmp(p->dir, path, len) == 0 && p->dir[len] == 0) {
        return p->fd;
    }
    tree_parent_close(p);
    memcpy(p->dir, path, len);
    p->dir[len] = 0;
    p->fd = path_open(p->rootfd, p->dir, O_RDONLY | O_DIRECTORY, 0);
    return p->fd;
}

void tree_parent_close(struct tree_parent *p) {
    auto_close(&p->fd);
    p->dir[0] = 0;
}
