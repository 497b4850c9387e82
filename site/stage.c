// SPDX-License-Identifier: Apache-2.0
#include "site/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "site/unnamed.h"

#define LOCK "lock"
#define LOCK_FLAGS (O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define TRIES 100
#define PROBE "probe"
#define STRANGER 61234 // neither owner nor group of anything, and mapped in most user namespaces

void stage_name(const uint8_t nonce[PROTOCOL_NONCE], char out[STAGE_NAME_MAX]) {
    tree_own_name(TREE_OWN_PREFIX, nonce, out);
}

bool stage_errno_is_general(int errnum) {
    return tree_errno_is_general(errnum) || errnum == EIO || errnum == ENOSPC || errnum == EDQUOT ||
           errnum == EROFS || errnum == ESTALE;
}

int stage_error_code(int errnum) {
    return tree_errno_is_general(errnum) ? ERR_RETRY : ERR_IO;
}

static void batch_name(uint64_t number, char out[STAGE_FILE_NAME]) {
    snprintf(out, STAGE_FILE_NAME, "%llu", (unsigned long long)number);
}

int stage_batch(const struct stage *s, uint64_t number) {
    char name[STAGE_FILE_NAME];
    batch_name(number, name);
    return mkdirat(s->fd, name, 0700) != 0
               ? -1
               : openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void stage_batch_close(const struct stage *s, uint64_t number, int *fd) {
    char name[STAGE_FILE_NAME];
    if (*fd >= 0) {
        auto_close(fd);
        batch_name(number, name);
        unlinkat(s->fd, name, AT_REMOVEDIR); // what holds void members goes with the whole
    }
}

void stage_file_name(size_t member, char out[STAGE_FILE_NAME]) {
    static const char digits[] = "0123456789abcdef";
    size_t len = 1;
    for (size_t rest = member; rest > 15; rest /= 16) {
        len++;
    }
    out[len] = 0;
    for (; len > 0; member /= 16) { // twice for each file, where printf would show
        out[--len] = digits[member % 16];
    }
}

void stage_times(int64_t mtime_ns, struct timespec out[2]) {
    int64_t ns = mtime_ns % 1000000000;
    ns += ns < 0 ? 1000000000 : 0;
    out[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    out[1] = (struct timespec){.tv_sec = (mtime_ns - ns) / 1000000000, .tv_nsec = ns};
}

// --- the dead

static bool is_named(int rootfd, const char *name, int dir) {
    struct stat named, held;
    return fstatat(rootfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(dir, &held) == 0 &&
           named.st_dev == held.st_dev && named.st_ino == held.st_ino;
}

// One that is just being made may be taken for a dead one. It gets another name before anything in
// it is removed: whoever makes it sees by that that it is gone, and never has a new lock in a
// folder that is being emptied.
static void sweep_one(int rootfd, const char *name) {
    uint8_t nonce[PROTOCOL_NONCE];
    char dead[STAGE_NAME_MAX];
    AUTO_CLOSE int dir = openat(rootfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSE int lock = dir < 0 ? -1 : openat(dir, LOCK, LOCK_FLAGS, 0600);
    (void)FAULT("stage-sweep");
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0 || !is_named(rootfd, name, dir) ||
        getrandom(nonce, sizeof nonce, 0) != sizeof nonce) {
        return;
    }
    stage_name(nonce, dead);
    if (renameat(rootfd, name, rootfd, dead) == 0) {
        path_remove_tree(rootfd, dead);
    }
}

static int sweep_name(void *arg, const char *name, struct err *e) {
    struct stage *s = arg;
    (void)e;
    if (tree_name_has_prefix(name, TREE_OWN_PREFIX) && strcmp(name, s->name) != 0) {
        sweep_one(s->rootfd, name);
    }
    return 0;
}

// --- what is kept

// The coarsest unit among those of file systems that explains what became of `wanted`.
static uint64_t granularity(int64_t wanted, int64_t became) {
    static const int64_t units[] = {1, 100, 1000, 1000000, 1000000000, 2000000000};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (wanted - wanted % units[i] == became) {
            return (uint64_t)units[i];
        }
    }
    return 2000000000;
}

// True when a call of a trial worked. What is wrong with the disk or the system says nothing of
// what the file system can keep: it is noted in *broken, and the trial decides nothing.
static bool worked(int rc, int *broken) {
    if (rc != 0 && *broken == 0 && stage_errno_is_general(errno)) {
        *broken = errno;
    }
    return rc == 0;
}

static void probe_metadata(struct stage *s, int fd, int *broken) {
    struct stat st;
    const int64_t when = INT64_C(1000000001123456789);
    struct timespec ts[2];
    stage_times(when, ts);
    if (worked(futimens(fd, ts), broken) && worked(fstat(fd, &st), broken)) {
        int64_t now = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        s->keeps.mtime_ns = granularity(when, now);
    }
    if (worked(fchmod(fd, 0640), broken) && worked(fstat(fd, &st), broken) &&
        (st.st_mode & 07777) == 0640 && worked(fchmod(fd, 0600), broken) &&
        worked(fstat(fd, &st), broken) && (st.st_mode & 07777) == 0600) {
        s->keeps.flags |= KEEP_MODE;
    }
    if (worked(fsetxattr(fd, "user.mvimig", "1", 1, 0), broken)) {
        s->keeps.flags |= KEEP_XATTR;
    }
    if (worked(fchown(fd, STRANGER, STRANGER), broken) && worked(fstat(fd, &st), broken) &&
        st.st_uid == STRANGER && st.st_gid == STRANGER) {
        s->keeps.flags |= KEEP_OWNER;
    }
}

static void probe_links(struct stage *s, int *broken) {
    if (worked(linkat(s->fd, PROBE, s->fd, PROBE "-2", 0), broken)) {
        s->keeps.flags |= KEEP_LINKS;
        unlinkat(s->fd, PROBE "-2", 0);
    }
    if (worked(symlinkat(PROBE, s->fd, PROBE "-3"), broken)) {
        s->keeps.flags |= KEEP_SYMLINKS;
        unlinkat(s->fd, PROBE "-3", 0);
    }
}

// A file whose owner is another may have no second name without the right to (protected_hardlinks
// of proc(5)), and a container may have no /proc: so all that is done to files is done here. Where
// it does not work, whatever the reason, files wait under names.
static bool probe_unnamed(const struct stage *s) {
    int fd = unnamed_open(s->fd, 0600);
    bool works = fd >= 0;
    if (works && (s->keeps.flags & KEEP_OWNER) != 0) {
        works = fchown(fd, STRANGER, STRANGER) == 0;
    }
    works = works && unnamed_link(fd, s->fd, PROBE "-4") == 0;
    unlinkat(s->fd, PROBE "-4", 0);
    unnamed_close(&fd);
    return works;
}

static int probe(struct stage *s, struct err *e) {
    struct stat st;
    int broken = 0;
    AUTO_CLOSE int fd = openat(s->fd, PROBE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0777);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return err_sys(e, ERR_IO, errno, "no file can be made in %s", s->name);
    }
    s->umask = 0777 & ~st.st_mode;
    s->uid = st.st_uid;
    s->gid = st.st_gid;
    s->keeps = (struct keeps){.mtime_ns = 2000000000};
    probe_links(s, &broken);
    probe_metadata(s, fd, &broken);
    unlinkat(s->fd, PROBE, 0);
    s->unnamed = probe_unnamed(s);
    return broken == 0 ? 0
                       : err_sys(e, stage_error_code(broken), broken,
                                 "it cannot be tried what the destination's file system keeps");
}

void stage_guess(struct keeps *keeps) {
    *keeps = (struct keeps){.flags = KEEP_MODE | KEEP_XATTR | KEEP_LINKS | KEEP_SYMLINKS};
    if (geteuid() == 0) {
        keeps->flags |= KEEP_OWNER;
    }
}

// --- the folder

// Where descriptors have run out, others of this process give theirs back just now; an empty folder
// goes without any.
static void remove_all(struct stage *s) {
    if (unlinkat(s->rootfd, s->name, AT_REMOVEDIR) == 0) {
        return;
    }
    for (int tries = 0; path_remove_tree(s->rootfd, s->name) != 0 && tries < TRIES; tries++) {
        bool passes = tree_errno_is_general(errno);
        auto_close(&s->lock);
        if (!passes) {
            return; // left to the next session
        }
        clock_sleep_ms(10);
    }
}

// Between the folder's making and its lock another session may take it for a dead one's and remove
// it. -1 with errno; EAGAIN: that happened, make it again.
static int make_once(struct stage *s) {
    struct stat lock;
    if (mkdirat(s->rootfd, s->name, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    (void)FAULT("stage-lock");
    s->fd = openat(s->rootfd, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    s->lock = s->fd < 0 ? -1 : openat(s->fd, LOCK, LOCK_FLAGS, 0600);
    s->locked = s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0;
    if (s->lock < 0 || (!s->locked && errno == EWOULDBLOCK)) {
        errno = errno == ENOENT || errno == EWOULDBLOCK ? EAGAIN : errno;
        return -1;
    }
    // Where there are no locks, nobody sweeps.
    bool gone =
        fstat(s->lock, &lock) != 0 || lock.st_nlink == 0 || !is_named(s->rootfd, s->name, s->fd);
    errno = gone ? EAGAIN : errno;
    return gone ? -1 : 0;
}

static int make(struct stage *s, struct err *e) {
    int fault = FAULT("stage-make");
    for (int tries = 0; fault == 0 && tries < TRIES; tries++) {
        if (make_once(s) == 0) {
            return 0;
        }
        int errnum = errno;
        auto_close(&s->fd);
        auto_close(&s->lock);
        if (errnum != EAGAIN) {
            fault = errnum;
            remove_all(s); // it may be there, and its lock may not
            break;
        }
        clock_sleep_ms(10);
    }
    int code = tree_errno_is_general(fault) ? ERR_RETRY : ERR_IO;
    if (fault != EACCES && fault != EPERM) {
        return err_sys(e, code, fault != 0 ? fault : EAGAIN,
                       "no folder can be made in the destination's data directory");
    }
    return err_sys(e, code, fault,
                   "no folder can be made in the destination's data directory; give user %u the "
                   "right to write there",
                   (unsigned)geteuid());
}

int stage_open(struct stage *s, int rootfd, const uint8_t nonce[PROTOCOL_NONCE], struct err *e) {
    s->rootfd = rootfd;
    stage_name(nonce, s->name);
    int rc = make(s, e);
    rc = rc < 0 ? rc : probe(s, e);
    if (rc < 0) {
        return rc;
    }
    struct err ignored = {0}; // what is left lying is tried again by the next session
    tree_each_name(rootfd, sweep_name, s, &ignored);
    return 0;
}

void stage_close(struct stage *s) {
    if (s->fd >= 0) {
        auto_close(&s->fd);
        remove_all(s);
    }
    auto_close(&s->lock);
}
