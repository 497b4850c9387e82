// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fault.h"
#include "site/files_private.h"

// --- opening

static int hello(struct session *s, bool writes, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(256);
    put_text(&b, PROTOCOL_MAGIC);
    put_u16(&b, PROTOCOL_VERSION);
    buf_put(&b, s->nonce, sizeof s->nonce);
    put_u32(&b, (uint32_t)s->wire.timeout_ms);
    put_u8(&b, writes);
    buf_put(&b, s->token, sizeof s->token);
    return wire_send(&s->wire, FRAME_HELLO, b.data, b.len, e);
}

static int take_welcome(struct session *s, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    char magic[16];
    uint8_t nonce[PROTOCOL_NONCE];
    take_text(&t, magic, sizeof magic);
    uint16_t version = take_u16(&t);
    take_bytes(&t, nonce, sizeof nonce);
    s->keeps.flags = take_u32(&t);
    s->keeps.mtime_ns = take_u64(&t);
    if (!take_done(&t) || strcmp(magic, PROTOCOL_MAGIC) != 0 || version != PROTOCOL_VERSION ||
        memcmp(nonce, s->nonce, sizeof nonce) != 0 || s->keeps.mtime_ns > 2000000000) {
        return err_set(e, ERR_RETRY, "%s: its greeting is not one", s->peer);
    }
    return 0;
}

static int greet(struct session *s, bool writes, struct err *e) {
    struct frame f;
    int rc = hello(s, writes, e);
    rc = rc < 0 ? rc : wire_recv(&s->wire, &f, e);
    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        return err_set(e, ERR_RETRY, "%s: the stream ended before its greeting", s->peer);
    }
    return f.type == FRAME_WELCOME   ? take_welcome(s, &f, e)
           : f.type == FRAME_FAILURE ? wire_failure(&s->wire, &f, e)
                                     : err_set(e, ERR_RETRY, "%s: no greeting", s->peer);
}

int session_open(struct session *s, struct file_end *end, bool writes,
                 const uint8_t token[PROTOCOL_TOKEN], struct err *e) {
    *s = (struct session){.end = end};
    if (token != NULL) {
        memcpy(s->token, token, sizeof s->token);
    }
    s->list.page = (struct buf)BUF_INIT(PROTOCOL_FRAME_MAX);
    s->digests = (struct buf)BUF_INIT(PROTOCOL_FRAME_MAX);
    snprintf(s->peer, sizeof s->peer, "%s: receiver", end->label);
    ssize_t got;
    do {
        got = getrandom(s->nonce, sizeof s->nonce, 0);
    } while (got < 0 && errno == EINTR);
    MUST(got == (ssize_t)sizeof s->nonce);
    int rc = end->open(end, &s->stream, e);
    if (rc < 0) {
        return rc;
    }
    s->streaming = true;
    int timeout = end->timeout_ms > 0 ? end->timeout_ms : PROTOCOL_TIMEOUT_MS;
    s->wired = true;
    if (s->stream.channel != NULL) {
        wire_open_channel(&s->wire, s->stream.channel, 0, timeout, s->peer);
    } else {
        rc = wire_open(&s->wire, s->stream.from, s->stream.to, timeout, s->peer, e);
    }
    s->wire.duplex = true;
    return rc < 0 ? rc : greet(s, writes, e);
}

int session_explain(struct session *s, int rc, struct err *e) {
    if (rc == ERR_RETRY && s->streaming && s->end->explain != NULL) {
        s->end->explain(s->end, &s->stream, e);
    }
    return rc;
}

void session_close(struct session *s) {
    if (s->wired) {
        wire_close(&s->wire);
    }
    if (s->streaming) {
        s->end->close(s->end, &s->stream);
    }
    buf_free(&s->list.page);
    buf_free(&s->digests);
    s->wired = s->streaming = false;
}

int session_bye(struct session *s, struct err *e) {
    struct frame f;
    int rc = wire_send(&s->wire, FRAME_BYE, NULL, 0, e);
    while (rc == 0 && (rc = wire_recv(&s->wire, &f, e)) > 0 && f.type != FRAME_BYE) {
        rc = f.type == FRAME_FAILURE ? wire_failure(&s->wire, &f, e) : 0;
    }
    return rc < 0 ? rc : 0; // all that matters has its receipt
}

// --- what comes

static int take_page(struct session *s, const struct frame *f, struct err *e) {
    struct far_list *l = &s->list;
    if (!l->asked || l->ended || l->pages == PROTOCOL_CREDIT) {
        return err_set(e, ERR_RETRY, "%s: a list that nobody asked for", s->peer);
    }
    l->pages++;
    if (l->page.len > l->at) {
        memmove(l->page.data, l->page.data + l->at, l->page.len - l->at);
    }
    l->page.len -= l->at;
    l->at = 0;
    int rc = buf_append(&l->page, f->data, f->len, e);
    return rc < 0 ? err_set(e, ERR_RETRY, "%s: a list that is too long", s->peer) : 0;
}

static int take_listed_end(struct session *s, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    s->list.ended = true;
    s->list.count -= take_u64(&t); // it counts up to zero from here
    return take_done(&t) ? 0 : err_set(e, ERR_RETRY, "%s: a list without an end", s->peer);
}

static int take_part(struct session *s, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    s->part.usable = take_u8(&t) == 1;
    s->part.len = take_u64(&t);
    take_bytes(&t, s->part.digest, sizeof s->part.digest);
    s->parted = true;
    return take_done(&t) ? 0 : err_set(e, ERR_RETRY, "%s: a part that is none", s->peer);
}

static int take_dropped(struct session *s, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    s->drop_failed = take_u8(&t) != 1;
    s->dropped = true;
    return take_done(&t) ? 0 : err_set(e, ERR_RETRY, "%s: an answer that is none", s->peer);
}

static int dispatch(struct session *s, const struct frame *f, struct err *e) {
    switch (f->type) {
    case FRAME_PARTED:
        return take_part(s, f, e);
    case FRAME_DROPPED:
        return take_dropped(s, f, e);
    case FRAME_PAGE:
        return take_page(s, f, e);
    case FRAME_LISTED:
        return take_listed_end(s, f, e);
    case FRAME_DIGESTS:
        buf_clear(&s->digests);
        s->digests_came = true;
        return buf_append(&s->digests, f->data, f->len, e);
    case FRAME_RECEIPT:
        if (s->receipt != NULL) {
            return s->receipt(s->arg, f, e);
        }
        break;
    case FRAME_FAILURE:
        return wire_failure(&s->wire, f, e);
    default:
        break;
    }
    return err_set(e, ERR_RETRY, "%s: said something out of turn ('%c')", s->peer, (char)f->type);
}

int session_turn(struct session *s, bool wait, struct err *e) {
    struct frame f;
    int rc = wait ? wire_recv(&s->wire, &f, e) : wire_poll(&s->wire, &f, e);
    while (rc == 1) {
        rc = dispatch(s, &f, e);
        rc = rc < 0 ? rc : wire_poll(&s->wire, &f, e);
    }
    return rc == 0   ? err_set(e, ERR_RETRY, "%s: the stream ended too early", s->peer)
           : rc == 2 ? 0
                     : rc;
}

int session_part(struct session *s, const char *path, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(PATH_REL_MAX + 3);
    put_text(&b, path);
    s->parted = false;
    int rc = wire_send(&s->wire, FRAME_PART, b.data, b.len, e);
    while (rc == 0 && !s->parted) {
        rc = session_turn(s, true, e);
    }
    return rc;
}

int session_drop(struct session *s, const uint8_t token[PROTOCOL_TOKEN], bool *gone,
                 struct err *e) {
    s->dropped = false;
    int rc = wire_send(&s->wire, FRAME_DROP, token, PROTOCOL_TOKEN, e);
    while (rc == 0 && !s->dropped) {
        rc = session_turn(s, true, e);
    }
    *gone = rc == 0 && !s->drop_failed;
    return rc;
}

// --- the selection

// How the directories that lead to `under` are at the source. One that is not there, or that may
// not be entered, ends the list: then nothing below it is sent either. One that merely could not be
// opened must not: the receiver would make it with a mode of its own, and no step would mend that.
static int put_parents(struct buf *b, int root, const char *under, struct err *e) {
    uint16_t n = 0;
    AUTO_BUF struct buf each = BUF_INIT(PROTOCOL_FRAME_MAX);
    char path[PATH_REL_MAX + 1];
    for (const char *end = under; root >= 0 && strcmp(under, ".") != 0 && *end != 0;) {
        struct stat st = {0};
        end = strchrnul(end + (*end == '/'), '/');
        memcpy(path, under, (size_t)(end - under));
        path[end - under] = 0;
        AUTO_CLOSE int fd = path_open(root, path, O_PATH | O_DIRECTORY, 0);
        int fault = FAULT("files-parents");
        int errnum = fault != 0 ? fault : fd < 0 || fstat(fd, &st) != 0 ? errno : 0;
        if (errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP || errnum == EACCES) {
            break;
        }
        if (errnum != 0) {
            char shown[300];
            return err_sys(e, tree_errno_is_general(errnum) ? ERR_RETRY : ERR_IO, errnum,
                           "%s: cannot be opened at the source",
                           escape_into(shown, sizeof shown, path, strlen(path)));
        }
        put_u32(&each, st.st_mode & 07777);
        put_u32(&each, st.st_uid);
        put_u32(&each, st.st_gid);
        n++;
    }
    put_u16(b, n);
    buf_put(b, each.data, each.len);
    return 0;
}

static int send_text(struct session *s, struct buf *frame, char kind, const char *text,
                     struct err *e) {
    int rc = 0;
    if (text == NULL || frame->len > PROTOCOL_PAGE) {
        rc = frame->len > 1 ? wire_send(&s->wire, FRAME_NAMES, frame->data, frame->len, e) : 0;
        buf_clear(frame);
    }
    if (text != NULL) {
        if (frame->len == 0) {
            put_u8(frame, (uint8_t)kind);
        }
        put_text(frame, text);
    }
    return rc;
}

static int send_names(struct session *s, const struct session_selection *x, struct err *e) {
    AUTO_BUF struct buf frame = BUF_INIT(PROTOCOL_FRAME_MAX);
    int rc = 0;
    for (size_t at = 0; rc == 0 && x->names != NULL && at < x->names->len;) {
        const char *name = (const char *)x->names->data + at;
        rc = send_text(s, &frame, 'n', name, e);
        at += strlen(name) + 1;
    }
    rc = rc < 0 ? rc : send_text(s, &frame, 'n', NULL, e);
    for (size_t i = 0; rc == 0 && i < x->n_except; i++) {
        rc = send_text(s, &frame, 'x', x->except[i], e);
    }
    return rc < 0 ? rc : send_text(s, &frame, 'x', NULL, e);
}

static int send_select(struct session *s, int source_root, const char *under, bool all,
                       struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(PROTOCOL_FRAME_MAX);
    put_text(&b, under);
    put_u8(&b, all);
    int rc = put_parents(&b, source_root, under, e);
    return rc < 0 ? rc : wire_send(&s->wire, FRAME_SELECT, b.data, b.len, e);
}

int session_place(struct session *s, int source_root, const char *under, struct err *e) {
    return send_select(s, source_root, under, true, e);
}

int session_select(struct session *s, int source_root, const struct session_selection *x,
                   struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(16);
    int rc = send_select(s, source_root, x->under, x->names == NULL, e);
    rc = rc < 0 ? rc : send_names(s, x, e);
    put_u32(&b, PROTOCOL_CREDIT);
    s->list.asked = true;
    return rc < 0 ? rc : wire_send(&s->wire, FRAME_LIST, b.data, b.len, e);
}
