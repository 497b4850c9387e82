// SPDX-License-Identifier: Apache-2.0
#include "site/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"

#define HEAD PROTOCOL_HEAD
// Room for every answer that may be under way while a frame waits to go out.
#define IN_MAX (4u * (PROTOCOL_FRAME_MAX + HEAD))
#define IN_FIRST (512u << 10)

static int set_nonblocking(int fd, struct err *e) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return err_sys(e, ERR_IO, errno, "a stream of the file transfer cannot be set up");
    }
    return 0;
}

void wire_open_channel(struct wire *w, struct channel *c, int side, int timeout_ms,
                       const char *peer) {
    *w = (struct wire){.in = -1,
                       .out = -1,
                       .channel = c,
                       .side = side,
                       .timeout_ms = timeout_ms,
                       .peer = peer,
                       .taken = BUF_INIT(PROTOCOL_FRAME_MAX)};
    pthread_mutex_init(&w->lock, NULL);
    w->sent_ns = w->came_ns = clock_mono_ns();
}

int wire_open(struct wire *w, int in, int out, int timeout_ms, const char *peer, struct err *e) {
    *w = (struct wire){.in = in, .out = out, .timeout_ms = timeout_ms, .peer = peer};
    pthread_mutex_init(&w->lock, NULL);
    w->cap = IN_FIRST;
    w->data = must_calloc(1, w->cap);
    w->sent_ns = w->came_ns = clock_mono_ns();
    int rc = set_nonblocking(in, e);
    return rc == 0 ? set_nonblocking(out, e) : rc;
}

void wire_close(struct wire *w) {
    free(w->data);
    w->data = NULL;
    buf_free(&w->taken);
    pthread_mutex_destroy(&w->lock);
}

// --- in

static uint32_t get_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void set_u32(uint8_t *at, uint32_t n) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(n >> (24 - 8 * i));
    }
}

static bool is_bulk(enum frame_type type) {
    return type == FRAME_TAR || type == FRAME_PIECE;
}

uint32_t wire_check(enum frame_type type, const void *data, size_t len) {
    return is_bulk(type) ? 0 : (uint32_t)hash_mix64(data, len) ^ (uint32_t)type * 0x9e3779b1u;
}

// Of the type, the length and the payload's check.
static uint32_t head_check(const uint8_t *head) {
    return (uint32_t)hash_mix64(head, HEAD - 4);
}

// Makes room for at least one more frame's rest; what was handed out is given up.
static void in_room(struct wire *w) {
    if (w->at > 0) {
        memmove(w->data, w->data + w->at, w->len - w->at);
        w->len -= w->at;
        w->at = 0;
    }
    size_t need = w->len >= HEAD ? HEAD + (size_t)get_u32(w->data + 1) : HEAD;
    need = need > IN_MAX ? w->cap : need;
    if (w->len == w->cap || need > w->cap) {
        w->cap = need > 2 * w->cap ? need : 2 * w->cap;
        w->cap = w->cap > IN_MAX ? IN_MAX : w->cap;
        w->data = must_realloc(w->data, w->cap, 1);
    }
}

// 1: something came; 0: nothing there now; -1: the end; negative error otherwise.
static int in_fill(struct wire *w, struct err *e) {
    ssize_t got = read(w->in, w->data + w->len, w->cap - w->len);
    if (got > 0) {
        w->len += (size_t)got;
        w->came_ns = clock_mono_ns();
        return 1;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (got == 0) {
        return -1;
    }
    return err_sys(e, ERR_RETRY, errno, "%s: the stream broke", w->peer);
}

static bool is_known(uint8_t type) {
    return type != 0 && strchr("HSNLMDRBTUCGPEIWQhpldrvwqxA", type) != NULL;
}

static int no_frame(const struct wire *w, const uint8_t *head, struct err *e) {
    char shown[64];
    return err_set(e, ERR_RETRY, "%s: said something that is no frame (\"%s\")", w->peer,
                   escape_into(shown, sizeof shown, (const char *)head, HEAD));
}

// 1: a frame; 0: not whole yet.
static int in_frame(struct wire *w, struct frame *f, struct err *e) {
    while (w->len - w->at >= HEAD) {
        const uint8_t *head = w->data + w->at;
        uint32_t len = get_u32(head + 1);
        // At once: whoever believed a length that is wrong would wait for what never comes, and
        // take each ALIVE for a part of it.
        if (!is_known(head[0]) || len > PROTOCOL_FRAME_MAX ||
            head_check(head) != get_u32(head + 9)) {
            return no_frame(w, head, e);
        }
        if (w->len - w->at < HEAD + (size_t)len) {
            return 0;
        }
        if (wire_check(head[0], head + HEAD, len) != get_u32(head + 5)) {
            return no_frame(w, head, e);
        }
        w->at += HEAD + (size_t)len;
        if (head[0] != FRAME_ALIVE) {
            *f = (struct frame){.type = head[0], .data = head + HEAD, .len = len};
            return 1;
        }
    }
    return 0;
}

// How long may still be waited since `since`; negative: for ever.
static int left_ms(const struct wire *w, int64_t since) {
    if (w->timeout_ms <= 0) {
        return -1;
    }
    int64_t left = w->timeout_ms - (clock_mono_ns() - since) / 1000000;
    return left < 0 ? 0 : (int)left;
}

static int silent(const struct wire *w, struct err *e) {
    return err_set(e, ERR_RETRY, "%s: silent for %d s", w->peer, (w->timeout_ms + 999) / 1000);
}

// As wire_poll, waiting for at most that long.
static int take_channel(struct wire *w, struct frame *f, int wait_ms) {
    uint8_t type;
    enum channel_result r = channel_take(w->channel, w->side, &type, &w->taken, wait_ms);
    if (r != CHANNEL_OK) {
        return r == CHANNEL_NONE ? 2 : 0;
    }
    w->came_ns = clock_mono_ns();
    if (type == FRAME_ALIVE) {
        return 2;
    }
    *f = (struct frame){.type = type, .data = w->taken.data, .len = w->taken.len};
    return 1;
}

int wire_poll(struct wire *w, struct frame *f, struct err *e) {
    if (w->channel != NULL) {
        return take_channel(w, f, 0);
    }
    int rc = in_frame(w, f, e);
    if (rc != 0) {
        return rc;
    }
    in_room(w);
    rc = in_fill(w, e);
    if (rc < -1) {
        return rc;
    }
    if (rc == -1) {
        return w->len == 0 ? 0
                           : err_set(e, ERR_RETRY, "%s: the stream ended amid a frame", w->peer);
    }
    rc = rc > 0 ? in_frame(w, f, e) : 0;
    return rc == 0 ? 2 : rc;
}

int wire_recv(struct wire *w, struct frame *f, struct err *e) {
    int64_t since = clock_mono_ns();
    for (;;) {
        int rc = wire_poll(w, f, e);
        if (rc != 2) {
            return rc;
        }
        since = w->came_ns > since ? w->came_ns : since;
        int left = left_ms(w, since);
        if (left == 0) {
            return silent(w, e);
        }
        rc = wire_alive(w, e);
        if (rc < 0) {
            return rc;
        }
        int wait = w->timeout_ms <= 0 || left > w->timeout_ms / 4 ? w->timeout_ms / 4 : left;
        wait = wait <= 0 ? 30000 : wait + 1;
        if (w->channel != NULL) {
            rc = take_channel(w, f, wait);
            if (rc != 2) {
                return rc;
            }
            continue;
        }
        struct pollfd p = {.fd = w->in, .events = POLLIN};
        poll(&p, 1, wait);
    }
}

// --- out

static int out_wait(struct wire *w, int64_t since, struct err *e) {
    int64_t from = w->duplex && w->came_ns > since ? w->came_ns : since;
    int left = left_ms(w, from);
    if (left == 0) {
        return silent(w, e);
    }
    if (w->duplex) {
        in_room(w);
    }
    bool take_in = w->duplex && w->len < w->cap;
    struct pollfd p[2] = {{.fd = w->out, .events = POLLOUT}, {.fd = w->in, .events = POLLIN}};
    poll(p, take_in ? 2 : 1, left);
    if (take_in && (p[1].revents & (POLLIN | POLLHUP)) != 0) {
        int rc = in_fill(w, e);
        if (rc < -1) {
            return rc;
        }
        if (rc == -1 && (p[0].revents & POLLOUT) == 0) {
            poll(p, 1, left > 100 ? 100 : left); // the reason may be on its way; do not spin
        }
    }
    return 0;
}

static int out_all(struct wire *w, struct iovec *v, int n, struct err *e) {
    int64_t since = clock_mono_ns();
    while (n > 0) {
        ssize_t put = writev(w->out, v, n);
        if (put < 0 && errno != EAGAIN && errno != EINTR) {
            return err_sys(e, ERR_RETRY, errno, "%s: the stream broke", w->peer);
        }
        if (put < 0) {
            int rc = out_wait(w, since, e);
            if (rc < 0) {
                return rc;
            }
            continue;
        }
        since = clock_mono_ns();
        for (; n > 0 && (size_t)put >= v->iov_len; v++, n--) {
            put -= (ssize_t)v->iov_len;
        }
        if (n > 0) {
            v->iov_base = (char *)v->iov_base + put;
            v->iov_len -= (size_t)put;
        }
    }
    w->sent_ns = since;
    return 0;
}

void wire_head(enum frame_type type, const void *data, size_t len, uint8_t head[PROTOCOL_HEAD]) {
    head[0] = (uint8_t)type;
    set_u32(head + 1, (uint32_t)len);
    set_u32(head + 5, wire_check(type, data, len));
    set_u32(head + 9, head_check(head));
}

static int send_channel(struct wire *w, enum frame_type type, struct buf *b, struct err *e) {
    enum channel_result r =
        channel_send(w->channel, w->side, (uint8_t)type, b, is_bulk(type), w->timeout_ms);
    if (r != CHANNEL_OK) {
        return r == CHANNEL_SILENT ? silent(w, e)
                                   : err_set(e, ERR_RETRY, "%s: the stream broke", w->peer);
    }
    pthread_mutex_lock(&w->lock);
    w->sent_ns = clock_mono_ns();
    pthread_mutex_unlock(&w->lock);
    return 0;
}

int wire_send_buf(struct wire *w, enum frame_type type, struct buf *b, struct err *e) {
    if (w->channel != NULL) {
        return send_channel(w, type, b, e);
    }
    int rc = wire_send(w, type, b->data, b->len, e);
    buf_clear(b);
    return rc;
}

int wire_send(struct wire *w, enum frame_type type, const void *data, size_t len, struct err *e) {
    MUST(len <= PROTOCOL_FRAME_MAX);
    if (w->channel != NULL) {
        AUTO_BUF struct buf copy = BUF_INIT(PROTOCOL_FRAME_MAX);
        buf_put(&copy, data, len);
        return send_channel(w, type, &copy, e);
    }
    uint8_t head[HEAD];
    wire_head(type, data, len, head);
    struct iovec v[2] = {{.iov_base = head, .iov_len = HEAD},
                         {.iov_base = (void *)data, .iov_len = len}};
    pthread_mutex_lock(&w->lock);
    int rc = w->broken ? err_set(e, ERR_RETRY, "%s: the stream broke", w->peer)
                       : out_all(w, v, len > 0 ? 2 : 1, e);
    w->broken = w->broken || rc < 0;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

int wire_alive(struct wire *w, struct err *e) {
    pthread_mutex_lock(&w->lock);
    int64_t sent = w->sent_ns;
    pthread_mutex_unlock(&w->lock);
    if (w->timeout_ms <= 0 || clock_mono_ns() - sent < (int64_t)w->timeout_ms * 1000000 / 4) {
        return 0;
    }
    return wire_send(w, FRAME_ALIVE, NULL, 0, e);
}

// --- failures

void wire_fail(struct wire *w, const struct err *why) {
    AUTO_BUF struct buf b = BUF_INIT(ERR_TEXT_MAX + 16);
    struct err ignored = {0};
    put_u32(&b, (uint32_t)-why->code);
    put_text(&b, why->text);
    wire_send(w, FRAME_FAILURE, b.data, b.len, &ignored);
}

int wire_failure(struct wire *w, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    char text[ERR_TEXT_MAX], shown[ERR_TEXT_MAX];
    uint32_t code = take_u32(&t);
    take_text(&t, text, sizeof text);
    if (!take_done(&t)) {
        return err_set(e, ERR_RETRY, "%s: failed without a readable reason", w->peer);
    }
    escape_into(shown, sizeof shown, text, strlen(text));
    return err_set(e, code == -ERR_RETRY ? ERR_RETRY : ERR_FAILED, "%s: %s", w->peer, shown);
}
