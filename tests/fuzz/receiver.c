// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as what a sender says to the receiver (site/protocol.h). With an odd first
// byte they are the stream as it is; with an even one a list of frames: type (1 byte), length (2
// bytes), payload, to which heads with the right checks are added, and a checksum for the headers
// of an archive. Nothing outside the root changes, no staging is left, no descriptor stays open.
//
//     clang ... -fsanitize=fuzzer,address,undefined tests/fuzz/receiver.c site/*.c base/*.c ...
//     ./receiver CORPUS tests/fuzz/receiver_corpus
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/checksum.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "site/files.h"
#include "site/protocol.h"
#include "site/tar_header.h"
#include "site/tar_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STREAM_MAX (4u << 20)

static char folder_name[] = "/dev/shm/mvimig-fuzz-XXXXXX";

static void remove_folder(void) {
    AUTO_CLOSE int shm = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    path_remove_tree(shm, folder_name + sizeof "/dev/shm");
}

static int folder(void) {
    static int fd = -1;
    if (fd < 0) {
        MUST(mkdtemp(folder_name) != NULL && atexit(remove_folder) == 0);
        fd = open(folder_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        // A sparse file of any size would be read back to its end.
        const struct rlimit limit = {STREAM_MAX, STREAM_MAX};
        MUST(fd >= 0 && setrlimit(RLIMIT_FSIZE, &limit) == 0);
        signal(SIGXFSZ, SIG_IGN);
    }
    return fd;
}

static void put_file(int dir, const char *name, const char *text) {
    AUTO_CLOSE int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    MUST(fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0);
}

// "root", with something of each kind in it, one leading outside; beside it a file that must stay.
static int make_root(void) {
    MUST(path_remove_tree(folder(), "root") == 0 && mkdirat(folder(), "root", 0755) == 0);
    int root = openat(folder(), "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(root >= 0 && mkdirat(root, "d", 0755) == 0 && symlinkat("..", root, "out") == 0);
    put_file(root, "f", "content");
    put_file(root, "d/g", "more");
    put_file(folder(), "outside", "untouched");
    return root;
}

static int one_name(void *arg, const char *name, struct err *e) {
    (void)name;
    (void)e;
    ++*(size_t *)arg;
    return 0;
}

static size_t count_open(void) {
    size_t n = 0;
    struct err e = {0};
    AUTO_CLOSE int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(fd >= 0 && tree_each_name(fd, one_name, &n, &e) == 0);
    return n;
}

static int no_staging(void *arg, const char *name, struct err *e) {
    (void)arg;
    (void)e;
    MUST(strncmp(name, TREE_OWN_PREFIX, strlen(TREE_OWN_PREFIX)) != 0 ||
         strlen(name) != strlen(TREE_OWN_PREFIX) + 2 * PROTOCOL_NONCE);
    return 0;
}

static void check_outside(int root) {
    char text[16] = "";
    struct err e = {0};
    struct stat st;
    size_t names = 0;
    AUTO_CLOSE int fd = openat(folder(), "outside", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    MUST(fd >= 0 && read(fd, text, sizeof text) == 9 && memcmp(text, "untouched", 9) == 0);
    MUST(fstat(fd, &st) == 0 && st.st_nlink == 1 && (st.st_mode & 07777) == 0644);
    MUST(tree_each_name(folder(), one_name, &names, &e) == 0 && names == 2);
    MUST(tree_each_name(root, no_staging, NULL, &e) == 0);
}

// --- the stream

static void mend_checksums(uint8_t *data, size_t len) {
    for (; len >= TAR_BLOCK; data += TAR_BLOCK, len -= TAR_BLOCK) {
        unsigned sum = 0;
        if (memcmp(data + 257, "ustar", 5) != 0) {
            continue;
        }
        memset(data + 148, ' ', 8);
        for (size_t i = 0; i < TAR_BLOCK; i++) {
            sum += data[i];
        }
        snprintf((char *)data + 148, 8, "%06o", sum);
    }
}

// What has come of a batch, so that its COMMIT can be given the count and digest that fit.
struct sums {
    struct digest_item items[PROTOCOL_BATCH_ITEMS];
    uint8_t digests[PROTOCOL_BATCH_ITEMS][HASH_SIZE];
    uint64_t sizes[PROTOCOL_BATCH_ITEMS];
    bool is_void[PROTOCOL_BATCH_ITEMS];
    size_t n;
    uint64_t filled;
    struct hash *hash;
    struct checksum *checksum; // of the file that comes in
    struct arena *arena;
    struct tar_reader *tar;
    // A large file: its pieces, taken to follow each other.
    struct hash *part;
    uint64_t part_len, from, to;
    bool is_range, whole;
};

static void add_item(struct sums *s, struct digest_item item, uint64_t size) {
    if (s->n < PROTOCOL_BATCH_ITEMS) {
        s->sizes[s->n] = size;
        s->items[s->n++] = item;
    }
}

static int sum_member(void *arg, const struct tar_member *m, struct err *e) {
    struct sums *s = arg;
    (void)e;
    struct digest_item d = {.kind = m->type,
                            .path = arena_strdup(s->arena, m->path),
                            .mode = m->mode,
                            .uid = m->uid,
                            .gid = m->gid,
                            .mtime_ns = m->mtime_ns,
                            .data = m->target[0] != 0 ? arena_strdup(s->arena, m->target) : NULL,
                            .len = strlen(m->target)};
    for (size_t i = 0; i < m->n_xattrs; i++) {
        d.xattrs ^= digest_xattr(m->xattrs[i].name, m->xattrs[i].value, m->xattrs[i].len);
    }
    add_item(s, d, m->type == TREE_FILE ? m->size : 0);
    s->filled = 0;
    return m->size > STREAM_MAX ? -1 : 0;
}

static void hash_hole(struct sums *s, uint64_t len) {
    for (; len > 0; len--) {
        checksum_update(s->checksum, "", 1);
    }
}

static int sum_data(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *e) {
    struct sums *s = arg;
    (void)e;
    hash_hole(s, offset - s->filled);
    checksum_update(s->checksum, data, len);
    s->filled = offset + len;
    return 0;
}

static int sum_end(void *arg, struct err *e) {
    struct sums *s = arg;
    struct digest_item *d = &s->items[s->n - 1];
    (void)e;
    if (d->kind == TREE_FILE && s->whole) {
        s->whole = false;
        s->sizes[s->n - 1] = s->part_len;
        hash_so_far(s->part, s->digests[s->n - 1]);
        d->data = s->digests[s->n - 1];
        d->len = HASH_SIZE;
    } else if (d->kind == TREE_FILE) {
        hash_hole(s, s->sizes[s->n - 1] - s->filled);
        checksum_final(s->checksum, s->digests[s->n - 1]);
        d->data = s->digests[s->n - 1];
        d->len = CHECKSUM_SIZE;
    }
    return 0;
}

static void sum_mends(struct sums *s, const uint8_t *data, size_t len) {
    struct take t = {.data = data, .len = len};
    char path[PATH_REL_MAX + 1];
    while (t.at < t.len && !t.bad) {
        struct mend m;
        take_mend(&t, &m, path);
        struct digest_item d = {.kind = 'm',
                                .path = arena_strdup(s->arena, m.path),
                                .mode = m.mode,
                                .uid = m.uid,
                                .gid = m.gid,
                                .mtime_ns = m.mtime_ns};
        if (!t.bad) {
            add_item(s, d, 0);
        }
    }
}

static void sum_remarks(struct sums *s, const uint8_t *data, size_t len) {
    struct take t = {.data = data, .len = len};
    uint32_t n = take_u32(&t);
    for (; n > 0 && !t.bad; n--) {
        uint32_t member = take_u32(&t);
        bool is_void = take_u8(&t) == REMARK_VOID;
        take_u8(&t);
        take_u64(&t);
        take_u64(&t);
        if (!t.bad && member < s->n) {
            s->is_void[member] = s->is_void[member] || is_void;
        }
    }
}

#define COMMIT_SUMS (16 + HASH_SIZE) // bytes in front of the remarks

static void sum_range(struct sums *s, const uint8_t *data, size_t len) {
    struct take t = {.data = data, .len = len};
    uint8_t ignored[HASH_SIZE];
    s->from = take_u64(&t);
    s->to = take_u64(&t);
    s->is_range = true;
    if (s->from == 0) {
        hash_final(s->part, ignored);
    }
}

static void mend_range(struct sums *s, uint8_t *payload) {
    AUTO_BUF struct buf sums = BUF_INIT(COMMIT_SUMS);
    uint8_t digest[HASH_SIZE];
    bool given_up = payload[7] == 0xff; // as good as any other byte
    hash_so_far(s->part, digest);
    put_u64(&sums, !given_up);
    put_u64(&sums, given_up ? 0 : s->to - s->from);
    buf_put(&sums, digest, sizeof digest);
    memcpy(payload, sums.data, sums.len);
    s->part_len = s->to;
    s->is_range = false;
}

static void mend_commit(struct sums *s, uint8_t *payload, size_t len) {
    AUTO_BUF struct buf sums = BUF_INIT(COMMIT_SUMS);
    uint64_t count = 0, bytes = 0;
    uint8_t digest[HASH_SIZE];
    if (len < COMMIT_SUMS) {
        return;
    }
    if (s->is_range) {
        mend_range(s, payload);
        return;
    }
    sum_remarks(s, payload + COMMIT_SUMS, len - COMMIT_SUMS);
    checksum_final(s->checksum, digest); // of a file that was cut off
    for (size_t i = 0; i < s->n; i++) {
        if (!s->is_void[i]) {
            digest_item(s->hash, &s->items[i]);
            bytes += s->sizes[i];
            count++;
        }
    }
    hash_final(s->hash, digest);
    put_u64(&sums, count);
    put_u64(&sums, bytes);
    buf_put(&sums, digest, sizeof digest);
    memcpy(payload, sums.data, sums.len);
}

static void sums_begin(struct sums *s) {
    const struct tar_sink sink = {.arg = s, .member = sum_member, .data = sum_data, .end = sum_end};
    memset(s->is_void, 0, sizeof s->is_void);
    s->n = 0;
    tar_reader_free(s->tar);
    s->tar = tar_reader_new(&sink);
}

static void put_frames(struct buf *b, struct sums *s, const uint8_t *data, size_t size) {
    while (size >= 3 && b->len < STREAM_MAX / 2) {
        enum frame_type type = data[0];
        size_t len = (size_t)data[1] << 8 | data[2];
        uint8_t head[PROTOCOL_HEAD];
        struct err ignored = {0};
        len = len < size - 3 ? len : size - 3;
        AUTO_FREE uint8_t *payload = must_calloc(1, len + 1);
        memcpy(payload, data + 3, len);
        if (type == FRAME_BATCH) {
            sums_begin(s);
        } else if (type == FRAME_TAR) {
            mend_checksums(payload, len);
            tar_reader_feed(s->tar, payload, len, &ignored);
        } else if (type == FRAME_MEND) {
            sum_mends(s, payload, len);
        } else if (type == FRAME_COMMIT) {
            mend_commit(s, payload, len);
        } else if (type == FRAME_RANGE) {
            sum_range(s, payload, len);
        } else if (type == FRAME_PIECE && len > 8) {
            hash_update(s->part, payload + 8, len - 8);
        } else if (type == FRAME_WHOLE) {
            s->whole = true;
        }
        wire_head(type, payload, len, head);
        buf_put(b, head, sizeof head);
        buf_put(b, payload, len);
        data += 3 + len;
        size -= 3 + len;
    }
}

static void add_frames(struct buf *b, const uint8_t *data, size_t size) {
    AUTO_FREE struct sums *s = must_calloc(1, sizeof *s);
    s->hash = hash_new();
    s->checksum = checksum_new();
    s->part = hash_new();
    s->arena = arena_new();
    sums_begin(s);
    put_frames(b, s, data, size);
    tar_reader_free(s->tar);
    arena_free(s->arena);
    hash_free(s->hash);
    checksum_free(s->checksum);
    hash_free(s->part);
}

static void put_hello(struct buf *b) {
    AUTO_BUF struct buf hello = BUF_INIT(256);
    uint8_t head[PROTOCOL_HEAD], nonce[PROTOCOL_NONCE] = {1}, token[PROTOCOL_TOKEN] = {2};
    put_text(&hello, PROTOCOL_MAGIC);
    put_u16(&hello, PROTOCOL_VERSION);
    buf_put(&hello, nonce, sizeof nonce);
    put_u32(&hello, 1000);
    put_u8(&hello, 1);
    buf_put(&hello, token, sizeof token);
    wire_head(FRAME_HELLO, hello.data, hello.len, head);
    buf_put(b, head, sizeof head);
    buf_put(b, hello.data, hello.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_BUF struct buf stream = BUF_INIT(STREAM_MAX);
    struct err e = {0};
    if (size == 0) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        put_hello(&stream);
        add_frames(&stream, data + 1, size - 1);
    } else {
        buf_put(&stream, data + 1, size - 1);
    }
    folder();
    size_t before = count_open();
    int root = make_root();
    int in = memfd_create("stream", MFD_CLOEXEC), out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    MUST(in >= 0 && out >= 0 && fd_write_all(in, stream.data, stream.len) == 0);
    MUST(lseek(in, 0, SEEK_SET) == 0);
    int rc = receive_serve(root, in, out, &e);
    MUST(rc <= 0 && (rc == 0 || e.text[0] != 0));
    check_outside(root);
    close(in);
    close(out);
    close(root);
    MUST(count_open() == before);
    return 0;
}
