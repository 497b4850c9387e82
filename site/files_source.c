// SPDX-License-Identifier: Apache-2.0
// Reading the source, which may be in use: what changes while it is read is noticed by looking at
// it before and after.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fault.h"
#include "site/files_private.h"
#include "site/tar_reader.h"

#define XATTR_NAMES (64u << 10)
#define XATTR_TOTAL (256u << 10)

static int open_leaf(struct sender *s, int dir, const char *leaf) {
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    if (!s->no_noatime) {
        int fd = openat(dir, leaf, flags | O_NOATIME);
        if (fd >= 0 || errno != EPERM) {
            return fd;
        }
        s->no_noatime = true; // somebody else's file: the time of access is not ours to keep
    }
    return openat(dir, leaf, flags);
}

int source_open(struct sender *s, struct item *i, int *fd, struct err *e) {
    struct stat *st = &s->before;
    const char *leaf;
    int dir = tree_parent_of(&s->parent, i->path, &leaf);
    *fd = dir < 0 ? -1 : open_leaf(s, dir, leaf);
    if (*fd < 0 && (errno == ELOOP || errno == ENXIO)) {
        return SOURCE_MOVED; // it became a link or a special file
    }
    if (*fd < 0 || fstat(*fd, st) != 0) {
        int rc = tell_problem_errno(s, i->path, errno, e);
        auto_close(fd);
        return rc < 0 ? rc : SOURCE_LOST;
    }
    tree_entry_of(i->path, st, &i->t);
    if (i->t.type != TREE_FILE) {
        auto_close(fd);
        return SOURCE_MOVED;
    }
    return SOURCE_OK;
}

bool source_still(const struct sender *s, int fd, uint64_t size) {
    const struct stat *before = &s->before;
    struct stat after;
    return fstat(fd, &after) == 0 && (uint64_t)after.st_size == size &&
           before->st_mtim.tv_sec == after.st_mtim.tv_sec &&
           before->st_mtim.tv_nsec == after.st_mtim.tv_nsec &&
           before->st_ctim.tv_sec == after.st_ctim.tv_sec &&
           before->st_ctim.tv_nsec == after.st_ctim.tv_nsec;
}

// Reads exactly the promised size; each piece to `each` (may be NULL).
static int read_promised(struct sender *s, struct item *i, int fd,
                         int (*each)(struct sender *s, size_t len, struct err *e), struct err *e) {
    uint8_t sum[HASH_SIZE];
    bool check = each != NULL && (s->session.keeps.flags & KEEP_CHECKSUM) != 0;
    if (FAULT("source-read") != 0) {
        return SOURCE_MOVED;
    }
    for (uint64_t left = i->t.size; left > 0;) {
        size_t want = left < SOURCE_BUFFER ? (size_t)left : SOURCE_BUFFER;
        ssize_t got = read(fd, s->buffer, want);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            int rc = got == 0 ? 0 : tell_problem_errno(s, i->path, errno, e);
            hash_final(s->hash, sum);
            checksum_final(s->checksum, s->checked);
            return rc < 0 ? rc : got == 0 ? SOURCE_MOVED : SOURCE_LOST;
        }
        hash_update(s->hash, s->buffer, (size_t)got);
        if (check) {
            checksum_update(s->checksum, s->buffer, (size_t)got);
        }
        left -= (uint64_t)got;
        int rc = each != NULL ? each(s, (size_t)got, e) : wire_alive(&s->session.wire, e);
        if (rc < 0) {
            return rc;
        }
    }
    hash_final(s->hash, sum);
    checksum_final(s->checksum, s->checked);
    hash_hex(sum, i->digest);
    return source_still(s, fd, i->t.size) ? SOURCE_OK : SOURCE_MOVED;
}

int source_digest(struct sender *s, struct item *i, struct err *e) {
    AUTO_CLOSE int fd = -1;
    int rc = source_open(s, i, &fd, e);
    return rc == SOURCE_OK ? read_promised(s, i, fd, NULL, e) : rc;
}

static int to_archive(struct sender *s, size_t len, struct err *e) {
    la_ssize_t put = archive_write_data(s->archive, s->buffer, len);
    if (put != (la_ssize_t)len || s->late.code != 0) {
        return archive_failed(s, e);
    }
    if (s->job->progress != NULL && len == SOURCE_BUFFER) {
        s->job->progress(s->job->arg, 0, len);
    }
    return 0;
}

int source_copy(struct sender *s, struct item *i, int fd, struct err *e) {
    return read_promised(s, i, fd, to_archive, e);
}

int source_target(struct sender *s, struct item *i, struct err *e) {
    char target[PROTOCOL_LINK_MAX + 1];
    const char *leaf;
    int dir = tree_parent_of(&s->parent, i->path, &leaf);
    ssize_t n = dir < 0 ? -1 : readlinkat(dir, leaf, target, sizeof target);
    if (n <= 0 || n > PROTOCOL_LINK_MAX) {
        int rc = tell_problem_errno(s, i->path, n < 0 ? errno : ENAMETOOLONG, e);
        return rc < 0 ? rc : SOURCE_LOST;
    }
    i->target = must_strndup(target, (size_t)n);
    return SOURCE_OK;
}

// --- what else a file has

static uint64_t add_xattrs(struct sender *s, int fd) {
    uint64_t sum = 0;
    size_t total = 0;
    AUTO_FREE char *names = NULL;
    ssize_t len = flistxattr(fd, NULL, 0);
    if (len < 0) {
        s->no_xattr = errno == ENOTSUP;
    }
    if (len <= 0 || len > (ssize_t)XATTR_NAMES) {
        return 0;
    }
    names = must_calloc(1, (size_t)len + 1);
    len = flistxattr(fd, names, (size_t)len);
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        if (strncmp(names + at, "user.", 5) != 0) {
            continue;
        }
        ssize_t n = fgetxattr(fd, names + at, s->buffer, SOURCE_BUFFER);
        if (n >= 0 && (total += (size_t)n) <= XATTR_TOTAL) {
            archive_entry_xattr_add_entry(s->entry, names + at, s->buffer, (size_t)n);
            sum ^= digest_xattr(names + at, s->buffer, (size_t)n);
        }
    }
    return sum;
}

// A file of too many pieces goes as if it had no holes.
static void add_holes(struct sender *s, int fd, uint64_t size) {
    size_t n = 0;
    off_t end = (off_t)size, data = lseek(fd, 0, SEEK_DATA);
    bool gap = data != 0;
    while (data >= 0 && data < end && n < TAR_EXTENTS_MAX - 2) {
        off_t hole = lseek(fd, data, SEEK_HOLE);
        hole = hole < 0 || hole > end ? end : hole;
        archive_entry_sparse_add_entry(s->entry, data, hole - data);
        gap = gap || hole < end;
        n++;
        data = hole < end ? lseek(fd, hole, SEEK_DATA) : end;
    }
    if (n == 0) {
        archive_entry_sparse_add_entry(s->entry, end, 0);
    }
    if (!gap || n == TAR_EXTENTS_MAX - 2) {
        archive_entry_sparse_clear(s->entry);
    }
    lseek(fd, 0, SEEK_SET);
}

uint64_t source_describe(struct sender *s, int fd, const struct item *i) {
    bool ask = (s->session.keeps.flags & KEEP_XATTR) != 0 && !s->no_xattr;
    uint64_t xattrs = ask ? add_xattrs(s, fd) : 0;
    if (i->in_ranges) { // all of it is there already
        archive_entry_set_size(s->entry, 0);
    } else if (i->t.size > 0 && i->t.blocks * 512 < i->t.size) {
        add_holes(s, fd, i->t.size);
    }
    return xattrs;
}

// --- hard links

struct link_key {
    uint64_t dev, ino;
};

const struct first_link *source_first(struct sender *s, const struct item *i) {
    struct link_key key = {i->t.dev, i->t.ino};
    if (i->t.nlink < 2 || s->links == NULL || (s->session.keeps.flags & KEEP_LINKS) == 0) {
        return NULL;
    }
    return strtab_pointer(s->links, &key, sizeof key);
}

void source_remember(struct sender *s, const struct item *i) {
    struct link_key key = {i->t.dev, i->t.ino};
    if (i->t.type != TREE_FILE || i->t.nlink < 2) {
        return;
    }
    s->links = s->links == NULL ? strtab_new() : s->links;
    uintptr_t *slot = strtab_slot(s->links, &key, sizeof key, &(bool){0});
    if (*slot != 0) {
        return;
    }
    size_t len = strlen(i->path) + 1;
    struct first_link *l = must_calloc(1, sizeof *l + len);
    memcpy(l->path, i->path, len);
    memcpy(l->digest, i->digest, sizeof l->digest);
    l->next = s->all_links;
    s->all_links = l;
    *slot = (uintptr_t)l;
}

void source_free(struct sender *s) {
    while (s->all_links != NULL) {
        struct first_link *l = s->all_links;
        s->all_links = l->next;
        free(l);
    }
    strtab_free(s->links);
    tree_parent_close(&s->parent);
    hash_free(s->hash);
    checksum_free(s->checksum);
    hash_free(s->ranges);
    free(s->piece);
}
