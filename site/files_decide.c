// SPDX-License-Identifier: Apache-2.0
// What has to be done with an entry of the source, given what stands at the destination:
//
//     nothing there                        send
//     same type, size and time             there already; metadata that differ are mended
//     same size, other time; --checksum    in doubt: digests of both sides decide
//     other content, type or target,
//       as an earlier pass laid it         an update: replaced
//     other content, type or target        a conflict: kept, replaced or failed by the policy
//     directory against a symbolic link    a problem, whatever the policy: nothing goes through it
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "site/files_private.h"

#define TRIES 3
#define PAUSE_MS 50

static uint8_t metadata_differ(const struct sender *s, const struct tree_entry *t,
                               const struct listed *far) {
    uint32_t keep = s->session.keeps.flags;
    uint8_t what = 0;
    if ((keep & KEEP_MODE) != 0 && t->type != TREE_LINK && t->mode != far->mode) {
        what |= MEND_MODE;
    }
    if ((keep & KEEP_OWNER) != 0 && (t->uid != far->uid || t->gid != far->gid)) {
        what |= MEND_OWNER;
    }
    if (!session_same_time(&s->session, t->mtime_ns, far->mtime_ns)) {
        what |= MEND_TIME;
    }
    return what;
}

static void progress(struct sender *s, const struct item *i, bool read) {
    // Content that is read and sent in pieces was counted as it went.
    uint64_t bytes = i->t.type != TREE_FILE ? 0 : read ? i->t.size % SOURCE_BUFFER : i->t.size;
    if (s->job->progress != NULL) {
        s->job->progress(s->job->arg, 1, bytes);
    }
}

static int problem(struct sender *s, struct item *i, const char *class, const char *detail,
                   struct err *e) {
    i->state = ITEM_GONE;
    return tell_problem(s, i->path, class, detail, e);
}

// --- outcomes; each sets i->state

static int equal(struct sender *s, struct item *i, struct err *e) {
    uint8_t what = metadata_differ(s, &i->t, i->far);
    i->state = ITEM_DONE;
    source_remember(s, i);
    progress(s, i, false);
    if (what == 0) {
        s->counts->present++;
        return 0;
    }
    s->counts->mended++;
    return s->job->dry_run ? tell_difference(s, i->path, what, e)
                           : batch_mend(s, &i->t, what, true, e);
}

// What became of an item that was to be sent.
static int sent(struct sender *s, struct item *i, int rc, struct err *e) {
    if (rc == SOURCE_OK) {
        i->state = ITEM_DONE;
        progress(s, i, true);
        return 0;
    }
    if (rc == SOURCE_MOVED && ++i->tries < TRIES) {
        i->state = ITEM_AGAIN;
        return 0;
    }
    i->state = ITEM_GONE;
    return rc == SOURCE_MOVED
               ? problem(s, i, "changed", "it changed each time while it was read", e)
           : rc < 0 ? rc
                    : 0;
}

static int send(struct sender *s, struct item *i, struct err *e) {
    if (i->dir != NULL) {
        i->dir->dirty = true;
    }
    if (s->job->dry_run) {
        i->state = ITEM_DONE;
        s->counts->sent++;
        s->counts->sent_bytes += i->t.type == TREE_FILE ? i->t.size : 0;
        progress(s, i, false);
        return i->replace ? 0 : tell_difference(s, i->path, 0, e);
    }
    bool away;
    int rc = streams_offer(s, i, &away, e);
    if (rc < 0 || away) {
        return rc;
    }
    rc = batch_send(s, i, e);
    if (rc == SOURCE_OK) {
        source_remember(s, i);
    }
    return sent(s, i, rc, e);
}

int decide_returned(struct sender *s, struct item *i, struct err *e) {
    int rc = sent(s, i, i->outcome, e);
    s->doubts += i->state == ITEM_AGAIN;
    return rc;
}

// What stands at the destination is as an earlier pass laid it: only the source has changed since.
static int compare_base(struct sender *s, const struct item *i, const char *far_digest, bool *ours,
                        struct err *e) {
    uint8_t digest[HASH_SIZE] = {0};
    *ours = false;
    if (s->job->as_laid == NULL || i->far->type == TREE_DIR) {
        return 0;
    }
    if (i->far->type == TREE_LINK) {
        hash_bytes(i->far->target, strlen(i->far->target), digest);
    } else if (hash_unhex(far_digest, digest) != 0) {
        return 0;
    }
    return s->job->as_laid(s->job->arg, i->far->type, i->path, digest, ours, e);
}

static int conflict(struct sender *s, struct item *i, const char *far_digest, struct err *e) {
    static const char *const decisions[] = {
        [CONFLICT_KEEP] = "kept", [CONFLICT_REPLACE] = "replaced", [CONFLICT_FAIL] = "failed"};
    enum conflict_policy policy = s->job->on_conflict;
    struct files_conflict c = {.path = i->path};
    int rc = compare_base(s, i, far_digest, &c.updated, e);
    if (rc < 0) {
        return rc;
    }
    policy = c.updated ? CONFLICT_REPLACE : policy;
    c.decision = decisions[policy];
    memcpy(c.source_digest, i->digest, HASH_HEX);
    memcpy(c.destination_digest, far_digest, strlen(far_digest) + 1);
    s->counts->conflicts++;
    s->failed = s->failed || policy == CONFLICT_FAIL;
    rc = s->job->conflict(s->job->arg, &c, e);
    if (rc < 0) {
        return rc;
    }
    if (policy == CONFLICT_REPLACE) {
        i->replace = true;
        i->theirs = !c.updated;
        return send(s, i, e);
    }
    i->mark = 'k';
    i->state = ITEM_DONE;
    progress(s, i, false);
    return 0;
}

// --- doubts

static int resolve(struct sender *s, struct item *i, const struct far_digest *far, struct err *e) {
    int rc = i->t.type == TREE_FILE ? source_digest(s, i, e) : SOURCE_OK;
    if (rc == SOURCE_MOVED && ++i->tries < TRIES) {
        return 0; // stays in doubt
    }
    if (rc == SOURCE_MOVED) {
        return problem(s, i, "changed", "it changed each time while it was read", e);
    }
    if (rc != SOURCE_OK) {
        i->state = ITEM_GONE;
        return rc < 0 ? rc : 0;
    }
    if (i->t.type == TREE_FILE && far->known && strcmp(far->digest, i->digest) == 0) {
        i->far->size = far->size;
        return equal(s, i, e);
    }
    return conflict(s, i, far->digest, e);
}

static bool asks(const struct item *i) {
    return i->state == ITEM_DOUBT && i->far->type == TREE_FILE;
}

// The tools of a far end without a receiver do one thing at a time.
static int digest_ask(struct sender *s, const struct buf *paths, struct err *e) {
    int rc = (s->session.keeps.flags & KEEP_AMID) != 0 ? 0 : batch_end(s, e);
    return rc < 0 ? rc : session_digest_ask(&s->session, paths, e);
}

// Asks for the digests of as many as fit into one frame.
static size_t ask(struct sender *s, struct err *e, int *rc) {
    AUTO_BUF struct buf paths = BUF_INIT(PROTOCOL_FRAME_MAX);
    size_t n = 0;
    for (struct item *i = s->first; i != NULL && n < PROTOCOL_DIGESTS; i = i->next) {
        if (asks(i)) {
            if (paths.len + PATH_REL_MAX + 3 > PROTOCOL_FRAME_MAX) {
                break;
            }
            put_text(&paths, i->path);
            n++;
        }
    }
    *rc = n == 0 ? 0 : digest_ask(s, &paths, e);
    return n;
}

static int resolve_round(struct sender *s, struct err *e) {
    int rc;
    size_t at = 0, left = ask(s, e, &rc);
    for (struct item *i = s->first; rc == 0 && i != NULL; i = i->next) {
        struct far_digest far = {0};
        if (i->state == ITEM_AGAIN) {
            clock_sleep_ms(PAUSE_MS * i->tries);
            rc = send(s, i, e);
        } else if (i->state == ITEM_DOUBT) {
            bool asked = asks(i);
            if (asked && left == 0) {
                continue;
            }
            left -= asked;
            rc = asked ? session_digest_next(&s->session, &at, &far, e) : 0;
            rc = rc < 0 ? rc : resolve(s, i, &far, e);
        } else {
            continue;
        }
        s->doubts -= i->state != ITEM_DOUBT && i->state != ITEM_AGAIN;
    }
    return rc;
}

int decide_doubts(struct sender *s, struct err *e) {
    int rc = 0;
    while (rc == 0 && s->doubts > 0) {
        rc = resolve_round(s, e);
    }
    return rc < 0 ? rc : queue_flush(s, e);
}

// --- decisions

// A directory is decided at once, since its entries come next.
static int decide_dir(struct sender *s, struct item *i, struct dir *d, struct err *e) {
    int rc = 0;
    if (i->far == NULL) {
        d->sent = true;
        return send(s, i, e);
    }
    if (i->far->type == TREE_DIR) {
        d->need = metadata_differ(s, &i->t, i->far);
        i->state = ITEM_DONE;
        s->counts->present++; // until it is mended at its end
        progress(s, i, false);
        return 0;
    }
    d->blocked = true;
    if (i->far->type == TREE_LINK) {
        return problem(s, i, "symlink",
                       "a symbolic link stands there at the destination; nothing is written "
                       "through it: remove it or leave this directory out",
                       e);
    }
    struct far_digest far = {0};
    if (i->far->type == TREE_FILE) {
        AUTO_BUF struct buf path = BUF_INIT(PATH_REL_MAX + 3);
        size_t at = 0;
        put_text(&path, i->path);
        rc = digest_ask(s, &path, e);
        rc = rc < 0 ? rc : session_digest_next(&s->session, &at, &far, e);
    }
    rc = rc < 0 ? rc : conflict(s, i, far.digest, e);
    d->sent = i->replace;
    d->blocked = !i->replace;
    return rc;
}

static int decide_link(struct sender *s, struct item *i, struct err *e) {
    int rc = source_target(s, i, e);
    if (rc != SOURCE_OK) {
        i->state = ITEM_GONE;
        return rc < 0 ? rc : 0;
    }
    if (i->far == NULL) {
        return send(s, i, e);
    }
    if (i->far->type == TREE_LINK) {
        return strcmp(i->far->target, i->target) == 0 ? equal(s, i, e) : conflict(s, i, "", e);
    }
    i->state = ITEM_DOUBT;
    return 0;
}

static int decide_file(struct sender *s, struct item *i, struct err *e) {
    if (i->far == NULL) {
        return send(s, i, e);
    }
    if (i->far->type == TREE_FILE && i->far->size == i->t.size && !s->job->checksum &&
        session_same_time(&s->session, i->t.mtime_ns, i->far->mtime_ns)) {
        return equal(s, i, e);
    }
    i->state = ITEM_DOUBT;
    return 0;
}

static int decide_any(struct sender *s, struct item *i, struct dir *inside, struct err *e) {
    char text[128];
    if (i->dir != NULL && i->dir->blocked) {
        return problem(s, i, "blocked", "its directory could not be made at the destination", e);
    }
    if (i->t.type == TREE_OTHER) {
        return problem(s, i, "special", "a device, socket or FIFO: not copied", e);
    }
    if (i->far != NULL && i->far->type == LISTED_UNREADABLE) {
        return problem(s, i, "unreadable-there", strerror_r((int)i->far->size, text, sizeof text),
                       e);
    }
    if (inside != NULL) {
        return decide_dir(s, i, inside, e);
    }
    if (i->far != NULL && i->far->type == TREE_DIR) {
        int below = session_has_below(&s->session, e);
        if (below != 0) {
            return below < 0 ? below
                             : problem(s, i, "occupied",
                                       "a directory that is not empty stands in its place", e);
        }
    }
    return i->t.type == TREE_LINK ? decide_link(s, i, e) : decide_file(s, i, e);
}

int decide(struct sender *s, struct item *i, struct dir *inside, struct err *e) {
    int rc = decide_any(s, i, inside, e);
    if (rc < 0) {
        item_free(i);
        return rc;
    }
    if (inside != NULL && i->state == ITEM_GONE) {
        inside->blocked = true;
    }
    if (inside != NULL && inside->sent) {
        inside->made_by = s->next_number - 1;
    }
    return queue_add(s, i, e);
}
