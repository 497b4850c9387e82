// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "base/must.h"
#include "site/channel.h"
#include "site/protocol.h"

#define MAX (256u << 10)

static enum channel_result put(struct channel *c, int side, uint8_t type, const char *text,
                               bool bulk) {
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    buf_puts(&b, text);
    enum channel_result r = channel_send(c, side, type, &b, bulk, 50);
    assert_int_equal(b.len, r == CHANNEL_OK ? 0 : strlen(text));
    assert_int_equal(b.max, MAX);
    return r;
}

static void expect(struct channel *c, int side, struct buf *b, uint8_t type, const char *text) {
    uint8_t got;
    assert_int_equal(channel_take(c, side, &got, b, 10000), CHANNEL_OK);
    assert_int_equal(got, type);
    assert_string_equal(buf_str(b), text);
}

static void in_order_both_ways(void **state) {
    (void)state;
    struct channel *c = channel_new();
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    uint8_t type;
    assert_int_equal(channel_take(c, 0, &type, &b, 0), CHANNEL_NONE);
    assert_int_equal(channel_take(c, 1, &type, &b, 5), CHANNEL_NONE);
    assert_int_equal(put(c, 0, 'a', "one", false), CHANNEL_OK);
    assert_int_equal(put(c, 0, 'b', "", true), CHANNEL_OK);
    assert_int_equal(put(c, 1, 'c', "back", false), CHANNEL_OK);
    assert_int_equal(put(c, 0, 'd', "three", true), CHANNEL_OK);
    expect(c, 1, &b, 'a', "one");
    expect(c, 1, &b, 'b', "");
    expect(c, 1, &b, 'd', "three");
    expect(c, 0, &b, 'c', "back");
    assert_int_equal(channel_take(c, 1, &type, &b, 0), CHANNEL_NONE);
    channel_free(c);
}

// What was sent before the end still comes; what is sent to one who has gone does not.
static void closed(void **state) {
    (void)state;
    struct channel *c = channel_new();
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    uint8_t type;
    assert_int_equal(put(c, 0, 'a', "last", false), CHANNEL_OK);
    channel_close(c, 0);
    expect(c, 1, &b, 'a', "last");
    assert_int_equal(channel_take(c, 1, &type, &b, 10000), CHANNEL_CLOSED);
    assert_int_equal(put(c, 1, 'b', "to nobody", false), CHANNEL_CLOSED);
    assert_int_equal(put(c, 1, 'b', "to nobody", true), CHANNEL_CLOSED);
    channel_free(c);
}

// Nobody takes: bulk ends as silent, all else goes, and neither waits for ever.
static void full(void **state) {
    (void)state;
    struct channel *c = channel_new();
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    int n = 0;
    while (put(c, 0, 'T', "bulk", true) == CHANNEL_OK) {
        assert_true(++n < 100);
    }
    assert_true(n > 0);
    assert_int_equal(put(c, 0, 'T', "bulk", true), CHANNEL_SILENT);
    assert_int_equal(put(c, 0, 'A', "small", false), CHANNEL_OK);
    expect(c, 1, &b, 'T', "bulk");
    assert_int_equal(put(c, 0, 'T', "more", true), CHANNEL_OK);
    assert_int_equal(put(c, 0, 'T', "more", true), CHANNEL_SILENT);
    channel_free(c);
}

static void *numbers(void *arg) {
    struct channel *c = arg;
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    for (uint32_t i = 0; i < 20000; i++) {
        memset(buf_room(&b, 100000), (int)i, 100000);
        b.len = i % 3 == 0 ? 100000 : i % 1000;
        MUST(channel_send(c, 0, (uint8_t)i, &b, i % 5 != 0, 0) == CHANNEL_OK);
    }
    channel_close(c, 0);
    return NULL;
}

// Memory goes round between two threads; every frame has its own content.
static void two_threads(void **state) {
    (void)state;
    struct channel *c = channel_new();
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    pthread_t thread;
    uint8_t type;
    assert_int_equal(pthread_create(&thread, NULL, numbers, c), 0);
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(channel_take(c, 1, &type, &b, 60000), CHANNEL_OK);
        assert_int_equal(type, (uint8_t)i);
        assert_int_equal(b.len, i % 3 == 0 ? 100000 : i % 1000);
        assert_true(b.len == 0 || (b.data[0] == type && b.data[b.len - 1] == type));
    }
    assert_int_equal(channel_take(c, 1, &type, &b, 60000), CHANNEL_CLOSED);
    pthread_join(thread, NULL);
    channel_free(c);
}

// As a wire: signs of life are not handed out, and a side that is silent is given up.
static void as_a_wire(void **state) {
    (void)state;
    struct channel *c = channel_new();
    struct wire a, b;
    struct frame f;
    struct err e = {0};
    wire_open_channel(&a, c, 0, 200, "b");
    wire_open_channel(&b, c, 1, 200, "a");
    assert_int_equal(wire_poll(&b, &f, &e), 2);
    assert_int_equal(wire_send(&a, FRAME_ALIVE, NULL, 0, &e), 0);
    assert_int_equal(wire_send(&a, FRAME_BATCH, "12345678", 8, &e), 0);
    assert_int_equal(wire_recv(&b, &f, &e), 1);
    assert_int_equal(f.type, FRAME_BATCH);
    assert_memory_equal(f.data, "12345678", 8);
    assert_int_equal(wire_recv(&b, &f, &e), ERR_RETRY);
    assert_string_equal(e.text, "a: silent for 1 s");
    channel_close(c, 1);
    int rc;
    while ((rc = wire_poll(&a, &f, &e)) == 2) {
    }
    assert_int_equal(rc, 0); // all that b has said was that it is alive
    assert_int_equal(wire_send(&a, FRAME_BYE, NULL, 0, &e), ERR_RETRY);
    assert_string_equal(e.text, "b: the stream broke");
    wire_close(&a);
    wire_close(&b);
    channel_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_both_ways), cmocka_unit_test(closed),    cmocka_unit_test(full),
        cmocka_unit_test(two_threads),        cmocka_unit_test(as_a_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
