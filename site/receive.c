// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "site/files.h"
#include "site/receive_private.h"

#define DRAIN_MS 10000

static int bad_frame(const struct frame *f, struct err *e) {
    return err_set(e, ERR_DATA, "a frame of type '%c' that is not well formed or out of turn",
                   (char)f->type);
}

// --- greeting

static int welcome(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    AUTO_BUF struct buf b = BUF_INIT(256);
    char magic[16];
    take_text(&t, magic, sizeof magic);
    uint16_t version = take_u16(&t);
    uint8_t token[PROTOCOL_TOKEN];
    take_bytes(&t, r->nonce, sizeof r->nonce);
    uint32_t timeout = take_u32(&t);
    r->writes = take_u8(&t) == 1;
    take_bytes(&t, token, sizeof token);
    if (!take_done(&t) || strcmp(magic, PROTOCOL_MAGIC) != 0 || timeout > INT32_MAX) {
        return bad_frame(f, e);
    }
    if (version != PROTOCOL_VERSION) {
        return err_set(e, ERR_FAILED,
                       "the receiver speaks version %d, the sender %u; use one "
                       "program at both ends",
                       PROTOCOL_VERSION, version);
    }
    r->wire.timeout_ms = (int)timeout;
    int rc = stage_open(&r->stage, r->rootfd, r->nonce, e);
    if (rc < 0 && r->writes) {
        return rc;
    }
    if (rc < 0) {
        stage_guess(&r->stage.keeps);
    } else if (r->writes) {
        parts_look(&r->parts, &r->stage, token);
    }
    r->welcomed = true;
    put_text(&b, PROTOCOL_MAGIC);
    put_u16(&b, PROTOCOL_VERSION);
    buf_put(&b, r->nonce, sizeof r->nonce);
    put_u32(&b, r->stage.keeps.flags | KEEP_CHECKSUM | KEEP_AMID |
                    (r->parts.usable ? KEEP_PARTS : 0) | (r->parts.there ? KEEP_PARTED : 0));
    put_u64(&b, r->stage.keeps.mtime_ns);
    return wire_send(&r->wire, FRAME_WELCOME, b.data, b.len, e);
}

static int select_under(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    take_text(&t, r->under, sizeof r->under);
    r->all = take_u8(&t) == 1;
    r->n_parents = take_u16(&t);
    bool root = strcmp(r->under, ".") == 0;
    if (t.bad || r->selected || (!root && !path_relative_ok(r->under)) ||
        r->n_parents > PATH_REL_MAX) {
        return bad_frame(f, e);
    }
    r->parents = must_calloc(r->n_parents, sizeof *r->parents);
    for (size_t i = 0; i < r->n_parents; i++) {
        r->parents[i].mode = take_u32(&t) & 07777;
        r->parents[i].uid = take_u32(&t);
        r->parents[i].gid = take_u32(&t);
    }
    r->selected = true;
    return take_done(&t) ? 0 : bad_frame(f, e);
}

// "n" and names directly in `under`, or "x" and paths that are left out.
static int select_names(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    char text[PATH_REL_MAX + 1];
    uint8_t kind = take_u8(&t);
    r->name_bytes += f->len;
    if (!r->selected || r->lister.started || (kind != 'n' && kind != 'x') ||
        r->name_bytes > PROTOCOL_NAMES_MAX) {
        return bad_frame(f, e);
    }
    while (!t.bad && t.at < t.len) {
        take_text(&t, text, sizeof text);
        if (kind == 'n') {
            *strtab_slot(r->names, text, strlen(text), &(bool){0}) = 1;
        } else {
            ARENA_PUSH(r->arena, r->except, r->n_except, r->cap_except,
                       arena_strdup(r->arena, text));
        }
    }
    return take_done(&t) ? 0 : bad_frame(f, e);
}

static int credit(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    uint32_t n = take_u32(&t);
    if (!take_done(&t) || !r->selected || n > PROTOCOL_CREDIT ||
        (f->type == FRAME_LIST) == r->lister.started) {
        return bad_frame(f, e);
    }
    if (f->type == FRAME_LIST) {
        return lister_start(r, n, e);
    }
    lister_more(r, n);
    return 0;
}

// --- the session

static int take_frame(struct receiver *r, const struct frame *f, struct err *e) {
    if (r->welcomed == (f->type == FRAME_HELLO)) {
        return bad_frame(f, e);
    }
    switch (f->type) {
    case FRAME_HELLO:
        return welcome(r, f, e);
    case FRAME_SELECT:
        return select_under(r, f, e);
    case FRAME_NAMES:
        return select_names(r, f, e);
    case FRAME_LIST:
    case FRAME_MORE:
        return credit(r, f, e);
    case FRAME_DIGEST:
        return receive_digests(r, f, e);
    case FRAME_REMOVE:
        return receive_remove(r, f, e);
    case FRAME_BATCH:
        return receive_batch(r, f, e);
    case FRAME_TAR:
        return receive_tar(r, f, e);
    case FRAME_MEND:
        return receive_mend(r, f, e);
    case FRAME_COMMIT:
        return receive_commit(r, f, e);
    case FRAME_PART:
        return receive_part(r, f, e);
    case FRAME_RANGE:
        return receive_range(r, f, e);
    case FRAME_PIECE:
        return receive_piece(r, f, e);
    case FRAME_WHOLE:
        return receive_whole(r, f, e);
    case FRAME_DROP:
        return receive_drop(r, f, e);
    default:
        return bad_frame(f, e);
    }
}

static bool committer_failed(struct receiver *r) {
    pthread_mutex_lock(&r->committer.lock);
    bool failed = r->committer.failed;
    pthread_mutex_unlock(&r->committer.lock);
    return failed;
}

// 1: goodbye was said; 0: the stream ended.
static int serve(struct receiver *r, struct err *e) {
    struct frame f;
    for (;;) {
        int rc = wire_recv(&r->wire, &f, e);
        if (rc <= 0) {
            return rc;
        }
        if (committer_failed(r)) {
            return committer_wait(r, e);
        }
        if (f.type == FRAME_BYE) {
            return 1;
        }
        if (f.type == FRAME_FAILURE) {
            return wire_failure(&r->wire, &f, e);
        }
        rc = take_frame(r, &f, e);
        if (rc < 0) {
            return rc;
        }
    }
}

// Reads on until the sender has seen why and ends: a stream that is closed with input unread may
// lose what was written to it last.
static void drain(struct receiver *r) {
    struct frame f;
    struct err ignored = {0};
    r->wire.timeout_ms = r->wire.timeout_ms < DRAIN_MS ? r->wire.timeout_ms : DRAIN_MS;
    while (wire_recv(&r->wire, &f, &ignored) > 0 && f.type != FRAME_BYE &&
           f.type != FRAME_FAILURE) {
    }
}

static void receiver_close(struct receiver *r) {
    lister_stop(r);
    committer_stop(r);
    batch_free(r, r->batch);
    tar_reader_free(r->tar);
    receive_give_up_file(r);
    part_close(r->part);
    parts_tidy(&r->parts);
    tree_parent_close(&r->parent);
    stage_close(&r->stage);
    hash_free(r->hash);
    strtab_free(r->names);
    arena_free(r->arena);
    free(r->parents);
    content_close(&r->content);
    content_close(&r->committer.content);
    wire_close(&r->wire);
}

static void receiver_open(struct receiver *r, int rootfd) {
    *r = (struct receiver){.rootfd = rootfd,
                           .stage = STAGE_INIT,
                           .file = -1,
                           .parent = TREE_PARENT_INIT(rootfd),
                           .names = strtab_new(),
                           .arena = arena_new(),
                           .hash = hash_new()};
    content_open(&r->content);
    pthread_mutex_init(&r->lister.lock, NULL);
    pthread_cond_init(&r->lister.more, NULL);
    pthread_mutex_init(&r->committer.lock, NULL);
    pthread_cond_init(&r->committer.turn, NULL);
}

// From the greeting to the end, over a wire that is open, or could not be opened (rc).
static int serve_to_the_end(struct receiver *r, int rc, struct err *e) {
    rc = rc < 0 ? rc : serve(r, e);
    if (rc >= 0) {
        int waited = committer_wait(r, e);
        rc = waited < 0 ? waited : rc == 1 ? wire_send(&r->wire, FRAME_BYE, NULL, 0, e) : 0;
    } else {
        if (!committer_failed(r)) {
            wire_fail(&r->wire, e);
        }
        drain(r);
    }
    receiver_close(r);
    free(r);
    return rc < 0 ? rc : 0;
}

int receive_serve(int rootfd, int from_sender, int to_sender, struct err *e) {
    struct receiver *r = must_calloc(1, sizeof *r);
    receiver_open(r, rootfd);
    int rc = wire_open(&r->wire, from_sender, to_sender, PROTOCOL_TIMEOUT_MS, "sender", e);
    return serve_to_the_end(r, rc, e);
}

int receive_serve_channel(int rootfd, struct channel *channel, struct err *e) {
    struct receiver *r = must_calloc(1, sizeof *r);
    receiver_open(r, rootfd);
    wire_open_channel(&r->wire, channel, 1, PROTOCOL_TIMEOUT_MS, "sender");
    return serve_to_the_end(r, 0, e);
}
