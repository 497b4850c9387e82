// SPDX-License-Identifier: Apache-2.0
// A transport that lies: streams that end early, hang, add, alter or repeat. A batch may be told as
// done only when it is; what was not done is done by the next send.
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "site/protocol.h"
#include "tests/unit/site_files_support.h"

#define HEAD PROTOCOL_HEAD

// --- the receiver alone, at the end of a socket

struct lone {
    pthread_t thread;
    int root, pair[2], rc;
    struct err err;
};

static void *lone_main(void *arg) {
    struct lone *l = arg;
    l->rc = receive_serve(l->root, l->pair[1], l->pair[1], &l->err);
    shutdown(l->pair[1], SHUT_RDWR);
    return NULL;
}

static void lone_start(struct lone *l, struct place *p) {
    *l = (struct lone){.root = p->destination};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, l->pair), 0);
    assert_int_equal(pthread_create(&l->thread, NULL, lone_main, l), 0);
}

static void lone_end(struct lone *l) {
    close(l->pair[0]);
    pthread_join(l->thread, NULL);
    close(l->pair[1]);
}

// --- a proxy in between

enum lie { LIE_NONE, LIE_CUT, LIE_HANG, LIE_FLIP, LIE_INSERT };

// A proxy between the sender and a receiver.
struct proxy {
    struct file_end end;
    struct place *place;
    struct lone receiver;
    pthread_t thread;
    int pair[2];
    enum lie lie;
    bool to_sender; // the direction that is lied about
    uint64_t at;    // after so many bytes
    uint64_t passed[2];
    atomic_bool stop;
    struct buf seen[2]; // what passed, when `record`
    bool record;
    const struct buf *insert;
};

static int write_fully(int fd, const uint8_t *data, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
            continue;
        }
        if (n < 0) {
            return -1;
        }
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

// False when the proxied stream is over.
static bool relay(struct proxy *x, int from, int to, bool to_sender) {
    uint8_t data[8192];
    ssize_t n = read(from, data, sizeof data);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN;
    }
    uint64_t *passed = &x->passed[to_sender];
    size_t len = (size_t)n;
    bool here = x->lie != LIE_NONE && x->to_sender == to_sender && x->at >= *passed &&
                x->at < *passed + len;
    size_t before = here ? (size_t)(x->at - *passed) : len;
    *passed += len;
    if (here && x->lie == LIE_FLIP) {
        data[before] ^= 0x10;
        before = len;
    }
    if (x->record) {
        buf_put(&x->seen[to_sender], data, len);
    }
    if (write_fully(to, data, before) != 0) {
        return false;
    }
    if (here && x->lie == LIE_INSERT) {
        return write_fully(to, x->insert->data, x->insert->len) == 0 &&
               write_fully(to, data + before, len - before) == 0;
    }
    if (here && x->lie == LIE_HANG) {
        while (!atomic_load(&x->stop)) {
            clock_sleep_ms(5);
        }
    }
    return !here || x->lie == LIE_FLIP;
}

static void *proxy_main(void *arg) {
    struct proxy *x = arg;
    for (bool on = true; on && !atomic_load(&x->stop);) {
        struct pollfd p[2] = {{.fd = x->pair[1], .events = POLLIN},
                              {.fd = x->receiver.pair[0], .events = POLLIN}};
        poll(p, 2, 20);
        if (p[1].revents != 0) {
            on = relay(x, x->receiver.pair[0], x->pair[1], true);
        }
        if (on && p[0].revents != 0) {
            on = relay(x, x->pair[1], x->receiver.pair[0], false);
        }
    }
    shutdown(x->pair[1], SHUT_RDWR);
    shutdown(x->receiver.pair[0], SHUT_RDWR);
    return NULL;
}

static int proxy_open(struct file_end *end, struct file_stream *s, struct err *e) {
    struct proxy *x = (struct proxy *)end;
    (void)e;
    lone_start(&x->receiver, x->place);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, x->pair), 0);
    x->passed[0] = x->passed[1] = 0;
    atomic_store(&x->stop, false);
    assert_int_equal(pthread_create(&x->thread, NULL, proxy_main, x), 0);
    *s = (struct file_stream){.to = x->pair[0], .from = x->pair[0]};
    return 0;
}

static void proxy_close(struct file_end *end, struct file_stream *s) {
    struct proxy *x = (struct proxy *)end;
    close(s->to);
    atomic_store(&x->stop, true);
    pthread_join(x->thread, NULL);
    close(x->pair[1]);
    lone_end(&x->receiver);
}

static void proxy_init(struct proxy *x, struct place *p) {
    *x = (struct proxy){
        .place = p,
        .end = {
            .label = "destination", .open = proxy_open, .close = proxy_close, .timeout_ms = 5000}};
    x->seen[0] = x->seen[1] = (struct buf)BUF_INIT(1 << 24);
}

static void proxy_free(struct proxy *x) {
    buf_free(&x->seen[0]);
    buf_free(&x->seen[1]);
}

static void make_sample(struct place *p) {
    char path[32];
    for (unsigned i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "d%u/%u", i % 2, i);
        put_seeded(p->source, path, 150 * i, i);
    }
    assert_int_equal(symlinkat("0", p->source, "d0/link"), 0);
}

static int send_through(struct place *p, struct proxy *x) {
    struct file_end *direct = p->end;
    struct files_job job = job_of(p);
    p->end = &x->end;
    int rc = send_job(p, &job);
    p->end = direct;
    return rc;
}

// How much passes in each direction when nobody lies.
static void measure(struct place *p, struct proxy *x, uint64_t total[2]) {
    x->lie = LIE_NONE;
    empty_destination(p);
    assert_int_equal(send_through(p, x), 0);
    total[0] = x->passed[0];
    total[1] = x->passed[1];
    expect_equal_trees(p);
}

// Done was told only when it is, and the next send completes.
static void check_outcome(struct place *p, int rc) {
    if (rc != 0 && rc != ERR_RETRY) {
        print_message("%d %s\n", rc, p->err.text);
    }
    assert_true(rc == 0 || rc == ERR_RETRY);
    assert_true(rc != 0 || p->batches == 1);
    if (p->batches > 0) {
        expect_equal_trees(p);
    }
    assert_int_equal(count_own(p), 0);
    send_all(p);
    expect_equal_trees(p);
}

static void test_cut_at_every_block(void **state) {
    struct place *p = *state;
    struct proxy x;
    uint64_t total[2];
    make_sample(p);
    proxy_init(&x, p);
    measure(p, &x, total);
    x.lie = LIE_CUT;
    for (int direction = 0; direction < 2; direction++) {
        x.to_sender = direction;
        uint64_t step = direction == 0 ? 512 : 7;
        for (x.at = 0; x.at < total[direction]; x.at += step) {
            empty_destination(p);
            int rc = send_through(p, &x);
            // Only the goodbye behind the last receipt may be missing.
            assert_true(rc == ERR_RETRY || (direction == 1 && x.at + HEAD >= total[1]) ||
                        (direction == 0 && x.at + HEAD >= total[0]));
            check_outcome(p, rc);
        }
    }
    proxy_free(&x);
}

static void test_cut_at_each_frame(void **state) {
    struct place *p = *state;
    struct proxy x;
    uint64_t total[2];
    make_sample(p);
    proxy_init(&x, p);
    x.record = true;
    measure(p, &x, total);
    x.record = false;
    x.lie = LIE_CUT;
    for (int direction = 0; direction < 2; direction++) {
        const struct buf *b = &x.seen[direction];
        x.to_sender = direction;
        for (size_t at = 0; at + HEAD <= b->len;) {
            empty_destination(p);
            x.at = at;
            int rc = send_through(p, &x);
            assert_true(rc == ERR_RETRY || b->data[at] == FRAME_BYE);
            check_outcome(p, rc);
            at += HEAD + ((size_t)b->data[at + 1] << 24 | (size_t)b->data[at + 2] << 16 |
                          (size_t)b->data[at + 3] << 8 | b->data[at + 4]);
        }
    }
    proxy_free(&x);
}

static void test_hangs_end_with_the_timeout(void **state) {
    struct place *p = *state;
    struct proxy x;
    uint64_t total[2];
    make_sample(p);
    proxy_init(&x, p);
    measure(p, &x, total);
    x.lie = LIE_HANG;
    x.end.timeout_ms = 200;
    for (int direction = 0; direction < 2; direction++) {
        x.to_sender = direction;
        for (int i = 0; i < 8; i++) {
            empty_destination(p);
            x.at = total[direction] * (uint64_t)i / 8;
            int64_t from = clock_mono_ns();
            int rc = send_through(p, &x);
            assert_true(clock_mono_ns() - from < INT64_C(5000000000));
            assert_int_equal(rc, ERR_RETRY);
            assert_int_equal(p->batches, 0);
            check_outcome(p, rc);
        }
    }
    proxy_free(&x);
}

// A flipped bit on the way there is seen by the receiver (or changes only what it lists); on the
// way back it is no receipt.
static void test_flipped_bits(void **state) {
    struct place *p = *state;
    struct proxy x;
    uint64_t total[2];
    make_sample(p);
    proxy_init(&x, p);
    measure(p, &x, total);
    x.lie = LIE_FLIP;
    x.end.timeout_ms = 300;
    for (int direction = 0; direction < 2; direction++) {
        x.to_sender = direction;
        uint64_t step = direction == 0 ? 61 : 3;
        for (x.at = 0; x.at < total[direction]; x.at += step) {
            empty_destination(p);
            int rc = send_through(p, &x);
            if (p->batches > 0 && rc == 0) {
                verify(p, true, "");
            }
            empty_destination(p);
        }
    }
    proxy_free(&x);
}

static void test_banners_and_old_receipts(void **state) {
    struct place *p = *state;
    struct proxy x;
    uint64_t total[2];
    make_sample(p);
    proxy_init(&x, p);
    x.record = true;
    measure(p, &x, total);
    x.record = false;
    x.lie = LIE_INSERT;
    x.to_sender = true;
    AUTO_BUF struct buf banner = BUF_INIT(1000), receipt = BUF_INIT(1 << 20);
    buf_puts(&banner, "Welcome to node 7\r\n\x1b[2J");
    x.insert = &banner;
    for (x.at = 0; x.at < total[1]; x.at += 11) {
        empty_destination(p);
        int rc = send_through(p, &x);
        assert_true(rc == ERR_RETRY || (rc == 0 && x.at + HEAD >= total[1]));
        assert_null(strchr(p->err.text, '\x1b'));
        check_outcome(p, rc);
    }
    // The receipt of another attempt for the same batch.
    const struct buf *b = &x.seen[1];
    size_t at = 0, len = 0;
    for (; b->data[at] != FRAME_RECEIPT; at += len) {
        len =
            HEAD + ((size_t)b->data[at + 2] << 16 | (size_t)b->data[at + 3] << 8 | b->data[at + 4]);
    }
    len = HEAD + ((size_t)b->data[at + 3] << 8 | b->data[at + 4]);
    buf_put(&receipt, b->data + at, len);
    x.insert = &receipt;
    x.at = at;
    empty_destination(p);
    assert_int_equal(send_through(p, &x), ERR_RETRY);
    assert_int_equal(p->batches, 0);
    assert_non_null(strstr(p->err.text, "receipt"));
    check_outcome(p, ERR_RETRY);
    proxy_free(&x);
}

static void put_frame(struct buf *b, char type, const void *data, size_t len) {
    uint8_t head[HEAD];
    wire_head((enum frame_type)type, data, len, head);
    buf_put(b, head, sizeof head);
    buf_put(b, data, len);
}

static void put_hello(struct buf *b, uint16_t version, uint32_t timeout_ms) {
    AUTO_BUF struct buf h = BUF_INIT(200);
    put_text(&h, PROTOCOL_MAGIC);
    put_u16(&h, version);
    buf_put(&h, "0123456789abcdef", 16);
    put_u32(&h, timeout_ms);
    put_u8(&h, 1);
    buf_put(&h, "a step's token..", 16);
    put_frame(b, FRAME_HELLO, h.data, h.len);
}

static void put_select(struct buf *b, const char *under) {
    AUTO_BUF struct buf s = BUF_INIT(5000);
    put_text(&s, under);
    put_u8(&s, 1);
    put_u16(&s, 0);
    put_frame(b, FRAME_SELECT, s.data, s.len);
}

static void test_a_receiver_gives_up_a_silent_sender(void **state) {
    struct place *p = *state;
    struct lone l;
    AUTO_BUF struct buf b = BUF_INIT(1000);
    lone_start(&l, p);
    put_hello(&b, PROTOCOL_VERSION, 100);
    assert_int_equal(write(l.pair[0], b.data, b.len), (ssize_t)b.len);
    pthread_join(l.thread, NULL);
    assert_int_equal(l.rc, ERR_RETRY);
    assert_non_null(strstr(l.err.text, "silent"));
    assert_int_equal(count_own(p), 0);
    close(l.pair[0]);
    close(l.pair[1]);
}

// Frames that no sender sends: refused, and nothing is written.
static void test_a_receiver_refuses_what_is_out_of_turn(void **state) {
    struct place *p = *state;
    static const uint8_t zero8[8] = {0}, one8[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t mend[] = {'f', 1, 0, 0, 1, 0xff, 0, 0, 0, 0, 0,   0,   0,   0,
                                   0,   0, 0, 0, 0, 0,    0, 0, 0, 4, '.', '.', '/', 'x'};
    for (int i = 0; i < 14; i++) {
        struct lone l;
        AUTO_BUF struct buf b = BUF_INIT(3 << 20);
        if (i != 0) {
            put_hello(&b, PROTOCOL_VERSION, 2000);
        }
        switch (i) {
        case 0: // nothing before the greeting
            put_select(&b, ".");
            break;
        case 1: // only one greeting
            put_hello(&b, PROTOCOL_VERSION, 2000);
            break;
        case 2:
            put_select(&b, "../outside");
            break;
        case 3:
            put_select(&b, "/etc");
            break;
        case 4:
            put_frame(&b, FRAME_BATCH, zero8, 8); // of nothing
            break;
        case 5:
            put_select(&b, ".");
            put_frame(&b, FRAME_BATCH, one8, 8); // not the first
            break;
        case 6:
            put_select(&b, ".");
            put_frame(&b, FRAME_TAR, zero8, 8);
            break;
        case 7:
            put_select(&b, ".");
            put_frame(&b, FRAME_BATCH, zero8, 8);
            put_frame(&b, FRAME_MEND, mend, sizeof mend); // outside
            break;
        case 8:
            put_select(&b, ".");
            put_frame(&b, FRAME_BATCH, zero8, 8);
            put_frame(&b, FRAME_COMMIT, zero8, 8);
            break;
        case 9:
            put_frame(&b, FRAME_DIGEST, "\0\4../x", 6);
            break;
        case 10:
            put_frame(&b, FRAME_WELCOME, "", 0); // of the other side
            break;
        case 11:
            put_frame(&b, '?', "", 0);
            break;
        case 12:
            put_select(&b, ".");
            put_frame(&b, FRAME_LIST, "\xff\xff\xff\xff", 4);
            break;
        default:
            put_u8(&b, FRAME_TAR);
            put_u32(&b, PROTOCOL_FRAME_MAX + 1);
        }
        lone_start(&l, p);
        assert_int_equal(write(l.pair[0], b.data, b.len), (ssize_t)b.len);
        shutdown(l.pair[0], SHUT_WR);
        lone_end(&l);
        if (l.rc != ERR_DATA && l.rc != ERR_RETRY) {
            print_message("case %d: %d %s\n", i, l.rc, l.err.text);
        }
        assert_true(l.rc == ERR_DATA || l.rc == ERR_RETRY);
        assert_int_equal(count_own(p), 0);
    }
    AUTO_BUF struct buf tree = BUF_INIT(1 << 20);
    describe_tree(p->destination, &tree);
    assert_string_equal(buf_str(&tree), "");
}

static void test_a_newer_sender_is_told_so(void **state) {
    struct place *p = *state;
    struct lone l;
    AUTO_BUF struct buf b = BUF_INIT(1000);
    put_hello(&b, PROTOCOL_VERSION + 1, 1000);
    lone_start(&l, p);
    assert_int_equal(write(l.pair[0], b.data, b.len), (ssize_t)b.len);
    shutdown(l.pair[0], SHUT_WR);
    lone_end(&l);
    assert_int_equal(l.rc, ERR_FAILED);
    assert_non_null(strstr(l.err.text, "version"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(test_cut_at_every_block),
        PLACED(test_cut_at_each_frame),
        PLACED(test_hangs_end_with_the_timeout),
        PLACED(test_flipped_bits),
        PLACED(test_banners_and_old_receipts),
        PLACED(test_a_receiver_gives_up_a_silent_sender),
        PLACED(test_a_receiver_refuses_what_is_out_of_turn),
        PLACED(test_a_newer_sender_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
