// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fault.h"

bool path_component_ok(const char *name, size_t len) {
    if (len == 0 || len > PATH_COMPONENT_MAX || memchr(name, 0, len) != NULL) {
        return false;
    }
    bool dots = name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
    return !dots && memchr(name, '/', len) == NULL;
}

bool path_relative_ok(const char *path) {
    if (strnlen(path, PATH_REL_MAX + 1) > PATH_REL_MAX) {
        return false;
    }
    for (;;) {
        const char *slash = strchrnul(path, '/');
        if (!path_component_ok(path, (size_t)(slash - path))) {
            return false;
        }
        if (*slash == 0) {
            return true;
        }
        path = slash + 1;
    }
}

int path_open_root(const char *dir, int *fd, struct err *e) {
    *fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0) {
        return 0;
    }
    int errnum = errno;
    char shown[512];
    escape_into(shown, sizeof shown, dir, strlen(dir));
    switch (errnum) {
    case ENOENT:
        return err_set(e, ERR_IO, "%s: no such directory; create it or name another", shown);
    case ENOTDIR:
        return err_set(e, ERR_IO, "%s: not a directory; name the directory itself", shown);
    case EACCES:
        return err_set(e, ERR_IO, "%s: no permission for user %u, group %u; give them r-x there",
                       shown, (unsigned)geteuid(), (unsigned)getegid());
    default:
        return err_sys(e, ERR_IO, errnum, "%s: cannot be opened", shown);
    }
}

// -1 with errno, the descriptor closed.
static int path_refuse(int fd, int errnum) {
    close(fd);
    errno = errnum;
    return -1;
}

// What open(2) gave, once it is seen to be no symlink (O_PATH opens those) and, when it cannot
// block, without the O_NONBLOCK that the caller did not ask for.
static int path_settle(int fd, int flags) {
    struct stat st;
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &st) != 0) {
        return path_refuse(fd, errno);
    }
    if (S_ISLNK(st.st_mode)) {
        return path_refuse(fd, ELOOP);
    }
    if ((flags & (O_PATH | O_NONBLOCK)) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
        int now = fcntl(fd, F_GETFL);
        if (now < 0 || fcntl(fd, F_SETFL, now & ~O_NONBLOCK) != 0) {
            return path_refuse(fd, errno);
        }
    }
    return fd;
}

static int path_flags(int flags) {
    return flags | O_NOFOLLOW | O_CLOEXEC | ((flags & O_PATH) != 0 ? 0 : O_NONBLOCK);
}

static bool path_makes(int flags) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

static int path_openat2(int rootfd, const char *rel, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (unsigned)path_flags(flags),
        .mode = path_makes(flags) ? mode & 07777 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, rootfd, rel, &how, sizeof how);
}

// One component below a held directory. A symlink is ELOOP, also where the kernel says ENOTDIR.
static int path_step(int dirfd, const char *name, int flags, mode_t mode) {
    struct stat st;
    int fd = openat(dirfd, name, flags, mode);
    if (fd < 0 && errno == ENOTDIR && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
    }
    return fd;
}

// Takes the first component off *rest into `name`.
static void path_next(const char **rest, char name[PATH_COMPONENT_MAX + 1]) {
    const char *slash = strchrnul(*rest, '/');
    size_t len = (size_t)(slash - *rest);
    memcpy(name, *rest, len);
    name[len] = 0;
    *rest = *slash == 0 ? slash : slash + 1;
}

int path_open_walk(int rootfd, const char *rel, int flags, mode_t mode) {
    if (!path_relative_ok(rel)) {
        errno = EINVAL;
        return -1;
    }
    const int through = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    char name[PATH_COMPONENT_MAX + 1];
    AUTO_CLOSE int held = -1;
    int dirfd = rootfd;
    const char *rest = rel;
    for (path_next(&rest, name); *rest != 0; path_next(&rest, name)) {
        int next = path_step(dirfd, name, through, 0);
        if (next < 0) {
            return -1;
        }
        auto_close(&held);
        held = dirfd = next;
    }
    return path_settle(path_step(dirfd, name, path_flags(flags), mode), flags);
}

int path_open(int rootfd, const char *rel, int flags, mode_t mode) {
    if (rel[0] == 0 || strcmp(rel, ".") == 0) {
        return path_settle(openat(rootfd, ".", path_flags(flags), mode), flags);
    }
    if (!path_relative_ok(rel)) {
        errno = EINVAL;
        return -1;
    }
    int fd = path_openat2(rootfd, rel, flags, mode);
    // EAGAIN: somebody renames things on the way; the walk is immune to that. ENOTDIR is also what
    // O_DIRECTORY gets from a symlink at the end; the walk looks closer.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EAGAIN || errno == ENOTDIR)) {
        return path_open_walk(rootfd, rel, flags, mode);
    }
    return path_settle(fd, flags);
}

bool path_syncfs_tells(void) {
    struct utsname u;
    char *end;
    if (FAULT("syncfs-silent") != 0 || uname(&u) != 0) {
        return false;
    }
    unsigned long major = strtoul(u.release, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 5 || (major == 5 && minor >= 8);
}

int path_sync_dir(int dirfd) {
    AUTO_CLOSE int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

// Opens `dir` below the root and makes what is missing of it. Names that were found are synced as
// well: whoever made them may not have come to that yet.
static int path_make_dirs(int rootfd, const char *dir, mode_t mode) {
    char name[PATH_COMPONENT_MAX + 1];
    AUTO_CLOSE int held = -1;
    int dirfd = rootfd;
    for (const char *rest = dir; *rest != 0;) {
        path_next(&rest, name);
        if ((mkdirat(dirfd, name, mode) != 0 && errno != EEXIST) || path_sync_dir(dirfd) != 0) {
            return -1;
        }
        int next = path_step(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        if (next < 0) {
            return -1;
        }
        auto_close(&held);
        held = dirfd = next;
    }
    return steal_fd(&held);
}

int path_open_parent(int rootfd, const char *rel, bool create, mode_t mode, const char **leaf) {
    if (!path_relative_ok(rel)) {
        errno = EINVAL;
        return -1;
    }
    const char *slash = strrchr(rel, '/');
    *leaf = slash == NULL ? rel : slash + 1;
    if (slash == NULL) {
        return path_open(rootfd, ".", O_RDONLY | O_DIRECTORY, 0);
    }
    char dir[PATH_REL_MAX + 1];
    memcpy(dir, rel, (size_t)(slash - rel));
    dir[slash - rel] = 0;
    int fd = path_open(rootfd, dir, O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 && errno == ENOENT && create ? path_make_dirs(rootfd, dir, mode) : fd;
}

static int path_remove_at(int dirfd, const char *name, dev_t dev);

// Removes what is in a directory; the descriptor is taken over.
static int path_empty(int fd, dev_t dev) {
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        return path_refuse(fd, errno);
    }
    int errnum = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(d);
        if (entry == NULL) {
            errnum = errnum != 0 ? errnum : errno;
            break;
        }
        if (path_component_ok(entry->d_name, strlen(entry->d_name)) &&
            path_remove_at(fd, entry->d_name, dev) != 0) {
            errnum = errno;
        }
    }
    closedir(d);
    errno = errnum;
    return errnum == 0 ? 0 : -1;
}

// Removes one entry, and all below it that is on the same file system.
static int path_remove_at(int dirfd, const char *name, dev_t dev) {
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return -1;
    }
    int refused = errno;
    struct stat st;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        errno = errno == ENOTDIR || errno == ELOOP ? refused : errno;
        return -1;
    }
    if (fstat(fd, &st) != 0) {
        return path_refuse(fd, errno);
    }
    if (st.st_dev != dev) {
        return path_refuse(fd, EXDEV);
    }
    if (path_empty(fd, dev) != 0) {
        return -1;
    }
    return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int path_remove_tree(int rootfd, const char *rel) {
    struct stat st;
    const char *leaf;
    AUTO_CLOSE int parent = path_open_parent(rootfd, rel, false, 0, &leaf);
    if (parent < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (fstat(parent, &st) != 0) {
        return -1;
    }
    return path_remove_at(parent, leaf, st.st_dev);
}
