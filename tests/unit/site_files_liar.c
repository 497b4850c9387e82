// SPDX-License-Identifier: Apache-2.0
// A command prefix that lies: this program itself, called as "test_site_files_liar --lie LIE
// COMMAND...", runs the command and passes on what is said in both directions, until it cuts,
// hangs, talks in between or repeats what another attempt was answered. A send through it must
// never be told done when it is not, must end, and the next honest one must complete it.
//
// The suite takes every 512th byte with one ending each, and some random ones. script/hostile sets
// MVIMIG_LIAR=long: a batch of 200 members, every boundary with every ending, 1,000 random bytes of
// each direction.
#include <poll.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "site/file_end_exec.h"
#include "tests/unit/site_files_support.h"

#define HONEST_MS 20000
#define LYING_MS 300
#define END_MS 60000 // an attempt that takes longer hangs

static char self[4096];

// --- the liar

enum ending {
    END_0,     // the stream that is cut ends, the other goes on until it ends as well: 0
    END_1,     // the same: 1
    ALL_0,     // both end at once: 0
    ALL_137,   // both end at once: 137
    NO_STATUS, // killed
    HANG,      // nothing more is said or taken, until the sender leaves
    BANNER,    // a text in between, and on
    GARBAGE,   // other bytes in the place of what follows
    REPLAY,    // what was answered to an earlier attempt in the place of what follows
    RECORD, // no lie: the answers go into the file of REPLAY, and how much was asked into ".asked"
    N_ENDINGS
};

struct liar {
    int to_far, from_far;
    pid_t far;
    bool to_sender; // which direction is lied in
    uint64_t at, passed[2];
    enum ending ending;
    int file;
    bool lied;
};

static void say(int fd, const void *data, size_t len) {
    if (fd_write_all(fd, data, len) != 0) {
        _exit(1); // nobody listens any more
    }
}

static void start_far(struct liar *l, char **command) {
    int in[2], out[2];
    MUST(pipe(in) == 0 && pipe(out) == 0);
    l->far = fork();
    MUST(l->far >= 0);
    if (l->far == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int i = 0; i < 2; i++) {
            close(in[i]);
            close(out[i]);
        }
        execvp(command[0], command);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    l->to_far = in[1];
    l->from_far = out[0];
}

static void hang(void) {
    struct pollfd p = {.fd = 1};
    poll(&p, 1, -1); // the sender has closed
    _exit(0);
}

static void garbage(int to, size_t len) {
    unsigned seed = 7;
    char data[256];
    for (size_t left = len; left > 0;) {
        size_t part = left < sizeof data ? left : sizeof data;
        for (size_t i = 0; i < part; i++) {
            data[i] = (char)(rand_r(&seed) >> 5);
        }
        say(to, data, part);
        left -= part;
    }
}

static void replay(struct liar *l) {
    char data[4096];
    lseek(l->file, (off_t)l->at, SEEK_SET);
    for (ssize_t n; (n = read(l->file, data, sizeof data)) > 0;) {
        say(1, data, (size_t)n);
    }
    hang();
}

// What was promised at this byte. Returns true when the stream goes on behind it.
static bool lie(struct liar *l, int to, size_t rest) {
    static const char banner[] = "\nWarning: node 7 goes down for maintenance\r\n\x1b[2J";
    l->lied = true;
    switch (l->ending) {
    case ALL_0:
        _exit(0);
    case ALL_137:
        _exit(137);
    case NO_STATUS:
        kill(getpid(), SIGKILL);
        _exit(0);
    case HANG:
        hang();
        return false;
    case REPLAY:
        replay(l);
        return false;
    case BANNER:
        say(to, banner, sizeof banner - 1);
        return true;
    case GARBAGE:
        garbage(to, rest + 64);
        return false;
    default:
        return false;
    }
}

// One piece of one direction. False at the end of the stream or after a cut.
static bool pass(struct liar *l, int from, int to, bool to_sender) {
    char data[4096];
    ssize_t n = read(from, data, sizeof data);
    if (n <= 0) {
        return false;
    }
    uint64_t *passed = &l->passed[to_sender];
    bool here = l->ending != RECORD && !l->lied && l->to_sender == to_sender &&
                l->at < *passed + (uint64_t)n;
    size_t before = here ? (size_t)(l->at - *passed) : (size_t)n;
    *passed += (uint64_t)n;
    say(to, data, before);
    if (l->ending == RECORD && to_sender) {
        say(l->file, data, before);
    }
    if (!here) {
        return true;
    }
    if (!lie(l, to, (size_t)n - before)) {
        return false;
    }
    say(to, data + before, (size_t)n - before);
    return true;
}

static void write_asked(const struct liar *l, const char *answers) {
    char path[220], text[24];
    snprintf(path, sizeof path, "%s.asked", answers);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)l->passed[0]);
    say(fd, text, (size_t)n);
    close(fd);
}

// "DIRECTION AT ENDING FILE": what the other program of this file asks for.
static int liar_main(const char *what, char **command) {
    struct liar l = {0};
    unsigned long long at;
    int to_sender, ending, status;
    char path[200];
    signal(SIGPIPE, SIG_IGN);
    MUST(sscanf(what, "%d %llu %d %199s", &to_sender, &at, &ending, path) == 4);
    l.to_sender = to_sender;
    l.at = at;
    l.ending = (enum ending)ending;
    l.file = l.ending == RECORD   ? open(path, O_RDWR | O_CREAT | O_TRUNC, 0600)
             : l.ending == REPLAY ? open(path, O_RDONLY)
                                  : -1;
    start_far(&l, command);
    for (bool up = true, down = true; down;) {
        struct pollfd p[2] = {{.fd = l.from_far, .events = POLLIN},
                              {.fd = up ? 0 : -1, .events = POLLIN}};
        poll(p, 2, -1);
        if (p[0].revents != 0) {
            down = pass(&l, l.from_far, 1, true);
        }
        if (down && up && p[1].revents != 0 && !(up = pass(&l, 0, l.to_far, false))) {
            close(l.to_far);
        }
    }
    if (l.ending == RECORD) {
        write_asked(&l, path);
    }
    if (l.lied) {
        return l.ending == END_1;
    }
    return waitpid(l.far, &status, 0) == l.far && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// --- the tests

struct lying {
    struct place *p;
    bool is_long;
    char path[4200];   // PATH=... of the far side
    char answers[200]; // of an honest attempt
    uint64_t total[2];
    unsigned cases, done; // done: the lie came too late to hurt
};

static void use(struct lying *x, bool to_sender, uint64_t at, enum ending ending, int timeout_ms) {
    char what[300], root[200];
    struct err e = {0};
    snprintf(root, sizeof root, "%s/destination", x->p->dir);
    snprintf(what, sizeof what, "%d %llu %d %s", to_sender, (unsigned long long)at, (int)ending,
             x->answers);
    const struct file_end_exec o = {.label = "destination",
                                    .prefix = (const char *const[]){self, "--lie", what, NULL},
                                    .env = (const char *const[]){x->path, NULL},
                                    .root = root,
                                    .timeout_ms = timeout_ms};
    file_end_free(STEAL(x->p->end));
    assert_int_equal(file_end_exec_open(&o, &x->p->end, &e), 0);
}

static void check(struct lying *x, bool to_sender, uint64_t at, enum ending ending) {
    struct place *p = x->p;
    struct files_job job = job_of(p);
    empty_destination(p);
    use(x, to_sender, at, ending, LYING_MS);
    int64_t from = clock_mono_ns();
    int rc = send_job(p, &job);
    bool told_done = rc == 0 || p->batches > 0; // it is all one batch
    if ((clock_mono_ns() - from) / 1000000 > END_MS || (rc != 0 && rc != ERR_RETRY) ||
        strchr(p->err.text, '\x1b') != NULL) {
        fail_msg("to %s, byte %llu, ending %d: %d %s", to_sender ? "sender" : "receiver",
                 (unsigned long long)at, (int)ending, rc, p->err.text);
    }
    if (told_done) {
        x->done++;
        expect_equal_trees(p);
    }
    use(x, false, 0, RECORD, HONEST_MS);
    send_all(p);
    assert_true(!told_done || p->counts.sent == 0);
    expect_equal_trees(p);
    assert_int_equal(count_own(p), 0);
    x->cases++;
}

static void begin(struct lying *x, struct place *p) {
    const char *how = getenv("MVIMIG_LIAR");
    char name[64];
    *x = (struct lying){.p = p, .is_long = how != NULL && strcmp(how, "long") == 0};
    snprintf(x->path, sizeof x->path, "PATH=%.*s:/usr/bin:/bin", (int)(strrchr(self, '/') - self),
             self);
    snprintf(x->answers, sizeof x->answers, "%s/answers", p->dir);
    for (unsigned i = 0; i < (x->is_long ? 200 : 8); i++) {
        snprintf(name, sizeof name, "d%u/%u", i % 5, i);
        put_seeded(p->source, name, 37 * (i % 40), i);
    }
    assert_int_equal(symlinkat("0", p->source, "d0/link"), 0);
    put_text_file(p->source, "cafe\xcc\x81 \xff", "decomposed, and no UTF-8");
    use(x, false, 0, RECORD, HONEST_MS);
    send_all(p);
    expect_equal_trees(p);
}

// How long both streams of an honest attempt are.
static void measure(struct lying *x) {
    struct stat st;
    char path[220], text[24] = "";
    assert_int_equal(fstatat(AT_FDCWD, x->answers, &st, 0), 0);
    snprintf(path, sizeof path, "%s.asked", x->answers);
    AUTO_CLOSE int fd = open(path, O_RDONLY);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    x->total[0] = strtoull(text, NULL, 10);
    x->total[1] = (uint64_t)st.st_size;
    print_message("%llu bytes to the receiver, %llu from it\n", (unsigned long long)x->total[0],
                  (unsigned long long)x->total[1]);
}

static void finish(struct lying *x, const char *what) {
    print_message("%s: %u lies, %u of them too late to hurt, none believed\n", what, x->cases,
                  x->done);
    assert_true(x->done < x->cases);
}

static void test_cut_at_every_block(void **state) {
    struct lying x;
    begin(&x, *state);
    measure(&x);
    unsigned turn = 0;
    for (int to_sender = 0; to_sender < 2; to_sender++) {
        for (uint64_t at = 0; at < x.total[to_sender]; at += 512) {
            for (int ending = 0; ending < HANG; ending++) {
                if (x.is_long || ending == (int)(turn % HANG)) {
                    check(&x, to_sender, at, (enum ending)ending);
                }
            }
            turn++;
        }
    }
    finish(&x, "cut at every 512 bytes");
}

static void test_cut_at_random(void **state) {
    struct lying x;
    const char *given = getenv("MVIMIG_SEED");
    unsigned seed = given == NULL ? (unsigned)time(NULL) : (unsigned)strtoul(given, NULL, 10),
             first = seed;
    begin(&x, *state);
    measure(&x);
    print_message("seed %u\n", first);
    for (int to_sender = 0; to_sender < 2; to_sender++) {
        for (int i = 0; i < (x.is_long ? 1000 : 20); i++) {
            uint64_t at = (uint64_t)rand_r(&seed) % x.total[to_sender];
            check(&x, to_sender, at, (enum ending)(rand_r(&seed) % HANG));
        }
    }
    finish(&x, "cut at random bytes");
}

static void each_of(struct lying *x, enum ending ending, bool to_sender, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        check(x, to_sender, x->total[to_sender] * i / n, ending);
    }
}

static void test_hangs(void **state) {
    struct lying x;
    begin(&x, *state);
    measure(&x);
    each_of(&x, HANG, false, x.is_long ? 200 : 5);
    each_of(&x, HANG, true, x.is_long ? 100 : 5);
    finish(&x, "hangs");
}

static void test_talk_in_between(void **state) {
    struct lying x;
    begin(&x, *state);
    measure(&x);
    for (int to_sender = 0; to_sender < 2; to_sender++) {
        each_of(&x, BANNER, to_sender, x.is_long ? 200 : 6);
        each_of(&x, GARBAGE, to_sender, x.is_long ? 200 : 6);
    }
    finish(&x, "banners and garbage");
}

// From some byte on the sender hears what an earlier attempt was told: its receipt at the end.
static void test_old_answers(void **state) {
    struct lying x;
    begin(&x, *state);
    measure(&x);
    AUTO_FREE char *kept = must_sprintf("%s.kept", x.answers);
    assert_int_equal(rename(x.answers, kept), 0);
    for (uint64_t i = 0, n = x.is_long ? 300 : 12; i < n; i++) {
        char now[200];
        memcpy(now, x.answers, sizeof now);
        snprintf(x.answers, sizeof x.answers, "%s", kept);
        struct place *p = x.p;
        struct files_job job = job_of(p);
        uint64_t at = x.total[1] * i / n;
        empty_destination(p);
        use(&x, true, at, REPLAY, LYING_MS);
        int rc = send_job(p, &job);
        // From behind the last byte of the last receipt on there is only the goodbye.
        if (rc == 0 || p->batches > 0) {
            x.done++;
            expect_equal_trees(p);
        } else {
            assert_int_equal(rc, ERR_RETRY);
        }
        memcpy(x.answers, now, sizeof now);
        use(&x, false, 0, RECORD, HONEST_MS);
        send_all(p);
        expect_equal_trees(p);
        x.cases++;
    }
    finish(&x, "answers of an earlier attempt");
}

// The control: a pipe of tar, cut by the same liar between two members, ends with 0 everywhere.
static void test_plain_tar_is_fooled(void **state) {
    struct place *p = *state;
    put_text_file(p->source, "a", "first");
    put_text_file(p->source, "b", "second");
    AUTO_FREE char *script =
        must_sprintf("set -o pipefail; tar -C %s/source -cf - a b | %s --lie '0 1024 %d -' tar -C "
                     "%s/destination -xf -",
                     p->dir, self, (int)END_0, p->dir);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/bash", "bash", "-c", script, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0); // "success"
    assert_true(is_there(p->destination, "a"));
    assert_false(is_there(p->destination, "b"));
}

int main(int argc, char **argv) {
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    MUST(n > 0);
    if (argc > 3 && strcmp(argv[1], "--lie") == 0) {
        return liar_main(argv[2], argv + 3);
    }
    AUTO_FREE char *there =
        must_sprintf("%.*s/mvimig-receive", (int)(strrchr(self, '/') - self), self);
    if (access(there, X_OK) != 0) {
        puts("skipped: mvimig-receive is not built here"); // it is static: not with a sanitizer
        return 77;
    }
    const struct CMUnitTest tests[] = {
        PLACED(test_cut_at_every_block),
        PLACED(test_cut_at_random),
        PLACED(test_hangs),
        PLACED(test_talk_in_between),
        PLACED(test_old_answers),
        PLACED(test_plain_tar_is_fooled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
