// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "site/tree.h"
#include "site/tree_name.h"

#define DENTS_SIZE (64 << 10)

// The names of one directory, sorted.
struct names {
    char *text;
    size_t len, cap;
    size_t *at; // offsets of the names in `text`
    size_t n, cap_at;
};

// One directory on the way down to where the walk is.
struct level {
    struct level *up;
    int fd; // -1 while too many deeper ones are held
    dev_t dev;
    ino_t ino;
    size_t path_len; // of its path; 0 is the root
    struct names names;
};

struct walk {
    int rootfd;
    const struct tree_selection *s;
    const struct tree_walker *w;
    int (*skip)(void *arg, const char *path, size_t len, struct err *e);
    void *skip_arg;
    struct tree_template template;
    struct strtab *except;
    char *dents;
    char path[PATH_REL_MAX + 1];
};

// --- names

static void names_free(struct names *n) {
    free(n->text);
    free(n->at);
}

static void names_add(struct names *n, const char *name) {
    size_t len = strlen(name) + 1;
    if (n->len + len > n->cap) {
        n->cap = 2 * n->cap + len + 1024;
        n->text = must_realloc(n->text, n->cap, 1);
    }
    if (n->n == n->cap_at) {
        n->cap_at = 2 * n->cap_at + 32;
        n->at = must_realloc(n->at, n->cap_at, sizeof *n->at);
    }
    memcpy(n->text + n->len, name, len);
    n->at[n->n++] = n->len;
    n->len += len;
}

static int by_bytes(const void *a, const void *b, void *text) {
    const size_t *x = a, *y = b;
    return strcmp((const char *)text + *x, (const char *)text + *y);
}

// Reads a directory's names; those of the selection's top level pass its IDs first.
static int names_read(struct walk *w, int fd, bool top, struct names *n) {
    for (;;) {
        ssize_t got = getdents64(fd, w->dents, DENTS_SIZE);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *d = (const void *)(w->dents + at);
            at += d->d_reclen;
            const char *name = d->d_name;
            if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
                (!top || w->s->ids == NULL || tree_template_finds(&w->template, w->s->ids, name))) {
                names_add(n, name);
            }
        }
    }
    if (n->n > 1) {
        qsort_r(n->at, n->n, sizeof *n->at, by_bytes, n->text);
    }
    return 0;
}

// --- levels

static int tell_unreadable(struct walk *w, int errnum, struct err *e) {
    const char *path = w->path[0] == 0 ? "." : w->path;
    return w->w->unreadable == NULL ? 0 : w->w->unreadable(w->w->arg, path, errnum, e);
}

static void level_close(struct level *l) {
    auto_close(&l->fd);
    names_free(&l->names);
}
#define AUTO_LEVEL AUTO(level_close)

// Takes `fd` over. -1 with errno.
static int level_open(struct walk *w, struct level *l, int fd, bool top) {
    struct stat st;
    l->fd = fd;
    if (fstat(fd, &st) != 0) {
        return -1;
    }
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    l->path_len = strlen(w->path);
    return names_read(w, fd, top, &l->names);
}

// The level's directory, opened again when it had to be let go.
static int level_fd(struct walk *w, struct level *l) {
    if (l->fd >= 0) {
        return l->fd;
    }
    struct stat st;
    char cut = w->path[l->path_len];
    w->path[l->path_len] = 0;
    AUTO_CLOSE int fd = path_open(w->rootfd, w->path, O_RDONLY | O_DIRECTORY, 0);
    w->path[l->path_len] = cut;
    if (fd < 0 || fstat(fd, &st) != 0) {
        return -1;
    }
    if (st.st_dev != l->dev || st.st_ino != l->ino) {
        errno = ENOENT; // another directory stands there now: ours has gone
        return -1;
    }
    return l->fd = steal_fd(&fd);
}

// Lets the descriptor go that is furthest up, when enough are held below it.
static void level_let_go(struct level *l) {
    for (int held = 0; l != NULL; l = l->up) {
        held += l->fd >= 0;
        if (held >= TREE_HELD_LEVELS) {
            auto_close(&l->fd);
        }
    }
}

// --- the walk

static int walk_level(struct walk *w, struct level *l, struct err *e);

static int walk_into(struct walk *w, struct level *up, const char *name, struct err *e) {
    AUTO_LEVEL struct level l = {.up = up, .fd = -1};
    int dirfd = level_fd(w, up);
    int fd = dirfd < 0 ? -1 : openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || level_open(w, &l, fd, false) != 0) {
        return tell_unreadable(w, errno, e);
    }
    level_let_go(&l);
    return walk_level(w, &l, e);
}

// 1 when the path is not part of the selection.
static int is_skipped(struct walk *w, const struct level *l, const char *name, size_t len,
                      struct err *e) {
    if (l->path_len == 0 && tree_name_is_own(name)) {
        return 1;
    }
    if (w->except != NULL && strtab_has(w->except, w->path, len)) {
        return 1;
    }
    return w->skip == NULL ? 0 : w->skip(w->skip_arg, w->path, len, e);
}

static int walk_name(struct walk *w, struct level *l, const char *name, struct err *e) {
    struct stat st;
    struct tree_entry t;
    int rc = is_skipped(w, l, name, strlen(w->path), e);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    int dirfd = level_fd(w, l);
    if (dirfd < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return tell_unreadable(w, errno, e);
    }
    tree_entry_of(w->path, &st, &t);
    rc = w->w->entry(w->w->arg, &t, e);
    return rc == 0 && t.type == TREE_DIR ? walk_into(w, l, name, e) : rc;
}

static int walk_level(struct walk *w, struct level *l, struct err *e) {
    int rc = 0;
    size_t at = l->path_len + (l->path_len > 0);
    for (size_t i = 0; rc == 0 && i < l->names.n; i++) {
        const char *name = l->names.text + l->names.at[i];
        size_t len = strlen(name);
        if (at + len > PATH_REL_MAX) {
            rc = tell_unreadable(w, ENAMETOOLONG, e); // names the directory: the path has no room
            continue;
        }
        if (at > 0) {
            w->path[at - 1] = '/';
        }
        memcpy(w->path + at, name, len + 1);
        rc = walk_name(w, l, name, e);
        w->path[l->path_len] = 0;
    }
    return rc;
}

static void walk_close(struct walk *w) {
    free(w->dents);
    strtab_free(w->except);
}
#define AUTO_WALK AUTO(walk_close)

static int walk_open(struct walk *w, struct level *top, struct err *e) {
    const struct tree_selection *s = w->s;
    int rc = tree_template_read(s->name, &w->template, e);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < s->n_except; i++) {
        w->except = w->except == NULL ? strtab_new() : w->except;
        *strtab_slot(w->except, s->except[i], strlen(s->except[i]), &(bool){0}) = 1;
    }
    w->dents = must_calloc(1, DENTS_SIZE);
    const char *under = strcmp(s->under, ".") == 0 ? "" : s->under;
    size_t len = strlen(under);
    if (len > PATH_REL_MAX || (len > 0 && !path_relative_ok(under))) {
        return err_set(e, ERR_USAGE, "%.200s: not a safe relative path", under);
    }
    memcpy(w->path, under, len + 1);
    int fd = path_open(w->rootfd, under, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0 && level_open(w, top, fd, true) == 0) {
        return 1;
    }
    return errno == ENOENT && s->ids != NULL ? 0 : tell_unreadable(w, errno, e);
}

int tree_walk_skip(int rootfd, const struct tree_selection *s, const struct tree_walker *walker,
                   int (*skip)(void *arg, const char *path, size_t len, struct err *e),
                   void *skip_arg, struct err *e) {
    AUTO_LEVEL struct level top = {.fd = -1};
    AUTO_WALK struct walk w = {
        .rootfd = rootfd, .s = s, .w = walker, .skip = skip, .skip_arg = skip_arg};
    int rc = walk_open(&w, &top, e);
    return rc > 0 ? walk_level(&w, &top, e) : rc;
}

int tree_names(int rootfd, const struct tree_selection *s,
               int (*each)(void *arg, const char *name, struct err *e), void *arg, struct err *e) {
    MUST(s->ids != NULL);
    const struct tree_walker nobody = {0};
    AUTO_LEVEL struct level top = {.fd = -1};
    AUTO_WALK struct walk w = {.rootfd = rootfd, .s = s, .w = &nobody};
    int rc = walk_open(&w, &top, e);
    for (size_t i = 0; rc > 0 && i < top.names.n; i++) {
        const char *name = top.names.text + top.names.at[i];
        int result = top.path_len == 0 && tree_name_is_own(name) ? 0 : each(arg, name, e);
        rc = result < 0 ? result : rc;
    }
    return rc < 0 ? rc : 0;
}

int tree_each_name(int dirfd, int (*each)(void *arg, const char *name, struct err *e), void *arg,
                   struct err *e) {
    const struct tree_selection all = {.under = "."};
    AUTO_LEVEL struct level l = {.fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    AUTO_WALK struct walk w = {.s = &all, .dents = must_calloc(1, DENTS_SIZE)};
    if (l.fd < 0 || names_read(&w, l.fd, false, &l.names) != 0) {
        return err_sys(e, ERR_IO, errno, "a directory cannot be listed");
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l.names.n; i++) {
        rc = each(arg, l.names.text + l.names.at[i], e);
    }
    return rc;
}
