// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "site/protocol.h"

static void put_number(struct buf *b, uint64_t v, size_t len) {
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(v >> 8 * (len - 1 - i));
    }
    buf_put(b, bytes, len);
}

void put_u8(struct buf *b, uint8_t v) {
    put_number(b, v, 1);
}

void put_u16(struct buf *b, uint16_t v) {
    put_number(b, v, 2);
}

void put_u32(struct buf *b, uint32_t v) {
    put_number(b, v, 4);
}

void put_u64(struct buf *b, uint64_t v) {
    put_number(b, v, 8);
}

void put_text(struct buf *b, const char *s) {
    size_t len = strlen(s);
    MUST(len <= UINT16_MAX);
    put_u16(b, (uint16_t)len);
    buf_put(b, s, len);
}

static uint64_t take_number(struct take *t, size_t len) {
    uint8_t bytes[8];
    uint64_t v = 0;
    take_bytes(t, bytes, len);
    for (size_t i = 0; i < len && !t->bad; i++) {
        v = v << 8 | bytes[i];
    }
    return v;
}

uint8_t take_u8(struct take *t) {
    return (uint8_t)take_number(t, 1);
}

uint16_t take_u16(struct take *t) {
    return (uint16_t)take_number(t, 2);
}

uint32_t take_u32(struct take *t) {
    return (uint32_t)take_number(t, 4);
}

uint64_t take_u64(struct take *t) {
    return take_number(t, 8);
}

void take_bytes(struct take *t, void *out, size_t len) {
    if (t->bad || t->len - t->at < len) {
        t->bad = true;
        memset(out, 0, len);
        return;
    }
    memcpy(out, t->data + t->at, len);
    t->at += len;
}

void take_text(struct take *t, char *out, size_t size) {
    size_t len = take_u16(t);
    if (t->bad || len >= size || t->len - t->at < len || memchr(t->data + t->at, 0, len) != NULL) {
        t->bad = true;
        out[0] = 0;
        return;
    }
    take_bytes(t, out, len);
    out[len] = 0;
}

bool take_done(const struct take *t) {
    return !t->bad && t->at == t->len;
}

// --- records

void put_listed(struct buf *b, const struct listed *l) {
    put_u8(b, (uint8_t)l->type);
    put_u32(b, l->mode);
    put_u32(b, l->uid);
    put_u32(b, l->gid);
    put_u64(b, l->size);
    put_u64(b, (uint64_t)l->mtime_ns);
    put_text(b, l->path);
    if (l->type == TREE_LINK) {
        put_text(b, l->target);
    }
}

void take_listed(struct take *t, struct listed *l) {
    l->type = (char)take_u8(t);
    l->mode = take_u32(t);
    l->uid = take_u32(t);
    l->gid = take_u32(t);
    l->size = take_u64(t);
    l->mtime_ns = (int64_t)take_u64(t);
    take_text(t, l->path, sizeof l->path);
    l->target[0] = 0;
    if (l->type == TREE_LINK) {
        take_text(t, l->target, sizeof l->target);
    }
    t->bad =
        t->bad || l->type == 0 || strchr("fdlou", l->type) == NULL ||
        !(path_relative_ok(l->path) || (l->type == LISTED_UNREADABLE && strcmp(l->path, ".") == 0));
}

void put_mend(struct buf *b, const struct mend *m) {
    put_u8(b, (uint8_t)m->type);
    put_u8(b, m->what);
    put_u32(b, m->mode);
    put_u32(b, m->uid);
    put_u32(b, m->gid);
    put_u64(b, (uint64_t)m->mtime_ns);
    put_text(b, m->path);
}

void take_mend(struct take *t, struct mend *m, char path[PATH_REL_MAX + 1]) {
    m->type = (char)take_u8(t);
    m->what = take_u8(t);
    m->mode = take_u32(t);
    m->uid = take_u32(t);
    m->gid = take_u32(t);
    m->mtime_ns = (int64_t)take_u64(t);
    take_text(t, path, PATH_REL_MAX + 1);
    m->path = path;
    t->bad = t->bad || m->type == 0 || strchr("fdl", m->type) == NULL || (m->mode & ~07777u) != 0 ||
             (m->what & ~(MEND_MODE | MEND_OWNER | MEND_TIME)) != 0 || !path_relative_ok(path);
}

void digest_item(struct hash *h, const struct digest_item *i) {
    const uint64_t numbers[] = {(uint8_t)i->kind,      i->mode,  i->uid, i->gid,
                                (uint64_t)i->mtime_ns, i->xattrs};
    uint8_t bytes[sizeof numbers];
    for (size_t k = 0; k < sizeof bytes; k++) {
        bytes[k] = (uint8_t)(numbers[k / 8] >> (56 - 8 * (k % 8)));
    }
    hash_update(h, bytes, sizeof bytes);
    hash_field_str(h, i->path);
    hash_field(h, i->data, i->len);
}

uint64_t digest_xattr(const char *name, const void *value, size_t len) {
    return hash_mix64(name, strlen(name) + 1) * 31 + hash_mix64(value, len);
}
