// SPDX-License-Identifier: Apache-2.0
#include "site/backup_in.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "site/bson_frame.h"

#define ROOM (256u * 1024)
#define CRC32_POLYNOMIAL 0xEDB88320u
#define GZIP_END 8 // CRC-32 and length

int backup_in_damaged(const struct backup_in *in, const char *what, struct err *e) {
    return err_set(e, ERR_DATA, "%s: byte %llu: %s", in->name, (unsigned long long)in->offset,
                   what);
}

static void make_room(struct backup_in *in, size_t need) {
    if (in->start) {
        memmove(in->data, in->data + in->start, in->stop - in->start);
        in->stop -= in->start;
        in->start = 0;
    }
    if (in->cap < need + ROOM) {
        in->cap = need + ROOM;
        in->data = must_realloc(in->data, 1, in->cap);
    }
}

int backup_in_fill(struct backup_in *in, size_t need, struct err *e) {
    while (in->stop - in->start < need && !in->ended) {
        if (in->cap - in->start < need || in->cap == in->stop) {
            make_room(in, need);
        }
        long n = in->read(in->arg, in->data + in->stop, in->cap - in->stop, e);
        if (n < 0) {
            return (int)n;
        }
        in->stop += (size_t)n;
        in->ended = n == 0;
    }
    return in->stop - in->start >= need;
}

void backup_in_take(struct backup_in *in, size_t len) {
    MUST(len <= in->stop - in->start);
    in->start += len;
    in->offset += len;
}

int backup_in_document(struct backup_in *in, const uint8_t **doc, size_t *len, struct err *e) {
    int rc = backup_in_fill(in, 4, e);
    if (rc < 0 || (rc == 0 && in->stop == in->start)) {
        return rc;
    }
    if (rc == 0) {
        return backup_in_damaged(in, "the last document is cut short", e);
    }
    uint32_t n = doc_length(in->data + in->start);
    if (n == 0) {
        return backup_in_damaged(in, "a document's length is impossible", e);
    }
    rc = backup_in_fill(in, n, e);
    if (rc <= 0) {
        return rc ? rc : backup_in_damaged(in, "the last document is cut short", e);
    }
    size_t at;
    const char *wrong = doc_check(in->data + in->start, n, &at);
    if (wrong) {
        in->offset += at;
        return backup_in_damaged(in, wrong, e);
    }
    *doc = in->data + in->start;
    *len = n;
    backup_in_take(in, n);
    return 1;
}

void backup_in_free(struct backup_in *in) {
    free(STEAL(in->data));
}

struct backup_file {
    struct backup_in in;
    char *name;
    int fd;
    struct archive *gzip; // NULL: plain
    bool begun;
    uint32_t table[256], crc, length; // of what was decompressed
    uint32_t crc_told, length_told;
};

static void crc_prepare(struct backup_file *f) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = c & 1 ? CRC32_POLYNOMIAL ^ (c >> 1) : c >> 1;
        }
        f->table[i] = c;
    }
    f->crc = 0xFFFFFFFFu;
}

static uint32_t little(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static long read_plain(void *arg, void *out, size_t len, struct err *e) {
    struct backup_file *f = arg;
    for (;;) {
        ssize_t n = read(f->fd, out, len);
        if (n >= 0) {
            return (long)n;
        }
        if (errno != EINTR) {
            return err_sys(e, ERR_IO, errno, "%s cannot be read", f->name);
        }
    }
}

static int gzip_failed(const struct backup_file *f, struct err *e) {
    const char *why = archive_error_string(f->gzip);
    return err_set(e, ERR_DATA, "%s: the gzip stream is damaged or cut short%s%s", f->name,
                   why ? ": " : "", why ? why : "");
}

// The library does not look at what stands at the end.
static long gzip_end(struct backup_file *f, struct err *e) {
    return (f->crc ^ 0xFFFFFFFFu) == f->crc_told && f->length == f->length_told
               ? 0
               : err_set(e, ERR_DATA,
                         "%s: what was unpacked is not what was packed (CRC-32): the file is "
                         "damaged",
                         f->name);
}

static long read_gzip(void *arg, void *out, size_t len, struct err *e) {
    struct backup_file *f = arg;
    struct archive_entry *entry;
    if (!f->begun) {
        int rc = archive_read_next_header(f->gzip, &entry);
        f->begun = true;
        if (rc == ARCHIVE_EOF) {
            return gzip_end(f, e);
        }
        if (rc != ARCHIVE_OK) {
            return gzip_failed(f, e);
        }
    }
    la_ssize_t n = archive_read_data(f->gzip, out, len);
    if (n < 0) {
        return gzip_failed(f, e);
    }
    for (la_ssize_t i = 0; i < n; i++) {
        f->crc = f->table[(f->crc ^ ((uint8_t *)out)[i]) & 0xff] ^ (f->crc >> 8);
    }
    f->length += (uint32_t)n;
    return n == 0 ? gzip_end(f, e) : (long)n;
}

static int open_gzip(struct backup_file *f, off_t size, struct err *e) {
    uint8_t end[GZIP_END];
    if (size < 10 + GZIP_END || pread(f->fd, end, sizeof end, size - GZIP_END) != GZIP_END) {
        return err_set(e, ERR_DATA, "%s: the gzip stream is cut short", f->name);
    }
    f->crc_told = little(end);
    f->length_told = little(end + 4);
    crc_prepare(f);
    f->gzip = archive_read_new();
    MUST(f->gzip);
    MUST(archive_read_support_filter_gzip(f->gzip) == ARCHIVE_OK);
    MUST(archive_read_support_format_raw(f->gzip) == ARCHIVE_OK);
    MUST(archive_read_support_format_empty(f->gzip) == ARCHIVE_OK);
    f->in.read = read_gzip;
    return archive_read_open_fd(f->gzip, f->fd, ROOM) == ARCHIVE_OK ? 0 : gzip_failed(f, e);
}

int backup_file_open(int dirfd, const char *path, struct backup_file **out, struct err *e) {
    AUTO_BACKUP_FILE struct backup_file *f = must_calloc(1, sizeof *f);
    struct stat st;
    uint8_t head[2] = {0};
    f->name = must_strdup(path);
    f->in = (struct backup_in){.name = f->name, .read = read_plain, .arg = f};
    f->fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (f->fd < 0) {
        return err_sys(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, errno, "%s cannot be read",
                       path);
    }
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return err_set(e, ERR_IO, "%s: not a regular file", path);
    }
    bool gzip = pread(f->fd, head, 2, 0) == 2 && head[0] == 0x1f && head[1] == 0x8b;
    int rc = gzip ? open_gzip(f, st.st_size, e) : 0;
    if (rc == 0) {
        *out = STEAL(f);
    }
    return rc;
}

struct backup_in *backup_file_in(struct backup_file *f) {
    return &f->in;
}

static void backup_file_free(struct backup_file *f) {
    if (!f) {
        return;
    }
    archive_read_free(f->gzip);
    auto_close(&f->fd);
    backup_in_free(&f->in);
    free(f->name);
    free(f);
}

void backup_file_cleanup(struct backup_file **f) {
    backup_file_free(*f);
}
