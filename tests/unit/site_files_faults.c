// SPDX-License-Identifier: Apache-2.0
// Sending files while everything breaks: kills and failures at every fault point, files that change
// while they are read, dead and living neighbours, no right to chown.
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "site/stage.h"
#include "tests/unit/site_files_support.h"

static const char *self; // this program

static void make_sample(struct place *p) {
    char path[64];
    for (unsigned i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "d%u/%u", i % 7, i);
        put_seeded(p->source, path, 1000 * i, i);
    }
    unlinkat(p->source, "d0/link", 0);
    unlinkat(p->source, "d1/hard", 0);
    assert_int_equal(symlinkat("0", p->source, "d0/link"), 0);
    assert_int_equal(linkat(p->source, "d0/7", p->source, "d1/hard", 0), 0);
    put_text_file(p->destination, "d0/0", "stands there and is replaced");
    put_text_file(p->destination, "d0/other", "of somebody else");
}

// Somebody else's file at the destination is left out of the comparison.
static void expect_complete(struct place *p) {
    expect_text_file(p->destination, "d0/other", "of somebody else");
    assert_int_equal(unlinkat(p->destination, "d0/other", 0), 0);
    struct stat st;
    assert_int_equal(fstatat(p->source, "d0", &st, 0), 0);
    set_time(p->destination, "d0", st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec);
    expect_equal_trees(p);
    assert_int_equal(count_own(p), 0);
}

// --- a send in a process of its own, with a fault

static int child_send(const char *dir) {
    struct place p = {.told = BUF_INIT(1 << 24)};
    char path[128];
    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof path, "%s/destination", dir);
    if (file_end_directory("destination", path, &p.end, &p.err) != 0) {
        return 99;
    }
    snprintf(path, sizeof path, "%s/source", dir);
    p.source = open(path, O_RDONLY | O_DIRECTORY);
    struct files_job job = job_of(&p);
    job.manifest_fd = -1;
    int rc = files_send(p.end, &job, &p.counts, p.digest, &p.err);
    file_end_free(p.end);
    buf_free(&p.told);
    close(p.source);
    return p.batches > 0 && rc != 0 ? 98 : -rc;
}

static int run_child_to(struct place *p, const char *what, const char *fault) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("MVIMIG_FAULT", fault, 1);
        execl(self, self, what, p->dir, (char *)NULL);
        _exit(97);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int run_child(struct place *p, const char *fault) {
    return run_child_to(p, "--send", fault);
}

static const char *const points[] = {"stage-make",           "stage-write",        "stage-fsync",
                                     "files-before-rename",  "files-after-rename", "dir-fsync",
                                     "files-before-receipt", "files-receipt-lost"};

static void test_killed_at_each_point(void **state) {
    struct place *p = *state;
    char fault[80];
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        empty_destination(p);
        make_sample(p);
        snprintf(fault, sizeof fault, "%s:kill:%d", points[i],
                 strcmp(points[i], "stage-write") == 0 ? 9 : 1);
        int status = run_child(p, fault);
        // So many directories are synced at once, not one by one.
        bool met = strcmp(points[i], "dir-fsync") != 0;
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, met ? SIGKILL : 0);
        send_all(p);
        expect_complete(p);
    }
}

static void test_failed_at_each_point(void **state) {
    struct place *p = *state;
    make_sample(p);
    char fault[80];
    static const char *const errors[] = {"EIO", "ENOSPC", "EDQUOT", "EROFS"};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        for (size_t k = 0; k < 4; k++) {
            snprintf(fault, sizeof fault, "%s:fail=%s:1", points[i], errors[k]);
            int status = run_child(p, fault);
            assert_true(WIFEXITED(status));
            int code = WEXITSTATUS(status);
            if (code != 0 && code != -ERR_RETRY && code != -ERR_FAILED) {
                print_message("%s: exit %d\n", fault, code);
            }
            // Failed before anything was receipted; what was done earlier is found to be done.
            assert_true(code == 0 || code == -ERR_RETRY || code == -ERR_FAILED);
            assert_int_equal(count_own(p), 0);
        }
    }
    send_all(p);
    expect_complete(p);
}

// The batch that could not be synced is sent anew, not synced anew.
static void test_a_failed_sync_sends_again(void **state) {
    struct place *p = *state;
    make_sample(p);
    int status = run_child(p, "stage-fsync:fail=EIO:1");
    assert_int_equal(WEXITSTATUS(status), -ERR_RETRY);
    assert_false(is_there(p->destination, "d1"));
    send_all(p);
    assert_int_equal(p->counts.sent, p->counts.files - p->counts.present - p->counts.mended);
    assert_true(p->counts.sent >= 35);
    expect_complete(p);
}

// Before Linux 5.8 syncfs says nothing of what could not be written; each file is asked then.
static void test_a_file_that_was_not_written(void **state) {
    struct place *p = *state;
    make_sample(p);
    int status = run_child(p, "syncfs-silent:fail,file-fsync:fail=EIO:5");
    assert_int_equal(WEXITSTATUS(status), -ERR_RETRY);
    assert_false(is_there(p->destination, "d1"));
    assert_int_equal(count_own(p), 0);
    assert_int_equal(WEXITSTATUS(run_child(p, "syncfs-silent:fail")), 0);
    expect_complete(p);
}

// A disk that writes less than it was given is asked to write the rest; one that only says it has
// written is found out when it is read back, and the batch is sent anew.
static void test_a_disk_that_writes_less(void **state) {
    struct place *p = *state;
    make_sample(p);
    assert_int_equal(WEXITSTATUS(run_child(p, "stage-lies:fail:7")), -ERR_RETRY);
    assert_false(is_there(p->destination, "d1"));
    assert_int_equal(count_own(p), 0);
    assert_int_equal(WEXITSTATUS(run_child(p, "stage-short:fail:3+")), 0);
    expect_complete(p);
}

// Ends like a kill between the renames and the receipt: the next attempt finds all of it there.
static void test_a_lost_receipt_sends_nothing_again(void **state) {
    struct place *p = *state;
    make_sample(p);
    int status = run_child(p, "files-receipt-lost:fail:1");
    assert_int_equal(WEXITSTATUS(status), -ERR_RETRY);
    send_all(p);
    assert_int_equal(p->counts.sent, 0);
    expect_complete(p);
}

static void test_killed_at_random(void **state) {
    struct place *p = *state;
    make_sample(p);
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            execl(self, self, "--send", p->dir, (char *)NULL);
            _exit(97);
        }
        struct timespec ts = {.tv_nsec = rand_r(&seed) % 12000000};
        nanosleep(&ts, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &(int){0}, 0), pid);
        if (i % 4 == 3) { // start over, so that not everything is there after the first ones
            assert_int_equal(path_remove_tree(p->destination, "d2"), 0);
            put_text_file(p->destination, "d3/3", "changed there");
        }
    }
    send_all(p);
    expect_complete(p);
}

// --- a source in use

struct writer {
    pthread_t thread;
    struct place *p;
    int how;
    atomic_bool stop;
};

static void *write_on(void *arg) {
    struct writer *w = arg;
    for (unsigned i = 0; !atomic_load(&w->stop); i++) {
        int fd = openat(w->p->source, "busy", O_WRONLY);
        if (w->how == 'g') {
            lseek(fd, 0, SEEK_END);
            fd_write_all(fd, "more", 4);
        } else if (w->how == 's') {
            MUST(ftruncate(fd, (30 << 20) - (i % 1000) * 1000) == 0);
        } else {
            MUST(pwrite(fd, &i, sizeof i, 1000) == (ssize_t)sizeof i);
        }
        close(fd);
        struct timespec ts = {.tv_nsec = 200000};
        nanosleep(&ts, NULL);
    }
    return NULL;
}

static void test_files_that_do_not_hold_still(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "a", "a");
    put_text_file(p->source, "z", "z");
    for (const char *how = "gso"; *how != 0; how++) {
        put_seeded(p->source, "busy", 30 << 20, 3);
        struct writer w = {.p = p, .how = *how};
        assert_int_equal(pthread_create(&w.thread, NULL, write_on, &w), 0);
        // A busy machine may not let the writer run while the file is read: then it held still.
        int rounds = 0;
        do {
            assert_int_equal(path_remove_tree(p->destination, "busy"), 0);
            send_all(p);
        } while (p->told.len == 0 && ++rounds < 100);
        atomic_store(&w.stop, true);
        pthread_join(w.thread, NULL);
        expect_told(p, "problem busy changed|");
        assert_int_equal(p->counts.problems, 1);
        expect_text_file(p->destination, "a", "a");
        expect_text_file(p->destination, "z", "z");
        assert_false(is_there(p->destination, "busy"));
    }
    send_all(p); // it holds still now
    expect_equal_trees(p);
    verify(p, true, "");
}

static void test_read_again_after_it_moved_once(void **state) {
    struct place *p = *state;
    make_sample(p);
    int status = run_child(p, "source-read:fail:5");
    assert_int_equal(WEXITSTATUS(status), 0);
    expect_complete(p);
}

static void *vanish(void *arg) {
    struct place *p = arg;
    char path[32];
    for (int i = 2999; i >= 0; i--) {
        snprintf(path, sizeof path, "d/%04d", i);
        unlinkat(p->source, path, 0);
    }
    return NULL;
}

static void test_files_that_vanish(void **state) {
    struct place *p = *state;
    char path[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "d/%04d", i);
        put_text_file(p->source, path, path);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, vanish, p), 0);
    send_all(p);
    pthread_join(thread, NULL);
    // Each was sent or told; no name was made up.
    uint64_t vanished = 0;
    for (const char *at = buf_str(&p->told); (at = strstr(at, " vanished|")) != NULL; at++) {
        vanished++;
    }
    assert_int_equal(vanished, p->counts.problems);
    verify(p, true, "");
}

static void test_unreadable(void **state) {
    struct place *p = *state;
    if (geteuid() != 0) {
        skip();
    }
    put_text_file(p->source, "secret", "x");
    put_text_file(p->source, "closed/x", "x");
    put_text_file(p->source, "open/x", "x");
    assert_int_equal(fchmodat(p->source, "secret", 0600, 0), 0);
    assert_int_equal(fchmodat(p->source, "closed", 0700, 0), 0);
    assert_int_equal(fchmod(p->root, 0755), 0);
    assert_int_equal(fchown(p->destination, 65534, 65534), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) {
            _exit(96);
        }
        p->manifest = -1;
        struct files_job job = job_of(p);
        int rc = files_send(p->end, &job, &p->counts, p->digest, &p->err);
        bool told =
            strcmp(buf_str(&p->told), "note the destination cannot keep: owner and group|"
                                      "problem closed unreadable|problem secret unreadable|") == 0;
        buf_clear(&p->told);
        p->batches = 0;
        struct files_counts first = p->counts;
        rc = rc != 0 ? rc : files_send(p->end, &job, &p->counts, p->digest, &p->err);
        if (rc != 0 || !told || first.sent != 3 || p->counts.sent + p->counts.mended != 0) {
            dprintf(2, "rc %d %s, sent %d, mended %d, told %s\n", rc, p->err.text,
                    (int)p->counts.sent, (int)p->counts.mended, buf_str(&p->told));
            _exit(95);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    expect_text_file(p->destination, "open/x", "x");
    assert_true(is_there(p->destination, "closed")); // a directory whose content is not known
}

// An owner may write into a directory of his that is write-protected, and it is so afterwards.
static void test_protected_directories(void **state) {
    struct place *p = *state;
    if (geteuid() != 0) {
        skip();
    }
    put_text_file(p->source, "d/one", "x");
    assert_int_equal(fchmodat(p->source, "d", 0555, 0), 0);
    assert_int_equal(fchmod(p->root, 0755), 0);
    assert_int_equal(fchown(p->destination, 65534, 65534), 0);
    for (int round = 0; round < 2; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (setgid(65534) != 0 || setuid(65534) != 0) {
                _exit(96);
            }
            p->manifest = -1;
            struct files_job job = job_of(p);
            int rc = files_send(p->end, &job, &p->counts, p->digest, &p->err);
            _exit(rc != 0 || p->counts.problems != 0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        struct stat st;
        assert_int_equal(fstatat(p->destination, "d", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0555);
        put_text_file(p->source, "d/two", "y");
    }
    expect_text_file(p->destination, "d/two", "y");
}

// --- neighbours

static void test_the_dead_are_swept_the_living_are_not(void **state) {
    struct place *p = *state;
    static const char dead[] = ".mvimig-staging-00000000000000000000000000000001";
    static const char alive[] = ".mvimig-staging-00000000000000000000000000000002";
    static const char unlocked[] = ".mvimig-staging-00000000000000000000000000000003";
    static const char link[] = ".mvimig-staging-00000000000000000000000000000005";
    static const char other[] = ".mvimig-staging-notes";
    char path[128];
    const char *const all[] = {dead, alive, unlocked, other};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/7/file", all[i]);
        put_text_file(p->destination, path, "x");
    }
    put_text_file(p->outside, "lock", "");
    assert_int_equal(symlinkat("../outside", p->destination, link), 0);
    snprintf(path, sizeof path, "%s/lock", dead);
    put_text_file(p->destination, path, "");
    snprintf(path, sizeof path, "%s/lock", alive);
    put_text_file(p->destination, path, "");
    int lock = openat(p->destination, path, O_RDWR);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    put_text_file(p->source, "f", "x");
    send_all(p);
    assert_false(is_there(p->destination, dead));
    assert_true(is_there(p->destination, alive));
    assert_false(is_there(p->destination, unlocked));
    assert_true(is_there(p->destination, other));
    assert_true(is_there(p->destination, link));
    assert_true(is_there(p->outside, "lock"));
    close(lock);
    send_all(p);
    assert_false(is_there(p->destination, alive));
}

// A session that begins while others sweep has its folder from its opening to its end.
struct opener {
    int rootfd, after_ms;
    unsigned number, lost;
};

static void *open_and_look(void *arg) {
    struct opener *o = arg;
    struct stage s = STAGE_INIT;
    struct err e = {0};
    struct stat named, held;
    uint8_t nonce[PROTOCOL_NONCE] = {(uint8_t)o->number};
    char lock[STAGE_NAME_MAX + 8];
    clock_sleep_ms(o->after_ms);
    bool lost = stage_open(&s, o->rootfd, nonce, &e) != 0;
    snprintf(lock, sizeof lock, "%s/lock", s.name);
    for (int looks = 0; looks < 15 && !lost; looks++) {
        lost = fstatat(o->rootfd, lock, &named, 0) != 0 || fstat(s.lock, &held) != 0 ||
               named.st_ino != held.st_ino;
        clock_sleep_ms(10);
    }
    o->lost = lost;
    stage_close(&s);
    return NULL;
}

static int child_open(const char *dir) {
    static const int after_ms[] = {0, 5, 30};
    struct opener o[3];
    pthread_t threads[3];
    char path[128];
    snprintf(path, sizeof path, "%s/destination", dir);
    int rootfd = open(path, O_RDONLY | O_DIRECTORY);
    unsigned lost = 0;
    for (unsigned i = 0; i < 3; i++) {
        o[i] = (struct opener){.rootfd = rootfd, .after_ms = after_ms[i], .number = i};
        if (pthread_create(&threads[i], NULL, open_and_look, &o[i]) != 0) {
            return 2;
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        lost += o[i].lost;
    }
    close(rootfd);
    return lost > 0 ? 1 : 0;
}

// The first folder stands unlocked for 60 ms, so that the second session sweeps it; the third has
// opened that folder's lock by then, and gets it when the first has made another of the same name.
static void test_nobody_s_folder_is_swept_while_it_is_made(void **state) {
    struct place *p = *state;
    int status = run_child_to(p, "--open", "stage-lock:sleep=60:1,stage-sweep:sleep=50");
    assert_int_equal(status, 0);
    send_all(p); // sweeps what two that swept the same may have left
    assert_int_equal(count_own(p), 0);
}

static void *send_beside(void *arg) {
    struct place *p = arg;
    struct files_counts counts;
    struct err e = {0};
    char digest[HASH_HEX];
    struct files_job job = job_of(p);
    struct place own = *p;
    own.told = (struct buf)BUF_INIT(1 << 20);
    own.batches = 0;
    job.arg = &own;
    job.manifest_fd = -1;
    int rc = files_send(p->end, &job, &counts, digest, &e);
    buf_free(&own.told);
    return (void *)(intptr_t)rc;
}

static void test_streams_side_by_side(void **state) {
    struct place *p = *state;
    make_sample(p);
    assert_int_equal(unlinkat(p->destination, "d0/0", 0), 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, send_beside, p), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *rc;
        pthread_join(threads[i], &rc);
        assert_int_equal((intptr_t)rc, 0);
    }
    send_all(p);
    expect_complete(p);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        PLACED(test_killed_at_each_point),
        PLACED(test_failed_at_each_point),
        PLACED(test_a_failed_sync_sends_again),
        PLACED(test_a_file_that_was_not_written),
        PLACED(test_a_disk_that_writes_less),
        PLACED(test_a_lost_receipt_sends_nothing_again),
        PLACED(test_killed_at_random),
        PLACED(test_files_that_do_not_hold_still),
        PLACED(test_read_again_after_it_moved_once),
        PLACED(test_files_that_vanish),
        PLACED(test_unreadable),
        PLACED(test_protected_directories),
        PLACED(test_the_dead_are_swept_the_living_are_not),
        PLACED(test_nobody_s_folder_is_swept_while_it_is_made),
        PLACED(test_streams_side_by_side),
    };
    if (argc == 3 && strcmp(argv[1], "--send") == 0) {
        return child_send(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "--open") == 0) {
        return child_open(argv[2]);
    }
    self = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
