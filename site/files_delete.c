// SPDX-License-Identifier: Apache-2.0
// The sender's side of REMOVE (site/receive_remove.c).
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "site/files_private.h"

struct deletion {
    struct session session;
    const struct files_delete_item *items;
    size_t n;
    bool really;
    int (*each)(void *arg, const struct files_delete_item *item, enum files_delete_outcome outcome,
                struct err *e);
    void *arg;
};

// As many items as fit into one frame.
static size_t fill(const struct deletion *d, size_t from, struct buf *frame) {
    size_t n = 0;
    buf_clear(frame);
    put_u8(frame, d->really);
    while (from + n < d->n && n < PROTOCOL_REMOVALS &&
           frame->len + 1 + HASH_SIZE + 2 + PATH_REL_MAX <= PROTOCOL_FRAME_MAX) {
        const struct files_delete_item *i = &d->items[from + n++];
        put_u8(frame, (uint8_t)i->type);
        buf_put(frame, i->digest, HASH_SIZE);
        put_text(frame, i->path);
    }
    return n;
}

static int take_outcomes(struct deletion *d, size_t from, size_t n, const struct frame *f,
                         struct err *e) {
    int rc = 0;
    if (f->type != FRAME_REMOVED || f->len != n) {
        return err_set(e, ERR_RETRY, "%s: its answer is not to what was asked", d->session.peer);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (f->data[i] > FILES_DELETE_OCCUPIED) {
            return err_set(e, ERR_RETRY, "%s: an unknown outcome", d->session.peer);
        }
        rc = d->each(d->arg, &d->items[from + i], (enum files_delete_outcome)f->data[i], e);
    }
    return rc;
}

static int ask(struct deletion *d, struct err *e) {
    AUTO_BUF struct buf frame = BUF_INIT(PROTOCOL_FRAME_MAX);
    size_t n;
    int rc = 0;
    for (size_t from = 0; rc == 0 && from < d->n; from += n) {
        struct frame f;
        if (stop_asked()) {
            return err_set(e, stop_error(), "stopped");
        }
        n = fill(d, from, &frame);
        rc = wire_send(&d->session.wire, FRAME_REMOVE, frame.data, frame.len, e);
        rc = rc < 0 ? rc : wire_recv(&d->session.wire, &f, e);
        if (rc == 0) {
            return err_set(e, ERR_RETRY, "%s: the stream ended", d->session.peer);
        }
        rc = rc < 0                    ? rc
             : f.type == FRAME_FAILURE ? wire_failure(&d->session.wire, &f, e)
                                       : take_outcomes(d, from, n, &f, e);
    }
    return rc;
}

int files_delete(struct file_end *destination, const struct files_delete_item *items, size_t n,
                 bool really,
                 int (*each)(void *arg, const struct files_delete_item *item,
                             enum files_delete_outcome outcome, struct err *e),
                 void *arg, struct err *e) {
    struct deletion *d = must_calloc(1, sizeof *d);
    struct err ignored = {0};
    d->items = items;
    d->n = n;
    d->really = really;
    d->each = each;
    d->arg = arg;
    int rc = session_open(&d->session, destination, really, NULL, e);
    rc = rc < 0 ? rc : ask(d, e);
    if (rc == 0) {
        session_bye(&d->session, &ignored);
    }
    session_explain(&d->session, rc, e);
    session_close(&d->session);
    free(d);
    return rc;
}
