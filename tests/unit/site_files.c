// SPDX-License-Identifier: Apache-2.0
// Sending real trees to real directories: what arrives, what is not sent again, what is a conflict.
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "tests/unit/site_files_support.h"

static void make_sample(struct place *p) {
    char path[64];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "alice/datasets/d%u/files/%03u.jpg", i % 5, i);
        put_seeded(p->source, path, 37 * i, i);
        set_time(p->source, path, INT64_C(1600000000123456789) + i * INT64_C(1000000007));
    }
    assert_int_equal(mkdirat(p->source, "alice/empty", 0700), 0);
    set_time(p->source, "alice/empty", 1234567890000000001);
    set_time(p->source, "alice/datasets/d0", 1500000000999999999);
    assert_int_equal(fchmodat(p->source, "alice/datasets/d1/files/001.jpg", 0600, 0), 0);
    assert_int_equal(fchmodat(p->source, "alice/datasets/d1", 0550, 0), 0);
    assert_int_equal(symlinkat("../d0/files/000.jpg", p->source, "alice/datasets/d4/last"), 0);
    set_time(p->source, "alice/datasets/d4/last", 1400000000000000007);
}

static void test_everything_arrives(void **state) {
    struct place *p = *state;
    make_sample(p);
    send_all(p);
    expect_told(p, "");
    expect_equal_trees(p);
    assert_int_equal(p->counts.files, 114);
    assert_int_equal(p->counts.sent, 114);
    assert_int_equal(p->counts.bytes, p->counts.sent_bytes);
    assert_int_equal(p->progress_files, 114);
    assert_int_equal(p->batches, 1);
    assert_int_equal(count_own(p), 0);
    verify(p, false, "");
    verify(p, true, "");
}

static void test_again_sends_nothing(void **state) {
    struct place *p = *state;
    make_sample(p);
    send_all(p);
    send_all(p);
    assert_int_equal(p->counts.sent, 0);
    assert_int_equal(p->counts.present, 114);
    assert_int_equal(p->counts.mended, 0);
    assert_int_equal(p->batches, 0);
    expect_equal_trees(p);
    verify(p, true, "");
}

static void test_only_what_changed_is_sent(void **state) {
    struct place *p = *state;
    make_sample(p);
    send_all(p);
    put_text_file(p->source, "alice/datasets/d0/files/005.jpg", "new content");
    put_seeded(p->source, "alice/datasets/d3/files/008.jpg", 37 * 8, 999); // same size
    put_text_file(p->source, "alice/datasets/d3/files/added", "new file");
    send_all(p);
    assert_int_equal(p->counts.sent, 3);
    assert_int_equal(p->counts.sent_bytes, 11 + 37 * 8 + 8);
    assert_int_equal(p->counts.conflicts, 2);
    expect_equal_trees(p);
    send_all(p);
    assert_int_equal(p->counts.sent + p->counts.mended, 0);
}

static void test_metadata_alone(void **state) {
    struct place *p = *state;
    make_sample(p);
    send_all(p);
    assert_int_equal(fchmodat(p->source, "alice/datasets/d0/files/010.jpg", 0640, 0), 0);
    set_time(p->source, "alice/datasets/d0/files/015.jpg", 1111111111000000000);
    set_time(p->source, "alice/datasets/d4/last", 1222222222000000000);
    assert_int_equal(fchmodat(p->source, "alice/empty", 0711, 0), 0);
    if (geteuid() == 0) {
        assert_int_equal(fchownat(p->source, "alice/datasets/d0/files/020.jpg", 1234, 4321, 0), 0);
    }
    send_all(p);
    expect_told(p, "");
    assert_int_equal(p->counts.sent, 0);
    assert_int_equal(p->counts.mended, geteuid() == 0 ? 5 : 4);
    expect_equal_trees(p);
    send_all(p);
    assert_int_equal(p->counts.mended, 0);
}

static void make_conflicts(struct place *p) {
    put_text_file(p->source, "d/same-size", "source");
    put_text_file(p->destination, "d/same-size", "target");
    put_text_file(p->source, "d/size", "source");
    put_text_file(p->destination, "d/size", "another one");
    put_text_file(p->source, "d/only-here", "x");
    put_text_file(p->destination, "d/only-there", "y");
    put_text_file(p->source, "d/equal", "equal");
    put_text_file(p->destination, "d/equal", "equal");
    assert_int_equal(symlinkat("one", p->source, "d/link"), 0);
    assert_int_equal(symlinkat("two", p->destination, "d/link"), 0);
    set_time(p->destination, "d/same-size", 1000000000);
    set_time(p->destination, "d/equal", 1000000000);
    set_time(p->source, "d", 1700000000000000000);
    set_time(p->destination, "d", 1600000000000000000);
}

static void test_conflicts_replaced(void **state) {
    struct place *p = *state;
    make_conflicts(p);
    send_all(p);
    expect_told(p, "conflict d/link replaced  |conflict d/same-size replaced 41cf 34a0|"
                   "conflict d/size replaced 41cf 0851|");
    expect_text_file(p->destination, "d/same-size", "source");
    expect_text_file(p->destination, "d/size", "source");
    expect_text_file(p->destination, "d/only-there", "y");
    assert_int_equal(p->counts.conflicts, 3);
    assert_int_equal(p->counts.mended, 2); // d and d/equal
    verify(p, true, "");
}

static void test_conflicts_kept(void **state) {
    struct place *p = *state;
    make_conflicts(p);
    struct files_job job = job_of(p);
    job.on_conflict = CONFLICT_KEEP;
    send_ok(p, &job);
    expect_told(p, "conflict d/link kept  |conflict d/same-size kept 41cf 34a0|"
                   "conflict d/size kept 41cf 0851|");
    expect_text_file(p->destination, "d/same-size", "target");
    expect_text_file(p->destination, "d/size", "another one");
    expect_text_file(p->destination, "d/only-here", "x");
    verify(p, true, ""); // what was kept on purpose is no difference
    assert_int_equal(unlinkat(p->destination, "d/size", 0), 0);
    verify(p, true, "difference d time|difference d/size missing|");
}

static void test_conflicts_fail(void **state) {
    struct place *p = *state;
    make_conflicts(p);
    struct files_job job = job_of(p);
    job.on_conflict = CONFLICT_FAIL;
    assert_int_equal(send_job(p, &job), ERR_CONFLICTS);
    assert_int_equal(p->counts.conflicts, 3);
    expect_text_file(p->destination, "d/same-size", "target");
    expect_text_file(p->destination, "d/only-here", "x");
}

static void test_checksum_finds_what_times_hide(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "f", "right");
    put_text_file(p->destination, "f", "wrong");
    set_time(p->source, "f", 1000000000);
    set_time(p->destination, "f", 1000000000);
    send_all(p);
    assert_int_equal(p->counts.present, 1);
    struct files_job job = job_of(p);
    job.checksum = true;
    send_ok(p, &job);
    assert_int_equal(p->counts.conflicts, 1);
    expect_text_file(p->destination, "f", "right");
    send_ok(p, &job);
    assert_int_equal(p->counts.present, 1);
    assert_int_equal(p->counts.conflicts, 0);
}

static void test_clashes_of_types(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "dir-over-file/x", "x");
    put_text_file(p->destination, "dir-over-file", "file");
    put_text_file(p->source, "file-over-empty", "f");
    assert_int_equal(mkdirat(p->destination, "file-over-empty", 0755), 0);
    put_text_file(p->source, "file-over-full", "f");
    put_text_file(p->destination, "file-over-full/keep", "keep");
    put_text_file(p->source, "file-over-link", "f");
    assert_int_equal(symlinkat("../outside/sentinel", p->destination, "file-over-link"), 0);
    put_text_file(p->outside, "sentinel", "untouched");
    assert_int_equal(symlinkat("t", p->source, "link-over-file"), 0);
    put_text_file(p->destination, "link-over-file", "f");
    send_all(p);
    expect_told(p, "conflict dir-over-file replaced  3b9c|"
                   "problem file-over-full occupied|"
                   "conflict file-over-empty replaced 252f |"
                   "conflict file-over-link replaced 252f |"
                   "conflict link-over-file replaced  252f|");
    expect_text_file(p->destination, "dir-over-file/x", "x");
    expect_text_file(p->destination, "file-over-empty", "f");
    expect_text_file(p->destination, "file-over-full/keep", "keep");
    expect_text_file(p->destination, "file-over-link", "f");
    expect_text_file(p->outside, "sentinel", "untouched");
}

static void test_kept_file_blocks_a_directory(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "d/x/y", "y");
    put_text_file(p->destination, "d", "file");
    struct files_job job = job_of(p);
    job.on_conflict = CONFLICT_KEEP;
    send_ok(p, &job);
    expect_told(p, "conflict d kept  3b9c|problem d/x blocked|problem d/x/y blocked|");
    expect_text_file(p->destination, "d", "file");
}

// GNU tar writes through such links and reports success.
static void test_links_at_the_destination_are_not_followed(void **state) {
    struct place *p = *state;
    put_text_file(p->outside, "sentinel", "untouched");
    put_text_file(p->source, "a/b/file", "x");
    put_text_file(p->source, "c/file", "x");
    put_text_file(p->source, "c/file2", "x");
    put_text_file(p->source, "fine", "x");
    assert_int_equal(mkdirat(p->destination, "a", 0755), 0);
    assert_int_equal(symlinkat("../../outside", p->destination, "a/b"), 0);
    assert_int_equal(symlinkat("../outside", p->destination, "c"), 0);
    for (enum conflict_policy policy = CONFLICT_KEEP; policy <= CONFLICT_FAIL; policy++) {
        struct files_job job = job_of(p);
        job.on_conflict = policy;
        send_ok(p, &job);
        expect_told(p, "problem a/b symlink|problem a/b/file blocked|problem c symlink|"
                       "problem c/file blocked|problem c/file2 blocked|");
    }
    assert_true(is_there(p->destination, "fine"));
    expect_text_file(p->outside, "sentinel", "untouched");
    assert_false(is_there(p->outside, "file"));
    assert_true(is_there(p->destination, "a/b"));
    // On the way to the selection itself the whole step is refused.
    struct files_job job = job_of(p);
    job.selection.under = "c";
    assert_int_equal(send_job(p, &job), ERR_FAILED);
    assert_non_null(strstr(p->err.text, "symbolic link"));
    assert_false(is_there(p->outside, "file"));
}

static void test_hard_links(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "a/first", "content");
    assert_int_equal(mkdirat(p->source, "b", 0755), 0);
    assert_int_equal(linkat(p->source, "a/first", p->source, "b/second", 0), 0);
    assert_int_equal(linkat(p->source, "a/first", p->source, "third", 0), 0);
    send_all(p);
    expect_equal_trees(p);
    assert_int_equal(p->counts.sent_bytes, 7);
    struct stat one, two;
    assert_int_equal(fstatat(p->destination, "a/first", &one, 0), 0);
    assert_int_equal(fstatat(p->destination, "third", &two, 0), 0);
    assert_int_equal(one.st_ino, two.st_ino);
    verify(p, true, "");
    // One name is missing: it is linked to the one that is there.
    assert_int_equal(unlinkat(p->destination, "third", 0), 0);
    send_all(p);
    assert_int_equal(p->counts.sent, 1);
    assert_int_equal(p->counts.sent_bytes, 0);
    expect_equal_trees(p);
}

static void test_sparse_files(void **state) {
    struct place *p = *state;
    static const struct {
        const char *name;
        off_t size;
        off_t data[3];
    } files[] = {{"hole-in-front", 9000000, {8000000, -1}},
                 {"hole-behind", 9000000, {0, -1}},
                 {"two-holes", 5000001, {1000000, 3000000, -1}},
                 {"all-hole", 3000000, {-1}}};
    for (size_t i = 0; i < 4; i++) {
        int fd = openat(p->source, files[i].name, O_WRONLY | O_CREAT, 0644);
        for (const off_t *at = files[i].data; *at >= 0; at++) {
            assert_int_equal(pwrite(fd, "data in the middle", 18, *at), 18);
        }
        assert_int_equal(ftruncate(fd, files[i].size), 0);
        close(fd);
    }
    put_seeded(p->source, "solid", 3000000, 1);
    send_all(p);
    expect_equal_trees(p);
    for (size_t i = 0; i < 4; i++) {
        struct stat st;
        assert_int_equal(fstatat(p->destination, files[i].name, &st, 0), 0);
        assert_true(st.st_blocks * 512 < 200000);
    }
    verify(p, true, "");
}

static void test_names_arrive_byte_for_byte(void **state) {
    struct place *p = *state;
    static const char *const names[] = {"new\nline",
                                        "tab\t",
                                        "\x1b[2J",
                                        "-rf",
                                        "$(reboot)",
                                        " ",
                                        "..x",
                                        "...",
                                        "a=b",
                                        "100 path=x",
                                        "e\xcc\x81",
                                        "\xc3\xa9", // the same letter, decomposed and composed
                                        "latin\xe9",
                                        "\xff\xfe",
                                        "\x80", // not UTF-8
                                        "\xe2\x80\xae.exe",
                                        "caf\xc3\xa9/\xf0\x9f\x98\x80",
                                        "back\\slash",
                                        "GNUSparseFile.0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put_text_file(p->source, names[i], names[i]);
    }
    char deep[1200] = "";
    for (size_t i = 0; i < 20; i++) {
        snprintf(deep + strlen(deep), sizeof deep - strlen(deep), "%050zu/", i);
    }
    snprintf(deep + strlen(deep), sizeof deep - strlen(deep), "f");
    put_text_file(p->source, deep, "deep");
    char longest[256];
    memset(longest, 'n', 255);
    longest[255] = 0;
    put_text_file(p->source, longest, "long");
    assert_int_equal(symlinkat("\xff\n target", p->source, "link\xff"), 0);
    assert_int_equal(symlinkat(deep, p->source, "long-link"), 0);
    send_all(p);
    expect_told(p, "");
    expect_equal_trees(p);
    verify(p, true, "");
    send_all(p);
    assert_int_equal(p->counts.sent + p->counts.mended, 0);
}

static void test_odd_metadata(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "setuid", "x");
    put_text_file(p->source, "readonly", "x");
    put_text_file(p->source, "before-1970", "x");
    put_text_file(p->source, "far", "x");
    put_text_file(p->source, "none", "x");
    put_text_file(p->source, "owner", "x");
    put_text_file(p->source, "sticky/x", "x");
    put_text_file(p->source, "empty", "");
    if (geteuid() == 0) {
        assert_int_equal(fchownat(p->source, "owner", 3000000000u, 4000000000u, 0), 0);
        assert_int_equal(fchownat(p->source, "setuid", 77, 78, 0), 0);
    }
    assert_int_equal(fchmodat(p->source, "setuid", 06755, 0), 0);
    assert_int_equal(fchmodat(p->source, "readonly", 0400, 0), 0);
    assert_int_equal(fchmodat(p->source, "none", 0, 0), 0);
    assert_int_equal(fchmodat(p->source, "sticky", 01777, 0), 0);
    set_time(p->source, "before-1970", INT64_C(-3000000000));
    set_time(p->source, "far", INT64_C(4102444800000000001));
    put_text_file(p->source, "attributes", "x");
    bool xattrs = setxattr(p->dir, "user.x", "1", 1, 0) == 0;
    int fd = openat(p->source, "attributes", O_RDONLY);
    if (xattrs) {
        assert_int_equal(fsetxattr(fd, "user.plain", "v\0w\xff", 4, 0), 0);
        assert_int_equal(fsetxattr(fd, "user.odd name=%\xc3\xa9", "", 0, 0), 0);
    }
    close(fd);
    send_all(p);
    expect_told(p, "");
    expect_equal_trees(p);
    fd = openat(p->destination, "attributes", O_RDONLY);
    if (xattrs) {
        char value[8];
        assert_int_equal(fgetxattr(fd, "user.plain", value, sizeof value), 4);
        assert_memory_equal(value, "v\0w\xff", 4);
        assert_int_equal(fgetxattr(fd, "user.odd name=%\xc3\xa9", value, sizeof value), 0);
    }
    close(fd);
    struct stat st;
    assert_int_equal(fstatat(p->destination, "owner", &st, 0), 0);
    if (geteuid() == 0) {
        assert_int_equal(st.st_uid, 3000000000u);
        assert_int_equal(st.st_gid, 4000000000u);
    }
    send_all(p);
    assert_int_equal(p->counts.sent + p->counts.mended, 0);
}

static void test_times_before_1970_with_fractions(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "f", "x");
    struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = -2, .tv_nsec = 250000000}};
    assert_int_equal(utimensat(p->source, "f", ts, 0), 0);
    assert_int_equal(symlinkat("f", p->source, "l"), 0);
    assert_int_equal(utimensat(p->source, "l", ts, AT_SYMLINK_NOFOLLOW), 0);
    send_all(p);
    expect_equal_trees(p);
    verify(p, true, "");
}

static void test_special_files(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "file", "x");
    assert_int_equal(mkfifoat(p->source, "pipe", 0644), 0);
    if (geteuid() == 0) {
        assert_int_equal(mknodat(p->source, "zero", S_IFCHR | 0644, makedev(1, 5)), 0);
    }
    send_all(p);
    expect_told(p, geteuid() == 0 ? "problem pipe special|problem zero special|"
                                  : "problem pipe special|");
    assert_int_equal(p->counts.files, 1);
    assert_false(is_there(p->destination, "pipe"));
    // A FIFO that stands in a file's place is not opened.
    assert_int_equal(mkfifoat(p->destination, "fifo", 0644), 0);
    put_text_file(p->source, "fifo", "file");
    send_all(p);
    expect_text_file(p->destination, "fifo", "file");
}

static void test_selections(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "u/models/m1.zip", "1");
    put_text_file(p->source, "u/models/m1/x", "1");
    put_text_file(p->source, "u/models/m10.zip", "10");
    put_text_file(p->source, "u/models/m2.zip", "2");
    assert_int_equal(fchmodat(p->source, "u/models", 0750, 0), 0);
    AUTO_STRTAB struct strtab *ids = strtab_new();
    *strtab_slot(ids, "m1", 2, &(bool){0}) = 1;
    struct files_job job = job_of(p);
    job.selection = (struct tree_selection){.under = "u/models", .ids = ids, .name = "{id}*"};
    send_ok(p, &job);
    assert_true(is_there(p->destination, "u/models/m1/x"));
    assert_true(is_there(p->destination, "u/models/m1.zip"));
    assert_false(is_there(p->destination, "u/models/m10.zip"));
    assert_false(is_there(p->destination, "u/models/m2.zip"));
    assert_int_equal(p->counts.files, 3);
    struct stat st;
    assert_int_equal(fstatat(p->destination, "u/models", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0750); // made as it is at the source
    verify(p, true, "");
    send_ok(p, &job);
    assert_int_equal(p->counts.present, 3);
    // Everything else, and nothing of what another step moves.
    const char *const except[] = {"u/models/m1", "u/models/m2.zip"};
    job.selection = (struct tree_selection){.under = "u", .except = except, .n_except = 2};
    send_ok(p, &job);
    assert_true(is_there(p->destination, "u/models/m10.zip"));
    assert_false(is_there(p->destination, "u/models/m2.zip"));
    assert_int_equal(p->counts.files, 3); // models, m1.zip, m10.zip
    verify(p, true, "");
    job.selection = (struct tree_selection){.under = "nobody", .ids = ids};
    send_ok(p, &job);
    assert_int_equal(p->counts.files, 0);
    assert_false(is_there(p->destination, "nobody"));
}

static void test_dry_run_touches_nothing(void **state) {
    struct place *p = *state;
    make_conflicts(p);
    AUTO_BUF struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);
    describe_tree(p->destination, &before);
    struct files_job job = job_of(p);
    job.dry_run = true;
    send_ok(p, &job);
    describe_tree(p->destination, &after);
    assert_string_equal(buf_str(&before), buf_str(&after));
    assert_int_equal(p->counts.sent, 4);
    assert_int_equal(p->counts.conflicts, 3);
    assert_non_null(strstr(buf_str(&p->told), "difference d/only-here missing|"));
    assert_non_null(strstr(buf_str(&p->told), "difference d/equal time|"));
    assert_non_null(strstr(buf_str(&p->told), "difference d time|"));
}

static void test_many_batches(void **state) {
    struct place *p = *state;
    char path[64];
    for (unsigned i = 0; i < 4500; i++) {
        snprintf(path, sizeof path, "d%03u/%u", i / 50, i);
        put_bytes(p->source, path, &i, sizeof i);
    }
    put_seeded(p->source, "large", 70 << 20, 5); // larger than a batch: alone
    send_all(p);
    assert_true(p->batches >= 4);
    expect_equal_trees(p);
    assert_int_equal(count_own(p), 0);
}

static void test_same_root(void **state) {
    struct place *p = *state;
    bool same = true;
    struct err e = {0};
    assert_int_equal(files_same_root(p->end, p->source, &same, &e), 0);
    assert_false(same);
    assert_int_equal(files_same_root(p->end, p->destination, &same, &e), 0);
    assert_true(same);
    assert_int_equal(count_own(p), 0);
}

static void test_verify_tells_each_difference(void **state) {
    struct place *p = *state;
    static const char *const names[] = {"content", "gone", "mode", "size", "time", "type", "same"};
    for (size_t i = 0; i < 7; i++) {
        put_text_file(p->source, names[i], "content");
        set_time(p->source, names[i], 1000000000);
    }
    assert_int_equal(symlinkat("a", p->source, "target"), 0);
    send_all(p);
    put_text_file(p->destination, "content", "CONTENT");
    set_time(p->destination, "content", 1000000000);
    assert_int_equal(unlinkat(p->destination, "gone", 0), 0);
    assert_int_equal(fchmodat(p->destination, "mode", 0600, 0), 0);
    put_text_file(p->destination, "size", "other");
    set_time(p->destination, "size", 1000000000);
    set_time(p->destination, "time", 1000000001);
    assert_int_equal(unlinkat(p->destination, "type", 0), 0);
    assert_int_equal(mkdirat(p->destination, "type", 0755), 0);
    assert_int_equal(unlinkat(p->destination, "target", 0), 0);
    assert_int_equal(symlinkat("b", p->destination, "target"), 0);
    struct stat st;
    assert_int_equal(fstatat(p->source, "target", &st, AT_SYMLINK_NOFOLLOW), 0);
    set_time(p->destination, "target",
             st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec);
    const char *quick = "difference gone missing|difference mode mode|difference size size|"
                        "difference target target|difference time time|difference type type|";
    verify(p, false, quick);
    char full[400];
    snprintf(full, sizeof full, "%sdifference content content|", quick);
    verify(p, true, full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(test_everything_arrives),
        PLACED(test_again_sends_nothing),
        PLACED(test_only_what_changed_is_sent),
        PLACED(test_metadata_alone),
        PLACED(test_conflicts_replaced),
        PLACED(test_conflicts_kept),
        PLACED(test_conflicts_fail),
        PLACED(test_checksum_finds_what_times_hide),
        PLACED(test_clashes_of_types),
        PLACED(test_kept_file_blocks_a_directory),
        PLACED(test_links_at_the_destination_are_not_followed),
        PLACED(test_hard_links),
        PLACED(test_sparse_files),
        PLACED(test_names_arrive_byte_for_byte),
        PLACED(test_odd_metadata),
        PLACED(test_times_before_1970_with_fractions),
        PLACED(test_special_files),
        PLACED(test_selections),
        PLACED(test_dry_run_touches_nothing),
        PLACED(test_many_batches),
        PLACED(test_same_root),
        PLACED(test_verify_tells_each_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
