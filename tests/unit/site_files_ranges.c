// SPDX-License-Identifier: Apache-2.0
// Large files, which go in ranges of 256 KiB here: what an attempt that was cut, killed or failed
// has brought is not sent again, and nothing of it is left at the end.
#include <sys/file.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "site/protocol.h"
#include "tests/unit/site_files_support.h"

#define SMALL "ranges-small:fail:1+"
#define RANGE (256u << 10)
#define RANGES 8
#define SIZE (RANGE * RANGES + 4711)

static const char *self; // this program
static const char token[FILES_TOKEN] = "0123456789abcdef";
#define PARTS ".mvimig-parts-30313233343536373839616263646566"

static struct files_job parted_job(struct place *p) {
    struct files_job job = job_of(p);
    memcpy(job.token, token, FILES_TOKEN);
    return job;
}

// --- a send in a process of its own, with faults; its counts come back in a file

static int child_send(const char *dir) {
    struct place p = {.told = BUF_INIT(1 << 24)};
    char path[128];
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    snprintf(path, sizeof path, "%s/destination", dir);
    if (file_end_directory("destination", path, &p.end, &p.err) != 0) {
        return 99;
    }
    snprintf(path, sizeof path, "%s/source", dir);
    p.source = open(path, O_RDONLY | O_DIRECTORY);
    struct files_job job = parted_job(&p);
    job.manifest_fd = -1;
    int rc = files_send(p.end, &job, &p.counts, p.digest, &p.err);
    snprintf(path, sizeof path, "%s/counts", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fd_write_all(fd, &p, sizeof p);
    close(fd);
    file_end_free(p.end);
    buf_free(&p.told);
    close(p.source);
    return -rc;
}

struct sent {
    int status;
    struct files_counts counts; // of one that ended
    char error[ERR_TEXT_MAX];
};

static struct sent send_with(struct place *p, const char *faults) {
    struct sent out = {0};
    struct place of;
    unlinkat(p->root, "counts", 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("MVIMIG_FAULT", faults, 1);
        execl(self, self, "--send", p->dir, (char *)NULL);
        _exit(97);
    }
    assert_int_equal(waitpid(pid, &out.status, 0), pid);
    int fd = openat(p->root, "counts", O_RDONLY);
    if (fd >= 0) {
        assert_int_equal(read(fd, &of, sizeof of), (ssize_t)sizeof of);
        close(fd);
        out.counts = of.counts;
        memcpy(out.error, of.err.text, sizeof out.error);
    }
    return out;
}

static struct files_counts send_whole(struct place *p) {
    struct sent s = send_with(p, SMALL);
    if (s.status != 0) {
        print_message("%s\n", s.error);
    }
    assert_int_equal(s.status, 0);
    return s.counts;
}

static void expect_killed(struct place *p, const char *faults) {
    struct sent s = send_with(p, faults);
    assert_true(WIFSIGNALED(s.status));
    assert_int_equal(WTERMSIG(s.status), SIGKILL);
}

static void expect_complete(struct place *p) {
    expect_equal_trees(p);
    assert_int_equal(count_own(p), 0);
}

static void make_large(struct place *p) {
    put_text_file(p->source, "d/before", "before");
    put_seeded(p->source, "d/large", SIZE, 7);
    put_text_file(p->source, "d/zz", "behind");
}

// How many bytes the one part says to have; -1: there is none.
static int find_part(void *arg, const char *name, struct err *e) {
    (void)e;
    *(long long *)arg = (long long)strtoull(strrchr(name, '-') + 1, NULL, 10);
    return 0;
}

static long long part_has(struct place *p) {
    long long has = -1;
    struct err e = {0};
    int fd = openat(p->destination, PARTS, O_RDONLY | O_DIRECTORY);
    if (fd >= 0) {
        assert_int_equal(tree_each_name(fd, find_part, &has, &e), 0);
        close(fd);
    }
    return has;
}

static int keep_name(void *arg, const char *name, struct err *e) {
    (void)e;
    snprintf(arg, 100, "%.99s", name);
    return 0;
}

static void part_named(int folder, char name[100]) {
    struct err e = {0};
    name[0] = 0;
    assert_int_equal(tree_each_name(folder, keep_name, name, &e), 0);
    assert_int_not_equal(name[0], 0);
}

static int open_the_part(struct place *p) {
    char name[100];
    int folder = openat(p->destination, PARTS, O_RDONLY | O_DIRECTORY);
    part_named(folder, name);
    int fd = openat(folder, name, O_RDWR);
    close(folder);
    assert_true(fd >= 0);
    return fd;
}

// --- tests

static void test_undisturbed(void **state) {
    struct place *p = *state;
    make_large(p);
    put_seeded(p->source, "e/exact", RANGE * 2, 8);
    put_seeded(p->source, "e/small", RANGE * 2 - 1, 9);
    struct files_counts c = send_whole(p);
    assert_int_equal(c.sent, c.files);
    assert_int_equal(c.sent_bytes, c.bytes);
    expect_complete(p);
    c = send_whole(p);
    assert_int_equal(c.sent, 0);
    assert_int_equal(c.sent_bytes, 0);
}

// The process that is both sides, killed at each moment of each range.
static void test_killed_goes_on(void **state) {
    struct place *p = *state;
    static const char *const moments[] = {"part-write", "part-fsync", "part-before-mark",
                                          "part-after-mark", "ranges-sent"};
    make_large(p);
    for (size_t m = 0; m < sizeof moments / sizeof *moments; m++) {
        for (int nth = 1; nth <= RANGES; nth += 3) {
            char faults[100];
            path_remove_tree(p->destination, "d");
            path_remove_tree(p->destination, PARTS);
            snprintf(faults, sizeof faults, SMALL ",%s:kill:%d", moments[m], nth);
            expect_killed(p, faults);
            assert_false(is_there(p->destination, "d/large"));
            long long has = part_has(p);
            has = has < 0 ? 0 : has;
            assert_true(has >= (long long)(nth - 3) * RANGE && has <= (long long)nth * RANGE);
            struct files_counts c = send_whole(p);
            // What came with it: the small files, when their batch had not been put in place.
            assert_int_equal(c.sent_bytes - (c.sent > 2 ? 12 : 6), SIZE - has);
            expect_complete(p);
        }
    }
}

static void test_killed_when_it_is_put_in_place(void **state) {
    struct place *p = *state;
    make_large(p);
    // The batch before it, the ranges, which are not placed, and the one that has it.
    expect_killed(p, SMALL ",files-before-rename:kill:2");
    assert_int_equal(part_has(p), SIZE);
    struct files_counts c = send_whole(p);
    assert_int_equal(c.sent_bytes, 6); // "behind", in the same batch
    expect_complete(p);
    path_remove_tree(p->destination, "d");
    expect_killed(p, SMALL ",files-after-rename:kill:2");
    c = send_whole(p);
    assert_int_equal(c.sent, 0);
    expect_complete(p);
}

static void change(struct place *p, off_t at, size_t cut) {
    int fd = openat(p->source, "d/large", O_WRONLY);
    assert_int_equal(pwrite(fd, "changed", 7, at), 7);
    if (cut > 0) {
        assert_int_equal(ftruncate(fd, (off_t)cut), 0);
    }
    close(fd);
}

static void test_changed_meanwhile_starts_over(void **state) {
    struct place *p = *state;
    make_large(p);
    expect_killed(p, SMALL ",part-after-mark:kill:5");
    assert_int_equal(part_has(p), 5 * RANGE);
    change(p, 100, 0);
    struct files_counts c = send_whole(p);
    assert_int_equal(c.sent_bytes, SIZE + 6);
    expect_complete(p);
    // Behind what is there: that much still holds.
    path_remove_tree(p->destination, "d");
    expect_killed(p, SMALL ",part-after-mark:kill:5");
    change(p, 5 * RANGE + 9, 0);
    c = send_whole(p);
    assert_int_equal(c.sent_bytes, SIZE - 5 * RANGE + 6);
    expect_complete(p);
    // Shorter than what is there.
    path_remove_tree(p->destination, "d");
    expect_killed(p, SMALL ",part-after-mark:kill:5");
    change(p, 3, 3 * RANGE);
    c = send_whole(p);
    assert_int_equal(c.sent_bytes, 3 * RANGE + 6);
    expect_complete(p);
}

static void test_what_is_of_no_use_goes(void **state) {
    struct place *p = *state;
    make_large(p);
    expect_killed(p, SMALL ",part-after-mark:kill:5");
    assert_int_equal(part_has(p), 5 * RANGE);
    struct files_job other = job_of(p); // another step neither uses nor removes it
    other.selection.under = "nothing";
    send_job(p, &other);
    assert_int_equal(part_has(p), 5 * RANGE);
    assert_int_equal(unlinkat(p->source, "d/large", 0), 0); // vanished
    send_whole(p);
    expect_complete(p);
}

static void test_failures(void **state) {
    struct place *p = *state;
    static const char *const faults[] = {"part-write:fail=ENOSPC:9", "part-write:fail=EIO:9",
                                         "part-fsync:fail=EIO:3", "part-fsync:fail=ENOSPC:3",
                                         "part-before-mark:fail=EIO:3"};
    make_large(p);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char text[100];
        snprintf(text, sizeof text, SMALL ",%s", faults[i]);
        struct sent s = send_with(p, text);
        assert_true(WIFEXITED(s.status) && WEXITSTATUS(s.status) != 0);
        assert_non_null(strstr(s.error, "d/large"));
        assert_int_equal(part_has(p),
                         -1); // nothing is built upon it, and a full disk is given back
        assert_int_equal(send_whole(p).sent_bytes >= SIZE, true);
        expect_complete(p);
        path_remove_tree(p->destination, "d");
    }
}

static void test_a_source_that_moves_amid_it(void **state) {
    struct place *p = *state;
    make_large(p);
    struct sent s = send_with(p, SMALL ",ranges-read:fail:4");
    assert_int_equal(s.status, 0);
    assert_int_equal(s.counts.sent_bytes, SIZE + 12); // the range that was given up does not count
    assert_int_equal(s.counts.problems, 0);
    expect_complete(p);
    path_remove_tree(p->destination, "d");
    s = send_with(p, SMALL ",ranges-read:fail:4+"); // it never holds still
    assert_int_equal(s.status, 0);
    assert_int_equal(s.counts.problems, 1);
    assert_false(is_there(p->destination, "d/large"));
    assert_int_equal(count_own(p), 0);
}

static void test_sparse_and_attributes(void **state) {
    struct place *p = *state;
    struct stat st;
    char value[8];
    make_large(p);
    int fd = openat(p->source, "d/holes", O_RDWR | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, 9 * RANGE), 0);
    assert_int_equal(pwrite(fd, "data", 4, 4 * RANGE + 99), 4);
    bool xattr = fsetxattr(fd, "user.first", "one", 3, 0) == 0;
    close(fd);
    expect_killed(p, SMALL ",part-after-mark:kill:6");
    fd = openat(p->source, "d/holes", O_RDWR);
    if (xattr) {
        fremovexattr(fd, "user.first");
        fsetxattr(fd, "user.second", "two", 3, 0);
    }
    fchmod(fd, 04711);
    close(fd);
    send_whole(p);
    expect_complete(p);
    fd = openat(p->destination, "d/holes", O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_blocks * 512 < 2 * RANGE);
    if (xattr) {
        assert_int_equal(fgetxattr(fd, "user.second", value, sizeof value), 3);
        assert_int_equal(fgetxattr(fd, "user.first", value, sizeof value), -1);
    }
    close(fd);
}

// In the place of something, by policy; and refused where something appeared meanwhile.
static void test_conflicts(void **state) {
    struct place *p = *state;
    make_large(p);
    put_text_file(p->destination, "d/large", "other content");
    send_whole(p);
    expect_complete(p);
}

// A part that somebody else could have made is not used: nothing is written through it.
static void test_a_part_that_is_not_ours(void **state) {
    struct place *p = *state;
    make_large(p);
    put_text_file(p->outside, "victim", "as it was");
    assert_int_equal(symlinkat("../outside", p->destination, PARTS), 0);
    send_whole(p);
    assert_int_equal(unlinkat(p->destination, PARTS, 0), 0);
    expect_complete(p);
    path_remove_tree(p->destination, "d");
    expect_killed(p, SMALL ",part-after-mark:kill:5");
    // The part's name, a hard link to something outside.
    char name[100];
    int folder = openat(p->destination, PARTS, O_RDONLY | O_DIRECTORY);
    part_named(folder, name);
    assert_int_equal(unlinkat(folder, name, 0), 0);
    assert_int_equal(linkat(p->outside, "victim", folder, name, 0), 0);
    close(folder);
    send_whole(p);
    expect_text_file(p->outside, "victim", "as it was");
    expect_complete(p);
}

// A receiver that lives on after its stream was cut keeps its part until it has gone.
static void test_another_session_has_it(void **state) {
    struct place *p = *state;
    make_large(p);
    expect_killed(p, SMALL ",part-after-mark:kill:5");
    int part = open_the_part(p);
    assert_int_equal(flock(part, LOCK_EX), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec ts = {.tv_nsec = 300000000};
        nanosleep(&ts, NULL);
        _exit(0); // with it goes the lock
    }
    close(part);
    assert_int_equal(send_whole(p).sent_bytes, SIZE - 5 * RANGE + 6);
    assert_int_equal(waitpid(pid, &(int){0}, 0), pid);
    expect_complete(p);
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc == 3 && strcmp(argv[1], "--send") == 0) {
        return child_send(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        PLACED(test_undisturbed),
        PLACED(test_killed_goes_on),
        PLACED(test_killed_when_it_is_put_in_place),
        PLACED(test_changed_meanwhile_starts_over),
        PLACED(test_what_is_of_no_use_goes),
        PLACED(test_failures),
        PLACED(test_a_source_that_moves_amid_it),
        PLACED(test_sparse_and_attributes),
        PLACED(test_conflicts),
        PLACED(test_a_part_that_is_not_ours),
        PLACED(test_another_session_has_it),
    };
    return cmocka_run_group_tests_name("large files in ranges", tests, NULL, NULL);
}
