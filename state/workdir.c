// SPDX-License-Identifier: Apache-2.0
#include "state/workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/must.h"

// The directory may have been renamed or removed since it was opened; then its path is not it.
static bool workdir_is(int dirfd, const char *path) {
    struct stat held, named;
    return fstat(dirfd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

int workdir_path(int dirfd, const char *name, char **out, struct err *e) {
    char link[64], dir[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    ssize_t len = readlink(link, dir, sizeof dir - 1);
    if (len < 0) {
        return err_sys(e, ERR_JOURNAL, errno, "the work directory's path is not known");
    }
    dir[len] = 0;
    if ((size_t)len == sizeof dir - 1 || !workdir_is(dirfd, dir)) {
        return err_set(e, ERR_JOURNAL, "%s: the work directory was moved away", dir);
    }
    *out = must_sprintf("%s/%s", dir, name);
    return 0;
}

int workdir_check_journal(int dirfd, bool write, struct err *e) {
    struct stat st;
    if (fstatat(dirfd, JOURNAL_NAME, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? err_set(e, ERR_JOURNAL, "it is missing; " JOURNAL_MEND)
                               : err_sys(e, ERR_JOURNAL, errno, "it cannot be looked at");
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(e, ERR_JOURNAL, "it is not a file of its own; put the journal there itself");
    }
    if (st.st_size == 0) {
        return err_set(e, ERR_JOURNAL, "it is empty (0 bytes); " JOURNAL_MEND);
    }
    if (write && (faccessat(dirfd, JOURNAL_NAME, R_OK | W_OK, AT_EACCESS) != 0 ||
                  faccessat(dirfd, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0)) {
        return err_sys(e, ERR_JOURNAL, errno,
                       "it or its directory cannot be written (run as its owner, on a volume "
                       "mounted for writing)");
    }
    return 0;
}

int workdir_make_file(int dirfd, const char *name, struct err *e) {
    if (unlinkat(dirfd, name, 0) != 0 && errno != ENOENT) {
        return err_sys(e, ERR_JOURNAL, errno, "%s is in the way", name);
    }
    AUTO_CLOSE int fd =
        openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fchmod(fd, 0600) != 0) {
        return err_sys(e, ERR_JOURNAL, errno, "%s cannot be made in the work directory", name);
    }
    return 0;
}

static int workdir_sync(int dirfd, struct err *e) {
    return fsync(dirfd) == 0
               ? 0
               : err_sys(e, ERR_JOURNAL, errno, "the work directory cannot be synced");
}

// NFS has no RENAME_NOREPLACE; the run's lock keeps others from making the file in between.
static int workdir_rename_new(int dirfd, const char *temp, const char *name) {
    if (renameat2(dirfd, temp, dirfd, name, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(dirfd, temp, dirfd, name);
}

int workdir_publish(int dirfd, const char *temp, const char *name, bool replace, struct err *e) {
    int rc = replace ? renameat(dirfd, temp, dirfd, name) : workdir_rename_new(dirfd, temp, name);
    if (rc != 0) {
        return errno == EEXIST ? err_set(e, ERR_JOURNAL, "%s is there already", name)
                               : err_sys(e, ERR_JOURNAL, errno, "%s cannot be put in place", name);
    }
    return workdir_sync(dirfd, e);
}

void workdir_file_system(int dirfd, char out[20]) {
    static const struct {
        uint32_t magic;
        const char *name;
    } known[] = {{0xEF53, "ext"},       {0x58465342, "xfs"},    {0x9123683E, "btrfs"},
                 {0x6969, "nfs"},       {0xFF534D42, "cifs"},   {0xFE534D42, "smb2"},
                 {0x00C36400, "ceph"},  {0x47504653, "gpfs"},   {0x65735546, "fuse"},
                 {0x01021994, "tmpfs"}, {0x794C7630, "overlay"}};
    struct statfs fs;
    uint32_t magic = fstatfs(dirfd, &fs) == 0 ? (uint32_t)fs.f_type : 0;
    snprintf(out, 20, "0x%08x", magic);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].magic == magic) {
            snprintf(out, 20, "%s", known[i].name);
        }
    }
}
