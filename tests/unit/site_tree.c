// SPDX-License-Identifier: Apache-2.0
// Walks of real trees: their order, what a selection takes, hostile names, links, depth.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "site/tree.h"
#include "site/tree_name.h"

struct place {
    char dir[64];
    int fd;
};

static int place_make(void **state) {
    struct place *p = calloc(1, sizeof *p);
    memcpy(p->dir, "/tmp/mvimig-tree-XXXXXX", 24);
    assert_non_null(mkdtemp(p->dir));
    p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
    *state = p;
    return 0;
}

static int place_remove(void **state) {
    struct place *p = *state;
    const char *name = strrchr(p->dir, '/') + 1;
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY);
    assert_int_equal(path_remove_tree(tmp, name), 0);
    close(tmp);
    close(p->fd);
    free(p);
    return 0;
}

static void put(struct place *p, const char *path) {
    const char *leaf;
    int dir = path_open_parent(p->fd, path, true, 0755, &leaf);
    assert_true(dir >= 0);
    int fd = openat(dir, leaf, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    close(dir);
}

static int on_entry(void *arg, const struct tree_entry *t, struct err *e) {
    (void)e;
    buf_printf(arg, "%c %s|", t->type, t->path);
    return 0;
}

static int on_unreadable(void *arg, const char *path, int errnum, struct err *e) {
    (void)e;
    buf_printf(arg, "! %s %d|", path, errnum);
    return 0;
}

static void expect_walk(struct place *p, struct tree_selection s, const char *expected) {
    struct err e = {0};
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct tree_walker w = {.entry = on_entry, .unreadable = on_unreadable, .arg = &out};
    assert_int_equal(tree_walk(p->fd, &s, &w, &e), 0);
    assert_string_equal(buf_str(&out), expected);
}

static void test_order_is_by_component(void **state) {
    struct place *p = *state;
    put(p, "a/x");
    put(p, "a.txt");
    put(p, "a-b/y");
    put(p, "B");
    put(p, "\xff");
    put(p, "a\x01");
    expect_walk(p, (struct tree_selection){.under = "."},
                "f B|d a|f a/x|f a\x01|d a-b|f a-b/y|f a.txt|f \xff|");
}

static void test_compare_agrees_with_the_walk(void **state) {
    (void)state;
    static const char *const sorted[] = {"B",     "a",        "a/\x01",  "a/x", "a/x/y",
                                         "a/x.y", "a\x01",    "a\x01/z", "a-b", "a.txt",
                                         "ab",    "\xc3\xa9", "\xff"};
    for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++) {
        for (size_t j = 0; j < sizeof sorted / sizeof *sorted; j++) {
            int c = tree_compare(sorted[i], sorted[j]);
            assert_int_equal(c < 0 ? -1 : c > 0, i < j ? -1 : i > j);
        }
    }
}

static void test_links_and_special_files(void **state) {
    struct place *p = *state;
    put(p, "outside/secret");
    put(p, "in/file");
    assert_int_equal(symlinkat("../outside", p->fd, "in/link"), 0);
    assert_int_equal(mkfifoat(p->fd, "in/pipe", 0600), 0);
    expect_walk(p, (struct tree_selection){.under = "in"}, "f in/file|l in/link|o in/pipe|");
    // A link as the selection's own directory, or on the way to it, is not followed.
    expect_walk(p, (struct tree_selection){.under = "in/link"}, "! in/link 40|");
    assert_int_equal(symlinkat("in", p->fd, "way"), 0);
    expect_walk(p, (struct tree_selection){.under = "way"}, "! way 40|");
}

static void test_names(void **state) {
    struct place *p = *state;
    put(p, "d/new\nline");
    put(p, "d/\x1b[2J");
    put(p, "d/ ");
    put(p, "d/-rf");
    put(p, "d/e\xcc\x81");
    put(p, "d/\xc3\xa9");
    put(p, "d/$(reboot)");
    char longest[260] = "d/";
    memset(longest + 2, 'n', 255);
    put(p, longest);
    char expected[600];
    snprintf(
        expected, sizeof expected,
        "f d/\x1b[2J|f d/ |f d/$(reboot)|f d/-rf|f d/e\xcc\x81|f d/new\nline|f %s|f d/\xc3\xa9|",
        longest);
    expect_walk(p, (struct tree_selection){.under = "d"}, expected);
}

static void test_selections(void **state) {
    struct place *p = *state;
    put(p, "u/m1/f");
    put(p, "u/m10/f");
    put(p, "u/m1.zip");
    put(p, "u/m1-thumb.png");
    put(p, "u/m1_x");
    put(p, "u/m1\xc3\xa9");
    put(p, "u/m2.zip");
    put(p, "u/other/deep/f");
    AUTO_STRTAB struct strtab *ids = strtab_new();
    *strtab_slot(ids, "m1", 2, &(bool){0}) = 1;
    expect_walk(p, (struct tree_selection){.under = "u", .ids = ids}, "d u/m1|f u/m1/f|");
    expect_walk(p, (struct tree_selection){.under = "u", .ids = ids, .name = "{id}*"},
                "d u/m1|f u/m1/f|f u/m1-thumb.png|f u/m1.zip|f u/m1_x|");
    expect_walk(p, (struct tree_selection){.under = "u", .ids = ids, .name = "{id}.zip"},
                "f u/m1.zip|");
    expect_walk(p, (struct tree_selection){.under = "nowhere", .ids = ids}, "");
    expect_walk(p, (struct tree_selection){.under = "nowhere"}, "! nowhere 2|");
    const char *const except[] = {"u/m1", "u/other/deep", "u/m10"};
    expect_walk(p, (struct tree_selection){.under = "u", .except = except, .n_except = 3},
                "f u/m1-thumb.png|f u/m1.zip|f u/m1_x|f u/m1\xc3\xa9|f u/m2.zip|d u/other|");
    struct err e = {0};
    AUTO(pattern_cleanup) struct pattern *pattern = NULL;
    assert_int_equal(pattern_compile("/m1[^/]*$", &pattern, &e), 0);
    struct pattern *const excludes[] = {pattern};
    expect_walk(p, (struct tree_selection){.under = "u", .excludes = excludes, .n_excludes = 1},
                "f u/m2.zip|d u/other|d u/other/deep|f u/other/deep/f|");
}

static void test_own_leftovers_are_skipped(void **state) {
    struct place *p = *state;
    put(p, ".mvimig-staging-0123456789abcdef0123456789abcdef/f");
    put(p, ".mvimig-staging-other/f");
    put(p, "u/.mvimig-staging-0123456789abcdef0123456789abcdef");
    expect_walk(p, (struct tree_selection){.under = "."},
                "d .mvimig-staging-other|f .mvimig-staging-other/f|d u|"
                "f u/.mvimig-staging-0123456789abcdef0123456789abcdef|");
}

static void test_name_of_id(void **state) {
    (void)state;
    static const struct {
        const char *name, *id;
        bool of;
    } table[] = {{"m1", "m1", true},          {"m10", "m1", false},   {"m1a", "m1", false},
                 {"m1.zip", "m1", true},      {"m1-", "m1", true},    {"m1_a", "m1", true},
                 {"m1\xc3\xa9", "m1", false}, {"m", "m1", false},     {"", "m1", false},
                 {"m1", "", false},           {"m1 (2)", "m1", true}, {"M1", "m1", false},
                 {"m1\n", "m1", true},        {"a.b.c", "a.b", true}, {"a.bc", "a.b", false}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(tree_name_of_id(table[i].name, table[i].id), table[i].of);
        AUTO_STRTAB struct strtab *ids = strtab_new();
        *strtab_slot(ids, table[i].id, strlen(table[i].id), &(bool){0}) = 1;
        struct tree_template t;
        struct err e = {0};
        assert_int_equal(tree_template_read("{id}*", &t, &e), 0);
        assert_int_equal(tree_template_finds(&t, ids, table[i].name), table[i].of);
    }
}

static void test_templates(void **state) {
    (void)state;
    struct tree_template t;
    struct err e = {0};
    static const char *const bad[] = {"", "id", "*", "*{id}", "{id}*.zip", "{id}**", "{id}-*"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tree_template_read(bad[i], &t, &e), ERR_USAGE);
    }
    assert_int_equal(tree_template_read("x-{id}.zip", &t, &e), 0);
    AUTO_STRTAB struct strtab *ids = strtab_new();
    *strtab_slot(ids, "7", 1, &(bool){0}) = 1;
    assert_true(tree_template_finds(&t, ids, "x-7.zip"));
    assert_false(tree_template_finds(&t, ids, "x-.zip"));
    assert_false(tree_template_finds(&t, ids, "7.zip"));
}

static int count(void *arg, const struct tree_entry *t, struct err *e) {
    (void)t;
    (void)e;
    ++*(size_t *)arg;
    return 0;
}

// Deeper than descriptors may be held, with a sibling behind each directory.
static void test_depth(void **state) {
    struct place *p = *state;
    const size_t depth = 300;
    int fd = dup(p->fd);
    for (size_t i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int file = openat(fd, "z", O_WRONLY | O_CREAT, 0644);
        assert_true(file >= 0);
        close(file);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
        close(fd);
        fd = next;
    }
    close(fd);
    struct rlimit old, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    size_t n = 0;
    struct err e = {0};
    struct tree_walker w = {.entry = count, .arg = &n};
    int rc = tree_walk(p->fd, &(struct tree_selection){.under = "."}, &w, &e);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(rc, 0);
    assert_int_equal(n, 2 * depth);
}

static int stop_at_two(void *arg, const struct tree_entry *t, struct err *e) {
    (void)t;
    return ++*(size_t *)arg == 2 ? err_set(e, ERR_LIMIT, "enough") : 0;
}

static void test_a_callback_ends_the_walk(void **state) {
    struct place *p = *state;
    put(p, "a/b");
    put(p, "c");
    size_t n = 0;
    struct err e = {0};
    struct tree_walker w = {.entry = stop_at_two, .arg = &n};
    assert_int_equal(tree_walk(p->fd, &(struct tree_selection){.under = "."}, &w, &e), ERR_LIMIT);
    assert_int_equal(n, 2);
}

static void test_bad_roots(void **state) {
    struct place *p = *state;
    static const char *const bad[] = {"..", "a/../b", "/etc", "a//b", "a/", "./a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        struct tree_walker w = {.entry = count, .arg = &(size_t){0}};
        struct tree_selection s = {.under = bad[i]};
        assert_int_equal(tree_walk(p->fd, &s, &w, &e), ERR_USAGE);
    }
}

static void test_parent_is_shared(void **state) {
    struct place *p = *state;
    put(p, "a/b/one");
    put(p, "a/b/two");
    put(p, "top");
    assert_int_equal(symlinkat("a", p->fd, "l"), 0);
    struct tree_parent parent = TREE_PARENT_INIT(p->fd);
    const char *leaf;
    int fd = tree_parent_of(&parent, "a/b/one", &leaf);
    assert_true(fd >= 0);
    assert_string_equal(leaf, "one");
    assert_int_equal(tree_parent_of(&parent, "a/b/two", &leaf), fd);
    assert_string_equal(leaf, "two");
    assert_int_equal(tree_parent_of(&parent, "top", &leaf), p->fd);
    assert_int_equal(tree_parent_of(&parent, "l/b/one", &leaf), -1);
    assert_int_equal(errno, ELOOP);
    tree_parent_close(&parent);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(test_order_is_by_component),
        cmocka_unit_test(test_compare_agrees_with_the_walk),
        PLACED(test_links_and_special_files),
        PLACED(test_names),
        PLACED(test_selections),
        PLACED(test_own_leftovers_are_skipped),
        cmocka_unit_test(test_name_of_id),
        cmocka_unit_test(test_templates),
        PLACED(test_depth),
        PLACED(test_a_callback_ends_the_walk),
        PLACED(test_bad_roots),
        PLACED(test_parent_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
