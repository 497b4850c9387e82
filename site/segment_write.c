// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/path.h"
#include "base/tempfile.h"
#include "site/bson_frame.h"
#include "site/segment.h"
#include "site/segment_private.h"

// The servers need the processor more than the disk needs the space: with level -1 files are a
// fifth smaller, and small documents cost a fifth more CPU time in all; level 1 makes them 45 %
// smaller, and costs more still.
#define LEVEL (-8)
#define BEGIN_WRITING (4u << 20)
#define PIECES_MAX ((size_t)1 << 30) // of a file of 16 TB
// What of a frame is tried out, and the largest block of zstd.
#define SAMPLES 8
#define SAMPLE ((size_t)2 << 10)
#define RAW_BLOCK ((size_t)128 << 10)

struct segment_writer {
    struct tempfile file;
    int dir; // of the file
    char *path;
    ZSTD_CCtx *zstd;
    struct hash *hash; // of the file
    uint64_t documents, bytes, file_bytes;
    struct checksum *checksum; // of the piece that is being written
    size_t piece;              // its bytes
    struct buf pieces;         // the checksums of those before
    struct segment_sum sum;    // when it is published
    uint8_t *in, *out;         // of the next zstd frame, and as it goes to the file
    size_t in_len;
    uint64_t begun; // bytes of the file that the disk was given
};

int segment_create(int dirfd, const char *path, struct segment_writer **out, struct err *e) {
    AUTO_SEGMENT_WRITER struct segment_writer *w = must_calloc(1, sizeof *w);
    const char *leaf;
    w->file = (struct tempfile)TEMPFILE_INIT;
    w->path = must_strdup(path);
    w->dir = path_open_parent(dirfd, path, true, 0700, &leaf);
    if (w->dir < 0) {
        return err_sys(e, ERR_IO, errno, "%s: its directory cannot be made", path);
    }
    int rc = tempfile_create(&w->file, w->dir, leaf, 0600, e);
    if (rc) {
        return err_wrap(e, "%s", path);
    }
    w->zstd = ZSTD_createCCtx();
    MUST(w->zstd);
    MUST(!ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL)));
    MUST(!ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1)));
    w->in = must_realloc(NULL, SEGMENT_FRAME, 1);
    w->out = must_realloc(NULL, SEGMENT_FRAME_BOUND, 1);
    w->hash = hash_new();
    w->checksum = checksum_new();
    w->pieces = (struct buf)BUF_INIT(PIECES_MAX);
    *out = STEAL(w);
    return 0;
}

// The disk takes what is there while more is compressed, so that the sync at the end has little
// left to wait for. Not all file systems know the call; one that fails is a failed write
// (sync_file_range(2)).
static int begin_writing(struct segment_writer *w, struct err *e) {
    if (w->file_bytes - w->begun < BEGIN_WRITING) {
        return 0;
    }
    if (sync_file_range(w->file.fd, (off_t)w->begun, (off_t)(w->file_bytes - w->begun),
                        SYNC_FILE_RANGE_WRITE) != 0 &&
        errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
        return err_sys(e, ERR_IO, errno, "%s: cannot be written", w->path);
    }
    w->begun = w->file_bytes;
    return 0;
}

static int write_bytes(struct segment_writer *w, const void *data, size_t len, struct err *e) {
    int rc = tempfile_write(&w->file, data, len, e);
    if (rc) {
        return err_wrap(e, "%s", w->path);
    }
    w->file_bytes += len;
    return begin_writing(w, e);
}

static int end_piece(struct segment_writer *w, struct err *e) {
    uint8_t sum[CHECKSUM_SIZE];
    checksum_final(w->checksum, sum);
    w->piece = 0;
    return buf_append(&w->pieces, sum, sizeof sum, e);
}

static int sum_pieces(struct segment_writer *w, const uint8_t *data, size_t len, struct err *e) {
    int rc = 0;
    while (rc == 0 && len > 0) {
        size_t room = SEGMENT_PIECE - w->piece, n = len < room ? len : room;
        checksum_update(w->checksum, data, n);
        w->piece += n;
        rc = n == room ? end_piece(w, e) : 0;
        data += n;
        len -= n;
    }
    return rc;
}

// Bytes before the end frame, which has their digest.
static int write_stream(struct segment_writer *w, const void *data, size_t len, struct err *e) {
    hash_update(w->hash, data, len);
    int rc = sum_pieces(w, data, len, e);
    return rc ? rc : write_bytes(w, data, len, e);
}

static int write_frame(struct segment_writer *w, const uint8_t *data, size_t len, struct err *e) {
    size_t n = ZSTD_compress2(w->zstd, w->out, SEGMENT_FRAME_BOUND, data, len);
    if (ZSTD_isError(n)) {
        return err_set(e, ERR_IO, "%s: zstd: %s", w->path, ZSTD_getErrorName(n));
    }
    return write_stream(w, w->out, n, e);
}

// Whether the compressor makes nothing of a few samples of a whole frame, as of images.
static bool is_noise(struct segment_writer *w, const uint8_t *data) {
    size_t n = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        const uint8_t *sample = data + SEGMENT_FRAME / SAMPLES * i;
        size_t got = ZSTD_compress2(w->zstd, w->out, SEGMENT_FRAME_BOUND, sample, SAMPLE);
        n += ZSTD_isError(got) ? 0 : got; // then write_frame tells it
    }
    return n >= SAMPLES * SAMPLE;
}

// A whole frame whose blocks hold the bytes as they are (RFC 8878, 3.1.1: a single segment with a
// size of four bytes, then blocks of the type Raw_Block). zstd would write these same blocks after
// it has searched all of them. There is no checksum in it: nothing was made of the bytes.
static int store_frame(struct segment_writer *w, const uint8_t *data, struct err *e) {
    static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 8, 0};
    _Static_assert(SEGMENT_FRAME == 8 << 16 && RAW_BLOCK << 3 == 0x10 << 16, "as in the headers");
    int rc = write_stream(w, head, sizeof head, e);
    for (size_t at = 0; rc == 0 && at < SEGMENT_FRAME; at += RAW_BLOCK) {
        uint8_t block[] = {at + RAW_BLOCK == SEGMENT_FRAME, 0, 0x10};
        rc = write_stream(w, block, sizeof block, e);
        rc = rc == 0 ? write_stream(w, data + at, RAW_BLOCK, e) : rc;
    }
    return rc;
}

static int write_rest(struct segment_writer *w, struct err *e) {
    int rc = write_frame(w, w->in, w->in_len, e);
    w->in_len = 0;
    return rc;
}

// Whole frames of a large document are not copied before, and not compressed where that is in vain.
static int add_bytes(struct segment_writer *w, const uint8_t *data, size_t len, struct err *e) {
    int rc = 0;
    while (rc == 0 && len > 0) {
        size_t room = SEGMENT_FRAME - w->in_len, n = len < room ? len : room;
        if (n == SEGMENT_FRAME) {
            rc = is_noise(w, data) ? store_frame(w, data, e) : write_frame(w, data, n, e);
        } else {
            memcpy(w->in + w->in_len, data, n);
            w->in_len += n;
            rc = n == room ? write_rest(w, e) : 0;
        }
        data += n;
        len -= n;
    }
    return rc;
}

int segment_add(struct segment_writer *w, const uint8_t *doc, size_t len, struct err *e) {
    if (!doc_framed(doc, len)) {
        return err_set(e, ERR_DATA, "%s: document %llu is not framed as BSON", w->path,
                       (unsigned long long)w->documents);
    }
    w->documents++;
    w->bytes += len;
    return add_bytes(w, doc, len, e);
}

static int finish(struct segment_writer *w, struct err *e) {
    struct segment_end end = {.documents = w->documents, .bytes = w->bytes};
    uint8_t frame[SEGMENT_END_SIZE], whole[HASH_SIZE];
    // Without documents, too, there is a frame: readers of zstd take no file for nothing.
    int rc = w->in_len || w->bytes == 0 ? write_rest(w, e) : 0;
    if (rc == 0 && w->piece > 0) {
        rc = end_piece(w, e);
    }
    if (rc) {
        return rc;
    }
    hash_so_far(w->hash, end.file);
    segment_end_write(&end, frame);
    hash_update(w->hash, frame, sizeof frame);
    hash_final(w->hash, whole);
    rc = sum_pieces(w, frame, sizeof frame, e);
    rc = rc == 0 ? end_piece(w, e) : rc;
    rc = rc == 0 ? write_bytes(w, frame, sizeof frame, e) : rc;
    w->sum = (struct segment_sum){
        .documents = w->documents, .bytes = w->bytes, .file_bytes = w->file_bytes};
    hash_hex(whole, w->sum.digest);
    return rc;
}

int segment_publish(struct segment_writer *w, struct segment_sum *sum, struct err *e) {
    int rc = finish(w, e);
    if (rc == 0) {
        rc = tempfile_publish(&w->file, e);
    }
    *sum = w->sum;
    return rc ? err_wrap(e, "%s", w->path) : 0;
}

struct segment_written *segment_written(const struct segment_writer *w) {
    struct stat st = {0}; // of no file: one that cannot be looked at is not known as untouched
    (void)fstatat(w->dir, w->file.name, &st, AT_SYMLINK_NOFOLLOW);
    struct segment_written *out = must_calloc(1, sizeof *out + w->pieces.len);
    out->sum = w->sum;
    out->dev = st.st_dev;
    out->ino = st.st_ino;
    out->changed = st.st_ctim;
    out->pieces = w->pieces.len / CHECKSUM_SIZE;
    memcpy(out->piece, w->pieces.data, w->pieces.len);
    return out;
}

void segment_writer_free(struct segment_writer *w) {
    if (!w) {
        return;
    }
    tempfile_drop(&w->file);
    auto_close(&w->dir);
    ZSTD_freeCCtx(w->zstd);
    hash_free(w->hash);
    checksum_free(w->checksum);
    buf_free(&w->pieces);
    free(w->in);
    free(w->out);
    free(w->path);
    free(w);
}

void segment_writer_cleanup(struct segment_writer **w) {
    segment_writer_free(*w);
}

static bool temp_of(const char *entry, const char *leaf) {
    size_t len = strlen(entry), leaf_len = strlen(leaf), tail = strlen(".tmp");
    return entry[0] == '.' && len > leaf_len + tail + 1 &&
           strncmp(entry + 1, leaf, leaf_len) == 0 && entry[1 + leaf_len] == '.' &&
           strcmp(entry + len - tail, ".tmp") == 0;
}

void segment_sweep(int dirfd, const char *path) {
    const char *leaf;
    AUTO_CLOSE int parent = path_open_parent(dirfd, path, false, 0, &leaf);
    int fd = parent < 0 ? -1 : openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        auto_close(&fd);
        return;
    }
    for (struct dirent *d; (d = readdir(dir));) {
        if (temp_of(d->d_name, leaf)) {
            (void)unlinkat(parent, d->d_name, 0);
        }
    }
    closedir(dir);
}
