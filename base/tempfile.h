// SPDX-License-Identifier: Apache-2.0
// Files that are there whole or not at all: written as a temporary file beside their place,
// synced, renamed, and the directory synced.
//
//     AUTO_TEMPFILE struct tempfile t = TEMPFILE_INIT;
//     tempfile_create(&t, dirfd, "plan.yaml", 0600, &e) ... write to t.fd ... tempfile_publish(&t,
//     &e)
//
// What was not published is removed when `t` goes out of scope. A failed fsync is never tried
// again: the file is dropped and the caller starts over from the source.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/must.h"

struct tempfile {
    int dirfd; // borrowed
    int fd;    // -1 when closed
    char name[256];
    char temp[256];
};
#define TEMPFILE_INIT                                                                              \
    { .dirfd = -1, .fd = -1 }
#define AUTO_TEMPFILE AUTO(tempfile_drop)

int tempfile_create(struct tempfile *t, int dirfd, const char *name, mode_t mode, struct err *e);
// Writes all of it; short writes are continued.
int tempfile_write(struct tempfile *t, const void *data, size_t len, struct err *e);
int tempfile_publish(struct tempfile *t, struct err *e);
// In place, but not on the disk: the caller syncs *fd, which is its to close, and the directory
// before anything relies on the file.
int tempfile_publish_unsynced(struct tempfile *t, int *fd, struct err *e);
void tempfile_drop(struct tempfile *t);

// Writes a whole file in one call.
int tempfile_put(int dirfd, const char *name, mode_t mode, const void *data, size_t len,
                 struct err *e);
// Reads a whole file of at most `max` bytes into a fresh buffer with a zero behind it (caller
// frees). ERR_NOTFOUND, ERR_LIMIT, ERR_IO. `name` is used in error texts as it is.
int file_read(int dirfd, const char *name, size_t max, char **data, size_t *len, struct err *e);
// Write or read exactly len bytes on a descriptor, continuing after short counts and EINTR.
// 0, or -1 with errno; a premature end of file is errno 0.
int fd_write_all(int fd, const void *data, size_t len);
int fd_read_all(int fd, void *data, size_t len);
