// SPDX-License-Identifier: Apache-2.0
// Frames and payloads: what goes in comes out, however it is cut; what is no frame is refused.
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "site/protocol.h"

struct ends {
    int pair[2];
    struct wire a, b;
};

static int ends_make(void **state) {
    struct ends *s = calloc(1, sizeof *s);
    struct err e = {0};
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s->pair), 0);
    assert_int_equal(wire_open(&s->a, s->pair[0], s->pair[0], 300, "b", &e), 0);
    assert_int_equal(wire_open(&s->b, s->pair[1], s->pair[1], 300, "a", &e), 0);
    *state = s;
    return 0;
}

static int ends_remove(void **state) {
    struct ends *s = *state;
    wire_close(&s->a);
    wire_close(&s->b);
    close(s->pair[0]);
    close(s->pair[1]);
    free(s);
    return 0;
}

static void test_frames_of_all_sizes(void **state) {
    struct ends *s = *state;
    static const size_t sizes[] = {0, 1, 8, 100, 65536, 100000};
    uint8_t *data = malloc(PROTOCOL_FRAME_MAX);
    struct err e = {0};
    for (size_t i = 0; i < PROTOCOL_FRAME_MAX; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct frame f;
        assert_int_equal(wire_send(&s->a, FRAME_PAGE, data + i, sizes[i], &e), 0);
        assert_int_equal(wire_send(&s->a, FRAME_ALIVE, NULL, 0, &e), 0); // never handed out
        assert_int_equal(wire_recv(&s->b, &f, &e), 1);
        assert_int_equal(f.type, FRAME_PAGE);
        assert_int_equal(f.len, sizes[i]);
        assert_memory_equal(f.data, data + i, sizes[i]);
    }
    free(data);
}

struct sending {
    struct wire *w;
    uint8_t *data;
    int rc;
};

static void *send_many(void *arg) {
    struct sending *s = arg;
    struct err e = {0};
    for (int i = 0; i < 20 && s->rc == 0; i++) {
        s->rc = wire_send(s->w, FRAME_TAR, s->data, PROTOCOL_FRAME_MAX, &e);
    }
    return NULL;
}

static void test_large_frames_both_ways(void **state) {
    struct ends *s = *state;
    struct sending x = {.w = &s->b, .data = calloc(1, PROTOCOL_FRAME_MAX)};
    pthread_t thread;
    struct err e = {0};
    struct frame f;
    s->a.timeout_ms = s->b.timeout_ms = 5000;
    // The other side only sends and never reads: whoever is duplex takes in meanwhile.
    s->a.duplex = s->b.duplex = true;
    assert_int_equal(pthread_create(&thread, NULL, send_many, &x), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wire_send(&s->a, FRAME_TAR, x.data, PROTOCOL_FRAME_MAX, &e), 0);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(wire_recv(&s->a, &f, &e), 1);
        assert_int_equal(f.len, PROTOCOL_FRAME_MAX);
    }
    pthread_join(thread, NULL);
    assert_int_equal(x.rc, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wire_recv(&s->b, &f, &e), 1);
    }
    free(x.data);
}

// Nine bytes of a head, behind them a check that is theirs, then the rest.
static void put_checked(int fd, const uint8_t *bytes, size_t len) {
    uint8_t sent[32];
    size_t n = len < 9 ? len : 9;
    memcpy(sent, bytes, n);
    if (len >= 9) {
        uint32_t check = htonl((uint32_t)hash_mix64(bytes, 9));
        memcpy(sent + 9, &check, 4);
        memcpy(sent + 13, bytes + 9, len - 9);
        n = len + 4;
    }
    assert_int_equal(write(fd, sent, n), (ssize_t)n);
}

// One bit of a head is enough, at once: nobody waits for what a wrong length announces.
static void test_an_altered_head(void **state) {
    struct ends *s = *state;
    for (size_t bit = 0; bit < 8 * PROTOCOL_HEAD; bit++) {
        uint8_t head[PROTOCOL_HEAD];
        struct err e = {0};
        struct frame f;
        wire_head(FRAME_TAR, "x", 1, head);
        head[bit / 8] ^= (uint8_t)(1 << bit % 8);
        s->b.at = s->b.len = 0;
        assert_int_equal(write(s->pair[0], head, sizeof head), (ssize_t)sizeof head);
        assert_int_equal(wire_recv(&s->b, &f, &e), ERR_RETRY);
        assert_non_null(strstr(e.text, "no frame"));
    }
}

static void test_banner(void **state) {
    struct ends *s = *state;
    struct err e = {0};
    struct frame f;
    assert_int_equal(write(s->pair[0], "login: root\r\n", 13), 13);
    assert_int_equal(wire_recv(&s->b, &f, &e), ERR_RETRY);
}

static void test_what_is_no_frame(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t len;
        int rc;
    } table[] = {
        {"type", {'?', 0, 0, 0, 0, 0, 0, 0, 0}, 9, ERR_RETRY},
        {"zero", {0}, 9, ERR_RETRY},
        {"length", {'T', 0, 0x10, 0, 1, 0, 0, 0, 0}, 9, ERR_RETRY},
        {"all length", {'T', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 9, ERR_RETRY},
        {"check", {'G', 0, 0, 0, 0, 0, 0, 0, 0}, 9, ERR_RETRY},
        {"check of tar", {'T', 0, 0, 0, 0, 0, 0, 0, 1}, 9, ERR_RETRY},
        {"cut in the head", {'T', 0, 0}, 3, ERR_RETRY},
        {"cut in the payload", {'T', 0, 0, 0, 9, 0, 0, 0, 0, 1}, 10, ERR_RETRY},
        {"nothing", {0}, 0, 0},
        {"tar", {'T', 0, 0, 0, 1, 0, 0, 0, 0, 7}, 10, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        void *made;
        struct err e = {0};
        struct frame f;
        ends_make(&made);
        struct ends *s = made;
        put_checked(s->pair[0], table[i].bytes, table[i].len);
        shutdown(s->pair[0], SHUT_WR);
        int rc = wire_recv(&s->b, &f, &e);
        if (rc != table[i].rc) {
            print_message("%s: %d %s\n", table[i].what, rc, e.text);
        }
        assert_int_equal(rc, table[i].rc);
        ends_remove(&made);
    }
}

static void test_silence_and_signs_of_life(void **state) {
    struct ends *s = *state;
    struct err e = {0};
    struct frame f;
    s->a.timeout_ms = 100;
    int64_t from = clock_mono_ns();
    assert_int_equal(wire_recv(&s->a, &f, &e), ERR_RETRY);
    int64_t took = clock_mono_ns() - from;
    assert_true(took > INT64_C(90000000) && took < INT64_C(5000000000));
    assert_non_null(strstr(e.text, "silent"));
    // While it waited it said that it is alive.
    s->b.timeout_ms = 50;
    uint8_t bytes[64];
    ssize_t n = read(s->pair[1], bytes, sizeof bytes);
    assert_true(n >= PROTOCOL_HEAD);
    assert_int_equal(bytes[0], FRAME_ALIVE);
}

static void test_nobody_reads(void **state) {
    struct ends *s = *state;
    uint8_t *data = calloc(1, PROTOCOL_FRAME_MAX);
    struct err e = {0};
    int rc = 0;
    s->a.timeout_ms = 100;
    for (int i = 0; i < 10 && rc == 0; i++) {
        rc = wire_send(&s->a, FRAME_TAR, data, PROTOCOL_FRAME_MAX, &e);
    }
    assert_int_equal(rc, ERR_RETRY);
    // A frame that stopped half way is never followed by another one.
    assert_int_equal(wire_send(&s->a, FRAME_ALIVE, NULL, 0, &e), ERR_RETRY);
    free(data);
}

static void test_broken_streams(void **state) {
    struct ends *s = *state;
    struct err e = {0};
    close(s->pair[1]);
    s->pair[1] = dup(s->pair[0]);
    assert_int_equal(wire_send(&s->a, FRAME_BYE, NULL, 0, &e), ERR_RETRY);
}

static void test_failures_carry_their_text(void **state) {
    struct ends *s = *state;
    struct err why = {0}, e = {0};
    struct frame f;
    err_set(&why, ERR_IO, "disk full\x1b[2J");
    wire_fail(&s->a, &why);
    assert_int_equal(wire_recv(&s->b, &f, &e), 1);
    assert_int_equal(f.type, FRAME_FAILURE);
    assert_int_equal(wire_failure(&s->b, &f, &e), ERR_FAILED);
    assert_string_equal(e.text, "a: disk full\\x1B[2J");
    err_set(&why, ERR_RETRY, "later");
    wire_fail(&s->a, &why);
    assert_int_equal(wire_recv(&s->b, &f, &e), 1);
    assert_int_equal(wire_failure(&s->b, &f, &e), ERR_RETRY);
    f.len--;
    assert_int_equal(wire_failure(&s->b, &f, &e), ERR_RETRY);
}

static void test_payloads(void **state) {
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    char text[16];
    put_u8(&b, 0xfe);
    put_u16(&b, 0xfedc);
    put_u32(&b, 0xfedcba98);
    put_u64(&b, UINT64_C(0xfedcba9876543210));
    put_text(&b, "text");
    put_text(&b, "");
    struct take t = {.data = b.data, .len = b.len};
    assert_int_equal(take_u8(&t), 0xfe);
    assert_int_equal(take_u16(&t), 0xfedc);
    assert_int_equal(take_u32(&t), 0xfedcba98);
    assert_true(take_u64(&t) == UINT64_C(0xfedcba9876543210));
    take_text(&t, text, sizeof text);
    assert_string_equal(text, "text");
    take_text(&t, text, sizeof text);
    assert_string_equal(text, "");
    assert_true(take_done(&t));
    take_u8(&t);
    assert_true(t.bad);
    // Cut at each length, something is missing.
    for (size_t len = 0; len < b.len; len++) {
        t = (struct take){.data = b.data, .len = len};
        take_u8(&t);
        take_u16(&t);
        take_u32(&t);
        take_u64(&t);
        take_text(&t, text, sizeof text);
        take_text(&t, text, sizeof text);
        assert_true(t.bad);
    }
    t = (struct take){.data = (const uint8_t *)"\0\4abcd", .len = 6};
    take_text(&t, text, 4); // no room for the final zero
    assert_true(t.bad);
    t = (struct take){.data = (const uint8_t *)"\0\3a\0c", .len = 5};
    take_text(&t, text, sizeof text);
    assert_true(t.bad);
}

static void test_records(void **state) {
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    struct listed *l = calloc(1, sizeof *l), *back = calloc(1, sizeof *l);
    *l = (struct listed){.type = 'l', .mode = 0777, .uid = 1, .gid = 2, .size = 3, .mtime_ns = -4};
    memcpy(l->path, "a/b", 4);
    memcpy(l->target, "../x", 5);
    put_listed(&b, l);
    struct take t = {.data = b.data, .len = b.len};
    take_listed(&t, back);
    assert_true(take_done(&t));
    assert_memory_equal(l, back, offsetof(struct listed, path));
    assert_string_equal(back->path, "a/b");
    assert_string_equal(back->target, "../x");
    static const char *const bad[] = {"..", "/a", "a//b", "", "."};
    for (size_t i = 0; i < 5; i++) {
        buf_clear(&b);
        snprintf(l->path, sizeof l->path, "%s", bad[i]);
        put_listed(&b, l);
        t = (struct take){.data = b.data, .len = b.len};
        take_listed(&t, back);
        assert_true(t.bad);
        buf_clear(&b);
        const struct mend m = {.type = 'f', .what = MEND_MODE, .path = bad[i]};
        put_mend(&b, &m);
        t = (struct take){.data = b.data, .len = b.len};
        struct mend got;
        take_mend(&t, &got, back->path);
        assert_true(t.bad);
    }
    buf_clear(&b);
    const struct mend m = {.type = 'd', .what = 7, .mode = 07777, .mtime_ns = -1, .path = "p"};
    put_mend(&b, &m);
    assert_int_equal(b.len, MEND_FIXED + 2 + 1);
    free(l);
    free(back);
}

#define WIRED(test) cmocka_unit_test_setup_teardown(test, ends_make, ends_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRED(test_frames_of_all_sizes),
        WIRED(test_large_frames_both_ways),
        cmocka_unit_test(test_what_is_no_frame),
        WIRED(test_an_altered_head),
        WIRED(test_banner),
        WIRED(test_silence_and_signs_of_life),
        WIRED(test_nobody_reads),
        WIRED(test_broken_streams),
        WIRED(test_failures_carry_their_text),
        cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
