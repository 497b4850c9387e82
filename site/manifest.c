// SPDX-License-Identifier: Apache-2.0
#include "site/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/tempfile.h"

#define HELD (256u << 10)

struct manifest_writer {
    int fd;
    struct hash *content; // all lines but the last
    struct hash *file;
    struct buf held;
    size_t hashed; // of `held`, into `content`
    uint64_t count;
};

static void hash_lines(struct manifest_writer *w) {
    hash_update(w->content, w->held.data + w->hashed, w->held.len - w->hashed);
    w->hashed = w->held.len;
}

static int flush(struct manifest_writer *w, struct err *e) {
    if (fd_write_all(w->fd, w->held.data, w->held.len) != 0) {
        return err_sys(e, ERR_IO, errno, "the manifest cannot be written");
    }
    hash_update(w->file, w->held.data, w->held.len);
    buf_clear(&w->held);
    w->hashed = 0;
    return 0;
}

struct manifest_writer *manifest_writer_new(int fd, const char *under, const char *const *except,
                                            size_t n_except) {
    struct manifest_writer *w = must_calloc(1, sizeof *w);
    w->fd = fd;
    w->content = hash_new();
    w->file = hash_new();
    w->held = (struct buf)BUF_INIT(SIZE_MAX - 1);
    buf_puts(&w->held, "mvimig-manifest 1\nunder ");
    escape_text(&w->held, under, strlen(under));
    for (size_t i = 0; i < n_except; i++) {
        buf_puts(&w->held, "\nexcept ");
        escape_text(&w->held, except[i], strlen(except[i]));
    }
    buf_puts(&w->held, "\n");
    return w;
}

// And a space; printf takes a third of the time that an unchanged file costs.
static void put_number(struct buf *b, uint64_t n, unsigned radix) {
    char text[24];
    size_t at = sizeof text;
    text[--at] = ' ';
    do {
        text[--at] = (char)('0' + n % radix);
        n /= radix;
    } while (n != 0);
    buf_put(b, text + at, sizeof text - at);
}

int manifest_write(struct manifest_writer *w, const struct manifest_entry *m, struct err *e) {
    const char kind[] = {m->type, ' ', m->mark, ' '};
    buf_put(&w->held, kind, sizeof kind);
    put_number(&w->held, m->mode, 8);
    put_number(&w->held, m->uid, 10);
    put_number(&w->held, m->gid, 10);
    put_number(&w->held, m->size, 10);
    if (m->mtime_ns < 0) {
        buf_puts(&w->held, "-");
    }
    put_number(&w->held, m->mtime_ns < 0 ? 0 - (uint64_t)m->mtime_ns : (uint64_t)m->mtime_ns, 10);
    buf_puts(&w->held, m->digest[0] == 0 ? "-" : m->digest);
    buf_puts(&w->held, " ");
    escape_text(&w->held, m->path, strlen(m->path));
    if (m->target[0] != 0) {
        buf_puts(&w->held, "\t");
        escape_text(&w->held, m->target, strlen(m->target));
    }
    buf_puts(&w->held, "\n");
    w->count++;
    if (w->held.len < HELD) {
        return 0;
    }
    hash_lines(w);
    return flush(w, e);
}

int manifest_finish(struct manifest_writer *w, char digest[HASH_HEX], struct err *e) {
    uint8_t sum[HASH_SIZE];
    hash_lines(w);
    hash_final(w->content, sum);
    hash_hex(sum, digest);
    buf_printf(&w->held, "end %llu %s\n", (unsigned long long)w->count, digest);
    int rc = flush(w, e);
    hash_final(w->file, sum);
    hash_hex(sum, digest);
    return rc;
}

void manifest_writer_free(struct manifest_writer *w) {
    if (w != NULL) {
        hash_free(w->content);
        hash_free(w->file);
        buf_free(&w->held);
        free(w);
    }
}
