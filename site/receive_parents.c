// SPDX-License-Identifier: Apache-2.0
// The directories that lead to what is received.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "site/receive_private.h"

#define PARENT "parent" // in the staging folder

// As it is at the source, as far as that can be kept. One of which the sender has not said how it
// is there is not made: ESTALE.
static int dress_parent(struct receiver *r, int fd, size_t i) {
    if (i >= r->n_parents) {
        errno = ESTALE;
        return -1;
    }
    if ((r->stage.keeps.flags & KEEP_OWNER) != 0 &&
        fchown(fd, r->parents[i].uid, r->parents[i].gid) != 0) {
        return -1;
    }
    return fchmod(fd, r->parents[i].mode | 0700);
}

// Makes a directory that leads to `under`, unless it is there. It gets its name only when its mode
// and owner are right: a kill in between would leave a directory that nobody mends.
static int make_parent(struct receiver *r, int at, const char *name, size_t i) {
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return 0;
    }
    unlinkat(r->stage.fd, PARENT, AT_REMOVEDIR);
    if (mkdirat(r->stage.fd, PARENT, 0700) != 0) {
        return -1;
    }
    AUTO_CLOSE int fd = path_open(r->stage.fd, PARENT, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 || dress_parent(r, fd, i) != 0 || fsync(fd) != 0) {
        return -1;
    }
    if (renameat2(r->stage.fd, PARENT, at, name, RENAME_NOREPLACE) == 0) {
        return fsync(at);
    }
    bool unknown = errno == EINVAL || errno == ENOSYS; // file systems without RENAME_NOREPLACE
    unlinkat(r->stage.fd, PARENT, AT_REMOVEDIR);
    if (!unknown) {
        return errno == EEXIST ? 0 : -1; // somebody else was quicker
    }
    if (mkdirat(at, name, 0700) != 0) {
        return errno == EEXIST ? 0 : -1;
    }
    AUTO_CLOSE int made = path_open(at, name, O_RDONLY | O_DIRECTORY, 0);
    return made < 0 || dress_parent(r, made, i) != 0 || fsync(made) != 0 ? -1 : fsync(at);
}

int receive_parents(struct receiver *r, struct err *e) {
    AUTO_CLOSE int at = path_open(r->rootfd, ".", O_RDONLY | O_DIRECTORY, 0);
    const char *rest = strcmp(r->under, ".") == 0 ? "" : r->under;
    for (size_t i = 0; at >= 0 && *rest != 0; i++) {
        size_t len = strcspn(rest, "/");
        char name[PATH_COMPONENT_MAX + 1];
        memcpy(name, rest, len);
        name[len] = 0;
        if (make_parent(r, at, name, i) != 0) {
            break;
        }
        int next = path_open(at, name, O_RDONLY | O_DIRECTORY, 0);
        auto_close(&at);
        at = next;
        rest += len + (rest[len] == '/');
    }
    if (at < 0 || *rest != 0) {
        char shown[300];
        return err_sys(e, ERR_FAILED, errno, "%s: cannot be made at the destination",
                       escape_into(shown, sizeof shown, r->under, strlen(r->under)));
    }
    r->parents_there = true;
    return 0;
}
