// SPDX-License-Identifier: Apache-2.0
// Ends that are reached by a command prefix: the receiver is found there or sent, banners are
// passed over, and streams that end early, hang or lie are never taken for a success.
#include "base/child.h"
#include "base/clock.h"
#include "site/file_end_exec.h"
#include "tests/unit/site_files_support.h"

#define TIMEOUT_MS 20000

static void use_prefix(struct place *p, const char *const *prefix, const char *const *env,
                       const char *root, int timeout_ms) {
    struct err e = {0};
    char path[200];
    snprintf(path, sizeof path, "%s/%s", p->dir, root);
    const struct file_end_exec o = {.label = "destination",
                                    .prefix = prefix,
                                    .env = env,
                                    .root = path,
                                    .timeout_ms = timeout_ms};
    file_end_free(p->end);
    p->end = NULL;
    assert_int_equal(file_end_exec_open(&o, &p->end, &e), 0);
}

static void make_sample(struct place *p) {
    char path[32];
    for (unsigned i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "d%u/%u", i % 2, i);
        put_seeded(p->source, path, 150 * i, i);
    }
    assert_int_equal(symlinkat("0", p->source, "d0/link"), 0);
    put_text_file(p->source, "cafe\xcc\x81 \xff", "decomposed, and no UTF-8");
}

static int count_name(void *arg, const char *name, struct err *e) {
    (void)name;
    (void)e;
    ++*(int *)arg;
    return 0;
}

static int count_in(int dir) {
    int n = 0;
    struct err e = {0};
    assert_int_equal(tree_each_name(dir, count_name, &n, &e), 0);
    return n;
}

static void start_over(struct place *p) {
    int root = p->root;
    assert_int_equal(path_remove_tree(root, "destination"), 0);
    assert_int_equal(mkdirat(root, "destination", 0755), 0);
    close(p->destination);
    p->destination = openat(root, "destination", O_RDONLY | O_DIRECTORY);
}

// A receiver in the PATH there: PATH=DIR/bin:... for the far side.
static char *far_path(struct place *p) {
    char self[4096], target[4200];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    *strrchr(self, '/') = 0;
    snprintf(target, sizeof target, "%s/mvimig-receive", self);
    if (!is_there(p->root, "bin")) {
        assert_int_equal(mkdirat(p->root, "bin", 0755), 0);
        assert_int_equal(symlinkat(target, p->root, "bin/mvimig-receive"), 0);
    }
    return must_sprintf("PATH=%s/bin:/usr/bin:/bin", p->dir);
}

// --- how it is reached

static void test_a_receiver_is_sent_and_removed(void **state) {
    struct place *p = *state;
    // A transparent command; one that joins its arguments as ssh does; one with much to say.
    static const char *const prefixes[][5] = {
        {"env", NULL},
        {"sh", "-c", "exec sh -c \"$*\"", "ssh", NULL},
        {"sh", "-c", "echo Welcome; echo 'mvimig 0123 go'; echo noise >&2; \"$@\"; exit 1", "b",
         NULL},
        {"sh", "-c", "printf 'no line end'; exec \"$@\"", "b", NULL},
    };
    char tmp[128];
    snprintf(tmp, sizeof tmp, "TMPDIR=%s/outside", p->dir);
    const char *const env[] = {tmp, "PATH=/usr/bin:/bin", NULL};
    make_sample(p);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        start_over(p);
        use_prefix(p, prefixes[i], env, "destination", TIMEOUT_MS);
        send_all(p);
        expect_equal_trees(p);
        assert_int_equal(count_in(p->outside), 1); // kept for the next stream
        send_all(p);
        assert_int_equal(p->counts.sent_bytes, 0);
        assert_int_equal(count_in(p->outside), 1);
        verify(p, true, "");
        file_end_free(STEAL(p->end));
        assert_int_equal(count_in(p->outside), 0);
        assert_int_equal(count_own(p), 0);
        use_prefix(p, prefixes[0], NULL, "destination", TIMEOUT_MS);
    }
}

static void test_a_receiver_that_is_there_is_used(void **state) {
    struct place *p = *state;
    char tmp[128];
    AUTO_FREE char *path = far_path(p);
    snprintf(tmp, sizeof tmp, "TMPDIR=%s/outside", p->dir);
    const char *const env[] = {tmp, path, NULL};
    make_sample(p);
    use_prefix(p, (const char *const[]){"env", NULL}, env, "destination", TIMEOUT_MS);
    send_all(p);
    expect_equal_trees(p);
    assert_int_equal(count_in(p->outside), 0);
}

static void test_any_name_of_the_root(void **state) {
    struct place *p = *state;
    static const char root[] = "a 'b' $(touch x) \\ \"c\"\n*;d";
    make_sample(p);
    assert_int_equal(renameat(p->root, "destination", p->root, root), 0);
    use_prefix(p, (const char *const[]){"sh", "-c", "exec sh -c \"$*\"", "ssh", NULL}, NULL, root,
               TIMEOUT_MS);
    send_all(p);
    expect_equal_trees(p);
}

static void test_an_old_receiver_is_passed_over(void **state) {
    struct place *p = *state;
    char path[128];
    snprintf(path, sizeof path, "PATH=%s/old:/usr/bin:/bin", p->dir);
    const char *const env[] = {path, NULL};
    put_text_file(p->root, "old/mvimig-receive", "#!/bin/sh\ncat; echo mvimig files 0\n");
    assert_int_equal(fchmodat(p->root, "old/mvimig-receive", 0755, 0), 0);
    make_sample(p);
    use_prefix(p, (const char *const[]){"env", NULL}, env, "destination", TIMEOUT_MS);
    send_all(p);
    expect_equal_trees(p);
}

// --- what fails

static void expect_failure(struct place *p, int code, const char *text) {
    struct files_job job = job_of(p);
    int64_t from = clock_mono_ns();
    int rc = send_job(p, &job);
    if (rc != code || strstr(p->err.text, text) == NULL) {
        fail_msg("%d %s; expected %d %s", rc, p->err.text, code, text);
    }
    assert_true(clock_mono_ns() - from < 60000000000);
    assert_int_equal(p->batches, 0);
}

static void test_failures_are_told(void **state) {
    struct place *p = *state;
    static const struct {
        const char *prefix[5];
        int timeout_ms, code;
        const char *text;
    } rows[] = {
        {{"/nowhere/oc", "exec", NULL}, TIMEOUT_MS, ERR_NOTFOUND, "/nowhere/oc: cannot be started"},
        {{"sh", "-c", "echo 'Error: no pod \"p\"' >&2; exit 1", "x", NULL},
         TIMEOUT_MS,
         ERR_RETRY,
         "no pod \"p\""},
        {{"sh", "-c", "exit 0", "x", NULL}, TIMEOUT_MS, ERR_RETRY, "destination: "},
        {{"sh", "-c", "sleep 1000", "x", NULL}, 300, ERR_RETRY, "silent for 1 s"},
        {{"sh", "-c", "yes", "x", NULL}, TIMEOUT_MS, ERR_RETRY, "too much that is no answer"},
        {{"cat", NULL}, TIMEOUT_MS, ERR_RETRY, "destination: "},    // sh: no such file
        {{"sh", "-c", "cat", "x", NULL}, 300, ERR_RETRY, "silent"}, // an echo is no answer
        {{"sh", "-c", "head -c 300000 | \"$@\"", "x", NULL},
         2000,
         ERR_RETRY,
         ""}, // amid the program
    };
    make_sample(p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
        use_prefix(p, rows[i].prefix, env, "destination", rows[i].timeout_ms);
        expect_failure(p, rows[i].code, rows[i].text);
        assert_int_equal(count_in(p->destination), 0);
    }
    use_prefix(p, (const char *const[]){"env", NULL}, NULL, "not there", TIMEOUT_MS);
    expect_failure(p, ERR_RETRY, "not there");
}

// --- streams that lie

static const char *const lies[] = {
    // cut on the way there and back, ending with 0, 1, 137 and by a signal
    "head -c $n | \"$@\"; exit 0",     "\"$@\" | head -c $n; exit 0",
    "head -c $n | \"$@\"; exit 1",     "\"$@\" | head -c $n; exit 137",
    "\"$@\" | head -c $n; kill -9 $$",
};

// Done is told only when it is, and the next send completes. The cut streams share a receiver that
// is in the PATH there.
static void check_lie(struct place *p, const char *form, unsigned at, const char *path, int ms) {
    char script[200];
    const char *const env[] = {path, NULL};
    struct files_job job = job_of(p);
    snprintf(script, sizeof script, "n=%u; %s", at, form);
    start_over(p);
    use_prefix(p, (const char *const[]){"sh", "-c", script, "x", NULL}, env, "destination", ms);
    int rc = send_job(p, &job);
    if (rc == 0) {
        expect_equal_trees(p);
    } else if (rc != ERR_RETRY) {
        fail_msg("%s: %d %s", script, rc, p->err.text);
    }
    use_prefix(p, (const char *const[]){"env", NULL}, env, "destination", TIMEOUT_MS);
    send_all(p);
    expect_equal_trees(p);
}

static void test_cut_streams(void **state) {
    struct place *p = *state;
    AUTO_FREE char *path = far_path(p);
    make_sample(p);
    for (unsigned at = 512; at <= 13 * 512; at += 512) {
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
            if (i < 2 || at % 2048 == 0) {
                check_lie(p, lies[i], at, path, 300);
            }
        }
    }
}

static void test_hanging_streams(void **state) {
    struct place *p = *state;
    AUTO_FREE char *path = far_path(p);
    make_sample(p);
    for (unsigned at = 300; at < 12000; at += 2500) {
        check_lie(p, "\"$@\" | (head -c $n; sleep 1000)", at, path, 400);
        check_lie(p, "(head -c $n; sleep 1000) | \"$@\"", at, path, 400);
    }
}

// The control: what a plain pipe of tar makes of a stream that is cut between two members.
static void test_plain_tar_is_fooled(void **state) {
    struct place *p = *state;
    char script[400];
    struct err e = {0};
    put_text_file(p->source, "a", "first");
    put_text_file(p->source, "b", "second");
    snprintf(script, sizeof script,
             "tar -C %s/source -cf - a b | head -c 1024 | tar -C %s/destination -xf -", p->dir,
             p->dir);
    const struct child_options o = {.argv = (const char *const[]){"sh", "-c", script, NULL}};
    assert_int_equal(child_run(&o, "", 0, 1000, TIMEOUT_MS, NULL, &e), 0); // "success"
    assert_true(is_there(p->destination, "a"));
    assert_false(is_there(p->destination, "b"));
}

// Built statically, and so not with a sanitizer.
static bool receiver_is_built(void) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    AUTO_FREE char *there =
        must_sprintf("%.*s/mvimig-receive", (int)(strrchr(self, '/') - self), self);
    return access(there, X_OK) == 0;
}

int main(void) {
    if (!receiver_is_built()) {
        puts("skipped: mvimig-receive is not built here");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        PLACED(test_a_receiver_is_sent_and_removed),
        PLACED(test_a_receiver_that_is_there_is_used),
        PLACED(test_any_name_of_the_root),
        PLACED(test_an_old_receiver_is_passed_over),
        PLACED(test_failures_are_told),
        PLACED(test_cut_streams),
        PLACED(test_hanging_streams),
        PLACED(test_plain_tar_is_fooled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
