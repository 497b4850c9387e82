// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "scan/internal.h"

bool scan_readable(int rootfd, const char *path, mode_t mode, uid_t uid) {
    uid_t us = geteuid();
    if (us == 0 || (mode & S_IROTH) || (us == uid && (mode & S_IRUSR))) {
        return true;
    }
    AUTO_CLOSE int fd = path_open(rootfd, path, O_RDONLY, 0);
    return fd >= 0 || errno != EACCES;
}

static int list_entry(struct scan_list *l, int dirfd, const char *name, struct err *e) {
    struct stat st;
    bool root = strcmp(l->path, ".") == 0;
    AUTO_FREE char *path = root ? must_strdup(name) : must_sprintf("%s/%s", l->path, name);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : scan_report_errno(l->s, path, errno, e);
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)) {
        return scan_report(l->s, FINDING_SPECIAL_FILE, "", path, "", e);
    }
    if (S_ISREG(st.st_mode) && !scan_readable(l->s->o->source_root, path, st.st_mode, st.st_uid)) {
        int rc = scan_report_errno(l->s, path, EACCES, e);
        if (rc < 0) {
            return rc;
        }
    }
    return l->each(l, name, path, &st, e);
}

static void auto_closedir(DIR **d) {
    if (*d) {
        (void)closedir(*d);
    }
}

static int read_entries(struct scan_list *l, DIR *d, struct err *e) {
    for (;;) {
        errno = 0;
        const struct dirent *t = readdir(d);
        if (!t) {
            return errno == 0 ? 0 : scan_report_errno(l->s, l->path, errno, e);
        }
        if (strcmp(t->d_name, ".") == 0 || strcmp(t->d_name, "..") == 0) {
            continue;
        }
        int rc = list_entry(l, dirfd(d), t->d_name, e);
        if (rc < 0) {
            return rc;
        }
    }
}

int scan_list(struct scan_list *l, struct err *e) {
    int fd = path_open(l->s->o->source_root, l->path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
            return 0;
        }
        return scan_report_errno(l->s, l->path, errno, e);
    }
    AUTO(auto_closedir) DIR *d = fdopendir(fd);
    if (!d) {
        int saved = errno;
        (void)close(fd);
        return err_sys(e, ERR_IO, saved, "%s", l->path);
    }
    int rc = read_entries(l, d, e);
    return rc < 0 ? rc : 1;
}
