// SPDX-License-Identifier: Apache-2.0
#include "commands/migration_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "state/report.h"

#define MIGRATIONS "logs/migrations"

static const char *data_dir(const struct ends *ends) {
    if (ends != NULL && ends->config != NULL)
        return ends->config->source.data_dir;
    const char *mount = getenv("MIGMGR_MOUNTPOINT");
    return mount != NULL && *mount != 0 ? mount : "/opt/powerai-vision/data";
}

int migration_dir_path(struct command_context *c, const struct ends *ends, const char *name,
                       const char **out, struct err *e) {
    if (c->options->work_dir != NULL) {
        *out = c->options->work_dir;
        return 0;
    }
    const char *data = data_dir(ends);
    if (data == NULL)
        return err_set(e, ERR_USAGE,
                       "the source has no dataDir to keep the journal in; give --work-dir DIR");
    *out = arena_printf(c->arena, "%s/" MIGRATIONS "/%s", data, name);
    return 0;
}

static bool has_journal(const char *dir) {
    char *path = must_sprintf("%s/" WORKDIR_JOURNAL, dir);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static bool is_unfinished(struct command_context *c, const char *dir) {
    struct report r = {0};
    struct err ignored = {0};
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // A journal that cannot be read is nobody's finished work: it is named, not passed over.
    return fd < 0 || report_read(fd, c->arena, &r, &ignored) != 0 || !r.finished;
}

static int find_only(struct command_context *c, const char *parent, bool unfinished,
                     const char **out, struct err *e) {
    DIR *dir = opendir(parent);
    const char *what = unfinished ? "unfinished migration" : "migration";
    AUTO_BUF struct buf names = BUF_INIT(1 << 16);
    size_t found = 0;
    if (dir == NULL) {
        err_sys(e, ERR_JOURNAL, errno, "no %s was found: %s cannot be read", what, parent);
        return err_append(e, "; name one, or give --work-dir DIR");
    }
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        const char *path = arena_printf(c->arena, "%s/%s", parent, d->d_name);
        if (d->d_name[0] == '.' || !has_journal(path) || (unfinished && !is_unfinished(c, path)))
            continue;
        buf_printf(&names, "%s%s", found++ > 0 ? ", " : "", d->d_name);
        *out = path;
    }
    closedir(dir);
    if (found == 1)
        return 0;
    if (found == 0)
        return err_set(e, ERR_JOURNAL, "there is no %s in %s; name one, or give --work-dir", what,
                       parent);
    return err_set(e, ERR_USAGE, "there are several: %s; name one", buf_str(&names));
}

static bool config_is_given(const struct command_context *c, bool dir_is_named) {
    const char *environment = getenv("MVI_MIG_CONFIG");
    return c->options->config != NULL ||
           (!dir_is_named && environment != NULL && *environment != 0);
}

int migration_dir_find(struct command_context *c, struct ends *ends, const char *word,
                       bool unfinished, const char **out, struct err *e) {
    if (c->options->work_dir != NULL && word != NULL)
        return err_set(e, ERR_USAGE, "give %s or --work-dir, not both", word);
    if (word == NULL && c->options->work_dir != NULL)
        word = c->options->work_dir;
    bool dir_is_named = word != NULL && (strchr(word, '/') != NULL || has_journal(word));
    int rc = config_is_given(c, dir_is_named) ? ends_configure(ends, c, NULL, e) : 0;
    if (rc != 0 || dir_is_named) {
        *out = word;
        return rc;
    }
    const char *data = data_dir(ends);
    if (data == NULL)
        return err_set(e, ERR_USAGE, "the source has no dataDir; give --work-dir DIR");
    const char *parent = arena_printf(c->arena, "%s/" MIGRATIONS, data);
    if (word == NULL)
        return find_only(c, parent, unfinished, out, e);
    *out = arena_printf(c->arena, "%s/%s", parent, word);
    if (!has_journal(*out))
        return err_set(e, ERR_JOURNAL, "there is no journal of a migration %s in %s", word, parent);
    return 0;
}

// One directory, and its name brought to disk: a power failure must not take the journal with it.
static int make_dir(char *path, mode_t mode) {
    if (mkdir(path, mode) != 0)
        return errno == EEXIST ? 0 : -1;
    char *slash = strrchr(path, '/');
    AUTO_FREE char *parent =
        slash == NULL ? must_strdup(".") : must_sprintf("%.*s/", (int)(slash - path), path);
    AUTO_CLOSE int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fsync(fd);
    // One that may be written and not read.
    AUTO_CLOSE int made = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return made < 0 ? -1 : syncfs(made);
}

static int make_dirs(const char *path) {
    char *copy = must_strdup(path);
    int rc = 0;
    for (char *p = copy + 1; rc == 0 && *p != 0; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        rc = make_dir(copy, 0755);
        *p = '/';
    }
    if (rc == 0)
        rc = make_dir(copy, 0700);
    int saved = errno;
    free(copy);
    errno = saved;
    return rc;
}

static int cannot(struct err *e, const char *what, const char *path) {
    err_sys(e, ERR_JOURNAL, errno, "work directory %s cannot be %s", path, what);
    return err_append(e, "; mend its rights or give --work-dir DIR");
}

int migration_dir_open(const char *path, bool create, int *fd, struct err *e) {
    if (create && make_dirs(path) != 0)
        return cannot(e, "made", path);
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT)
        return err_set(
            e, ERR_JOURNAL,
            "there is no work directory %s: nothing was applied there yet (`mvimig apply "
            "PLAN` makes it), or it is elsewhere (give its path, or NAME with -c FILE)",
            path);
    if (*fd < 0)
        return err_sys(e, ERR_JOURNAL, errno, "work directory %s cannot be opened", path);
    if (create && faccessat(*fd, ".", W_OK | X_OK, 0) != 0) {
        int rc = cannot(e, "written", path);
        auto_close(fd);
        *fd = -1;
        return rc;
    }
    return 0;
}

int migration_dir_named(struct command_context *c, const char **dir, int *fd, struct err *e) {
    AUTO_ENDS struct ends ends = ENDS_INIT;
    const char *word = c->options->n_words > 0 ? c->options->words[0] : NULL;
    int rc = migration_dir_find(c, &ends, word, false, dir, e);
    return rc == 0 ? migration_dir_open(*dir, false, fd, e) : rc;
}
