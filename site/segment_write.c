// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/path.h"
#include "base/tempfile.h"
#include "site/bson_frame.h"
#include "site/segment.h"
#include "site/segment_private.h"

// The servers need the processor more than the disk needs the space: level -3 takes two thirds of
// the time of level 1, and its files are a third larger.
#define LEVEL (-3)

struct segment_writer {
    struct tempfile file;
    int dir; // of the file
    char *path;
    ZSTD_CStream *zstd;
    struct hash *hash; // of the file
    struct checksum *checksum;
    uint64_t documents, bytes, file_bytes;
    uint8_t *out; // compressed bytes on their way to the file
    size_t out_len, out_cap;
};

static int zstd_failed(const struct segment_writer *w, size_t rc, struct err *e) {
    return err_set(e, ERR_IO, "%s: zstd: %s", w->path, ZSTD_getErrorName(rc));
}

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
    w->zstd = ZSTD_createCStream();
    MUST(w->zstd);
    MUST(!ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL)));
    MUST(!ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1)));
    w->out_cap = 4 * ZSTD_CStreamOutSize();
    w->out = must_calloc(1, w->out_cap);
    w->hash = hash_new();
    w->checksum = checksum_new();
    *out = STEAL(w);
    return 0;
}

static int flush(struct segment_writer *w, struct err *e) {
    if (w->out_len == 0) {
        return 0;
    }
    int rc = tempfile_write(&w->file, w->out, w->out_len, e);
    if (rc) {
        return err_wrap(e, "%s", w->path);
    }
    hash_update(w->hash, w->out, w->out_len);
    checksum_update(w->checksum, w->out, w->out_len);
    w->file_bytes += w->out_len;
    w->out_len = 0;
    return 0;
}

static int compress(struct segment_writer *w, const void *data, size_t len, ZSTD_EndDirective mode,
                    struct err *e) {
    ZSTD_inBuffer in = {.src = data, .size = len};
    for (;;) {
        ZSTD_outBuffer out = {.dst = w->out, .size = w->out_cap, .pos = w->out_len};
        size_t left = ZSTD_compressStream2(w->zstd, &out, &in, mode);
        w->out_len = out.pos;
        if (ZSTD_isError(left)) {
            return zstd_failed(w, left, e);
        }
        bool done = mode == ZSTD_e_end ? left == 0 : in.pos == in.size;
        if (done) {
            return 0;
        }
        int rc = flush(w, e);
        if (rc) {
            return rc;
        }
    }
}

int segment_add(struct segment_writer *w, const uint8_t *doc, size_t len, struct err *e) {
    if (!doc_framed(doc, len)) {
        return err_set(e, ERR_DATA, "%s: document %llu is not framed as BSON", w->path,
                       (unsigned long long)w->documents);
    }
    w->documents++;
    w->bytes += len;
    return compress(w, doc, len, ZSTD_e_continue, e);
}

static int finish(struct segment_writer *w, struct segment_sum *sum, struct err *e) {
    struct segment_end end = {.documents = w->documents, .bytes = w->bytes};
    uint8_t frame[SEGMENT_END_SIZE], whole[HASH_SIZE];
    int rc = compress(w, NULL, 0, ZSTD_e_end, e);
    if (rc == 0) {
        rc = flush(w, e);
    }
    if (rc) {
        return rc;
    }
    hash_so_far(w->hash, end.file);
    segment_end_write(&end, frame);
    hash_update(w->hash, frame, sizeof frame);
    hash_final(w->hash, whole);
    *sum = (struct segment_sum){.documents = w->documents,
                                .bytes = w->bytes,
                                .file_bytes = w->file_bytes + sizeof frame,
                                .has_checksum = true};
    checksum_update(w->checksum, frame, sizeof frame);
    checksum_final(w->checksum, sum->checksum);
    hash_hex(whole, sum->digest);
    return tempfile_write(&w->file, frame, sizeof frame, e);
}

int segment_publish(struct segment_writer *w, struct segment_sum *sum, struct err *e) {
    int rc = finish(w, sum, e);
    if (rc == 0) {
        rc = tempfile_publish(&w->file, e);
    }
    return rc ? err_wrap(e, "%s", w->path) : 0;
}

void segment_writer_free(struct segment_writer *w) {
    if (!w) {
        return;
    }
    tempfile_drop(&w->file);
    auto_close(&w->dir);
    ZSTD_freeCStream(w->zstd);
    hash_free(w->hash);
    checksum_free(w->checksum);
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
