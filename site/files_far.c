// SPDX-License-Identifier: Apache-2.0
// The destination as the sender sees it: its list, merged into the walk, and its digests.
#include <string.h>

#include "site/files_private.h"

const struct listed *session_entry(const struct session *s) {
    return &s->list.slots[s->list.now];
}

static int give_credit(struct session *s, struct err *e) {
    struct far_list *l = &s->list;
    if (l->pages == 0 || l->ended || l->page.len - l->at >= PROTOCOL_PAGE) {
        return 0;
    }
    AUTO_BUF struct buf b = BUF_INIT(16);
    put_u32(&b, l->pages);
    l->pages = 0;
    return wire_send(&s->wire, FRAME_MORE, b.data, b.len, e);
}

// 1: an entry; 0: there is no more.
static int fetch(struct session *s, struct listed *out, struct err *e) {
    struct far_list *l = &s->list;
    while (l->at == l->page.len) {
        if (l->ended) {
            return l->count == 0 ? 0 : err_set(e, ERR_RETRY, "%s: its list is not whole", s->peer);
        }
        int rc = session_turn(s, true, e);
        if (rc < 0) {
            return rc;
        }
    }
    struct take t = {.data = l->page.data, .len = l->page.len, .at = l->at};
    take_listed(&t, out);
    if (t.bad || (l->last[0] != 0 && tree_compare(l->last, out->path) >= 0)) {
        return err_set(e, ERR_RETRY, "%s: a list that is not well formed", s->peer);
    }
    memcpy(l->last, out->path, strlen(out->path) + 1);
    l->at = t.at;
    l->count++;
    int rc = give_credit(s, e);
    return rc < 0 ? rc : 1;
}

static int advance(struct session *s, struct err *e) {
    struct far_list *l = &s->list;
    if (l->have_next) {
        l->now = !l->now;
        l->have_next = false;
        return 1;
    }
    int rc = fetch(s, &l->slots[l->now], e);
    l->have = rc > 0;
    return rc;
}

int session_seek(struct session *s, const char *path, struct err *e) {
    struct far_list *l = &s->list;
    for (;;) {
        if (l->have) {
            int order = tree_compare(l->slots[l->now].path, path);
            if (order >= 0) {
                return order == 0;
            }
        }
        int rc = advance(s, e);
        if (rc <= 0) {
            return rc;
        }
    }
}

int session_has_below(struct session *s, struct err *e) {
    struct far_list *l = &s->list;
    if (!l->have_next) {
        int rc = fetch(s, &l->slots[!l->now], e);
        if (rc <= 0) {
            return rc;
        }
        l->have_next = true;
    }
    return tree_is_below(l->slots[!l->now].path, l->slots[l->now].path);
}

bool session_same_time(const struct session *s, int64_t source_ns, int64_t destination_ns) {
    static const int64_t units[] = {100, 1000, 1000000, 1000000000, 2000000000};
    int64_t unit = (int64_t)s->keeps.mtime_ns;
    int64_t apart = source_ns - destination_ns;
    if (apart == 0) {
        return true;
    }
    if (unit > 0) {
        return apart > -unit && apart < unit && destination_ns % unit == 0;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) { // it could not be tried out
        if (apart > 0 && apart < units[i] && destination_ns % units[i] == 0) {
            return true;
        }
    }
    return false;
}

// --- digests

int session_digest_ask(struct session *s, const struct buf *paths, struct err *e) {
    s->digests_came = false;
    return wire_send(&s->wire, FRAME_DIGEST, paths->data, paths->len, e);
}

int session_digest_next(struct session *s, size_t *at, struct far_digest *d, struct err *e) {
    uint8_t digest[HASH_SIZE];
    while (!s->digests_came) {
        int rc = session_turn(s, true, e);
        if (rc < 0) {
            return rc;
        }
    }
    struct take t = {.data = s->digests.data, .len = s->digests.len, .at = *at};
    d->known = take_u8(&t) == 1;
    d->size = take_u64(&t);
    take_bytes(&t, digest, sizeof digest);
    hash_hex(digest, d->digest);
    if (!d->known) {
        d->digest[0] = 0;
    }
    *at = t.at;
    return t.bad ? err_set(e, ERR_RETRY, "%s: digests are missing", s->peer) : 0;
}
