// SPDX-License-Identifier: Apache-2.0
// mvimig clean: removes the dump files of a finished migration. Journal, plan, manifests and the
// notes of what was laid stay: with these, later passes compare.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/human.h"
#include "commands/command.h"
#include "commands/migration_dir.h"
#include "state/journal.h"
#include "state/lock.h"
#include "state/report.h"

struct removed {
    uint64_t files, bytes;
};

static int each_entry(int dirfd, const char *name,
                      int (*entry)(int fd, const char *name, void *arg, struct err *e), void *arg,
                      struct err *e) {
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    int rc = 0;
    if (dir == NULL) {
        int errnum = errno;
        auto_close(&fd);
        return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP
                   ? 0
                   : err_sys(e, ERR_IO, errnum, "%s cannot be read", name);
    }
    for (struct dirent *d; rc == 0 && (d = readdir(dir)) != NULL;)
        if (d->d_name[0] != '.')
            rc = entry(fd, d->d_name, arg, e);
    closedir(dir);
    return rc;
}

static int remove_dump(int fd, const char *name, void *arg, struct err *e) {
    struct removed *r = arg;
    struct stat st;
    size_t n = strlen(name);
    if (n < 9 || strcmp(name + n - 9, ".bson.zst") != 0 ||
        fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return 0;
    if (unlinkat(fd, name, 0) != 0)
        return err_sys(e, ERR_IO, errno, "%s cannot be removed", name);
    r->files++;
    r->bytes += (uint64_t)st.st_size;
    return 0;
}

static int clean_collection(int fd, const char *name, void *arg, struct err *e) {
    return each_entry(fd, name, remove_dump, arg, e);
}

static int clean_pass(int fd, const char *name, void *arg, struct err *e) {
    if (strncmp(name, "pass-", 5) != 0)
        return 0;
    AUTO_CLOSE int pass = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return pass < 0 ? 0 : each_entry(pass, "db", clean_collection, arg, e);
}

static int clean(struct command_context *c, int fd, struct removed *r, struct err *e) {
    struct journal_options o = {.program_version = MVIMIG_VERSION, .command = c->name};
    struct journal *j = NULL;
    struct lock *lock = NULL;
    int rc = lock_take(fd, c->name, 0, &lock, e);
    if (rc == 0)
        rc = journal_open(fd, &o, &j, e);
    if (rc == 0)
        rc = journal_event(j, "cleaned", NULL, "dump files removed", e);
    if (rc == 0)
        rc = each_entry(fd, ".", clean_pass, r, e);
    journal_close(j);
    lock_release(lock);
    return rc;
}

static int run(struct command_context *c, struct err *e) {
    AUTO_CLOSE int fd = -1;
    const char *dir = NULL;
    char n[2][HUMAN_TEXT];
    struct report r = {0};
    struct removed removed = {0};
    int rc = migration_dir_named(c, &dir, &fd, e);
    if (rc == 0)
        rc = report_read(fd, c->arena, &r, e);
    if (rc == 0 && !r.finished)
        return err_set(e, ERR_USAGE, "%s is not finished: resume needs its dumps", r.name);
    if (rc == 0)
        rc = clean(c, fd, &removed, e);
    if (rc == 0)
        out_result(
            c->out,
            "%s: %s dump file(s) removed, %s; journal, plan, manifests and what later passes "
            "compare with stay. Documents can no longer be verified against what was read\n",
            r.name, human_count(removed.files, n[0]), human_bytes(removed.bytes, n[1]));
    return rc;
}

const struct command command_clean = {
    .name = "clean",
    .bit = C_CLEAN,
    .synopsis = "NAME | DIR",
    .summary = "remove the dump files of a finished migration, unless another one needs them",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
