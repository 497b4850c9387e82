// SPDX-License-Identifier: Apache-2.0
// Dump files: what goes in comes out; what is cut, flipped, swapped or unframed does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "site/bson_frame.h"
#include "site/segment.h"

#define FLIPS 10000

struct place {
    char dir[64];
    int fd;
};

static int place_make(void **state) {
    struct place *p = calloc(1, sizeof *p);
    memcpy(p->dir, "/tmp/mvimig-segment-XXXXXX", 27);
    assert_non_null(mkdtemp(p->dir));
    p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
    *state = p;
    return 0;
}

static int place_remove(void **state) {
    struct place *p = *state;
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY);
    assert_int_equal(path_remove_tree(tmp, strrchr(p->dir, '/') + 1), 0);
    close(tmp);
    close(p->fd);
    free(p);
    return 0;
}

// A document of `len` bytes: {x: "..."} filled from a running number.
static uint8_t *make_document(size_t len, unsigned *seed) {
    uint8_t *doc = calloc(1, len);
    for (int i = 0; i < 4; i++) {
        doc[i] = (uint8_t)(len >> 8 * i);
    }
    if (len == DOC_MIN) {
        return doc;
    }
    size_t text = len - 4 - 3 - 4 - 1;
    memcpy(doc + 4, "\2x", 3);
    for (int i = 0; i < 4; i++) {
        doc[7 + i] = (uint8_t)(text >> 8 * i);
    }
    for (size_t i = 0; i + 1 < text; i++) {
        *seed = *seed * 1103515245 + 12345;
        doc[11 + i] = (uint8_t)('a' + (*seed >> 16) % 26);
    }
    return doc;
}

static struct segment_written *write_segment(int dir, const char *path, const size_t *sizes,
                                             size_t n) {
    struct err e = {0};
    struct segment_sum sum;
    unsigned seed = 1;
    AUTO_SEGMENT_WRITER struct segment_writer *w = NULL;
    assert_int_equal(segment_create(dir, path, &w, &e), 0);
    for (size_t i = 0; i < n; i++) {
        uint8_t *doc = make_document(sizes[i], &seed);
        assert_int_equal(segment_add(w, doc, sizes[i], &e), 0);
        free(doc);
    }
    assert_int_equal(segment_publish(w, &sum, &e), 0);
    struct segment_written *written = segment_written(w);
    assert_non_null(written);
    assert_memory_equal(&written->sum, &sum, sizeof sum);
    return written;
}

static int check_written(int dir, const char *path, const struct segment_written *written,
                         struct err *e) {
    AUTO_SEGMENT_READER struct segment_reader *r = NULL;
    int rc = segment_open(dir, path, &r, e);
    return rc ? rc : segment_check_written(r, written, e);
}

static int check_file(int dir, const char *path, const struct segment_sum *promised,
                      struct err *e) {
    AUTO_SEGMENT_READER struct segment_reader *r = NULL;
    int rc = segment_open(dir, path, &r, e);
    return rc ? rc : segment_check(r, promised, e);
}

static void comes_out_as_it_went_in(void **state) {
    struct place *p = *state;
    static const size_t sizes[] = {
        5, 20, 600, 131072, 131071, 3, 16777216, 16777216 + 16384, 14, 300000,
    };
    size_t used[10], n = 0;
    for (size_t i = 0; i < 10; i++) {
        used[n] = sizes[i];
        n += sizes[i] >= DOC_MIN;
    }
    struct err e = {0};
    AUTO_FREE struct segment_written *w = write_segment(p->fd, "a/b/0001.bson.zst", used, n);
    assert_int_equal(w->sum.documents, n);
    AUTO_SEGMENT_READER struct segment_reader *r = NULL;
    assert_int_equal(segment_open(p->fd, "a/b/0001.bson.zst", &r, &e), 0);
    assert_int_equal(segment_check(r, &w->sum, &e), 0);
    assert_string_equal(segment_reader_sum(r)->digest, w->sum.digest);
    unsigned seed = 1;
    uint64_t offset = 0;
    AUTO_BUF struct buf docs = BUF_INIT(64u << 20);
    size_t len;
    for (size_t i = 0; i < n; i++) {
        uint8_t *want = make_document(used[i], &seed);
        size_t at = i % 2 ? docs.len : 0;
        docs.len = at;
        assert_int_equal(segment_offset(r), offset);
        assert_int_equal(segment_peek(r, &len, &e), 1);
        assert_int_equal(len, used[i]);
        assert_int_equal(segment_next(r, &docs, &e), 1);
        assert_int_equal(docs.len - at, len);
        assert_memory_equal(docs.data + at, want, len);
        offset += len;
        free(want);
    }
    for (int again = 0; again < 2; again++) {
        assert_int_equal(segment_peek(r, &len, &e), 0);
        assert_int_equal(segment_next(r, &docs, &e), 0);
    }
    assert_int_equal(w->sum.bytes, offset);
}

static void may_be_empty(void **state) {
    struct place *p = *state;
    struct err e = {0};
    AUTO_BUF struct buf doc = BUF_INIT(DOC_MAX);
    AUTO_FREE struct segment_written *w = write_segment(p->fd, "empty.bson.zst", NULL, 0);
    AUTO_SEGMENT_READER struct segment_reader *r = NULL;
    assert_int_equal(segment_open(p->fd, "empty.bson.zst", &r, &e), 0);
    assert_int_equal(segment_check(r, &w->sum, &e), 0);
    assert_int_equal(segment_next(r, &doc, &e), 0);
    assert_int_equal(w->sum.documents + w->sum.bytes, 0);
}

static void is_there_only_when_published(void **state) {
    struct place *p = *state;
    struct err e = {0};
    struct stat st;
    struct segment_writer *w = NULL;
    assert_int_equal(segment_create(p->fd, "x.bson.zst", &w, &e), 0);
    assert_int_equal(segment_add(w, (const uint8_t *)"\5\0\0\0\0", 5, &e), 0);
    assert_int_equal(segment_add(w, (const uint8_t *)"\6\0\0\0\0", 5, &e), ERR_DATA);
    segment_writer_free(w);
    assert_int_equal(fstatat(p->fd, "x.bson.zst", &st, 0), -1);
    assert_int_equal(check_file(p->fd, "x.bson.zst", NULL, &e), ERR_NOTFOUND);
    // A killed writer's temporary file goes with the next attempt, nobody else's does.
    assert_int_equal(tempfile_put(p->fd, ".x.bson.zst.0123456789abcdef.tmp", 0600, "a", 1, &e), 0);
    assert_int_equal(tempfile_put(p->fd, ".y.bson.zst.0123456789abcdef.tmp", 0600, "a", 1, &e), 0);
    segment_sweep(p->fd, "x.bson.zst");
    assert_int_equal(fstatat(p->fd, ".x.bson.zst.0123456789abcdef.tmp", &st, 0), -1);
    assert_int_equal(fstatat(p->fd, ".y.bson.zst.0123456789abcdef.tmp", &st, 0), 0);
}

static char *small_segment(int dir, struct segment_written **written, size_t *len) {
    static const size_t sizes[] = {100, 5, 400, 333, 12, 800, 64, 512, 20, 700};
    struct err e = {0};
    char *data;
    *written = write_segment(dir, "small.bson.zst", sizes, sizeof sizes / sizeof *sizes);
    assert_int_equal(file_read(dir, "small.bson.zst", 1 << 20, &data, len, &e), 0);
    return data;
}

// By who has written it, and by the journal.
static void expect_promise_broken(int dir, const struct segment_written *w, const char *what,
                                  size_t at) {
    struct err e = {0};
    if (check_written(dir, "damaged", w, &e) != ERR_DATA ||
        check_file(dir, "damaged", &w->sum, &e) != ERR_DATA) {
        fail_msg("%s %zu was not refused: %s", what, at, e.text);
    }
}

// By the promise and, for files that no journal knows, by the end of the file alone.
static void expect_refused(int dir, const struct segment_written *w, const char *what, size_t at) {
    struct err e = {0};
    expect_promise_broken(dir, w, what, at);
    if (check_file(dir, "damaged", NULL, &e) != ERR_DATA) {
        fail_msg("%s %zu was not refused: %s", what, at, e.text);
    }
}

static void put_damaged(int dir, const char *data, size_t len) {
    int fd = openat(dir, "damaged", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, data, len), 0);
    close(fd);
}

static void refuses_every_cut(void **state) {
    struct place *p = *state;
    AUTO_FREE struct segment_written *w = NULL;
    size_t len;
    AUTO_FREE char *data = small_segment(p->fd, &w, &len);
    for (size_t cut = 0; cut < len; cut++) {
        put_damaged(p->fd, data, cut);
        expect_refused(p->fd, w, "cut at", cut);
    }
    put_damaged(p->fd, data, len + 1); // file_read has put a zero there
    expect_refused(p->fd, w, "longer by", 1);
}

static void refuses_flipped_bits(void **state) {
    struct place *p = *state;
    AUTO_FREE struct segment_written *w = NULL;
    size_t len;
    struct err e = {0};
    uint64_t seed = 20261123;
    AUTO_FREE char *data = small_segment(p->fd, &w, &len);
    assert_int_equal(check_written(p->fd, "small.bson.zst", w, &e), 0);
    for (int i = 0; i < FLIPS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t bit = (size_t)((seed >> 20) % (8 * len));
        data[bit / 8] ^= (char)(1 << bit % 8);
        put_damaged(p->fd, data, len);
        data[bit / 8] ^= (char)(1 << bit % 8);
        // A bit of the end frame that only counts or digests: it is the promise that tells.
        expect_promise_broken(p->fd, w, "flipped bit", bit);
    }
}

static void refuses_another_dump(void **state) {
    struct place *p = *state;
    static const size_t sizes[] = {100, 200};
    struct err e = {0};
    AUTO_FREE struct segment_written *one = write_segment(p->fd, "one", sizes, 2);
    AUTO_FREE struct segment_written *two = write_segment(p->fd, "two", sizes, 1);
    assert_int_equal(check_written(p->fd, "one", one, &e), 0);
    assert_int_equal(check_file(p->fd, "one", &one->sum, &e), 0);
    assert_int_equal(check_file(p->fd, "one", &two->sum, &e), ERR_DATA);
    assert_int_equal(check_written(p->fd, "two", one, &e), ERR_DATA);
    assert_non_null(strstr(e.text, "not as it was written"));
    assert_int_equal(check_file(p->fd, "two", &one->sum, &e), ERR_DATA);
    assert_non_null(strstr(e.text, "not the dump that the journal knows"));
}

// Other tools read it: one zstd stream with the documents back to back.
static void is_plain_zstd(void **state) {
    struct place *p = *state;
    AUTO_FREE struct segment_written *w = NULL;
    size_t len;
    AUTO_FREE char *data = small_segment(p->fd, &w, &len);
    uint8_t out[8192];
    size_t got = ZSTD_decompress(out, sizeof out, data, len);
    assert_false(ZSTD_isError(got));
    assert_int_equal(got, w->sum.bytes);
    // And sha256sum tells what the journal says.
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX];
    hash_bytes(data, len, digest);
    hash_hex(digest, hex);
    assert_string_equal(hex, w->sum.digest);
    assert_int_equal(len, w->sum.file_bytes);
}

// A large file is many frames to other tools, and a file of one frame is read as well.
static void frames_are_of_any_size(void **state) {
    struct place *p = *state;
    static const size_t sizes[] = {3000000, 600, 2000000, 524288, 524287, 700000};
    struct err e = {0};
    char *data;
    size_t len;
    AUTO_FREE struct segment_written *w =
        write_segment(p->fd, "frames", sizes, sizeof sizes / sizeof *sizes);
    const struct segment_sum sum = w->sum;
    assert_int_equal(file_read(p->fd, "frames", 64 << 20, &data, &len, &e), 0);
    assert_true(ZSTD_findFrameCompressedSize(data, len) < len / 8);
    AUTO_FREE uint8_t *all = malloc(sum.bytes);
    assert_int_equal(ZSTD_decompress(all, sum.bytes, data, len), sum.bytes);

    size_t bound = ZSTD_compressBound(sum.bytes);
    AUTO_FREE char *one = malloc(bound + 64);
    size_t n = ZSTD_compress(one, bound, all, sum.bytes, 1);
    memcpy(one + n, data + len - 64, 64);
    hash_bytes(one, n, (uint8_t *)one + n + 32);
    put_damaged(p->fd, one, n + 64);
    AUTO_SEGMENT_READER struct segment_reader *r = NULL;
    AUTO_BUF struct buf docs = BUF_INIT(64u << 20);
    assert_int_equal(segment_open(p->fd, "damaged", &r, &e), 0);
    assert_int_equal(segment_check(r, NULL, &e), 0);
    while (segment_next(r, &docs, &e) == 1) {
    }
    assert_int_equal(e.code, 0);
    assert_int_equal(docs.len, sum.bytes);
    assert_memory_equal(docs.data, all, sum.bytes);
    free(data);
}

// What of a large document cannot be compressed lies in the file as it is; the rest is compressed.
static void noise_is_stored(void **state) {
    struct place *p = *state;
    const size_t frame = 512 << 10, len = 6 * frame;
    struct segment_sum sum;
    struct err e = {0};
    AUTO_FREE struct segment_written *written = NULL;
    unsigned seed = 1;
    char *data;
    size_t file;
    AUTO_FREE uint8_t *doc = make_document(len, &seed);
    memset(doc + 2 * frame, 'a', 2 * frame); // two of six frames
    {
        AUTO_SEGMENT_WRITER struct segment_writer *w = NULL;
        assert_int_equal(segment_create(p->fd, "noise", &w, &e), 0);
        assert_int_equal(segment_add(w, doc, len, &e), 0);
        assert_int_equal(segment_publish(w, &sum, &e), 0);
        written = segment_written(w);
    }
    assert_int_equal(file_read(p->fd, "noise", 64 << 20, &data, &file, &e), 0);
    assert_in_range(file, 4 * frame, 4 * frame + 1000);
    assert_int_equal(ZSTD_findFrameCompressedSize(data, file), frame + 9 + 4 * 3);
    assert_memory_equal(data + 9 + 3, doc, 128 << 10);
    AUTO_FREE uint8_t *all = malloc(len);
    assert_int_equal(ZSTD_decompress(all, len, data, file), len);
    assert_memory_equal(all, doc, len);
    data[100000] ^= 1;
    put_damaged(p->fd, data, file);
    expect_refused(p->fd, written, "flipped byte", 100000);
    free(data);
}

// `n` documents of 64 kB of noise, which no compressor makes smaller.
static struct segment_written *write_noise(int dir, const char *path, size_t n, unsigned seed) {
    struct segment_sum sum;
    struct err e = {0};
    AUTO_SEGMENT_WRITER struct segment_writer *w = NULL;
    AUTO_FREE uint8_t *doc = calloc(1, 65536);
    assert_int_equal(segment_create(dir, path, &w, &e), 0);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 4; k < 65535; k++) {
            seed = seed * 1103515245 + 12345;
            doc[k] = (uint8_t)(seed >> 16);
        }
        doc[2] = 1;
        assert_int_equal(segment_add(w, doc, 65536, &e), 0);
    }
    assert_int_equal(segment_publish(w, &sum, &e), 0);
    return segment_written(w);
}

// How a file reads that becomes another dump, just as well formed, after it was checked: all of it
// or its first zstd frame. No document comes out that was not checked.
static int read_exchanged(int dir, size_t n, bool whole) {
    struct err e = {0};
    AUTO_BUF struct buf doc = BUF_INIT(4u * DOC_MAX);
    size_t one_len, two_len;
    char *one, *two;
    int rc;
    free(write_noise(dir, "one", n, 1));
    free(write_noise(dir, "two", n, 2));
    assert_int_equal(file_read(dir, "one", 64 << 20, &one, &one_len, &e), 0);
    assert_int_equal(file_read(dir, "two", 64 << 20, &two, &two_len, &e), 0);
    assert_int_equal(one_len, two_len);
    AUTO_SEGMENT_READER struct segment_reader *r = NULL;
    assert_int_equal(segment_open(dir, "one", &r, &e), 0);
    assert_int_equal(segment_check(r, NULL, &e), 0);
    int fd = openat(dir, "one", O_WRONLY);
    size_t frame = ZSTD_findFrameCompressedSize(two, two_len);
    assert_int_equal(frame, ZSTD_findFrameCompressedSize(one, one_len));
    assert_int_equal(fd_write_all(fd, two, whole ? two_len : frame), 0);
    close(fd);
    while ((rc = segment_next(r, &doc, &e)) > 0) {
    }
    AUTO_FREE uint8_t *checked = malloc(65536 * n);
    assert_int_equal(ZSTD_decompress(checked, 65536 * n, one, one_len), 65536 * n);
    assert_memory_equal(doc.data, checked, doc.len);
    free(one);
    free(two);
    return rc;
}

static void is_checked_again_or_kept(void **state) {
    struct place *p = *state;
    assert_int_equal(read_exchanged(p->fd, 4, true), 0); // kept in memory since the check
    assert_int_equal(read_exchanged(p->fd, 200, true), ERR_DATA);
    assert_int_equal(read_exchanged(p->fd, 200, false), ERR_DATA);
}

// A large file that this process has written is not read before its documents are, as long as
// nobody has touched it. What changed below the file system is told before anything of that piece
// comes out.
static void is_known_to_who_has_written_it(void **state) {
    struct place *p = *state;
    struct err e = {0};
    struct stat st;
    size_t n = 200, len;
    char *data;
    AUTO_FREE struct segment_written *w = write_noise(p->fd, "one", n, 1);
    assert_int_equal(file_read(p->fd, "one", 64 << 20, &data, &len, &e), 0);
    AUTO_FREE uint8_t *all = malloc(65536 * n);
    assert_int_equal(ZSTD_decompress(all, 65536 * n, data, len), 65536 * n);
    free(data);
    for (int damaged = 0; damaged < 3; damaged++) {
        AUTO_SEGMENT_READER struct segment_reader *r = NULL;
        AUTO_BUF struct buf docs = BUF_INIT(4u * DOC_MAX);
        if (damaged == 1) {
            int fd = openat(p->fd, "one", O_RDWR);
            do { // until the clock of the file system has gone on
                assert_int_equal(pwrite(fd, "damage", 6, 5000000), 6);
                assert_int_equal(fstat(fd, &st), 0);
            } while (memcmp(&st.st_ctim, &w->changed, sizeof st.st_ctim) == 0);
            close(fd);
        } else if (damaged == 2) {
            w->changed = st.st_ctim; // as if the file had always been so
        }
        assert_int_equal(segment_open(p->fd, "one", &r, &e), 0);
        int rc = segment_check_written(r, w, &e);
        assert_int_equal(rc, damaged == 1 ? ERR_DATA : 0);
        while (rc == 0 && (rc = segment_next(r, &docs, &e)) > 0) {
            rc = 0;
        }
        assert_int_equal(rc, damaged == 0 ? 0 : ERR_DATA);
        assert_memory_equal(docs.data, all, docs.len);
        assert_in_range(docs.len, damaged == 2 ? 4400000 : 0, damaged == 2 ? 5000000 : 65536 * n);
        assert_true(damaged == 0 ? docs.len == 65536 * n : strstr(e.text, "not as it was") != NULL);
    }
}

// An end frame that was made to fit an altered file does not help it: the journal knows the file.
static void refuses_an_altered_file_with_a_fitting_end(void **state) {
    struct place *p = *state;
    AUTO_FREE struct segment_written *w = NULL;
    struct err e = {0};
    size_t len;
    AUTO_FREE char *data = small_segment(p->fd, &w, &len);
    size_t end = len - 64;
    data[end - 1] ^= 1; // of zstd's checksum
    hash_bytes(data, end, (uint8_t *)data + end + 32);
    put_damaged(p->fd, data, len);
    assert_int_equal(check_file(p->fd, "damaged", NULL, &e), 0);
    assert_int_equal(check_written(p->fd, "damaged", w, &e), ERR_DATA);
    assert_int_equal(check_file(p->fd, "damaged", &w->sum, &e), ERR_DATA);
    assert_non_null(strstr(e.text, "not the dump that the journal knows"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_out_as_it_went_in, place_make, place_remove),
        cmocka_unit_test_setup_teardown(may_be_empty, place_make, place_remove),
        cmocka_unit_test_setup_teardown(is_there_only_when_published, place_make, place_remove),
        cmocka_unit_test_setup_teardown(refuses_every_cut, place_make, place_remove),
        cmocka_unit_test_setup_teardown(refuses_flipped_bits, place_make, place_remove),
        cmocka_unit_test_setup_teardown(refuses_another_dump, place_make, place_remove),
        cmocka_unit_test_setup_teardown(is_plain_zstd, place_make, place_remove),
        cmocka_unit_test_setup_teardown(frames_are_of_any_size, place_make, place_remove),
        cmocka_unit_test_setup_teardown(noise_is_stored, place_make, place_remove),
        cmocka_unit_test_setup_teardown(is_checked_again_or_kept, place_make, place_remove),
        cmocka_unit_test_setup_teardown(is_known_to_who_has_written_it, place_make, place_remove),
        cmocka_unit_test_setup_teardown(refuses_an_altered_file_with_a_fitting_end, place_make,
                                        place_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
