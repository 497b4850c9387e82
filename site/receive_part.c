// SPDX-License-Identifier: Apache-2.0
// Large files, that come in ranges (site/parts.h). The main thread writes a range while the
// committer syncs the one before it, reads it back, compares all up to its end with the source's
// digest, and moves the mark. The part's hash and mark are the committer's as long as a batch is
// under way.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fault.h"
#include "site/receive_private.h"

#define LOCK_POLL_MS 50

static int out_of_turn(struct err *e, const char *what) {
    return err_set(e, ERR_DATA, "%s out of turn or not well formed", what);
}

// What failed may have left anything behind it: nothing is built upon that, and a disk that is full
// is given back what was taken. Called when the committer does nothing else to it.
static int part_failed(struct receiver *r, int errnum, const char *what, struct err *e) {
    char shown[300];
    part_lose(r->part);
    // Its name is gone: another session of the step, which has ended it.
    int code = errnum == ENOENT ? ERR_RETRY : stage_error_code(errnum);
    return err_sys(e, code, errnum, "%s: cannot be %s at the destination",
                   escape_into(shown, sizeof shown, r->part->path, strlen(r->part->path)), what);
}

static int write_failed(struct receiver *r, int errnum, struct err *e) {
    struct err ignored = {0};
    committer_wait(r, &ignored);
    return part_failed(r, errnum, "written", e);
}

// What is in [mark, to), as the disk has it, into the hash.
static int hash_up_to(struct receiver *r, uint64_t from, uint64_t to, struct err *e) {
    AUTO_FREE uint8_t *data = must_calloc(1, RECEIVE_BUFFER);
    posix_fadvise(r->part->fd, (off_t)from, (off_t)(to - from), POSIX_FADV_DONTNEED);
    while (from < to) {
        size_t want = to - from < RECEIVE_BUFFER ? (size_t)(to - from) : RECEIVE_BUFFER;
        ssize_t got = pread(r->part->fd, data, want, (off_t)from);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return part_failed(r, got < 0 ? errno : ENODATA, "read back", e);
        }
        hash_update(r->part->hash, data, (size_t)got);
        from += (uint64_t)got;
        int rc = wire_alive(&r->wire, e);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

// --- the question

// A receiver whose stream was cut may not have noticed yet.
static int open_part(struct receiver *r, const char *path, struct err *e) {
    int64_t until = clock_mono_ns() + (int64_t)r->wire.timeout_ms * 500000;
    for (;;) {
        r->part = part_open(&r->parts, &r->stage, path);
        if (r->part != NULL) {
            return 0;
        }
        int errnum = errno;
        if (errnum == EBUSY && clock_mono_ns() >= until) {
            return err_set(e, ERR_RETRY, "another session still works on a large file");
        }
        if (errnum != EBUSY) {
            // One that is not ours is not used, and the file is sent whole.
            return !stage_errno_is_general(errnum) ? 0
                                                   : err_sys(e, stage_error_code(errnum), errnum,
                                                             "%s: cannot be used", r->parts.name);
        }
        clock_sleep_ms(LOCK_POLL_MS);
        int rc = wire_alive(&r->wire, e);
        if (rc < 0) {
            return rc;
        }
    }
}

int receive_part(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    AUTO_BUF struct buf b = BUF_INIT(256);
    char path[PATH_REL_MAX + 1];
    uint8_t digest[HASH_SIZE] = {0};
    take_text(&t, path, sizeof path);
    if (!take_done(&t) || r->batch != NULL || !r->selected || !r->parts.usable ||
        !path_relative_ok(path)) {
        return out_of_turn(e, "a part");
    }
    int rc = committer_wait(r, e);
    part_close(STEAL(r->part));
    rc = rc < 0 ? rc : open_part(r, path, e);
    if (rc == 0 && r->part != NULL) {
        r->part_next = r->part->mark;
        rc = hash_up_to(r, 0, r->part->mark, e);
        hash_so_far(r->part->hash, digest);
    }
    if (rc < 0) {
        return rc;
    }
    put_u8(&b, r->part != NULL);
    put_u64(&b, r->part != NULL ? r->part->mark : 0);
    buf_put(&b, digest, sizeof digest);
    return wire_send(&r->wire, FRAME_PARTED, b.data, b.len, e);
}

// --- ranges

int receive_range(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    struct batch *b = r->batch;
    uint64_t from = take_u64(&t), to = take_u64(&t);
    if (!take_done(&t) || b == NULL || b->n > 0 || b->is_range || b->part != NULL ||
        r->part == NULL || from >= to || to > INT64_MAX || (from != 0 && from != r->part_next)) {
        return out_of_turn(e, "a range");
    }
    b->is_range = true;
    b->from = from;
    b->to = to;
    if (from == r->part_next) {
        return 0;
    }
    int rc = committer_wait(r, e);
    if (rc < 0) {
        return rc;
    }
    r->part_next = 0; // the source is another one now
    return part_restart(r->part) != 0 ? part_failed(r, errno, "written", e) : 0;
}

int receive_piece(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    const struct batch *b = r->batch;
    uint64_t at = take_u64(&t), len = f->len - t.at;
    if (t.bad || b == NULL || !b->is_range || at < b->from || at > b->to || len > b->to - at) {
        return out_of_turn(e, "a piece");
    }
    const uint8_t *data = f->data + t.at;
    while (len > 0) {
        int fault = FAULT("part-write");
        ssize_t put = fault != 0 ? -1 : pwrite(r->part->fd, data, len, (off_t)at);
        if (put < 0 && fault == 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return write_failed(r, fault != 0 ? fault : errno, e);
        }
        data += put;
        at += (uint64_t)put;
        len -= (uint64_t)put;
    }
    return 0;
}

int receive_range_commit(struct receiver *r, uint64_t count, uint64_t bytes,
                         const uint8_t digest[HASH_SIZE], struct err *e) {
    struct batch *b = r->batch;
    struct stat st;
    if (count > 1 || bytes != (count == 0 ? 0 : b->to - b->from)) {
        return out_of_turn(e, "a commit");
    }
    b->given_up = count == 0;
    b->count = count;
    b->bytes = bytes;
    memcpy(b->digest, digest, HASH_SIZE);
    r->part_next = b->given_up ? UINT64_MAX : b->to; // who gives up has to ask again
    if (!b->given_up &&
        (fstat(r->part->fd, &st) != 0 ||
         ((uint64_t)st.st_size < b->to && ftruncate(r->part->fd, (off_t)b->to) != 0))) {
        return write_failed(r, errno, e); // zeros at its end
    }
    return committer_give(r, STEAL(r->batch), e);
}

int receive_keep_range(struct receiver *r, struct batch *b, struct err *e) {
    uint8_t digest[HASH_SIZE];
    if (b->given_up) {
        return 0;
    }
    int fault = FAULT("part-fsync");
    if (fault != 0 || fdatasync(r->part->fd) != 0) {
        return part_failed(r, fault != 0 ? fault : errno, "synced to disk", e);
    }
    int rc = hash_up_to(r, b->from, b->to, e);
    if (rc < 0) {
        return rc;
    }
    hash_so_far(r->part->hash, digest);
    if (memcmp(digest, b->digest, sizeof digest) != 0) { // stays as it is up to its mark
        return err_set(e, ERR_RETRY,
                       "a range of a large file reads back different from what was "
                       "sent");
    }
    return part_mark(r->part, b->to) != 0 ? part_failed(r, errno, "written", e) : 0;
}

// --- the end

int receive_whole(struct receiver *r, const struct frame *f, struct err *e) {
    struct batch *b = r->batch;
    if (f->len != 0 || b == NULL || b->n > 0 || b->is_range || b->part != NULL || r->part == NULL) {
        return out_of_turn(e, "a whole part");
    }
    int rc = committer_wait(r, e);
    b->part = rc < 0 ? NULL : STEAL(r->part);
    return rc;
}

int receive_drop(struct receiver *r, const struct frame *f, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(16);
    struct parts parts;
    if (f->len != PROTOCOL_TOKEN || r->batch != NULL || !r->writes) {
        return out_of_turn(e, "a drop");
    }
    int rc = committer_wait(r, e);
    part_close(STEAL(r->part));
    if (rc < 0) {
        return rc;
    }
    parts_look(&parts, &r->stage, f->data);
    put_u8(&b, !parts.there || parts_drop(&parts) == 0);
    return wire_send(&r->wire, FRAME_DROPPED, b.data, b.len, e);
}
