// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/state_support.h"

#include <signal.h>

// A child that takes the lock and keeps it until it is killed.
static pid_t holder(int fd) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = {0};
        struct lock *l = NULL;
        int rc = lock_take(fd, "apply", 0, &l, &e);
        MUST(write(ends[1], &rc, sizeof rc) == sizeof rc);
        for (;;) {
            pause();
        }
    }
    int rc = -1;
    close(ends[1]);
    assert_int_equal(fd_read_all(ends[0], &rc, sizeof rc), 0);
    close(ends[0]);
    assert_int_equal(rc, 0);
    return pid;
}

static void finish(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void a_second_process_hears_who_has_it(void **state) {
    struct err e = {0};
    struct lock *l = NULL;
    char text[64], who[LOCK_HOLDER_TEXT];
    bool held;
    OK(lock_holder(at(state), &held, who, &e), e);
    assert_false(held);
    pid_t pid = holder(at(state));
    assert_int_equal(lock_take(at(state), "resume", 0, &l, &e), ERR_LOCKED);
    snprintf(text, sizeof text, "(process %d) since 2", (int)pid);
    assert_has(e.text, "mvimig apply on ");
    assert_has(e.text, text);
    assert_has(e.text, "wait for it to end");
    assert_null(l);
    OK(lock_holder(at(state), &held, who, &e), e);
    assert_true(held);
    assert_has(who, text);
    finish(pid);
    OK(lock_holder(at(state), &held, who, &e), e);
    assert_false(held); // the kernel gave it back
    assert_string_equal(who, "");
    OK(lock_take(at(state), "resume", 0, &l, &e), e);
    lock_release(l);
}

static void a_second_run_of_the_same_process_is_kept_away(void **state) {
    struct err e = {0};
    struct lock *l = NULL, *other = NULL;
    OK(lock_take(at(state), "apply", 0, &l, &e), e);
    assert_int_equal(lock_take(at(state), "apply", 0, &other, &e), ERR_LOCKED);
    lock_release(l);
    OK(lock_take(at(state), "apply", 0, &other, &e), e);
    lock_release(other);
    lock_release(NULL);
}

static void it_is_waited_for(void **state) {
    struct err e = {0};
    struct lock *l = NULL;
    pid_t pid = holder(at(state));
    int64_t began = clock_mono_ns();
    assert_int_equal(lock_take(at(state), "apply", 300, &l, &e), ERR_LOCKED);
    assert_in_range((clock_mono_ns() - began) / 1000000, 290, 5000);
    pid_t killer = fork();
    if (killer == 0) {
        clock_sleep_ms(300);
        kill(pid, SIGKILL);
        _exit(0);
    }
    OK(lock_take(at(state), "apply", 20000, &l, &e), e);
    lock_release(l);
    waitpid(killer, NULL, 0);
    waitpid(pid, NULL, 0);
}

static void the_text_of_a_stranger_is_escaped(void **state) {
    struct err e = {0};
    pid_t pid = holder(at(state));
    int fd = openat(at(state), "lock", O_WRONLY | O_TRUNC);
    static const char text[] = "host=a\x1b[2Jb\ncommand=ap\x9bply\n\n=x\nsince=";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd); // an OFD lock is not dropped by that
    struct lock *l = NULL;
    assert_int_equal(lock_take(at(state), "apply", 0, &l, &e), ERR_LOCKED);
    assert_has(e.text, "mvimig ap\\x9Bply on a\\x1B[2Jb (process ) since ");
    finish(pid);
}

static void the_file_is_ours_alone(void **state) {
    struct err e = {0};
    struct lock *l = NULL;
    struct stat st;
    mode_t old = umask(0777);
    OK(lock_take(at(state), "apply", 0, &l, &e), e);
    umask(old);
    assert_int_equal(fstatat(at(state), "lock", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    lock_release(l);
    assert_int_equal(unlinkat(at(state), "lock", 0), 0);
    assert_int_equal(symlinkat("elsewhere", at(state), "lock"), 0);
    assert_int_equal(lock_take(at(state), "apply", 0, &l, &e), ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
        TEST(a_second_process_hears_who_has_it),
        TEST(a_second_run_of_the_same_process_is_kept_away),
        TEST(it_is_waited_for),
        TEST(the_text_of_a_stranger_is_escaped),
        TEST(the_file_is_ours_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
