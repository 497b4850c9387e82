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
    uint64_t count;
};

static int flush(struct manifest_writer *w, struct err *e) {
    if (fd_write_all(w->fd, w->held.data, w->held.len) != 0) {
        return err_sys(e, ERR_IO, errno, "the manifest cannot be written");
    }
    hash_update(w->file, w->held.data, w->held.len);
    buf_clear(&w->held);
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
    hash_update(w->content, w->held.data, w->held.len);
    return w;
}

int manifest_write(struct manifest_writer *w, const struct manifest_entry *m, struct err *e) {
    size_t from = w->held.len;
    buf_printf(&w->held, "%c %c %o %u %u %llu %lld %s ", m->type, m->mark, m->mode, m->uid, m->gid,
               (unsigned long long)m->size, (long long)m->mtime_ns,
               m->digest[0] == 0 ? "-" : m->digest);
    escape_text(&w->held, m->path, strlen(m->path));
    if (m->target[0] != 0) {
        buf_puts(&w->held, "\t");
        escape_text(&w->held, m->target, strlen(m->target));
    }
    buf_puts(&w->held, "\n");
    hash_update(w->content, w->held.data + from, w->held.len - from);
    w->count++;
    return w->held.len >= HELD ? flush(w, e) : 0;
}

int manifest_finish(struct manifest_writer *w, char digest[HASH_HEX], struct err *e) {
    uint8_t sum[HASH_SIZE];
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
