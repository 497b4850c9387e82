// SPDX-License-Identifier: Apache-2.0
// Far ends where no receiver runs: the tools of the machine, and in a chroot (as root) those of GNU
// and of BusyBox alone. The folder of the test is the chroot, its destination the data directory.
#include "base/child.h"
#include "site/file_end_exec.h"
#include "tests/unit/site_files_support.h"

#define TIMEOUT_MS 20000

struct far {
    const char *name;
    const char *setup; // a script that makes $1 a root with those tools; NULL: no chroot
    bool fractions;
};
static const char busybox[] =
    "b=$(command -v busybox) || exit 77; ldd \"$b\" >/dev/null 2>&1 && exit 77; "
    "rm -rf \"$1/bin\" \"$1/dev\"; mkdir -p \"$1/dev\"; mknod -m 666 \"$1/dev/null\" c 1 3 || exit "
    "1; mkdir -p \"$1/bin\" \"$1/tmp\" && cp \"$b\" \"$1/bin/busybox\" && cd "
    "\"$1/bin\" && "
    "for t in $(./busybox --list); do [ $t = busybox ] || ln -s busybox $t; done";
static const char gnu[] =
    "mkdir -p \"$1/dev\"; rm -f \"$1/dev/null\"; mknod -m 666 \"$1/dev/null\" c 1 3 || exit 1; for "
    "t in sh tar find sha256sum stat mv ln dd chmod chown touch readlink sync sleep mkdir rm "
    "rmdir id cat uname flock head; do p=/usr/bin/$t; [ -x $p ] || p=/bin/$t; mkdir -p \"$1/bin\"; "
    "rm -f \"$1/bin/$t\"; cp -L $p \"$1/bin/$t\" || exit 1; ldd $p | grep -o '/[^ )]*' | "
    "while read -r l; do mkdir -p \"$1${l%/*}\"; cp -Lf \"$l\" \"$1$l\"; done; done";
static const struct far fars[] = {{"this machine", NULL, true},
                                  {"GNU in a chroot", gnu, true},
                                  {"BusyBox in a chroot", busybox, false}};

static bool can_chroot(void) {
    return geteuid() == 0 && access("/usr/sbin/chroot", X_OK) == 0;
}

// False when this one cannot be had here.
static bool reach(struct place *p, const struct far *f, enum file_receiver receiver) {
    struct err e = {0};
    char path[200];
    snprintf(path, sizeof path, "%s/destination", p->dir);
    const char *chroot[] = {"/usr/sbin/chroot", p->dir, NULL}, *env[] = {"env", NULL};
    struct file_end_exec o = {.label = "destination",
                              .prefix = f->setup == NULL ? env : chroot,
                              .root = f->setup == NULL ? path : "/destination",
                              .env = (const char *const[]){"PATH=/bin:/usr/bin", NULL},
                              .receiver = receiver,
                              .timeout_ms = TIMEOUT_MS};
    if (f->setup != NULL) {
        const struct child_options c = {
            .argv = (const char *const[]){"sh", "-c", f->setup, "sh", p->dir, NULL}};
        if (!can_chroot() || child_run(&c, "", 0, 1000, 60000, NULL, &e) != 0) {
            print_message("skipped: %s (%s)\n", f->name, e.text);
            return false;
        }
    }
    file_end_free(STEAL(p->end));
    assert_int_equal(file_end_exec_open(&o, &p->end, &e), 0);
    return true;
}

static void start_over(struct place *p) {
    assert_int_equal(path_remove_tree(p->root, "destination"), 0);
    assert_int_equal(mkdirat(p->root, "destination", 0755), 0);
    close(p->destination);
    p->destination = openat(p->root, "destination", O_RDONLY | O_DIRECTORY);
}

static const char *const names[] = {"d/plain",
                                    "d/-f",
                                    "d/ two  blanks ",
                                    "d/a\nb\n",
                                    "d/'q' \"$(x)\" \\ *",
                                    "d/cafe\xcc\x81",
                                    "d/\xff\x81\x88\x01\x7f",
                                    "d/sub/deep/x",
                                    "e/..x"};

static void make_sample(struct place *p, bool fractions) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put_seeded(p->source, names[i], 3 + 40000 * i, (unsigned)i);
        set_time(p->source, names[i],
                 INT64_C(1600000000000000000) + (fractions ? (int64_t)i * 123456789 : 0));
    }
    put_text_file(p->source, "empty", "");
    put_seeded(p->source, "large", (3u << 20) + 17, 9);
    assert_int_equal(fchmodat(p->source, "d/plain", 0640, 0), 0);
    assert_int_equal(symlinkat("plain\nline", p->source, "d/link"), 0);
    assert_int_equal(symlinkat("-x", p->source, "link"), 0);
    assert_int_equal(linkat(p->source, "d/plain", p->source, "e/hard", 0), 0);
    if (geteuid() == 0) {
        assert_int_equal(fchownat(p->source, "d/plain", 1000680000, 0, 0), 0);
        assert_int_equal(fchmodat(p->source, "d/plain", 0640, 0), 0);
    }
    set_time(p->source, "empty", -5000000000);
    static const char *const rest[] = {"large", "d/link", "link", "d/sub/deep", "d/sub", "d", "e"};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        set_time(p->source, rest[i], INT64_C(1500000000000000000));
    }
}

static void test_trees_arrive_whole(void **state) {
    struct place *p = *state;
    for (size_t i = 0; i < sizeof fars / sizeof *fars; i++) {
        if (!reach(p, &fars[i], RECEIVER_TAR)) {
            continue;
        }
        start_over(p);
        make_sample(p, fars[i].fractions);
        send_all(p);
        expect_told(p, "note the destination cannot keep: extended attributes|");
        expect_equal_trees(p);
        assert_int_equal(count_own(p), 0);
        send_all(p);
        assert_int_equal(p->counts.sent, 0);
        assert_int_equal(p->counts.mended, 0);
        verify(p, true, "");
        put_text_file(p->destination, "d/plain", "changed");
        set_time(p->destination, "large", 1);
        assert_int_equal(unlinkat(p->destination, "d/a\nb\n", 0), 0);
        verify(p, true,
               "difference d time|difference d/a\nb\n missing|difference d/plain size|"
               "difference d/plain time|difference e/hard size|difference e/hard time|"
               "difference large time|");
        file_end_free(STEAL(p->end));
        assert_int_equal(path_remove_tree(p->root, "source"), 0);
        assert_int_equal(mkdirat(p->root, "source", 0755), 0);
        close(p->source);
        p->source = openat(p->root, "source", O_RDONLY | O_DIRECTORY);
        assert_true(reach(p, &fars[0], RECEIVER_TAR));
    }
}

static int on_outcome(void *arg, const struct files_delete_item *item,
                      enum files_delete_outcome outcome, struct err *e) {
    struct place *p = arg;
    (void)e;
    buf_printf(&p->told, "%s %d|", item->path, (int)outcome);
    return 0;
}

static void test_deleting(void **state) {
    struct place *p = *state;
    struct err e = {0};
    for (size_t i = 0; i < sizeof fars / sizeof *fars; i++) {
        if (!reach(p, &fars[i], RECEIVER_TAR)) {
            continue;
        }
        start_over(p);
        put_text_file(p->destination, "d/same", "x");
        put_text_file(p->destination, "d/other", "y");
        put_text_file(p->destination, "e/it\n", "x");
        put_text_file(p->outside, "x", "x");
        assert_int_equal(symlinkat("../outside", p->destination, "out"), 0);
        assert_int_equal(symlinkat("x", p->destination, "link"), 0);
        struct files_delete_item items[] = {
            {.type = 'f', .path = "d/same"}, {.type = 'f', .path = "d/other"},
            {.type = 'f', .path = "d/none"}, {.type = 'f', .path = "out/x"},
            {.type = 'l', .path = "link"},   {.type = 'd', .path = "d"},
            {.type = 'f', .path = "e/it\n"}, {.type = 'd', .path = "e"}};
        for (size_t k = 0; k < sizeof items / sizeof *items; k++) {
            hash_bytes("x", 1, items[k].digest);
        }
        buf_clear(&p->told);
        if (files_delete(p->end, items, 8, false, on_outcome, p, &e) != 0) {
            fail_msg("%s: %s", fars[i].name, e.text);
        }
        expect_told(p, "d/same 1|d/other 2|d/none 0|out/x 2|link 1|d 1|e/it\n 1|e 1|");
        buf_clear(&p->told);
        assert_int_equal(files_delete(p->end, items, 8, true, on_outcome, p, &e), 0);
        expect_told(p, "d/same 1|d/other 2|d/none 0|out/x 2|link 1|d 3|e/it\n 1|e 1|");
        assert_true(is_there(p->outside, "x"));
        assert_false(is_there(p->destination, "d/same"));
        assert_false(is_there(p->destination, "link"));
        assert_false(is_there(p->destination, "e"));
    }
}

static void test_conflicts_and_links_in_the_way(void **state) {
    struct place *p = *state;
    for (size_t i = 0; i < sizeof fars / sizeof *fars; i++) {
        if (!reach(p, &fars[i], RECEIVER_TAR)) {
            continue;
        }
        start_over(p);
        put_text_file(p->source, "a", "ours");
        put_text_file(p->source, "b", "ours");
        put_text_file(p->source, "out/x", "ours");
        put_text_file(p->destination, "a", "theirs");
        assert_int_equal(mkdirat(p->destination, "b", 0755), 0);
        assert_int_equal(symlinkat("../outside", p->destination, "out"), 0);
        send_all(p);
        assert_non_null(strstr(buf_str(&p->told), "conflict a replaced"));
        assert_non_null(strstr(buf_str(&p->told), "conflict b replaced"));
        assert_non_null(strstr(buf_str(&p->told), "problem out symlink"));
        expect_text_file(p->destination, "a", "ours");
        expect_text_file(p->destination, "b", "ours");
        assert_false(is_there(p->outside, "x"));
    }
}

// Streams that are cut: done is told only when it is, and the next send completes.
// What is in doubt is asked for while a batch comes in, of which some was unpacked there.
static void test_digests_amid_a_batch(void **state) {
    struct place *p = *state;
    assert_true(reach(p, &fars[0], RECEIVER_TAR));
    put_text_file(p->source, "d/a", "ours");
    put_text_file(p->destination, "d/a", "theirs");
    put_seeded(p->source, "d/b", 3u << 20, 1);
    put_text_file(p->source, "d/c/in", "a directory");
    put_text_file(p->destination, "d/c", "a file");
    put_seeded(p->source, "d/d", 3u << 20, 2);
    send_all(p);
    assert_non_null(strstr(buf_str(&p->told), "|conflict d/c replaced  "));
    assert_non_null(strstr(buf_str(&p->told), "|conflict d/a replaced "));
    expect_equal_trees(p);
}

static void test_cut_streams(void **state) {
    struct place *p = *state;
    static const char *const forms[] = {"head -c $n | \"$@\"; exit 0",
                                        "\"$@\" | head -c $n; exit 0"};
    char script[100], path[200];
    const struct file_end_exec o = {.label = "destination",
                                    .prefix = (const char *const[]){"sh", "-c", script, "x", NULL},
                                    .root = path,
                                    .receiver = RECEIVER_TAR,
                                    .timeout_ms = 1500};
    struct err e = {0};
    snprintf(path, sizeof path, "%s/destination", p->dir);
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "d/%d", i);
        put_seeded(p->source, name, 900, (unsigned)i);
    }
    for (unsigned k = 0; k < 20; k++) {
        unsigned at = k < 10 ? 10000 + 18000 * k : 60 + 180 * (k - 10);
        snprintf(script, sizeof script, "n=%u; %s", at, forms[k >= 10]);
        start_over(p);
        file_end_free(STEAL(p->end));
        assert_int_equal(file_end_exec_open(&o, &p->end, &e), 0);
        struct files_job job = job_of(p);
        int rc = send_job(p, &job);
        if (rc == 0) {
            expect_equal_trees(p);
        } else if (rc != ERR_RETRY) {
            fail_msg("%s: %d %s", script, rc, p->err.text);
        }
        assert_true(reach(p, &fars[0], RECEIVER_TAR));
        send_all(p);
        expect_equal_trees(p);
    }
}

static void shell(struct place *p, const char *script, const char *what) {
    struct err e = {0};
    AUTO_FREE char *there = must_sprintf("cd '%s'; %s", p->dir, script);
    const struct child_options c = {.argv = (const char *const[]){"sh", "-ec", there, NULL}};
    if (child_run(&c, "", 0, 1000, 60000, NULL, &e) != 0) {
        fail_msg("%s: %s: %s", what, script, e.text);
    }
}

// What changes at the destination while a batch is on its way: its tar does it when it has
// unpacked, before anything is put in place. Nothing of somebody else's is written over, and each
// is told.
static void test_changes_meanwhile(void **state) {
    struct place *p = *state;
    static const struct {
        const char *before, *meanwhile, *told, *after; // scripts, in the folder of the three
    } rows[] = {
        {"echo ours >source/new", "echo theirs >destination/new", "problem new appeared|",
         "grep theirs destination/new"},
        {"echo ours >source/new", "ln -s ../outside/x destination/new", "problem new appeared|",
         "[ -L destination/new ]; [ ! -e outside/x ]"},
        {"echo ours >source/old; echo old >destination/old", "echo theirs >>destination/old",
         "problem old appeared|", "grep theirs destination/old"},
        {"echo ours >source/old; echo old >destination/old",
         "rm destination/old; ln -s ../outside/x destination/old", "problem old appeared|",
         "[ -L destination/old ]; [ ! -e outside/x ]"},
        {"echo ours >source/x; mkdir destination/x", "echo theirs >destination/x/y",
         "problem x occupied|", "grep theirs destination/x/y"},
        {"mkdir source/x; echo ours >source/x/y; echo old >destination/x",
         "echo theirs >>destination/x", "problem x appeared|", "grep theirs destination/x"},
        {"mkdir source/d destination/d; echo ours >source/d/x",
         "rmdir destination/d; ln -s ../outside destination/d", "problem d/x symlink|",
         "[ -L destination/d ]; [ ! -e outside/x ]"},
        {"mkdir source/d destination/d; echo ours >source/d/x", "rmdir destination/d",
         "problem d/x refused|", "[ ! -e destination/d/x ]"},
        {"echo ours >source/a; ln source/a source/b", "echo theirs >destination/a",
         "problem a appeared|", "grep theirs destination/a; [ ! -e destination/b ]"},
        {"echo ours >source/a; ln source/a source/b", "echo theirs >destination/a",
         "problem b refused|", "grep theirs destination/a; [ ! -e destination/b ]"},
        {"echo ours >source/new; cp -p source/new source/m; cp -p source/m destination/m; "
         "chmod 600 source/m; chmod 644 destination/m",
         "rm destination/m; ln -s ../outside destination/m", "problem m appeared|",
         "[ -L destination/m ]; [ $(stat -c %a outside) = 755 ]"},
    };
    char path[200];
    snprintf(path, sizeof path, "%s/destination", p->dir);
    AUTO_FREE char *env = must_sprintf("PATH=%s/bin:/usr/bin:/bin", p->dir);
    const struct file_end_exec o = {.label = "destination",
                                    .prefix = (const char *const[]){"env", env, NULL},
                                    .root = path,
                                    .receiver = RECEIVER_TAR,
                                    .timeout_ms = TIMEOUT_MS};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        shell(p, "find source destination outside -mindepth 1 -delete; mkdir -p bin", "before");
        shell(p, rows[i].before, "before");
        AUTO_FREE char *tar =
            must_sprintf("#!/bin/sh\n/usr/bin/env PATH=/usr/bin:/bin tar \"$@\" || "
                         "exit\n[ \"${PWD##*/}\" = trial ] && exit\ncd '%s'\n%s\n",
                         p->dir, rows[i].meanwhile);
        put_text_file(p->root, "bin/tar", tar);
        assert_int_equal(fchmodat(p->root, "bin/tar", 0755, 0), 0);
        file_end_free(STEAL(p->end));
        assert_int_equal(file_end_exec_open(&o, &p->end, &e), 0);
        send_all(p);
        if (strstr(buf_str(&p->told), rows[i].told) == NULL) {
            fail_msg("%s; %s: told \"%s\"", rows[i].before, rows[i].meanwhile, buf_str(&p->told));
        }
        shell(p, rows[i].after, rows[i].meanwhile);
        assert_int_equal(count_own(p), 0);
    }
}

static void test_what_is_missing_is_told(void **state) {
    struct place *p = *state;
    struct err e = {0};
    char dir[200], path[200], env[210];
    snprintf(path, sizeof path, "%s/destination", p->dir);
    snprintf(dir, sizeof dir, "%s/bin", p->dir);
    snprintf(env, sizeof env, "PATH=%s", dir);
    const struct child_options c = {
        .argv = (const char *const[]){"sh", "-c",
                                      "mkdir \"$1\" && for t in sh uname id; do ln -s "
                                      "\"$(command -v $t)\" \"$1/$t\"; done",
                                      "sh", dir, NULL}};
    assert_int_equal(child_run(&c, "", 0, 1000, 60000, NULL, &e), 0);
    const struct file_end_exec o = {.label = "destination",
                                    .prefix = (const char *const[]){"/usr/bin/env", env, NULL},
                                    .root = path,
                                    .timeout_ms = TIMEOUT_MS};
    file_end_free(STEAL(p->end));
    assert_int_equal(file_end_exec_open(&o, &p->end, &e), 0);
    put_text_file(p->source, "a", "x");
    struct files_job job = job_of(p);
    assert_int_equal(send_job(p, &job), ERR_FAILED);
    assert_non_null(strstr(p->err.text, "it lacks tar find sha256sum"));
    assert_non_null(strstr(p->err.text, "put GNU coreutils"));
}

// No program for that machine: auto takes the tools, and says so once.
static void test_auto_falls_back(void **state) {
    struct place *p = *state;
    struct err e = {0};
    char path[200];
    snprintf(path, sizeof path, "%s/destination", p->dir);
    put_text_file(p->root, "bin/uname", "#!/bin/sh\necho ppc64le\n");
    assert_int_equal(fchmodat(p->root, "bin/uname", 0755, 0), 0);
    AUTO_FREE char *env = must_sprintf("PATH=%s/bin:/usr/bin:/bin", p->dir);
    struct file_end_exec o = {.label = "destination",
                              .prefix = (const char *const[]){"env", env, NULL},
                              .root = path,
                              .timeout_ms = TIMEOUT_MS};
    put_text_file(p->source, "a", "x");
    for (int i = 0; i < 2; i++) {
        file_end_free(STEAL(p->end));
        o.receiver = i == 0 ? RECEIVER_AUTO : RECEIVER_MVIMIG;
        assert_int_equal(file_end_exec_open(&o, &p->end, &e), 0);
        struct files_job job = job_of(p);
        int rc = send_job(p, &job);
        assert_int_equal(rc, i == 0 ? 0 : ERR_FAILED);
        assert_non_null(strstr(i == 0 ? buf_str(&p->told) : p->err.text, "none for ppc64le"));
        if (i == 0) {
            expect_equal_trees(p);
            send_all(p);
            expect_told(p, "");
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(test_trees_arrive_whole),
        PLACED(test_deleting),
        PLACED(test_conflicts_and_links_in_the_way),
        PLACED(test_digests_amid_a_batch),
        PLACED(test_cut_streams),
        PLACED(test_changes_meanwhile),
        PLACED(test_what_is_missing_is_told),
        PLACED(test_auto_falls_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
