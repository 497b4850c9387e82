// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/tempfile.h"

// A fresh directory for each test, held in *state.
struct place {
    char name[64];
    int fd;
};

static int enter(void **state) {
    struct place *p = must_calloc(1, sizeof *p);
    snprintf(p->name, sizeof p->name, "/tmp/mvimig-test-XXXXXX");
    MUST(mkdtemp(p->name) != NULL);
    p->fd = open(p->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = p;
    return p->fd < 0;
}

static int leave(void **state) {
    struct place *p = *state;
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = path_remove_tree(tmp, strrchr(p->name, '/') + 1);
    close(tmp);
    close(p->fd);
    free(p);
    return rc;
}

static int at(void **state) {
    return ((struct place *)*state)->fd;
}

static void put(int dirfd, const char *name, const char *text) {
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

static size_t entries(int dirfd) {
    size_t n = 0;
    DIR *d = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY));
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n - 2;
}

static void safe_names(void **state) {
    (void)state;
    static char long_ok[PATH_COMPONENT_MAX + 1], long_bad[PATH_COMPONENT_MAX + 2];
    memset(long_ok, 'a', PATH_COMPONENT_MAX);
    memset(long_bad, 'a', PATH_COMPONENT_MAX + 1);
    const struct {
        const char *path;
        bool ok, component;
    } rows[] = {
        {"a", true, true},        {"a/b/c", true, false}, // components joined
        {"...", true, true},                              // a name like others
        {".hidden", true, true},                          //
        {"a\\b", true, true},                             // no separator here
        {" ", true, true},                                //
        {"", false, false},                               // nothing
        {".", false, false},                              // the place itself
        {"..", false, false},                             // and out of it
        {"a/../b", false, false},                         //
        {"a/..", false, false},                           //
        {"./a", false, false},                            // one way to name a thing
        {"a//b", false, false},                           //
        {"a/", false, false},                             //
        {"/a", false, false},                             // absolute
        {long_ok, true, true},                            // 255 bytes
        {long_bad, false, false},                         // 256
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(path_relative_ok(rows[i].path), rows[i].ok);
        assert_int_equal(path_component_ok(rows[i].path, strlen(rows[i].path)), rows[i].component);
    }
    assert_false(path_component_ok("a\0b", 3));
    char path[PATH_REL_MAX + 2];
    for (size_t i = 0; i < sizeof path; i++) {
        path[i] = i % 2 == 0 ? 'a' : '/';
    }
    path[PATH_REL_MAX] = 0;
    assert_true(path_relative_ok(path));
    path[PATH_REL_MAX] = '/';
    path[PATH_REL_MAX + 1] = 0;
    assert_false(path_relative_ok(path));
}

static int (*const openers[])(int, const char *, int, mode_t) = {path_open, path_open_walk};

// Both ways of opening, on every kind of thing that may stand there.
static void opens_what_is_below(void **state) {
    int root = at(state);
    assert_int_equal(mkdirat(root, "d", 0700), 0);
    assert_int_equal(mkdirat(root, "d/e", 0700), 0);
    put(root, "d/e/f", "text");
    assert_int_equal(symlinkat("d", root, "to_dir"), 0);
    assert_int_equal(symlinkat("d/e/f", root, "to_file"), 0);
    assert_int_equal(symlinkat("/etc", root, "d/out"), 0);
    assert_int_equal(symlinkat("nowhere", root, "dangling"), 0);
    assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
    static const struct {
        const char *rel;
        int flags;
        int error; // 0: opens
    } rows[] = {
        {"d/e/f", O_RDONLY, 0},
        {"d/e", O_RDONLY | O_DIRECTORY, 0},
        {"d/e/f", O_PATH, 0},
        {"d/e/new", O_WRONLY | O_CREAT | O_EXCL, 0},      // made
        {"d/e/new", O_WRONLY | O_CREAT | O_EXCL, EEXIST}, // and there by now
        {"d/e/f", O_RDONLY | O_DIRECTORY, ENOTDIR},       // not what was asked for
        {"d/e/f/g", O_RDONLY, ENOTDIR},                   // a file in the middle
        {"d/none", O_RDONLY, ENOENT},                     //
        {"none/f", O_RDONLY, ENOENT},                     //
        {"to_file", O_RDONLY, ELOOP},                     // a link at the end
        {"to_file", O_PATH, ELOOP},                       // also when only named
        {"to_dir", O_RDONLY | O_DIRECTORY, ELOOP},        //
        {"to_dir/e/f", O_RDONLY, ELOOP},                  // in the middle
        {"d/out/passwd", O_RDONLY, ELOOP},                // leading outside
        {"dangling", O_RDONLY, ELOOP},                    //
        {"dangling", O_WRONLY | O_CREAT, ELOOP},          // nothing is made through it
        {"../x", O_RDONLY, EINVAL},                       // no safe path
        {"/etc/passwd", O_RDONLY, EINVAL},                //
        {"d//e", O_RDONLY, EINVAL},                       //
        {"fifo", O_RDONLY, 0},                            // does not block
        {"fifo", O_WRONLY, ENXIO},                        // nor here
    };
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            errno = 0;
            int fd = openers[k](root, rows[i].rel, rows[i].flags, 0600);
            if (rows[i].error != 0) {
                assert_int_equal(fd, -1);
                assert_int_equal(errno, rows[i].error);
                continue;
            }
            assert_true(fd >= 0);
            assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
            bool fifo = strcmp(rows[i].rel, "fifo") == 0;
            assert_int_equal((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fifo);
            close(fd);
        }
        assert_int_equal(unlinkat(root, "d/e/new", 0), 0);
        assert_int_equal(faccessat(root, "nowhere", F_OK, 0), -1);
    }
}

static void opens_the_root(void **state) {
    struct place *p = *state;
    struct err e = {0};
    int fd = -1;
    assert_int_equal(path_open_root(p->name, &fd, &e), 0);
    close(path_open(fd, "", O_RDONLY | O_DIRECTORY, 0));
    int same = path_open(fd, ".", O_RDONLY | O_DIRECTORY, 0);
    struct stat a, b;
    assert_int_equal(fstat(same, &a) | fstat(fd, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    close(same);
    close(fd);
    put(p->fd, "file", "");
    char name[128];
    snprintf(name, sizeof name, "%s/file", p->name);
    assert_int_equal(path_open_root(name, &fd, &e), ERR_IO);
    assert_non_null(strstr(e.text, "not a directory"));
    snprintf(name, sizeof name, "%s/no\nne", p->name);
    assert_int_equal(path_open_root(name, &fd, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/no\\nne: no such directory; create it"));
}

static void parents(void **state) {
    int root = at(state);
    const char *leaf;
    assert_int_equal(mkdirat(root, "d", 0700), 0);
    assert_int_equal(symlinkat("d", root, "link"), 0);
    put(root, "file", "");
    static const struct {
        const char *rel;
        bool create;
        int error;
        const char *leaf;
    } rows[] = {
        {"x", false, 0, "x"},            // the root holds it
        {"d/x", false, 0, "x"},          //
        {"a/b/c", false, ENOENT, ""},    // not there, and not to be made
        {"a/b/c", true, 0, "c"},         // made
        {"a/b/c", false, 0, "c"},        // there by now
        {"a/b/d/e/f", true, 0, "f"},     // in part there
        {"link/x", true, ELOOP, ""},     // never through a link
        {"link/y/x", true, ELOOP, ""},   //
        {"file/x", true, ENOTDIR, ""},   //
        {"file/x/y", true, ENOTDIR, ""}, //
        {"a/../x", true, EINVAL, ""},    //
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = path_open_parent(root, rows[i].rel, rows[i].create, 0700, &leaf);
        if (rows[i].error != 0) {
            assert_int_equal(fd, -1);
            assert_int_equal(errno, rows[i].error);
        } else {
            assert_true(fd >= 0);
            assert_string_equal(leaf, rows[i].leaf);
            close(fd);
        }
    }
    assert_int_equal(faccessat(root, "d/y", F_OK, 0), -1);
}

static void removes_trees(void **state) {
    int root = at(state);
    assert_int_equal(mkdirat(root, "keep", 0700), 0);
    put(root, "keep/file", "");
    assert_int_equal(mkdirat(root, "t", 0700), 0);
    put(root, "t/file", "");
    assert_int_equal(symlinkat("../keep", root, "t/link"), 0);
    assert_int_equal(mkfifoat(root, "t/fifo", 0600), 0);
    char deep[600] = "t";
    for (int i = 0; i < 200; i++) {
        memcpy(deep + strlen(deep), "/d", 3);
        assert_int_equal(mkdirat(root, deep, 0700), 0);
    }
    assert_int_equal(path_remove_tree(root, "t"), 0);
    assert_int_equal(faccessat(root, "t", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(faccessat(root, "keep/file", F_OK, 0), 0);
    assert_int_equal(path_remove_tree(root, "t"), 0);        // gone already
    assert_int_equal(path_remove_tree(root, "no/where"), 0); // never there
    assert_int_equal(symlinkat("keep", root, "link"), 0);
    assert_int_equal(path_remove_tree(root, "link"), 0); // the link alone
    assert_int_equal(faccessat(root, "keep/file", F_OK, 0), 0);
    assert_int_equal(path_remove_tree(root, "keep/file"), 0); // a file
    assert_int_equal(path_remove_tree(root, ".."), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(path_remove_tree(root, "."), -1);
    assert_int_equal(errno, EINVAL);
}

static void files_appear_whole(void **state) {
    int root = at(state);
    struct err e = {0};
    {
        AUTO_TEMPFILE struct tempfile t = TEMPFILE_INIT;
        assert_int_equal(tempfile_create(&t, root, "plan.yaml", 0640, &e), 0);
        assert_int_equal(tempfile_write(&t, "abc", 3, &e), 0);
        assert_int_equal(faccessat(root, "plan.yaml", F_OK, 0), -1); // not before
        assert_int_equal(entries(root), 1);
        assert_int_equal(strncmp(t.temp, ".plan.yaml.", 11), 0);
        assert_int_equal(tempfile_publish(&t, &e), 0);
    }
    assert_int_equal(entries(root), 1);
    AUTO_FREE char *data = NULL;
    size_t len = 0;
    assert_int_equal(file_read(root, "plan.yaml", 3, &data, &len, &e), 0);
    assert_int_equal(len, 3);
    assert_string_equal(data, "abc");
    assert_int_equal(tempfile_put(root, "plan.yaml", 0600, "", 0, &e), 0); // replaced, by nothing
    AUTO_FREE char *empty = NULL;
    assert_int_equal(file_read(root, "plan.yaml", 0, &empty, &len, &e), 0);
    assert_string_equal(empty, "");
    assert_int_equal(entries(root), 1);
}

static void unpublished_files_vanish(void **state) {
    int root = at(state);
    struct err e = {0};
    {
        AUTO_TEMPFILE struct tempfile t = TEMPFILE_INIT;
        assert_int_equal(tempfile_create(&t, root, "x", 0600, &e), 0);
    }
    {
        AUTO_TEMPFILE struct tempfile t = TEMPFILE_INIT;
        assert_int_equal(tempfile_create(&t, root, "../x", 0600, &e), ERR_IO);
        assert_string_equal(e.text, "../x: not a file name");
    }
    {
        AUTO_TEMPFILE struct tempfile never_used = TEMPFILE_INIT;
        assert_int_equal(never_used.fd, -1);
    }
    assert_int_equal(mkdirat(root, "dir", 0700), 0);
    assert_int_equal(tempfile_put(root, "dir", 0600, "x", 1, &e), ERR_IO); // cannot be replaced
    assert_int_equal(entries(root), 1);
    char name[PATH_COMPONENT_MAX + 1]; // the longest name still has a temporary one
    memset(name, 'n', PATH_COMPONENT_MAX);
    name[PATH_COMPONENT_MAX] = 0;
    assert_int_equal(tempfile_put(root, name, 0600, "x", 1, &e), 0);
    assert_int_equal(entries(root), 2);
}

static void reading_has_a_cap(void **state) {
    int root = at(state);
    struct err e = {0};
    char *data = NULL;
    size_t len;
    put(root, "four", "1234");
    assert_int_equal(file_read(root, "four", 3, &data, &len, &e), ERR_LIMIT);
    assert_string_equal(e.text, "four: larger than the limit of 3 bytes");
    assert_int_equal(file_read(root, "none", 3, &data, &len, &e), ERR_NOTFOUND);
    assert_int_equal(file_read(root, ".", 3, &data, &len, &e), ERR_IO);
    assert_null(data);
    AUTO_FREE char *big = must_calloc(300000, 1);
    memset(big, 'b', 300000);
    assert_int_equal(tempfile_put(root, "big", 0600, big, 300000, &e), 0);
    AUTO_FREE char *back = NULL;
    assert_int_equal(file_read(root, "big", 300000, &back, &len, &e), 0);
    assert_int_equal(len, 300000);
    assert_memory_equal(big, back, 300000);
    assert_int_equal(file_read(root, "big", 299999, &data, &len, &e), ERR_LIMIT);
    // A file that has no size until it is read.
    AUTO_FREE char *proc = NULL;
    assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", 1 << 20, &proc, &len, &e), 0);
    assert_true(len > 100 && strlen(proc) == len);
}

static void exact_counts(void **state) {
    (void)state;
    int ends[2];
    char got[8] = "";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_write_all(ends[1], "abcdef", 6), 0);
    close(ends[1]);
    assert_int_equal(fd_read_all(ends[0], got, 4), 0);
    assert_string_equal(got, "abcd");
    errno = 99;
    assert_int_equal(fd_read_all(ends[0], got, 4), -1); // two left
    assert_int_equal(errno, 0);
    close(ends[0]);
    assert_int_equal(fd_read_all(-1, got, 4), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(fd_write_all(-1, got, 4), -1);
    assert_int_equal(errno, EBADF);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safe_names),
        cmocka_unit_test_setup_teardown(opens_what_is_below, enter, leave),
        cmocka_unit_test_setup_teardown(opens_the_root, enter, leave),
        cmocka_unit_test_setup_teardown(parents, enter, leave),
        cmocka_unit_test_setup_teardown(removes_trees, enter, leave),
        cmocka_unit_test_setup_teardown(files_appear_whole, enter, leave),
        cmocka_unit_test_setup_teardown(unpublished_files_vanish, enter, leave),
        cmocka_unit_test_setup_teardown(reading_has_a_cap, enter, leave),
        cmocka_unit_test(exact_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
