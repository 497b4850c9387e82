// SPDX-License-Identifier: Apache-2.0
#include "site/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fault.h"
#include "site/tree.h"

#define TRIES 10 // somebody renames it between the look and the lock
#define XATTR_NAMES (64u << 10)

// --- the folder

// Of whom new files here are, so that nobody else can have put anything into it.
static bool is_ours(int fd, const struct stage *s) {
    struct stat st;
    bool modes = (s->keeps.flags & KEEP_MODE) != 0;
    return fstat(fd, &st) == 0 && st.st_uid == s->uid && (!modes || (st.st_mode & 077) == 0);
}

static int folder_open(const struct parts *p) {
    return openat(p->rootfd, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void parts_look(struct parts *p, const struct stage *s, const uint8_t token[PROTOCOL_TOKEN]) {
    static const uint8_t none[PROTOCOL_TOKEN];
    *p = (struct parts){.rootfd = s->rootfd};
    if (memcmp(token, none, sizeof none) == 0 || !s->locked) {
        return;
    }
    tree_own_name(TREE_PARTS_PREFIX, token, p->name);
    AUTO_CLOSE int fd = folder_open(p);
    p->there = fd >= 0 && is_ours(fd, s);
    p->usable = p->there || (fd < 0 && errno == ENOENT);
}

int parts_drop(const struct parts *p) {
    return path_remove_tree(p->rootfd, p->name);
}

void parts_tidy(const struct parts *p) {
    if (p->usable) {
        unlinkat(p->rootfd, p->name, AT_REMOVEDIR);
    }
}

static int folder_make(const struct parts *p, const struct stage *s) {
    if (mkdirat(p->rootfd, p->name, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    AUTO_CLOSE int fd = folder_open(p);
    if (fd >= 0 && !is_ours(fd, s)) {
        errno = EPERM;
        return -1;
    }
    return steal_fd(&fd);
}

// --- names

static void part_name(const char *key, uint64_t mark, char out[PART_NAME_MAX]) {
    snprintf(out, PART_NAME_MAX, "%.*s-%llu", PART_KEY, key, (unsigned long long)mark);
}

struct search {
    const char *key;
    char name[PART_NAME_MAX]; // "" when there is none
    uint64_t mark;
};

static int search_name(void *arg, const char *name, struct err *e) {
    struct search *x = arg;
    char *end;
    (void)e;
    if (strncmp(name, x->key, PART_KEY) != 0 || name[PART_KEY] != '-' ||
        strlen(name) >= PART_NAME_MAX) {
        return 0;
    }
    errno = 0;
    uint64_t mark = strtoull(name + PART_KEY + 1, &end, 10);
    if (errno == 0 && *end == 0 && mark <= INT64_MAX) {
        snprintf(x->name, sizeof x->name, "%s", name);
        x->mark = mark;
    }
    return 0;
}

// --- one part

// What the source may no longer have: those that it has are set when the file is whole.
static void remove_xattrs(int fd) {
    AUTO_FREE char *names = must_calloc(1, XATTR_NAMES + 1);
    ssize_t len = flistxattr(fd, names, XATTR_NAMES);
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        if (strncmp(names + at, "user.", 5) == 0) {
            fremovexattr(fd, names + at);
        }
    }
}

// 0: it is open, locked and ours. -1 with errno; EAGAIN: it was renamed meanwhile, look again.
static int part_try(struct part *p, const struct stage *s, struct search *x) {
    struct stat held, named;
    bool made = x->name[0] == 0;
    if (made) {
        part_name(x->key, 0, x->name);
        x->mark = 0;
    }
    int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (made ? O_CREAT | O_EXCL : 0);
    p->fd = openat(p->folder, x->name, flags, 0600);
    if (p->fd < 0) {
        errno = errno == ENOENT || errno == EEXIST ? EAGAIN : errno;
        return -1;
    }
    if (flock(p->fd, LOCK_EX | LOCK_NB) != 0) {
        errno = errno == EWOULDBLOCK ? EBUSY : errno;
        return -1;
    }
    if (fstat(p->fd, &held) != 0 || fstatat(p->folder, x->name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
        named.st_dev != held.st_dev || named.st_ino != held.st_ino) {
        errno = EAGAIN;
        return -1;
    }
    if (!S_ISREG(held.st_mode) || held.st_nlink != 1 || held.st_uid != s->uid) {
        errno = EPERM;
        return -1;
    }
    memcpy(p->name, x->name, sizeof p->name);
    p->mark = x->mark;
    if ((uint64_t)held.st_size < x->mark) { // shorter than it says: nothing of it counts
        return part_restart(p);
    }
    remove_xattrs(p->fd);
    return ftruncate(p->fd, (off_t)x->mark);
}

struct part *part_open(const struct parts *parts, const struct stage *s, const char *path) {
    uint8_t sum[HASH_SIZE];
    char key[HASH_HEX];
    struct err ignored = {0};
    struct part *p = must_calloc(1, sizeof *p);
    p->fd = -1;
    p->path = must_strdup(path);
    p->hash = hash_new();
    p->folder = folder_make(parts, s);
    hash_bytes(path, strlen(path), sum);
    hash_hex(sum, key);
    int rc = -1;
    for (int tries = 0; p->folder >= 0 && tries < TRIES; tries++) {
        struct search x = {.key = key};
        auto_close(&p->fd);
        errno = EIO;
        rc = tree_each_name(p->folder, search_name, &x, &ignored);
        rc = rc < 0 ? -1 : part_try(p, s, &x);
        if (rc == 0) {
            return p;
        }
        if (errno != EAGAIN) {
            break;
        }
    }
    int errnum = errno;
    part_close(p);
    errno = errnum;
    return NULL;
}

void part_close(struct part *p) {
    if (p != NULL) {
        auto_close(&p->fd);
        auto_close(&p->folder);
        hash_free(p->hash);
        free(p->path);
        free(p);
    }
}

static int part_rename(struct part *p, uint64_t mark) {
    char name[PART_NAME_MAX];
    part_name(p->name, mark, name);
    if (renameat(p->folder, p->name, p->folder, name) != 0) {
        return -1;
    }
    memcpy(p->name, name, sizeof p->name);
    p->mark = mark;
    return 0;
}

int part_restart(struct part *p) {
    uint8_t ignored[HASH_SIZE];
    hash_final(p->hash, ignored);
    return part_rename(p, 0) != 0 ? -1 : ftruncate(p->fd, 0);
}

int part_mark(struct part *p, uint64_t to) {
    int fault = FAULT("part-before-mark");
    if (fault != 0) {
        errno = fault;
        return -1;
    }
    int rc = part_rename(p, to);
    (void)FAULT("part-after-mark");
    return rc;
}

void part_lose(struct part *p) {
    unlinkat(p->folder, p->name, 0);
}
