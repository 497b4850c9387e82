// SPDX-License-Identifier: Apache-2.0
// The manifest stands in walk order, but what belongs into it is known out of order: a file in
// doubt waits for digests, one that moved is read again. So entries pass through a queue, whose
// head is written as far as all is known of it. Ends of directories pass through it as well, so
// that a directory's own metadata are set when nothing in it is still to come.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "site/files_private.h"

#define QUEUE_MAX 4096
#define QUEUE_AWAY_MAX 16384 // while a large file is away at its head

struct item *item_new(const struct tree_entry *t, struct dir *dir) {
    size_t len = strlen(t->path) + 1;
    struct item *i = must_calloc(1, sizeof *i + len);
    memcpy(i->path, t->path, len);
    i->t = *t;
    i->t.path = i->path;
    i->dir = dir;
    i->mark = '=';
    return i;
}

void item_free(struct item *i) {
    if (i->far_owned) {
        free(i->far);
    }
    free(i->target);
    free(i);
}

static int write_line(struct sender *s, const struct item *i, struct err *e) {
    if (s->manifest == NULL) {
        return 0;
    }
    struct manifest_entry m = {.type = (char)i->t.type,
                               .mark = i->mark,
                               .mode = i->t.mode,
                               .uid = i->t.uid,
                               .gid = i->t.gid,
                               .size = i->t.type == TREE_DIR ? 0 : i->t.size,
                               .mtime_ns = i->t.mtime_ns,
                               .path = i->path,
                               .target = i->target == NULL ? "" : i->target};
    memcpy(m.digest, i->digest, sizeof m.digest);
    return manifest_write(s->manifest, &m, e);
}

// What a directory needs at its end: all of it after its entries changed, else what differs.
static int stamp(struct sender *s, struct dir *d, struct err *e) {
    uint8_t what = d->need;
    if (d->dirty || d->sent) {
        what = MEND_TIME | ((s->session.keeps.flags & KEEP_MODE) != 0 ? MEND_MODE : 0) |
               ((s->session.keeps.flags & KEEP_OWNER) != 0 ? MEND_OWNER : 0);
    }
    if (d->blocked || what == 0) {
        return 0;
    }
    if (!d->sent && d->need != 0) {
        s->counts->mended++;
        s->counts->present--;
    }
    if (s->job->dry_run) {
        return d->sent || d->need == 0 ? 0 : tell_difference(s, d->path, d->need, e);
    }
    return batch_mend(s, &d->t, what, !d->sent && d->need != 0, e);
}

int queue_flush(struct sender *s, struct err *e) {
    int rc = streams_collect(s, e);
    while (rc == 0 && s->first != NULL && s->first->state >= ITEM_DONE) {
        struct item *i = s->first;
        rc = i->state == ITEM_DONE    ? write_line(s, i, e)
             : i->state == ITEM_STAMP ? stamp(s, i->dir, e)
                                      : 0;
        s->first = i->next;
        s->last = s->first == NULL ? &s->first : s->last;
        s->queued--;
        if (i->state == ITEM_STAMP) {
            free(i->dir);
        }
        item_free(i);
    }
    return rc;
}

int queue_add(struct sender *s, struct item *i, struct err *e) {
    if (i->far != NULL && !i->far_owned) { // it is the list's, which moves on
        bool waits = i->state == ITEM_DOUBT || i->state == ITEM_AGAIN;
        struct listed *copy = waits ? must_calloc(1, sizeof *copy) : NULL;
        if (waits) {
            memcpy(copy, i->far, sizeof *copy);
        }
        i->far = copy;
        i->far_owned = waits;
    }
    *s->last = i;
    s->last = &i->next;
    s->queued++;
    s->doubts += i->state == ITEM_DOUBT || i->state == ITEM_AGAIN;
    int rc = queue_flush(s, e);
    bool away = s->first != NULL && s->first->state == ITEM_AWAY;
    if (rc == 0 && (s->doubts >= PROTOCOL_DIGESTS / 4 || (s->queued >= QUEUE_MAX && !away))) {
        rc = decide_doubts(s, e);
    }
    if (rc == 0 && away && s->queued >= QUEUE_AWAY_MAX) {
        rc = streams_wait_first(s, e);
        rc = rc < 0 ? rc : queue_flush(s, e);
    }
    return rc;
}

void queue_free(struct sender *s) {
    while (s->first != NULL) {
        struct item *i = s->first;
        s->first = i->next;
        if (i->state == ITEM_STAMP) {
            free(i->dir);
        }
        item_free(i);
    }
    while (s->dir != NULL) {
        struct dir *d = s->dir;
        s->dir = d->up;
        free(d);
    }
}

// --- directories

struct dir *dir_new(struct sender *s, const struct tree_entry *t) {
    size_t len = strlen(t->path) + 1;
    struct dir *d = must_calloc(1, sizeof *d + len);
    memcpy(d->path, t->path, len);
    d->t = *t;
    d->t.path = d->path;
    d->up = s->dir;
    d->blocked = s->dir != NULL && s->dir->blocked;
    return d;
}

int dir_leave_to(struct sender *s, const char *path, struct err *e) {
    int rc = 0;
    while (rc == 0 && s->dir != NULL && (path == NULL || !tree_is_below(path, s->dir->path))) {
        struct dir *d = s->dir;
        rc = d->spread ? streams_settle(s, e) : 0; // nothing is laid in it behind its own time
        if (rc < 0) {
            break;
        }
        struct item *i = item_new(&d->t, d);
        i->state = ITEM_STAMP;
        s->dir = d->up;
        rc = queue_add(s, i, e);
    }
    return rc;
}

// --- what is told

int tell_problem(struct sender *s, const char *path, const char *class, const char *detail,
                 struct err *e) {
    s->counts->problems++;
    return s->job->problem(s->job->arg, path, class, detail, e);
}

int tell_problem_errno(struct sender *s, const char *path, int errnum, struct err *e) {
    char text[128], shown[300];
    if (tree_errno_is_general(
            errnum)) { // the step is tried again; the item is as good as any other
        return err_sys(e, ERR_RETRY, errnum, "%s: cannot be read",
                       escape_into(shown, sizeof shown, path, strlen(path)));
    }
    const char *class = errnum == ENOENT ? "vanished" : "unreadable";
    return tell_problem(s, path, class, strerror_r(errnum, text, sizeof text), e);
}

int tell_difference(struct sender *s, const char *path, uint8_t what, struct err *e) {
    static const struct {
        uint8_t bit;
        const char *name;
    } names[] = {{0, "missing"}, {MEND_MODE, "mode"}, {MEND_OWNER, "owner"}, {MEND_TIME, "time"}};
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < 4 && s->job->difference != NULL; k++) {
        if (what == names[k].bit || (what & names[k].bit) != 0) {
            rc = s->job->difference(s->job->arg, path, names[k].name, "", e);
        }
    }
    return rc;
}
