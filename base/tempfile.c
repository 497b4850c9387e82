// SPDX-License-Identifier: Apache-2.0
#include "base/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/path.h"

// ".NAME.RANDOM.tmp"; a long name is cut so that the whole fits in a directory entry.
static void tempfile_name(struct tempfile *t) {
    uint64_t random;
    ssize_t got;
    do {
        got = getrandom(&random, sizeof random, 0);
    } while (got < 0 && errno == EINTR);
    MUST(got == (ssize_t)sizeof random);
    snprintf(t->temp, sizeof t->temp, ".%.*s.%016llx.tmp", PATH_COMPONENT_MAX - 22, t->name,
             (unsigned long long)random);
}

int tempfile_create(struct tempfile *t, int dirfd, const char *name, mode_t mode, struct err *e) {
    MUST(t->fd < 0);
    size_t len = strlen(name);
    if (!path_component_ok(name, len)) {
        return err_set(e, ERR_IO, "%s: not a file name", name);
    }
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    t->dirfd = dirfd;
    memcpy(t->name, name, len + 1);
    int fault = FAULT("tempfile.create");
    do {
        tempfile_name(t);
        t->fd = fault != 0 ? -1 : openat(dirfd, t->temp, flags, mode);
    } while (t->fd < 0 && fault == 0 && (errno == EEXIST || errno == EINTR));
    if (t->fd < 0) {
        int errnum = fault != 0 ? fault : errno;
        t->temp[0] = 0;
        return err_sys(e, ERR_IO, errnum, "%s: cannot be created", name);
    }
    return 0;
}

int tempfile_write(struct tempfile *t, const void *data, size_t len, struct err *e) {
    int fault = FAULT("tempfile.write");
    if (fault != 0 || fd_write_all(t->fd, data, len) != 0) {
        return err_sys(e, ERR_IO, fault != 0 ? fault : errno, "%s: cannot be written", t->name);
    }
    return 0;
}

static int tempfile_sync_dir(int dirfd) {
    int fault = FAULT("tempfile.dirsync");
    if (fault != 0) {
        errno = fault;
        return -1;
    }
    return path_sync_dir(dirfd);
}

static int tempfile_fail(struct tempfile *t, int errnum, const char *what, struct err *e) {
    err_sys(e, ERR_IO, errnum, "%s: %s", t->name, what);
    tempfile_drop(t);
    return e->code;
}

static int tempfile_rename(struct tempfile *t, struct err *e) {
    int fault = FAULT("tempfile.rename");
    if (fault != 0 || renameat(t->dirfd, t->temp, t->dirfd, t->name) != 0) {
        return tempfile_fail(t, fault != 0 ? fault : errno, "cannot be put in place", e);
    }
    t->temp[0] = 0;
    return 0;
}

int tempfile_publish_unsynced(struct tempfile *t, int *fd, struct err *e) {
    MUST(t->fd >= 0);
    int rc = tempfile_rename(t, e);
    *fd = rc == 0 ? steal_fd(&t->fd) : -1;
    return rc;
}

int tempfile_publish(struct tempfile *t, struct err *e) {
    MUST(t->fd >= 0);
    int fault = FAULT("tempfile.sync");
    if (fault != 0 || fsync(t->fd) != 0) {
        return tempfile_fail(t, fault != 0 ? fault : errno, "cannot be synced to disk", e);
    }
    if (close(steal_fd(&t->fd)) != 0) {
        return tempfile_fail(t, errno, "cannot be closed", e);
    }
    if (tempfile_rename(t, e) != 0) {
        return e->code;
    }
    if (tempfile_sync_dir(t->dirfd) != 0) {
        return tempfile_fail(t, errno, "its directory cannot be synced to disk", e);
    }
    return 0;
}

void tempfile_drop(struct tempfile *t) {
    int saved = errno;
    auto_close(&t->fd);
    if (t->temp[0] != 0) {
        unlinkat(t->dirfd, t->temp, 0);
        t->temp[0] = 0;
    }
    errno = saved;
}

int tempfile_put(int dirfd, const char *name, mode_t mode, const void *data, size_t len,
                 struct err *e) {
    AUTO_TEMPFILE struct tempfile t = TEMPFILE_INIT;
    int rc = tempfile_create(&t, dirfd, name, mode, e);
    if (rc == 0) {
        rc = tempfile_write(&t, data, len, e);
    }
    return rc == 0 ? tempfile_publish(&t, e) : rc;
}

// The whole of an open file; `max` is checked while reading, since size and content may disagree.
static int file_read_fd(int fd, const char *name, size_t max, struct buf *out, struct err *e) {
    for (;;) {
        size_t left = out->max - out->len;
        size_t want = out->len < 65536 ? 65536 : out->len;
        want = want > left ? left : want;
        void *room = buf_room(out, want);
        MUST(room != NULL);
        ssize_t got = read(fd, room, want);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_sys(e, ERR_IO, errno, "%s: cannot be read", name);
        }
        if (got == 0) {
            return 0;
        }
        out->len += (size_t)got;
        if (out->len > max) {
            return err_set(e, ERR_LIMIT, "%s: larger than the limit of %zu bytes", name, max);
        }
    }
}

int file_read(int dirfd, const char *name, size_t max, char **data, size_t *len, struct err *e) {
    MUST(max < SIZE_MAX - 1);
    AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        int code = errno == ENOENT || errno == ENOTDIR ? ERR_NOTFOUND : ERR_IO;
        return err_sys(e, code, errno, "%s", name);
    }
    AUTO_BUF struct buf out = BUF_INIT(max + 1);
    int rc = file_read_fd(fd, name, max, &out, e);
    if (rc == 0) {
        *len = out.len;
        buf_put(&out, "", 0);
        *data = (char *)STEAL(out.data);
    }
    return rc;
}

int fd_write_all(int fd, const void *data, size_t len) {
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int fd_read_all(int fd, void *data, size_t len) {
    char *p = data;
    while (len > 0) {
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? 0 : errno;
            return -1;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}
