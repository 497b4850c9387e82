// SPDX-License-Identifier: Apache-2.0
#include "executor/laid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/hash.h"
#include "base/path.h"

#define FILES_MAGIC "mvimig-laid 1\n"
#define DOCUMENTS_MAGIC "mvimig-laid 2\n" // their sum was SHA-256, too, in 1
#define MAGIC_LEN (sizeof FILES_MAGIC - 1)
#define KEY_MAX (16u << 20) // an _id is smaller than its document
#define CHECK sizeof(uint64_t)
#define FLUSH_AT (1u << 20)
#define FOLDER_MAX 320
#define FILE_MAX (FOLDER_MAX + 40)

struct laid_writer {
    const char *collection;
    int workdir_fd, fd;
    char path[FILE_MAX];
    struct buf buf;
    struct err failed; // of a flush in the middle
};

static void folder_of(int pass, const char *collection, char out[FOLDER_MAX]) {
    if (collection != NULL) {
        snprintf(out, FOLDER_MAX, "pass-%d/laid/documents/%.255s", pass, collection);
    } else {
        snprintf(out, FOLDER_MAX, "pass-%d/laid/files", pass);
    }
}

static const char *magic(const char *collection) {
    return collection != NULL ? DOCUMENTS_MAGIC : FILES_MAGIC;
}

static size_t sum_size(const char *collection) {
    return collection != NULL ? CHECKSUM_SIZE : HASH_SIZE;
}

struct laid_writer *laid_writer_new(const struct step_run *s, const char *collection) {
    struct laid_writer *w = must_calloc(1, sizeof *w);
    char folder[FOLDER_MAX];
    folder_of(s->run->plan->pass, collection, folder);
    w->collection = collection;
    w->workdir_fd = s->run->workdir_fd;
    w->fd = -1;
    w->buf = (struct buf)BUF_INIT(2 * (size_t)KEY_MAX);
    snprintf(w->path, sizeof w->path, "%s/%.8s.%lld", folder, s->step->hash_text,
             (long long)s->attempt);
    return w;
}

static void put_check(struct buf *b, size_t from) {
    uint64_t check = hash_mix64(b->data + from, b->len - from);
    buf_put(b, &check, CHECK);
}

void laid_add(struct laid_writer *w, const void *key, size_t len, const uint8_t *sum) {
    if (len == 0 || len > KEY_MAX || w->failed.code != 0) {
        return; // unknown to later passes: never touched by them
    }
    if (w->buf.len + len + 64 > FLUSH_AT) {
        laid_flush(w, &w->failed);
    }
    size_t from = w->buf.len;
    const uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                             (uint8_t)len};
    buf_put(&w->buf, head, sizeof head);
    buf_put(&w->buf, key, len);
    buf_put(&w->buf, sum, sum_size(w->collection));
    put_check(&w->buf, from);
}

static int open_file(struct laid_writer *w, struct err *e) {
    const char *leaf;
    AUTO_CLOSE int dir = path_open_parent(w->workdir_fd, w->path, true, 0700, &leaf);
    w->fd = dir < 0
                ? -1
                : openat(dir, leaf, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    return w->fd < 0 ? err_sys(e, ERR_IO, errno, "the work directory's %s cannot be made", w->path)
                     : 0;
}

static int write_all(struct laid_writer *w, const void *data, size_t len, struct err *e) {
    for (size_t at = 0; at < len;) {
        ssize_t n = write(w->fd, (const char *)data + at, len - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_sys(e, ERR_IO, errno, "the work directory's %s cannot be written", w->path);
        }
        at += (size_t)n;
    }
    return 0;
}

int laid_flush(struct laid_writer *w, struct err *e) {
    if (w->failed.code != 0 && e != &w->failed) {
        *e = w->failed;
        return e->code;
    }
    if (w->buf.len == 0) {
        return 0;
    }
    int rc = 0;
    if (w->fd < 0) {
        rc = open_file(w, e);
        rc = rc == 0 ? write_all(w, magic(w->collection), MAGIC_LEN, e) : rc;
    }
    rc = rc == 0 ? write_all(w, w->buf.data, w->buf.len, e) : rc;
    buf_clear(&w->buf);
    return rc;
}

static void laid_writer_free(struct laid_writer *w) {
    if (w != NULL) {
        auto_close(&w->fd);
        buf_free(&w->buf);
        free(w);
    }
}

void laid_writer_cleanup(struct laid_writer **w) {
    laid_writer_free(*w);
}

// --- reading

struct laid_reader {
    const char *collection;
    int (*each)(void *arg, const uint8_t *key, size_t len, const uint8_t *sum, struct err *e);
    void *arg;
    uint8_t *data;
    size_t cap;
};

// 1: a whole record of *len bytes of key stands in r->data; 0: the end of what is whole.
static int read_record(struct laid_reader *r, FILE *f, size_t *len) {
    uint8_t head[4];
    if (fread(head, 1, sizeof head, f) != sizeof head) {
        return 0;
    }
    *len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    size_t all = sizeof head + *len + sum_size(r->collection) + CHECK;
    if (*len == 0 || *len > KEY_MAX) {
        return 0;
    }
    if (all > r->cap) {
        r->data = must_realloc(r->data, all, 1);
        r->cap = all;
    }
    memcpy(r->data, head, sizeof head);
    if (fread(r->data + sizeof head, 1, all - sizeof head, f) != all - sizeof head) {
        return 0;
    }
    uint64_t check = hash_mix64(r->data, all - CHECK);
    return memcmp(&check, r->data + all - CHECK, CHECK) == 0;
}

static int read_file(struct laid_reader *r, int fd, struct err *e) {
    char line[MAGIC_LEN];
    size_t len;
    FILE *f = fdopen(fd, "re");
    if (f == NULL) {
        close(fd);
        return err_sys(e, ERR_IO, errno, "it cannot be read");
    }
    int rc = 0;
    if (fread(line, 1, MAGIC_LEN, f) == MAGIC_LEN &&
        memcmp(line, magic(r->collection), MAGIC_LEN) == 0) {
        while (rc == 0 && read_record(r, f, &len) == 1) {
            rc = r->each(r->arg, r->data + 4, len, r->data + 4 + len, e);
        }
    }
    fclose(f);
    return rc;
}

static int read_folder(struct laid_reader *r, int workdir_fd, const char *folder, struct err *e) {
    int fd = path_open(workdir_fd, folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return errno == ENOENT
                   ? 0
                   : err_sys(e, ERR_IO, errno, "the work directory's %s cannot be read", folder);
    }
    DIR *dir = fdopendir(fd);
    int rc = 0;
    for (struct dirent *d; rc == 0 && dir != NULL && (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.') {
            continue;
        }
        int file = openat(fd, d->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        rc = file < 0 ? err_sys(e, ERR_IO, errno, "the work directory's %s/%s cannot be read",
                                folder, d->d_name)
                      : read_file(r, file, e);
    }
    if (dir == NULL) {
        close(fd);
    } else {
        closedir(dir);
    }
    return rc;
}

int laid_each(int workdir_fd, int last_pass, const char *collection,
              int (*each)(void *arg, const uint8_t *key, size_t len, const uint8_t *sum,
                          struct err *e),
              void *arg, struct err *e) {
    struct laid_reader r = {.collection = collection, .each = each, .arg = arg};
    int rc = 0;
    for (int pass = 1; rc == 0 && pass <= last_pass; pass++) {
        char folder[FOLDER_MAX];
        folder_of(pass, collection, folder);
        rc = read_folder(&r, workdir_fd, folder, e);
    }
    free(r.data);
    return rc;
}
