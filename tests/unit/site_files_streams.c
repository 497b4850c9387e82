// SPDX-License-Identifier: Apache-2.0
// A step that has much to send gets further streams. What arrives, what is told, counted and
// written into the manifest must be what one stream brings, whichever of them has sent a file; and
// one that breaks or cannot be opened must cost time and nothing else.
#include <pthread.h>

#include "site/file_end_exec.h"
#include "tests/unit/site_files_support.h"

#define FILES 400
#define LARGE (600u << 10) // ranges are of 256 KiB here
#define STREAMS 8

static char self[4096];

// An end that opens what another one has, and breaks it.
struct breaking {
    struct file_end end;
    struct file_end *real;
    struct file_stream streams[STREAMS];
    _Atomic int opened;
    int fails_from; // which streams cannot be opened; 0: none
};

static int breaking_open(struct file_end *end, struct file_stream *s, struct err *e) {
    struct breaking *b = (struct breaking *)end;
    int n = b->opened++;
    if (b->fails_from > 0 && n >= b->fails_from) {
        return err_set(e, ERR_RETRY, "too many sessions");
    }
    int rc = b->real->open(b->real, s, e);
    if (rc == 0 && n < STREAMS) {
        b->streams[n] = *s;
    }
    return rc;
}

static void breaking_close(struct file_end *end, struct file_stream *s) {
    struct breaking *b = (struct breaking *)end;
    b->real->close(b->real, s);
}

static void breaking_free(struct file_end *end) {
    (void)end;
}

struct watch {
    struct place *p;
    pthread_t main;
    struct breaking breaking;
    int may, given; // further streams
    uint64_t laid, carried;
    uint64_t bytes;
    int breaks;        // which stream breaks; -1: none
    uint64_t break_at; // after so many files
};

static bool on_more(void *arg) {
    struct watch *w = arg;
    assert_true(pthread_equal(pthread_self(), w->main));
    bool more = w->given < w->may;
    w->given += more;
    return more;
}

static void on_less(void *arg) {
    struct watch *w = arg;
    assert_true(pthread_equal(pthread_self(), w->main));
    w->given--;
}

static int watch_batch(void *arg, const struct files_batch *b, struct err *e) {
    return on_batch(((struct watch *)arg)->p, b, e);
}
static int watch_conflict(void *arg, const struct files_conflict *c, struct err *e) {
    return on_conflict(((struct watch *)arg)->p, c, e);
}
static int watch_problem(void *arg, const char *path, const char *class, const char *detail,
                         struct err *e) {
    return on_problem(((struct watch *)arg)->p, path, class, detail, e);
}
static void watch_note(void *arg, const char *text) {
    on_note(((struct watch *)arg)->p, text);
}
static void watch_laid(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE]) {
    struct watch *w = arg;
    struct stat st;
    (void)digest;
    w->laid++;
    w->carried += !pthread_equal(pthread_self(), w->main);
    assert_int_equal(fstatat(w->p->destination, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISDIR(st.st_mode) == (type == TREE_DIR));
}
static void watch_progress(void *arg, uint64_t files, uint64_t bytes) {
    struct watch *w = arg;
    on_progress(w->p, files, bytes);
    w->bytes += bytes;
    if (w->breaks >= 0 && w->p->progress_files >= w->break_at && w->breaks < w->breaking.opened &&
        w->breaking.streams[w->breaks].channel != NULL) {
        channel_close(w->breaking.streams[w->breaks].channel, 1);
        w->breaks = -1;
    }
}

static struct files_job job_watched(struct watch *w, struct place *p, int may) {
    *w = (struct watch){.p = p, .main = pthread_self(), .may = may, .breaks = -1};
    w->breaking = (struct breaking){.end = {.label = "destination",
                                            .open = breaking_open,
                                            .close = breaking_close,
                                            .free = breaking_free},
                                    .real = p->end};
    struct files_job job = job_of(p);
    memcpy(job.token, "0123456789abcdef", FILES_TOKEN);
    job.arg = w;
    job.batch = watch_batch;
    job.conflict = watch_conflict;
    job.problem = watch_problem;
    job.note = watch_note;
    job.laid = watch_laid;
    job.progress = watch_progress;
    job.stream_more = on_more;
    job.stream_less = on_less;
    return job;
}

static int send_watched(struct watch *w, const struct files_job *job) {
    struct place *p = w->p;
    p->end = &w->breaking.end;
    int rc = send_job(p, job);
    p->end = w->breaking.real;
    if (rc != 0 && w->break_at == 0) {
        print_message("files_send: %d %s\n", rc, p->err.text);
    }
    assert_int_equal(w->given, 0);
    return rc;
}

static void read_manifest(struct place *p, struct buf *out) {
    char data[4096];
    assert_int_equal(lseek(p->manifest, 0, SEEK_SET), 0);
    for (ssize_t n; (n = read(p->manifest, data, sizeof data)) > 0;) {
        buf_put(out, data, (size_t)n);
    }
}

// Of all that a step may meet; many files in one directory, and in one with others inside.
static void make_source(struct place *p) {
    char name[64];
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%s%04u", i % 3 == 0 ? "d/sub/" : i % 3 == 1 ? "d/" : "", i);
        put_seeded(p->source, name, 37 * (i % 90), i);
        set_time(p->source, name, INT64_C(1500000000123456789) + i);
    }
    put_seeded(p->source, "d/large", LARGE, 7);
    put_seeded(p->source, "d/sub/zz-large", LARGE + 1, 8);
    put_text_file(p->source, "d/hard-1", "one file of two names");
    assert_int_equal(linkat(p->source, "d/hard-1", p->source, "d/sub/hard-2", 0), 0);
    assert_int_equal(symlinkat("0001", p->source, "d/link"), 0);
    assert_int_equal(mkdirat(p->source, "d/empty", 0750), 0);
    assert_int_equal(mkdirat(p->source, "d/zzz", 0711), 0);
    put_text_file(p->source, "d/zzz/one", "behind");
    assert_int_equal(mkdirat(p->source, "e", 0755), 0);
    for (unsigned i = 0; i < 120; i++) { // the sender's batch that ends "d" is not its last one
        snprintf(name, sizeof name, "e/%04u", i);
        assert_int_equal(symlinkat("somewhere", p->source, name), 0);
    }
    for (unsigned i = 0; i < 90; i++) {
        snprintf(name, sizeof name, "f/%04u", i);
        put_seeded(p->source, name, 37 * i, i);
    }
    set_time(p->source, "f", INT64_C(1400000000000000005));
    set_time(p->source, "e", INT64_C(1400000000000000004));
    set_time(p->source, "d/zzz", INT64_C(1400000000000000003));
    set_time(p->source, "d/sub", INT64_C(1400000000000000001));
    set_time(p->source, "d", INT64_C(1400000000000000002));
}

// Some of it is there: equal, with other content, older, as something else. What is in doubt holds
// back the ends of directories, so that it lies in the last one.
static void make_destination(struct place *p) {
    put_seeded(p->destination, "0002", 37 * 2, 2);
    set_time(p->destination, "0002", INT64_C(1500000000123456789) + 2);
    put_text_file(p->destination, "f/0033", "somebody's");
    put_text_file(p->destination, "f/0077", "and here");
    put_seeded(p->destination, "f/0050", 37 * 50, 50); // its time differs
    put_text_file(p->destination, "d/zzz", "in the place of a directory");
}

static void start_over(struct place *p) {
    empty_destination(p);
    make_destination(p);
}

// What one stream brings and tells.
struct one {
    struct files_counts counts;
    struct buf manifest, told;
    char digest[HASH_HEX];
    uint64_t laid, files, bytes;
};

static void send_by_one(struct place *p, struct one *o) {
    struct watch w;
    struct files_job job = job_watched(&w, p, 0);
    start_over(p);
    assert_int_equal(send_watched(&w, &job), 0);
    assert_int_equal(w.carried, 0);
    *o = (struct one){.counts = p->counts,
                      .manifest = BUF_INIT(1 << 22),
                      .told = BUF_INIT(1 << 22),
                      .laid = w.laid,
                      .files = p->progress_files,
                      .bytes = w.bytes};
    read_manifest(p, &o->manifest);
    buf_put(&o->told, p->told.data, p->told.len);
    memcpy(o->digest, p->digest, sizeof o->digest);
    expect_equal_trees(p);
}

static void one_free(struct one *o) {
    buf_free(&o->manifest);
    buf_free(&o->told);
}

static void expect_manifest(struct place *p, const struct one *o) {
    AUTO_BUF struct buf m = BUF_INIT(1 << 22);
    read_manifest(p, &m);
    assert_string_equal(buf_str(&m), buf_str((struct buf *)&o->manifest));
    assert_string_equal(p->digest, o->digest);
}

static void expect_as_one(struct watch *w, const struct one *o) {
    struct place *p = w->p;
    expect_equal_trees(p);
    assert_int_equal(count_own(p), 0);
    assert_memory_equal(&p->counts, &o->counts, sizeof o->counts);
    expect_manifest(p, o);
    assert_string_equal(buf_str(&p->told), buf_str((struct buf *)&o->told));
    assert_int_equal(w->laid, o->laid);
    assert_int_equal(p->progress_files, o->files);
    assert_int_equal(w->bytes, o->bytes);
}

// --- tests

static void test_as_one(void **state) {
    struct place *p = *state;
    struct one o;
    make_source(p);
    send_by_one(p, &o);
    for (int may = 1; may <= 5; may += 2) {
        struct watch w;
        struct files_job job = job_watched(&w, p, may);
        start_over(p);
        assert_int_equal(send_watched(&w, &job), 0);
        assert_int_equal(w.breaking.opened, 1 + (may < 3 ? may : 3));
        assert_true(w.carried > 0);
        expect_as_one(&w, &o);
        verify(p, true, "");
        // And nothing is left to be sent.
        job = job_watched(&w, p, may);
        assert_int_equal(send_watched(&w, &job), 0);
        assert_int_equal(w.breaking.opened, 1);
        assert_int_equal(p->counts.sent, 0);
    }
    one_free(&o);
}

static void reach(struct place *p, enum file_receiver receiver) {
    struct err e = {0};
    char root[200], path[4200];
    snprintf(root, sizeof root, "%s/destination", p->dir);
    snprintf(path, sizeof path, "PATH=%.*s:/usr/bin:/bin", (int)(strrchr(self, '/') - self), self);
    const struct file_end_exec o = {.label = "destination",
                                    .prefix = (const char *const[]){"env", NULL},
                                    .env = (const char *const[]){path, NULL},
                                    .root = root,
                                    .receiver = receiver};
    file_end_free(STEAL(p->end));
    assert_int_equal(file_end_exec_open(&o, &p->end, &e), 0);
}

static void send_to_far(struct place *p, enum file_receiver receiver) {
    struct one o;
    struct watch w;
    make_source(p);
    reach(p, receiver);
    send_by_one(p, &o);
    start_over(p);
    struct files_job job = job_watched(&w, p, 3);
    assert_int_equal(send_watched(&w, &job), 0);
    assert_int_equal(w.breaking.opened, 4);
    assert_true(w.carried > 0);
    expect_as_one(&w, &o);
    one_free(&o);
}

static void test_to_receivers(void **state) {
    send_to_far(*state, RECEIVER_MVIMIG);
}

static void test_to_tar(void **state) {
    send_to_far(*state, RECEIVER_TAR);
}

// Each stream in turn, at another moment.
static void test_one_breaks(void **state) {
    struct place *p = *state;
    struct one o;
    make_source(p);
    send_by_one(p, &o);
    for (int which = 0; which < 4; which++) {
        struct watch w;
        struct files_job job = job_watched(&w, p, 3);
        start_over(p);
        w.breaks = which;
        w.break_at = 40 + (uint64_t)which * (FILES / 4);
        assert_int_equal(send_watched(&w, &job), ERR_RETRY);
        uint64_t sent = p->counts.sent, sent_bytes = p->counts.sent_bytes;
        assert_true(w.laid <= sent); // what is somebody else's by policy is not told
        job = job_watched(&w, p, 3);
        assert_int_equal(send_watched(&w, &job), 0);
        // What was on its way without a receipt was found there.
        assert_true(sent + p->counts.sent <= o.counts.sent);
        assert_true(sent_bytes + p->counts.sent_bytes <= o.counts.sent_bytes);
        assert_int_equal(p->counts.files, o.counts.files);
        assert_int_equal(p->counts.bytes, o.counts.bytes);
        expect_equal_trees(p);
        assert_int_equal(count_own(p), 0);
    }
    one_free(&o);
}

// One that does not open is told once and done without.
static void test_one_does_not_open(void **state) {
    struct place *p = *state;
    struct one o;
    make_source(p);
    send_by_one(p, &o);
    for (int from = 1; from <= 3; from += 2) {
        struct watch w;
        struct files_job job = job_watched(&w, p, 3);
        start_over(p);
        w.breaking.fails_from = from;
        assert_int_equal(send_watched(&w, &job), 0);
        expect_equal_trees(p);
        expect_manifest(p, &o);
        assert_memory_equal(&p->counts, &o.counts, sizeof o.counts);
        const char *note = strstr(buf_str(&p->told), "note no further stream could be opened");
        assert_non_null(note);
        assert_non_null(strstr(note, "too many sessions"));
        assert_null(strstr(note + 5, "note "));
    }
    one_free(&o);
}

int main(int argc, char **argv) {
    (void)argc;
    (void)argc;
    assert_non_null(realpath(argv[0], self));
    setenv("MVIMIG_FAULT", "streams-soon:fail,ranges-small:fail", 1);
    const struct CMUnitTest tests[] = {
        PLACED(test_as_one),     PLACED(test_to_receivers),      PLACED(test_to_tar),
        PLACED(test_one_breaks), PLACED(test_one_does_not_open),
    };
    return cmocka_run_group_tests_name("further streams", tests, NULL, NULL);
}
