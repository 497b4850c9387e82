// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "site/receive_private.h"
#include "site/unnamed.h"

void place_refuse(struct placer *p, size_t i, const char *class, const char *fmt, ...) {
    struct refusal x = {.item = (uint32_t)i};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(x.detail, sizeof x.detail, fmt, ap);
    va_end(ap);
    put_u32(&p->batch->refusals, x.item);
    put_text(&p->batch->refusals, class);
    put_text(&p->batch->refusals, x.detail);
    p->batch->n_refusals++;
    p->batch->items[i].refused = true;
}

// What is wrong with the disk or the system is no matter of the item: the batch fails, and with it
// the step, which places what is missing when it is run again.
static void refuse_errno(struct placer *p, size_t i, int errnum) {
    char text[128], shown[300];
    const char *said = strerror_r(errnum, text, sizeof text);
    const char *path = p->batch->items[i].path;
    if (stage_errno_is_general(errnum)) {
        err_sys(&p->failed, stage_error_code(errnum), errnum, "%s: cannot be put in place",
                escape_into(shown, sizeof shown, path, strlen(path)));
    } else if (errnum == ELOOP || errnum == ENOTDIR) {
        place_refuse(p, i, "symlink",
                     "a symbolic link or file stands in its way at the destination");
    } else {
        place_refuse(p, i, "refused", "%s", said);
    }
}

void place_touch(struct placer *p, const char *dir) {
    bool added;
    strtab_slot(p->touched, dir, strlen(dir), &added);
    if (added) {
        ARENA_PUSH(p->arena, p->dirs, p->n_dirs, p->cap_dirs, arena_strdup(p->arena, dir));
    }
}

// An owner who is not root needs the right to write; the sender sets the mode at the end anyway.
static void make_writable(const struct placer *p, int dir) {
    struct stat st;
    if (p->r->stage.uid != 0 && fstat(dir, &st) == 0 && st.st_uid == p->r->stage.uid &&
        (st.st_mode & 0300) != 0300) {
        fchmod(dir, (st.st_mode & 07777) | 0300);
    }
}

// The item's directory, noted as touched. -1 with errno.
static int parent_of(struct placer *p, const struct item *i, const char **leaf) {
    int dir = tree_parent_of(&p->parent, i->path, leaf);
    if (dir >= 0) {
        make_writable(p, dir);
        place_touch(p, dir == p->r->rootfd ? "." : p->parent.dir);
    }
    return dir;
}

// True when what stands at the leaf is what the sender has seen there.
static bool is_as_seen(int dir, const char *leaf, const struct item *i) {
    struct stat st;
    struct tree_entry t;
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    tree_entry_of(leaf, &st, &t);
    return (char)t.type == i->was_type &&
           (t.type == TREE_DIR || (t.size == i->was_size && t.mtime_ns == i->was_mtime_ns));
}

// Where an item waits, and under which name.
static int staged(const struct placer *p, size_t k, char name[PART_NAME_MAX]) {
    const struct batch *b = p->batch;
    if (b->items[k].part) {
        memcpy(name, b->part->name, PART_NAME_MAX);
        return b->part->folder;
    }
    stage_file_name(k, name);
    return b->folder;
}

// Renames from the staging folder to a place where nothing stands. -1 with errno.
static int rename_new(int from, const char *name, int dir, const char *leaf) {
    if (renameat2(from, name, dir, leaf, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    struct stat st; // a file system without it, as NFS
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return errno == ENOENT ? renameat(from, name, dir, leaf) : -1;
}

static bool same_target(int from, const char *name, int dir, const char *leaf) {
    char ours[PATH_REL_MAX + 1], theirs[PATH_REL_MAX + 1];
    ssize_t a = readlinkat(from, name, ours, sizeof ours);
    ssize_t b = readlinkat(dir, leaf, theirs, sizeof theirs);
    return a >= 0 && a == b && memcmp(ours, theirs, (size_t)a) == 0;
}

static bool has_content(struct receiver *r, int dir, const char *leaf, const struct item *i) {
    AUTO_CLOSE int fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct content *c = &r->committer.content;
    struct err ignored = {0};
    uint8_t found[HASH_SIZE];
    uint64_t size;
    if (fd < 0) {
        return false;
    }
    if (c->buffer == NULL) {
        content_open(c);
    }
    return content_read(c, &r->wire, fd, i->by, found, &size, &ignored) == 0 && size == i->size &&
           memcmp(found, i->digest, HASH_SIZE) == 0;
}

// Another migration of the same objects may have brought it meanwhile.
static bool is_the_same(struct receiver *r, const struct item *i, int from, const char *name,
                        int dir, const char *leaf) {
    struct stat ours, theirs;
    if (fstatat(from, name, &ours, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(dir, leaf, &theirs, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) {
        return true; // a hard link that stands there already
    }
    if (ours.st_mode != theirs.st_mode || ours.st_uid != theirs.st_uid ||
        ours.st_gid != theirs.st_gid || ours.st_size != theirs.st_size ||
        ours.st_mtim.tv_sec != theirs.st_mtim.tv_sec ||
        ours.st_mtim.tv_nsec != theirs.st_mtim.tv_nsec) {
        return false;
    }
    return i->kind == TREE_LINK   ? same_target(from, name, dir, leaf)
           : i->kind == TREE_FILE ? has_content(r, dir, leaf, i)
                                  : false;
}

static void refuse_appeared(struct placer *p, size_t k, int from, const char *name, int dir,
                            const char *leaf) {
    const struct item *i = &p->batch->items[k];
    if (is_the_same(p->r, i, from, name, dir, leaf)) {
        place_refuse(p, k, REFUSAL_THERE, "it was brought meanwhile");
    } else {
        place_refuse(p, k, "appeared", "%s while it was on its way",
                     i->replace ? "what stands there has changed" : "something appeared there");
    }
}

// True when that was all there was to do. What takes another's place, and what found its place
// taken, gets a name in the batch's folder: a link never takes the place of anything.
static bool place_unnamed(struct placer *p, size_t k, int dir, const char *leaf) {
    struct item *i = &p->batch->items[k];
    char name[STAGE_FILE_NAME];
    bool settled = !i->replace && unnamed_link(i->unnamed, dir, leaf) == 0;
    stage_file_name(k, name);
    if (!settled && ((!i->replace && errno != EEXIST) ||
                     unnamed_link(i->unnamed, p->batch->folder, name) != 0)) {
        refuse_errno(p, k, errno);
        settled = true;
    }
    unnamed_close(&i->unnamed);
    return settled;
}

static void place_staged(struct placer *p, size_t k, int dir, const char *leaf) {
    struct item *i = &p->batch->items[k];
    char name[PART_NAME_MAX];
    int from = staged(p, k, name);
    if (i->unnamed >= 0 && place_unnamed(p, k, dir, leaf)) {
        return;
    }
    if (!i->replace) {
        if (rename_new(from, name, dir, leaf) == 0) {
            return;
        }
        if (errno != EEXIST) {
            refuse_errno(p, k, errno);
            return;
        }
        refuse_appeared(p, k, from, name, dir, leaf);
        return;
    }
    if (!is_as_seen(dir, leaf, i)) {
        refuse_appeared(p, k, from, name, dir, leaf);
    } else if (i->was_type == TREE_DIR && unlinkat(dir, leaf, AT_REMOVEDIR) != 0) {
        place_refuse(p, k, "occupied", "a directory that is not empty stands in its place");
    } else if (renameat(from, name, dir, leaf) != 0) {
        refuse_errno(p, k, errno);
    }
}

// The first name of a hard link is in place already, or comes from an earlier batch or run.
static void place_hard(struct placer *p, size_t k, int dir, const char *leaf) {
    struct item *i = &p->batch->items[k];
    char name[STAGE_FILE_NAME];
    struct stat st;
    const char *first;
    stage_file_name(k, name);
    int other = tree_parent_of(&p->other, i->target, &first);
    if (other < 0 || linkat(other, first, p->batch->folder, name, 0) != 0) {
        refuse_errno(p, k, errno);
        return;
    }
    struct tree_entry t = {0};
    if (fstatat(p->batch->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        tree_entry_of(name, &st, &t);
    }
    // Another time than promised: the first name was refused, or somebody has replaced it.
    if (t.type != TREE_FILE || i->mtime_ns - i->mtime_ns % (int64_t)p->r->stage.keeps.mtime_ns !=
                                   t.mtime_ns - t.mtime_ns % (int64_t)p->r->stage.keeps.mtime_ns) {
        place_refuse(p, k, "refused", "what it is a hard link to is not what stands there");
        return;
    }
    place_staged(p, k, dir, leaf);
}

static void place_dir(struct placer *p, size_t k, int dir, const char *leaf) {
    struct item *i = &p->batch->items[k];
    struct stat st;
    if (i->replace && (!is_as_seen(dir, leaf, i) || i->was_type == TREE_DIR)) {
        place_refuse(p, k, "appeared", "what stands there has changed while it was on its way");
        return;
    }
    if (i->replace && unlinkat(dir, leaf, 0) != 0) {
        refuse_errno(p, k, errno);
        return;
    }
    if (mkdirat(dir, leaf, 0700) == 0) {
        return;
    }
    int errnum = errno;
    if (errnum == EEXIST && fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode)) {
        return; // somebody else has made it: that is as good
    }
    refuse_errno(p, k, errnum == EEXIST ? ENOTDIR : errnum);
}

static int placed(const struct placer *p, struct err *e) {
    if (p->failed.code != 0) {
        *e = p->failed;
    }
    return p->failed.code;
}

int place_member(struct placer *p, size_t i, struct err *e) {
    const char *leaf;
    int dir = parent_of(p, &p->batch->items[i], &leaf);
    if (dir < 0) {
        refuse_errno(p, i, errno);
        return placed(p, e);
    }
    switch (p->batch->items[i].kind) {
    case TREE_DIR:
        place_dir(p, i, dir, leaf);
        break;
    case TAR_HARD:
        place_hard(p, i, dir, leaf);
        break;
    default:
        place_staged(p, i, dir, leaf);
    }
    return placed(p, e);
}

// --- mends

// There is no chmod that neither follows a link nor needs the right to read, but through /proc.
static int chmod_leaf(int dir, const char *leaf, mode_t mode) {
    AUTO_CLOSE int fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        return fchmod(fd, mode);
    }
    fd = openat(dir, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        return -1;
    }
    if (S_ISLNK(st.st_mode)) {
        errno = ELOOP;
        return -1;
    }
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return chmod(path, mode);
}

static int mend(const struct item *i, int dir, const char *leaf) {
    struct timespec ts[2];
    stage_times(i->mtime_ns, ts);
    if ((i->what & MEND_OWNER) != 0 &&
        fchownat(dir, leaf, i->uid, i->gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return -1;
    }
    if ((i->what & MEND_MODE) != 0 && i->was_type != TREE_LINK &&
        chmod_leaf(dir, leaf, i->mode) != 0) {
        return -1;
    }
    return (i->what & MEND_TIME) == 0 ? 0 : utimensat(dir, leaf, ts, AT_SYMLINK_NOFOLLOW);
}

int place_mend(struct placer *p, size_t k, struct err *e) {
    struct item *i = &p->batch->items[k];
    struct tree_entry t;
    struct stat st;
    const char *leaf;
    int dir = tree_parent_of(&p->parent, i->path, &leaf);
    if (dir < 0 || fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        refuse_errno(p, k, errno);
        return placed(p, e);
    }
    tree_entry_of(i->path, &st, &t);
    if ((char)t.type != i->was_type) {
        place_refuse(p, k, "appeared", "what stands there has changed while it was on its way");
    } else if (mend(i, dir, leaf) != 0) {
        refuse_errno(p, k, errno);
    } else if (t.type == TREE_DIR) {
        place_touch(p, i->path);
    }
    return placed(p, e);
}
