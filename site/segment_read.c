// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/path.h"
#include "site/bson_frame.h"
#include "site/segment.h"
#include "site/segment_private.h"

// A file up to this size is read once and kept: some 20,000 of MVI's documents.
#define KEEP_MAX (8u << 20)
// Of a larger file, so much is in memory at a time: several zstd frames.
#define AHEAD (4 * SEGMENT_FRAME)

#define ALTERED "the file is not as it was written (checksum): it is damaged"

struct segment_reader {
    char *path;
    int fd;
    uint64_t file_size, file_at; // file_at: compressed bytes read, the end frame not among them
    bool kept;                   // all of them are in `in`
    bool checked;                // segment_check or segment_check_written has passed
    struct segment_end end;
    struct segment_sum sum;
    ZSTD_DStream *zstd;
    size_t frame_left;                     // 0: the zstd frame is complete
    struct hash *hash;                     // of the compressed bytes, until they are checked
    const struct segment_written *written; // of this process; or NULL
    uint8_t (*pieces)[CHECKSUM_SIZE];      // of a file that is read again, as they were checked
    uint8_t *in;
    size_t in_cap;
    ZSTD_inBuffer in_at;
    uint8_t *data; // uncompressed: from `start` to `stop` not handed out yet
    size_t start, stop, cap;
    size_t peeked;              // length of the next document; 0: not looked at
    bool ended;                 // and it was checked that it may
    uint64_t documents, offset; // handed out so far
};

static int damaged(const struct segment_reader *r, const char *what, struct err *e) {
    if (r->offset == 0) {
        return err_set(e, ERR_DATA, "%s: %s", r->path, what);
    }
    return err_set(e, ERR_DATA, "%s: byte %llu of its documents: %s", r->path,
                   (unsigned long long)r->offset, what);
}

int segment_open(int dirfd, const char *path, struct segment_reader **out, struct err *e) {
    AUTO_CLOSE int fd = path_open(dirfd, path, O_RDONLY, 0);
    struct stat st;
    if (fd < 0) {
        return err_sys(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, errno, "%s: cannot be read",
                       path);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return err_set(e, ERR_IO, "%s: not a regular file", path);
    }
    struct segment_reader *r = must_calloc(1, sizeof *r);
    r->path = must_strdup(path);
    r->fd = steal_fd(&fd);
    r->file_size = (uint64_t)st.st_size;
    r->zstd = ZSTD_createDStream();
    MUST(r->zstd);
    r->hash = hash_new();
    r->kept = r->file_size <= KEEP_MAX;
    r->in_cap = r->kept && r->file_size > AHEAD ? (size_t)r->file_size : AHEAD;
    r->in = must_realloc(NULL, r->in_cap, 1);
    r->cap = 2 * SEGMENT_FRAME;
    r->data = must_realloc(NULL, r->cap, 1);
    *out = r;
    return 0;
}

static void segment_reader_free(struct segment_reader *r) {
    if (!r) {
        return;
    }
    auto_close(&r->fd);
    ZSTD_freeDStream(r->zstd);
    hash_free(r->hash);
    free(r->pieces);
    free(r->in);
    free(r->data);
    free(r->path);
    free(r);
}

void segment_reader_cleanup(struct segment_reader **r) {
    segment_reader_free(*r);
}

const struct segment_sum *segment_reader_sum(const struct segment_reader *r) {
    MUST(r->checked);
    return &r->sum;
}

uint64_t segment_offset(const struct segment_reader *r) {
    return r->offset;
}

static int rewind_file(struct segment_reader *r, struct err *e) {
    uint8_t ignored[HASH_SIZE];
    if (lseek(r->fd, 0, SEEK_SET) != 0) {
        return err_sys(e, ERR_IO, errno, "%s: cannot be read", r->path);
    }
    hash_final(r->hash, ignored);
    r->in_at = (ZSTD_inBuffer){.src = r->in};
    r->file_at = 0;
    return 0;
}

// To the first document, of a file that was checked; what is kept of it is not read again.
static int begin_stream(struct segment_reader *r, struct err *e) {
    ZSTD_DCtx_reset(r->zstd, ZSTD_reset_session_only);
    r->in_at.pos = 0;
    r->frame_left = 1; // an empty file is no frame
    r->documents = r->offset = 0;
    r->start = r->stop = r->peeked = 0;
    r->ended = false;
    return r->kept ? 0 : rewind_file(r, e);
}

// Reads the end frame; what is before it is the zstd stream.
static int read_end(struct segment_reader *r, uint8_t frame[SEGMENT_END_SIZE], struct err *e) {
    if (r->file_size < SEGMENT_END_SIZE) {
        return damaged(r, "the file is cut short", e);
    }
    off_t at = (off_t)(r->file_size - SEGMENT_END_SIZE);
    ssize_t got = pread(r->fd, frame, SEGMENT_END_SIZE, at);
    if (got < 0) {
        return err_sys(e, ERR_IO, errno, "%s: cannot be read", r->path);
    }
    if (got != SEGMENT_END_SIZE || segment_end_read(frame, &r->end) != 0) {
        return damaged(r, "the end of the file is not that of a dump: it is cut short or damaged",
                       e);
    }
    return 0;
}

// The piece that begins at file_at: it is what it was when it was written, or checked. For a check
// by digests it is noted.
static int note_piece(struct segment_reader *r, const uint8_t *piece, size_t len, struct err *e) {
    size_t i = r->file_at / SEGMENT_PIECE;
    if (!r->written && !r->checked) {
        hash_update(r->hash, piece, len);
        if (!r->kept) {
            checksum_bytes(piece, len, r->pieces[i]);
        }
        return 0;
    }
    uint8_t now[CHECKSUM_SIZE];
    checksum_bytes(piece, len, now);
    const uint8_t *was = r->written ? r->written->piece[i] : r->pieces[i];
    if (memcmp(now, was, CHECKSUM_SIZE) != 0) {
        return damaged(r, r->written ? ALTERED : "the file is not what it was when it was checked",
                       e);
    }
    return 0;
}

// Reads one more piece, behind what is left of the compressed bytes.
static int read_piece(struct segment_reader *r, struct err *e) {
    uint64_t left = r->file_size - SEGMENT_END_SIZE - r->file_at;
    size_t want = left < SEGMENT_PIECE ? (size_t)left : SEGMENT_PIECE, got = 0;
    if (r->in_cap - r->in_at.size < want) {
        r->in_at.size -= r->in_at.pos;
        memmove(r->in, r->in + r->in_at.pos, r->in_at.size);
        r->in_at.pos = 0;
    }
    uint8_t *piece = r->in + r->in_at.size;
    while (got < want) {
        ssize_t n = read(r->fd, piece + got, want - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_sys(e, ERR_IO, errno, "%s: cannot be read", r->path);
        }
        if (n == 0) {
            return damaged(r, "the file became shorter while it was read", e);
        }
        got += (size_t)n;
    }
    int rc = note_piece(r, piece, got, e);
    r->file_at += got;
    r->in_at.size += got;
    return rc;
}

static void move_to_front(struct segment_reader *r) {
    memmove(r->data, r->data + r->start, r->stop - r->start);
    r->stop -= r->start;
    r->start = 0;
}

// Appends to `out` what there is room for. 1: some more bytes came; 0: the stream is at its end.
static int decompress(struct segment_reader *r, ZSTD_outBuffer *out, struct err *e) {
    uint64_t stream_size = r->file_size - SEGMENT_END_SIZE;
    size_t before = out->pos;
    for (;;) {
        // At the beginning of a frame all of it, so that it is decompressed in one piece.
        size_t least = r->frame_left == 0 ? SEGMENT_FRAME_BOUND : 1;
        while (r->in_at.size - r->in_at.pos < least && r->file_at < stream_size) {
            int rc = read_piece(r, e);
            if (rc) {
                return rc;
            }
        }
        bool dry = r->in_at.pos == r->in_at.size;
        if (dry && r->frame_left == 0) {
            return 0;
        }
        size_t left = ZSTD_decompressStream(r->zstd, out, &r->in_at);
        if (ZSTD_isError(left)) {
            return damaged(r, ZSTD_getErrorName(left), e);
        }
        r->frame_left = left;
        if (out->pos != before) {
            return 1;
        }
        if (dry && left) {
            return damaged(r, "the compressed stream is cut short", e);
        }
    }
}

// 1: at least `need` bytes, less than a frame, lie from `start` on; 0: the stream ends before that.
static int fill(struct segment_reader *r, size_t need, struct err *e) {
    while (r->stop - r->start < need) {
        move_to_front(r);
        ZSTD_outBuffer out = {.dst = r->data, .size = r->cap, .pos = r->stop};
        int rc = decompress(r, &out, e);
        r->stop = out.pos;
        if (rc <= 0) {
            return rc;
        }
    }
    return 1;
}

static int check_stream(struct segment_reader *r, struct err *e) {
    return r->documents != r->end.documents || r->offset != r->end.bytes
               ? damaged(r, "the documents are not those that were written", e)
               : 0;
}

static int check_promise(const struct segment_reader *r, const struct segment_sum *promised,
                         struct err *e) {
    if (promised && (promised->documents != r->sum.documents || promised->bytes != r->sum.bytes ||
                     strcmp(promised->digest, r->sum.digest) != 0)) {
        return err_set(e, ERR_DATA,
                       "%s: not the dump that the journal knows: it holds %llu documents with "
                       "digest %.12s, expected are %llu with %.12s",
                       r->path, (unsigned long long)r->sum.documents, r->sum.digest,
                       (unsigned long long)promised->documents, promised->digest);
    }
    return 0;
}

// The digest of the compressed bytes, against the one in the end frame; and that of the whole file.
static int check_digest(struct segment_reader *r, const uint8_t frame[SEGMENT_END_SIZE],
                        struct err *e) {
    uint8_t file[HASH_SIZE];
    hash_so_far(r->hash, file);
    if (memcmp(file, r->end.file, HASH_SIZE) != 0) {
        return damaged(r, "the file is not as it was written (SHA-256): it is damaged", e);
    }
    hash_update(r->hash, frame, SEGMENT_END_SIZE);
    hash_final(r->hash, file);
    hash_hex(file, r->sum.digest);
    return 0;
}

// All but the end frame. What is kept lies in `in` then.
static int read_all(struct segment_reader *r, struct err *e) {
    int rc = 0;
    while (rc == 0 && r->file_at < r->file_size - SEGMENT_END_SIZE) {
        if (!r->kept) {
            r->in_at.size = 0;
        }
        rc = read_piece(r, e);
    }
    return rc;
}

static int begin_check(struct segment_reader *r, const struct segment_written *written,
                       uint8_t frame[SEGMENT_END_SIZE], struct err *e) {
    r->checked = false;
    r->written = written;
    r->offset = 0;
    int rc = rewind_file(r, e);
    rc = rc == 0 ? read_end(r, frame, e) : rc;
    r->sum = (struct segment_sum){
        .documents = r->end.documents, .bytes = r->end.bytes, .file_bytes = r->file_size};
    return rc;
}

static int end_check(struct segment_reader *r, struct err *e) {
    int rc = begin_stream(r, e);
    r->checked = rc == 0;
    return rc;
}

int segment_check(struct segment_reader *r, const struct segment_sum *promised, struct err *e) {
    uint8_t frame[SEGMENT_END_SIZE];
    int rc = begin_check(r, NULL, frame, e);
    if (rc == 0 && !r->kept && !r->pieces) {
        r->pieces = must_calloc(r->file_size / SEGMENT_PIECE + 1, CHECKSUM_SIZE);
    }
    rc = rc == 0 ? read_all(r, e) : rc;
    rc = rc == 0 ? check_digest(r, frame, e) : rc;
    rc = rc == 0 ? check_promise(r, promised, e) : rc;
    return rc == 0 ? end_check(r, e) : rc;
}

// Whether it is the very file, with nothing written to it since it was put in place.
static bool is_untouched(const struct segment_reader *r) {
    const struct segment_written *w = r->written;
    struct stat st;
    return fstat(r->fd, &st) == 0 && st.st_dev == w->dev && st.st_ino == w->ino &&
           st.st_ctim.tv_sec == w->changed.tv_sec && st.st_ctim.tv_nsec == w->changed.tv_nsec;
}

int segment_check_written(struct segment_reader *r, const struct segment_written *written,
                          struct err *e) {
    uint8_t frame[SEGMENT_END_SIZE], now[CHECKSUM_SIZE];
    int rc = begin_check(r, written, frame, e);
    if (rc) {
        return rc;
    }
    checksum_bytes(frame, sizeof frame, now);
    if (r->file_size != written->sum.file_bytes ||
        memcmp(now, written->piece[written->pieces - 1], CHECKSUM_SIZE) != 0) {
        return damaged(r, ALTERED, e);
    }
    rc = r->kept || !is_untouched(r) ? read_all(r, e) : 0;
    r->sum = written->sum;
    return rc == 0 ? end_check(r, e) : rc;
}

// As segment_peek, but for what comes at the end.
static int look_ahead(struct segment_reader *r, struct err *e) {
    int rc = fill(r, 4, e);
    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        return r->stop == r->start ? 0 : damaged(r, "the last document is cut short", e);
    }
    r->peeked = doc_length(r->data + r->start);
    return r->peeked ? 1 : damaged(r, "a document's length is impossible", e);
}

int segment_peek(struct segment_reader *r, size_t *len, struct err *e) {
    MUST(r->checked);
    int rc = r->peeked ? 1 : r->ended ? 0 : look_ahead(r, e);
    if (rc == 0 && !r->ended) {
        rc = check_stream(r, e);
        r->ended = rc == 0;
    }
    *len = r->peeked;
    return rc;
}

// All but the last of a large document goes straight to where it is wanted.
static int read_document(struct segment_reader *r, uint8_t *to, size_t len, struct err *e) {
    size_t there = r->stop - r->start;
    ZSTD_outBuffer out = {.dst = to, .size = len, .pos = there < len ? there : len};
    memcpy(to, r->data + r->start, out.pos);
    r->start += out.pos;
    while (out.size - out.pos >= SEGMENT_FRAME) {
        int rc = decompress(r, &out, e);
        if (rc <= 0) {
            return rc;
        }
    }
    size_t rest = out.size - out.pos;
    int rc = fill(r, rest, e);
    if (rc > 0) {
        memcpy(to + out.pos, r->data + r->start, rest);
        r->start += rest;
    }
    return rc;
}

int segment_next(struct segment_reader *r, struct buf *out, struct err *e) {
    size_t len;
    int rc = segment_peek(r, &len, e);
    if (rc <= 0) {
        return rc;
    }
    uint8_t *to = buf_room(out, len);
    if (!to) {
        return err_set(e, ERR_LIMIT, "%s: more than the %zu bytes there is room for", r->path,
                       out->max);
    }
    rc = read_document(r, to, len, e);
    if (rc <= 0) {
        return rc ? rc : damaged(r, "the last document is cut short", e);
    }
    if (!doc_framed(to, len)) {
        return damaged(r, "a document does not end where its length says", e);
    }
    out->len += len;
    r->peeked = 0;
    r->offset += len;
    r->documents++;
    return 1;
}
