// SPDX-License-Identifier: Apache-2.0
// Manifests: written and read back, for any name; cut or changed anywhere they are refused.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/tempfile.h"
#include "site/manifest.h"
#include "site/tree.h"

static int temp_file(void) {
    char path[] = "/tmp/mvimig-manifest-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static const char digest[HASH_HEX] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct manifest_entry entry(char type, const char *path) {
    struct manifest_entry m = {.type = type,
                               .mark = '=',
                               .mode = 0644,
                               .uid = 1,
                               .gid = 2,
                               .size = 3,
                               .mtime_ns = -4,
                               .path = path,
                               .target = type == 'l' ? "t" : ""};
    if (type == 'f') {
        memcpy(m.digest, digest, sizeof digest);
    }
    return m;
}

static void write_sample(int fd, char out[HASH_HEX]) {
    const char *const except[] = {"u/x", "u/new\nline"};
    struct err e = {0};
    struct manifest_writer *w = manifest_writer_new(fd, "u", except, 2);
    struct manifest_entry m = entry('f', "u/a");
    assert_int_equal(manifest_write(w, &m, &e), 0);
    m = entry('d', "u/b");
    m.mark = 'k';
    assert_int_equal(manifest_write(w, &m, &e), 0);
    m = entry('l', "u/b/l");
    m.target = "tar\tget ";
    assert_int_equal(manifest_write(w, &m, &e), 0);
    assert_int_equal(manifest_finish(w, out, &e), 0);
    manifest_writer_free(w);
}

static void test_there_and_back(void **state) {
    (void)state;
    int fd = temp_file();
    char written[HASH_HEX], read_back[HASH_HEX];
    write_sample(fd, written);
    struct manifest_reader *r = NULL;
    struct manifest_entry m;
    struct err e = {0};
    size_t n;
    assert_int_equal(manifest_reader_new(fd, &r, &e), 0);
    assert_string_equal(manifest_under(r), "u");
    const char *const *except = manifest_except(r, &n);
    assert_int_equal(n, 2);
    assert_string_equal(except[1], "u/new\nline");
    assert_int_equal(manifest_next(r, &m, &e), 1);
    assert_string_equal(m.path, "u/a");
    assert_string_equal(m.digest, digest);
    assert_int_equal(m.mode, 0644);
    assert_int_equal(m.mtime_ns, -4);
    assert_int_equal(m.size, 3);
    assert_int_equal(manifest_next(r, &m, &e), 1);
    assert_int_equal(m.mark, 'k');
    assert_string_equal(m.digest, "");
    assert_int_equal(manifest_next(r, &m, &e), 1);
    assert_string_equal(m.target, "tar\tget ");
    assert_int_equal(manifest_next(r, &m, &e), 0);
    manifest_digest(r, read_back);
    assert_string_equal(read_back, written);
    manifest_reader_free(r);
    close(fd);
}

static int read_all(const uint8_t *data, size_t len, struct err *e) {
    int fd = temp_file();
    assert_int_equal(fd_write_all(fd, data, len), 0);
    struct manifest_reader *r = NULL;
    struct manifest_entry m;
    int rc = manifest_reader_new(fd, &r, e);
    while (rc == 0 && (rc = manifest_next(r, &m, e)) > 0) {
        assert_true(path_relative_ok(m.path));
        rc = 0;
    }
    manifest_reader_free(rc == 0 || e->code ? r : NULL);
    close(fd);
    return rc;
}

static void test_cut_or_changed(void **state) {
    (void)state;
    int fd = temp_file();
    char written[HASH_HEX];
    uint8_t data[4096];
    write_sample(fd, written);
    ssize_t len = pread(fd, data, sizeof data, 0);
    close(fd);
    for (ssize_t cut = 0; cut < len; cut++) {
        struct err e = {0};
        assert_int_equal(read_all(data, (size_t)cut, &e), ERR_DATA);
    }
    for (ssize_t bit = 0; bit < len * 8; bit++) {
        struct err e = {0};
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(read_all(data, (size_t)len, &e), ERR_DATA);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    struct err e = {0};
    data[len] = '\n';
    assert_int_equal(read_all(data, (size_t)len + 1, &e), ERR_DATA);
    assert_int_equal(read_all(data, (size_t)len, &e), 0);
}

// Any byte in any name comes back; names are made from a seed and sorted as a walk has them.
static int by_walk(const void *a, const void *b) {
    return tree_compare(*(char *const *)a, *(char *const *)b);
}

static void test_any_name(void **state) {
    (void)state;
    enum { N = 2000 };
    static char *names[N];
    unsigned seed = 7;
    for (int i = 0; i < N; i++) {
        size_t len = 1 + (size_t)rand_r(&seed) % 60;
        names[i] = calloc(1, len + 20);
        for (size_t k = 0; k < len; k++) {
            char c = (char)(1 + rand_r(&seed) % 255);
            names[i][k] = c == '/' ? '\\' : c;
        }
        snprintf(names[i] + len, 20, "%d", i);
    }
    names[0][0] = '\\';
    qsort(names, N, sizeof *names, by_walk);
    int fd = temp_file();
    struct err e = {0};
    char out[HASH_HEX];
    struct manifest_writer *w = manifest_writer_new(fd, ".", NULL, 0);
    for (int i = 0; i < N; i++) {
        struct manifest_entry m = entry('l', names[i]);
        m.target = names[N - 1 - i];
        assert_int_equal(manifest_write(w, &m, &e), 0);
    }
    assert_int_equal(manifest_finish(w, out, &e), 0);
    manifest_writer_free(w);
    struct manifest_reader *r = NULL;
    struct manifest_entry m;
    assert_int_equal(manifest_reader_new(fd, &r, &e), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(manifest_next(r, &m, &e), 1);
        assert_string_equal(m.path, names[i]);
        assert_string_equal(m.target, names[N - 1 - i]);
    }
    assert_int_equal(manifest_next(r, &m, &e), 0);
    manifest_reader_free(r);
    close(fd);
    for (int i = 0; i < N; i++) {
        free(names[i]);
    }
}

static void test_bad_lines(void **state) {
    (void)state;
    static const char *const lines[] = {"f = 644 1 2 3 4 - ../x",
                                        "f = 644 1 2 3 4 - /x",
                                        "f = 644 1 2 3 4 - ",
                                        "f = 644 1 2 3 4 -",
                                        "x = 644 1 2 3 4 - a",
                                        "f ? 644 1 2 3 4 - a",
                                        "f = 999 1 2 3 4 - a",
                                        "f = 10000 1 2 3 4 - a",
                                        "f = 644 -1 2 3 4 - a",
                                        "f = 644 1 2 3 4 abc a",
                                        "f = 644 1 2 3 4 - a\tb",
                                        "l = 777 1 2 3 4 - a",
                                        "f = 644 1 2 3 4 - a\\",
                                        "f = 644 1 2 3 4 - a\\q",
                                        "f = 644 1 2 3 4 - a\\x0",
                                        "f = 644 1 2 3 4 - a\\x00",
                                        "f = 644 1 2 3 4 - a\\u{",
                                        "f = 644 1 2 3 4 - a\\u{110000}",
                                        "f = 644 4294967296 2 3 4 - a",
                                        "f = 644 1 2 99999999999999999999 4 - a",
                                        "f  644 1 2 3 4 - a",
                                        "",
                                        "f"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[300];
        struct err e = {0};
        snprintf(text, sizeof text, "mvimig-manifest 1\nunder .\n%s\n", lines[i]);
        int rc = read_all((const uint8_t *)text, strlen(text), &e);
        assert_int_equal(rc, ERR_DATA);
        assert_non_null(strstr(e.text, "line 3"));
    }
    static const char *const heads[] = {"", "mvimig-manifest 2\n", "mvimig-manifest 1\n",
                                        "mvimig-manifest 1\nunder ..\n",
                                        "mvimig-manifest 1\nunder \n"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct err e = {0};
        assert_int_equal(read_all((const uint8_t *)heads[i], strlen(heads[i]), &e), ERR_DATA);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_cut_or_changed),
        cmocka_unit_test(test_any_name),
        cmocka_unit_test(test_bad_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
