// SPDX-License-Identifier: Apache-2.0
// What the tests of sending files share: a source, a destination and what a send has told.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "site/files.h"
#include "site/manifest.h"
#include "site/tree.h"

#define MAYBE __attribute__((unused))

struct place {
    char dir[64];
    int root; // the folder that holds the three
    int source, destination, outside;
    struct file_end *end;
    int manifest;
    // Of the last send.
    struct files_counts counts;
    struct err err;
    struct buf told; // "conflict PATH DECISION|", "problem PATH CLASS|", "difference PATH WHAT|"
    char digest[HASH_HEX];
    uint64_t batches, progress_files;
};

MAYBE static int place_make(void **state) {
    struct place *p = calloc(1, sizeof *p);
    struct err e = {0};
    char path[128];
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    const char *tmp = getenv("TMPDIR");
    snprintf(p->dir, sizeof p->dir, "%.36s/mvimig-files-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(p->dir));
    p->root = open(p->dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(p->root, "source", 0755), 0);
    assert_int_equal(mkdirat(p->root, "destination", 0755), 0);
    assert_int_equal(mkdirat(p->root, "outside", 0755), 0);
    p->source = openat(p->root, "source", O_RDONLY | O_DIRECTORY);
    p->destination = openat(p->root, "destination", O_RDONLY | O_DIRECTORY);
    p->outside = openat(p->root, "outside", O_RDONLY | O_DIRECTORY);
    p->manifest = openat(p->root, "manifest", O_RDWR | O_CREAT, 0600);
    p->told = (struct buf)BUF_INIT(1 << 24);
    snprintf(path, sizeof path, "%s/destination", p->dir);
    assert_int_equal(file_end_directory("destination", path, &p->end, &e), 0);
    *state = p;
    return 0;
}

MAYBE static int place_remove(void **state) {
    struct place *p = *state;
    file_end_free(p->end);
    int tmp = openat(p->root, "..", O_RDONLY | O_DIRECTORY);
    assert_int_equal(path_remove_tree(tmp, strrchr(p->dir, '/') + 1), 0);
    close(tmp);
    close(p->root);
    close(p->source);
    close(p->destination);
    close(p->outside);
    close(p->manifest);
    buf_free(&p->told);
    free(p);
    return 0;
}
#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

// --- making trees

MAYBE static void put_bytes(int root, const char *path, const void *data, size_t len) {
    const char *leaf;
    int dir = path_open_parent(root, path, true, 0755, &leaf);
    assert_true(dir >= 0);
    int fd = openat(dir, leaf, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, data, len), 0);
    close(fd);
    close(dir);
}

MAYBE static void put_text_file(int root, const char *path, const char *text) {
    put_bytes(root, path, text, strlen(text));
}

// Bytes that differ with the seed.
MAYBE static void put_seeded(int root, const char *path, size_t len, unsigned seed) {
    char *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)(rand_r(&seed) >> 7);
    }
    put_bytes(root, path, data, len);
    free(data);
}

MAYBE static void set_time(int root, const char *path, int64_t ns) {
    struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT},
                             {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}};
    assert_int_equal(utimensat(root, path, ts, AT_SYMLINK_NOFOLLOW), 0);
}

MAYBE static void expect_text_file(int root, const char *path, const char *text) {
    char data[4096];
    int fd = path_open(root, path, O_RDONLY, 0);
    assert_true(fd >= 0);
    ssize_t n = read(fd, data, sizeof data - 1);
    close(fd);
    assert_true(n >= 0);
    data[n] = 0;
    assert_string_equal(data, text);
}

MAYBE static bool is_there(int root, const char *path) {
    struct stat st;
    return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

MAYBE static int remove_from_destination(void *arg, const char *name, struct err *e) {
    (void)e;
    return path_remove_tree(((struct place *)arg)->destination, name);
}

MAYBE static void empty_destination(struct place *p) {
    struct err e = {0};
    assert_int_equal(tree_each_name(p->destination, remove_from_destination, p, &e), 0);
}

// --- sending

MAYBE static int on_batch(void *arg, const struct files_batch *b, struct err *e) {
    struct place *p = arg;
    (void)e;
    assert_int_equal(b->number, p->batches);
    p->batches++;
    return 0;
}
MAYBE static int on_conflict(void *arg, const struct files_conflict *c, struct err *e) {
    struct place *p = arg;
    (void)e;
    buf_printf(&p->told, "conflict %s %s %.4s %.4s|", c->path, c->decision, c->source_digest,
               c->destination_digest);
    return 0;
}
MAYBE static int on_problem(void *arg, const char *path, const char *class, const char *detail,
                            struct err *e) {
    struct place *p = arg;
    (void)detail;
    (void)e;
    buf_printf(&p->told, "problem %s %s|", path, class);
    return 0;
}
MAYBE static int on_difference(void *arg, const char *path, const char *what, const char *detail,
                               struct err *e) {
    struct place *p = arg;
    (void)detail;
    (void)e;
    buf_printf(&p->told, "difference %s %s|", path, what);
    return 0;
}
MAYBE static void on_progress(void *arg, uint64_t files, uint64_t bytes) {
    (void)bytes;
    ((struct place *)arg)->progress_files += files;
}
MAYBE static void on_note(void *arg, const char *text) {
    buf_printf(&((struct place *)arg)->told, "note %s|", text);
}

MAYBE static struct files_job job_of(struct place *p) {
    return (struct files_job){.source_root = p->source,
                              .selection = {.under = "."},
                              .on_conflict = CONFLICT_REPLACE,
                              .manifest_fd = p->manifest,
                              .step = "files/test",
                              .arg = p,
                              .batch = on_batch,
                              .conflict = on_conflict,
                              .problem = on_problem,
                              .progress = on_progress,
                              .note = on_note,
                              .difference = on_difference};
}

MAYBE static int send_job(struct place *p, const struct files_job *job) {
    p->err = (struct err){0};
    p->batches = p->progress_files = 0;
    buf_clear(&p->told);
    assert_int_equal(ftruncate(p->manifest, 0), 0);
    assert_int_equal(lseek(p->manifest, 0, SEEK_SET), 0);
    return files_send(p->end, job, &p->counts, p->digest, &p->err);
}

MAYBE static void send_ok(struct place *p, const struct files_job *job) {
    int rc = send_job(p, job);
    if (rc != 0) {
        print_message("files_send: %d %s\n", rc, p->err.text);
    }
    assert_int_equal(rc, 0);
}

MAYBE static void send_all(struct place *p) {
    struct files_job job = job_of(p);
    send_ok(p, &job);
}

MAYBE static void expect_told(struct place *p, const char *text) {
    assert_string_equal(buf_str(&p->told), text);
}

MAYBE static void verify(struct place *p, bool checksum, const char *expected) {
    struct files_verify v = {
        .manifest_fd = p->manifest, .checksum = checksum, .arg = p, .difference = on_difference};
    struct files_counts counts;
    struct err e = {0};
    buf_clear(&p->told);
    int rc = files_verify(p->end, &v, &counts, &e);
    if (rc != 0) {
        print_message("files_verify: %d %s\n", rc, e.text);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(buf_str(&p->told), expected);
}

// --- comparing

// A line for each entry with all that has to arrive, contents included.
MAYBE static int describe(void *arg, const struct tree_entry *t, struct err *e) {
    struct buf *out = ((void **)arg)[0];
    int root = *(int *)((void **)arg)[1];
    (void)e;
    buf_printf(out, "%c %o %lld %s", t->type, t->mode, (long long)t->mtime_ns, t->path);
    if (t->type == TREE_LINK) {
        char target[4096];
        ssize_t n = readlinkat(root, t->path, target, sizeof target - 1);
        assert_true(n >= 0);
        buf_printf(out, " -> %.*s", (int)n, target);
    } else if (t->type == TREE_FILE) {
        AUTO_HASH struct hash *h = hash_new();
        uint8_t sum[HASH_SIZE];
        char hex[HASH_HEX], data[65536];
        int fd = path_open(root, t->path, O_RDONLY, 0);
        assert_true(fd >= 0);
        for (ssize_t n; (n = read(fd, data, sizeof data)) > 0;) {
            hash_update(h, data, (size_t)n);
        }
        close(fd);
        hash_final(h, sum);
        hash_hex(sum, hex);
        buf_printf(out, " %llu %s nlink %llu", (unsigned long long)t->size, hex,
                   (unsigned long long)t->nlink);
    }
    buf_puts(out, "\n");
    return 0;
}

MAYBE static void describe_tree(int root, struct buf *out) {
    struct err e = {0};
    void *args[] = {out, &root};
    struct tree_walker w = {.entry = describe, .arg = args};
    assert_int_equal(tree_walk(root, &(struct tree_selection){.under = "."}, &w, &e), 0);
}

// Both trees have the same entries, and nothing is left of the tool's own.
MAYBE static void expect_equal_trees(struct place *p) {
    AUTO_BUF struct buf a = BUF_INIT(1 << 26), b = BUF_INIT(1 << 26);
    describe_tree(p->source, &a);
    describe_tree(p->destination, &b);
    assert_string_equal(buf_str(&a), buf_str(&b));
}

MAYBE static int find_own(void *arg, const char *name, struct err *e) {
    (void)e;
    *(int *)arg += strncmp(name, ".mvimig", 7) == 0;
    return 0;
}

MAYBE static int count_own(struct place *p) {
    int n = 0;
    struct err e = {0};
    assert_int_equal(tree_each_name(p->destination, find_own, &n, &e), 0);
    return n;
}
