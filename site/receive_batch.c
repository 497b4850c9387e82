// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fault.h"
#include "site/receive_private.h"
#include "site/unnamed.h"

struct batch *batch_new(uint64_t number) {
    struct batch *b = must_calloc(1, sizeof *b);
    b->number = number;
    b->folder = -1;
    b->refusals = (struct buf)BUF_INIT(PROTOCOL_FRAME_MAX - 256);
    return b;
}

void batch_free(struct receiver *r, struct batch *b) {
    if (b == NULL) {
        return;
    }
    for (size_t i = 0; i < b->n; i++) {
        free(b->items[i].path);
        free(b->items[i].target);
        unnamed_close(&b->items[i].unnamed);
    }
    free(b->items);
    stage_batch_close(&r->stage, b->number, &b->folder);
    part_close(b->part);
    buf_free(&b->refusals);
    free(b);
}

static struct item *add_item(struct receiver *r, char kind, const char *path) {
    struct batch *b = r->batch;
    if (b->n == b->cap) {
        b->cap = b->cap == 0 ? 256 : 2 * b->cap;
        b->items = must_realloc(b->items, b->cap, sizeof *b->items);
    }
    b->items[b->n] = (struct item){.kind = kind, .path = must_strdup(path), .unnamed = -1};
    return &b->items[b->n++];
}

static int out_of_turn(struct err *e, const char *what) {
    return err_set(e, ERR_DATA, "%s out of turn or not well formed", what);
}

// --- members

static int stage_failed(struct receiver *r, int errnum, struct err *e) {
    char shown[300];
    const char *path = r->batch->items[r->batch->n - 1].path;
    escape_into(shown, sizeof shown, path, strlen(path));
    return err_sys(e, stage_error_code(errnum), errnum, "%s: cannot be written at the destination",
                   shown);
}

// A new file of the batch: one without a name where that can be, else one in the batch's folder.
static int open_new(struct receiver *r, mode_t mode) {
    const struct batch *b = r->batch;
    char name[STAGE_FILE_NAME];
    int fd = r->stage.unnamed ? unnamed_open(b->folder, mode) : -1;
    r->file_unnamed = fd >= 0;
    if (fd >= 0) {
        return fd;
    }
    stage_file_name(b->n - 1, name);
    return openat(b->folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
}

// The part that is whole, for the first file of a batch that has one; else a new file.
static int open_file(struct receiver *r, const struct tar_member *m) {
    struct batch *b = r->batch;
    if (b->part != NULL && !b->part_taken) {
        b->part_taken = b->items[b->n - 1].part = true;
        return fcntl(b->part->fd, F_DUPFD_CLOEXEC, 0);
    }
    return open_new(r, (m->mode & 0777) | 0600);
}

static int begin_file(struct receiver *r, const struct tar_member *m, struct err *e) {
    int fault = FAULT("stage-write");
    errno = fault;
    r->file = fault != 0 ? -1 : open_file(r, m);
    r->written = 0;
    for (size_t i = 0; r->file >= 0 && i < m->n_xattrs; i++) {
        // The sender sends none where none can be kept; one that is too long is no reason to stop.
        fsetxattr(r->file, m->xattrs[i].name, m->xattrs[i].value, m->xattrs[i].len, 0);
    }
    return r->file < 0 ? stage_failed(r, errno, e) : 0;
}

static int begin_link(struct receiver *r, const struct tar_member *m, struct err *e) {
    char name[STAGE_FILE_NAME];
    stage_file_name(r->batch->n - 1, name);
    struct timespec ts[2];
    stage_times(m->mtime_ns, ts);
    if (symlinkat(m->target, r->batch->folder, name) != 0) {
        return stage_failed(r, errno, e);
    }
    bool owned = (r->stage.keeps.flags & KEEP_OWNER) == 0 ||
                 fchownat(r->batch->folder, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) == 0;
    if ((!owned && errno != EPERM && errno != EINVAL) ||
        utimensat(r->batch->folder, name, ts, AT_SYMLINK_NOFOLLOW) != 0) {
        return stage_failed(r, errno, e);
    }
    return 0;
}

static int on_member(void *arg, const struct tar_member *m, struct err *e) {
    struct receiver *r = arg;
    if (r->batch->n == PROTOCOL_BATCH_ITEMS) {
        return err_set(e, ERR_LIMIT, "more than %d items in one batch", PROTOCOL_BATCH_ITEMS);
    }
    struct item *i = add_item(r, m->type, m->path);
    i->mode = m->mode;
    i->uid = m->uid;
    i->gid = m->gid;
    i->size = m->size;
    i->mtime_ns = m->mtime_ns;
    r->batch->n_members++;
    for (size_t k = 0; k < m->n_xattrs; k++) {
        i->xattrs ^= digest_xattr(m->xattrs[k].name, m->xattrs[k].value, m->xattrs[k].len);
    }
    if (m->type == TREE_LINK || m->type == TAR_HARD) {
        i->target = must_strdup(m->target);
    }
    return m->type == TREE_FILE   ? begin_file(r, m, e)
           : m->type == TREE_LINK ? begin_link(r, m, e)
                                  : 0;
}

static int on_data(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *e) {
    struct receiver *r = arg;
    if (r->batch->items[r->batch->n - 1].part) {
        return out_of_turn(e, "content of a part"); // it came in ranges
    }
    while (len > 0) {
        size_t part = FAULT("stage-short") != 0 ? 1 : len;
        bool lies = FAULT("stage-lies") != 0; // the disk says that it was written
        ssize_t put = lies ? (ssize_t)len : pwrite(r->file, data, part, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return stage_failed(r, errno, e);
        }
        data += put;
        offset += (uint64_t)put;
        len -= (size_t)put;
    }
    r->written = offset;
    return 0;
}

static int set_metadata(struct receiver *r, const struct item *i) {
    const struct stage *s = &r->stage;
    uint32_t made = ((i->part ? 0 : i->mode & 0777) | 0600) & ~s->umask;
    struct timespec ts[2];
    stage_times(i->mtime_ns, ts);
    bool chowned = (s->keeps.flags & KEEP_OWNER) != 0 && (i->uid != s->uid || i->gid != s->gid);
    if (chowned && fchown(r->file, i->uid, i->gid) != 0 && errno != EPERM && errno != EINVAL) {
        return -1;
    }
    if ((i->mode != made || chowned) && fchmod(r->file, i->mode) != 0 && errno != EPERM) {
        return -1;
    }
    return futimens(r->file, ts);
}

static int read_back(struct receiver *r, struct item *i, struct err *e) {
    uint64_t size;
    if (r->written < i->size && ftruncate(r->file, (off_t)i->size) != 0) {
        return stage_failed(r, errno, e);
    }
    i->by = CONTENT_CHECKSUM;
    int rc = content_read(&r->content, &r->wire, r->file, i->by, i->digest, &size, e);
    if (rc == 0 && size != i->size) {
        return err_set(e, ERR_RETRY,
                       "a file reads back with another size than it was written with");
    }
    return rc;
}

void receive_give_up_file(struct receiver *r) {
    (r->file_unnamed ? unnamed_close : auto_close)(&r->file);
}

static int on_end(void *arg, struct err *e) {
    struct receiver *r = arg;
    struct item *i = &r->batch->items[r->batch->n - 1];
    if (i->kind != TREE_FILE) {
        return 0;
    }
    if (i->part) { // read back range by range
        i->size = r->batch->part->mark;
        hash_so_far(r->batch->part->hash, i->digest);
    }
    int rc = i->part ? 0 : read_back(r, i, e);
    if (rc < 0) {
        return rc;
    }
    if (set_metadata(r, i) != 0 ||
        ((i->mode & S_IRUSR) == 0 && !path_syncfs_tells() && fsync(r->file) != 0)) {
        return stage_failed(r, errno, e);
    }
    int fd = steal_fd(&r->file);
    if (r->file_unnamed) {
        i->unnamed = fd;
        r->file_unnamed = false;
        return 0;
    }
    return close(fd) == 0 ? 0 : stage_failed(r, errno, e);
}

// --- frames

int receive_batch(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    uint64_t number = take_u64(&t);
    if (!take_done(&t) || r->batch != NULL || !r->writes || !r->selected ||
        number != r->next_number) {
        return out_of_turn(e, "a batch");
    }
    int rc = r->parents_there ? 0 : receive_parents(r, e);
    if (r->tar == NULL) {
        const struct tar_sink sink = {
            .arg = r, .member = on_member, .data = on_data, .end = on_end};
        r->tar = tar_reader_new(&sink);
    }
    r->next_number++;
    r->batch = batch_new(number);
    if (rc < 0) {
        return rc;
    }
    r->batch->folder = stage_batch(&r->stage, number);
    return r->batch->folder < 0
               ? err_sys(e, ERR_IO, errno, "%s: no folder can be made in it", r->stage.name)
               : 0;
}

// The frames of an archive have no check of their own: what is not well formed in it was altered on
// its way, and may arrive the next time.
static int altered(int rc, struct err *e) {
    return rc == ERR_DATA || rc == ERR_LIMIT ? e->code = ERR_RETRY : rc;
}

int receive_tar(struct receiver *r, const struct frame *f, struct err *e) {
    if (r->batch == NULL || r->batch->is_range || r->batch->n != r->batch->n_members) {
        return out_of_turn(e, "content");
    }
    return altered(tar_reader_feed(r->tar, f->data, f->len, e), e);
}

int receive_mend(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    char path[PATH_REL_MAX + 1];
    while (r->batch != NULL && !r->batch->is_range && t.at < t.len) {
        struct mend m;
        take_mend(&t, &m, path);
        if (t.bad || r->batch->n == PROTOCOL_BATCH_ITEMS) {
            return out_of_turn(e, "metadata");
        }
        struct item *i = add_item(r, 'm', m.path);
        i->was_type = m.type;
        i->what = m.what;
        i->mode = m.mode;
        i->uid = m.uid;
        i->gid = m.gid;
        i->mtime_ns = m.mtime_ns;
    }
    return r->batch == NULL || r->batch->is_range ? out_of_turn(e, "metadata") : 0;
}

static int take_remarks(struct receiver *r, struct take *t, struct err *e) {
    uint32_t n = take_u32(t);
    for (uint32_t k = 0; !t->bad && k < n; k++) {
        uint32_t member = take_u32(t);
        char what = (char)take_u8(t), type = (char)take_u8(t);
        uint64_t size = take_u64(t);
        int64_t mtime_ns = (int64_t)take_u64(t);
        if (t->bad || member >= r->batch->n_members ||
            (what != REMARK_VOID && what != REMARK_REPLACE)) {
            return out_of_turn(e, "a remark");
        }
        struct item *i = &r->batch->items[member];
        i->void_ = i->void_ || what == REMARK_VOID;
        i->replace = i->replace || what == REMARK_REPLACE;
        i->was_type = type;
        i->was_size = size;
        i->was_mtime_ns = mtime_ns;
    }
    return take_done(t) ? 0 : out_of_turn(e, "a commit");
}

// What was read back must be what the sender has read, before anything is put in place.
static int check_sum(struct receiver *r, uint64_t count, uint64_t bytes,
                     const uint8_t promised[HASH_SIZE], struct err *e) {
    struct batch *b = r->batch;
    uint8_t digest[HASH_SIZE];
    uint64_t n = 0;
    for (size_t k = 0; k < b->n; k++) {
        const struct item *i = &b->items[k];
        if (!i->void_) {
            batch_digest(r->hash, i);
            b->bytes += i->kind == TREE_FILE ? i->size : 0;
            n++;
        }
    }
    hash_final(r->hash, digest);
    if (n != count || b->bytes != bytes || memcmp(digest, promised, HASH_SIZE) != 0) {
        return err_set(e, ERR_RETRY, "batch %llu reads back different from what was sent",
                       (unsigned long long)b->number);
    }
    return 0;
}

int receive_commit(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    uint8_t digest[HASH_SIZE];
    uint64_t count = take_u64(&t), bytes = take_u64(&t);
    take_bytes(&t, digest, sizeof digest);
    if (t.bad || r->batch == NULL) {
        return out_of_turn(e, "a commit");
    }
    if (r->batch->is_range) {
        return take_u32(&t) != 0 || !take_done(&t)
                   ? out_of_turn(e, "a commit")
                   : receive_range_commit(r, count, bytes, digest, e);
    }
    if (r->batch->part != NULL && !r->batch->part_taken) {
        return out_of_turn(e, "a commit");
    }
    int rc = take_remarks(r, &t, e);
    rc = rc < 0 ? rc : altered(tar_reader_finish(r->tar, e), e);
    rc = rc < 0 ? rc : check_sum(r, count, bytes, digest, e);
    return rc < 0 ? rc : committer_give(r, STEAL(r->batch), e);
}

void batch_digest(struct hash *h, const struct item *i) {
    bool file = i->kind == TREE_FILE;
    const struct digest_item d = {
        .kind = i->kind,
        .path = i->path,
        .mode = i->mode,
        .uid = i->uid,
        .gid = i->gid,
        .mtime_ns = i->mtime_ns,
        .xattrs = i->xattrs,
        .data = file ? (const void *)i->digest : i->target,
        .len = file                ? content_size(i->by)
               : i->target != NULL ? strlen(i->target)
                                   : 0,
    };
    digest_item(h, &d);
}
