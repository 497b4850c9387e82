// SPDX-License-Identifier: Apache-2.0
// Folders as mongodump writes them: DATABASE/COLLECTION.bson, or the folder of one database; each
// file also with .gz behind it.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/tempfile.h"
#include "site/backup_private.h"
#include "site/backup_write.h"

struct names {
    char **items;
    size_t n, cap;
};

static void names_free(struct names *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i]);
    }
    free(l->items);
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Sorted: the same backup is read in the same order everywhere.
static int list(const struct backup_reading *r, int at, struct names *out, struct err *e) {
    int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        auto_close(&fd);
        return err_sys(e, ERR_IO, errno, "%s cannot be read", r->path);
    }
    for (struct dirent *d; (d = readdir(dir));) {
        if (d->d_name[0] == '.' || out->n > 4 * (size_t)BACKUP_COLLECTIONS_MAX) {
            continue;
        }
        if (out->n == out->cap) {
            out->cap = out->cap ? 2 * out->cap : 64;
            out->items = must_realloc(out->items, out->cap, sizeof *out->items);
        }
        out->items[out->n++] = must_strdup(d->d_name);
    }
    closedir(dir);
    if (out->n) {
        qsort(out->items, out->n, sizeof *out->items, compare);
    }
    return 0;
}

static char *collection_of(const char *file) {
    char *plain = backup_collection_of(file, ".bson");
    return plain ? plain : backup_collection_of(file, ".bson.gz");
}

static int read_database(struct backup_reading *r, int at, struct err *e) {
    AUTO(names_free) struct names files = {0};
    int rc = list(r, at, &files, e);
    for (size_t i = 0; rc == 0 && i < files.n; i++) {
        AUTO_BACKUP_FILE struct backup_file *f = NULL;
        AUTO_FREE char *collection = collection_of(files.items[i]);
        if (!collection) {
            continue;
        }
        rc = backup_see(r, collection, e);
        if (rc == 0) {
            rc = backup_file_open(at, files.items[i], &f, e);
        }
        if (rc == 0) {
            rc = backup_take_all(r, backup_file_in(f), e);
        }
        if (rc && rc != ERR_USAGE) {
            return err_wrap(e, "%s", r->path);
        }
    }
    return rc;
}

static int read_manifest(struct backup_reading *r, int root, struct err *e) {
    size_t len;
    int rc = file_read(root, BACKUP_MANIFEST, BACKUP_MANIFEST_MAX, &r->manifest, &len, e);
    if (rc == ERR_NOTFOUND) {
        *e = (struct err){0};
        r->facts->form = BACKUP_MONGODUMP;
        return 0;
    }
    r->facts->form = BACKUP_OURS;
    return rc;
}

// Keeps the folders among the names; true when there is a collection's file beside them.
static bool keep_folders(int root, struct names *l) {
    bool collections = false;
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct stat st;
        AUTO_FREE char *collection = collection_of(l->items[i]);
        collections = collections || collection;
        if (fstatat(root, l->items[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
            l->items[n++] = l->items[i];
        } else {
            free(l->items[i]);
        }
    }
    l->n = n;
    return collections;
}

static void set_database(struct backup_reading *r, const char *name) {
    (void)snprintf(r->facts->database, sizeof r->facts->database, "%s", name);
}

int backup_read_folder(struct backup_reading *r, struct err *e) {
    AUTO(names_free) struct names folders = {0};
    AUTO_CLOSE int root = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *name = NULL;
    if (root < 0) {
        return err_sys(e, ERR_USAGE, errno, "backup %s cannot be read", r->path);
    }
    int rc = read_manifest(r, root, e);
    if (rc == 0) {
        rc = list(r, root, &folders, e);
    }
    if (rc) {
        return rc;
    }
    if (keep_folders(root, &folders) && !folders.n) {
        AUTO_FREE char *whole = realpath(r->path, NULL);
        set_database(r, whole ? strrchr(whole, '/') + 1 : "");
        return read_database(r, root, e);
    }
    rc = backup_choose(r, folders.items, folders.n, &name, e);
    if (rc) {
        return rc;
    }
    AUTO_CLOSE int at = path_open(root, name, O_RDONLY | O_DIRECTORY, 0);
    if (at < 0) {
        return err_sys(e, ERR_IO, errno, "%s/%s cannot be read", r->path, name);
    }
    set_database(r, name);
    return read_database(r, at, e);
}
