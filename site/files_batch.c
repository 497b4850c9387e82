// SPDX-License-Identifier: Apache-2.0
// Batches on their way out, and the receipts that come back for them. What a receipt has to say is
// computed here from what was read, never taken from the far side.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "site/files_private.h"
#include "site/tar_reader.h"

#define TAR_FRAME (256u << 10)

static struct member *push(struct members *l, struct member m) {
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : 2 * l->cap;
        l->items = must_realloc(l->items, l->cap, sizeof *l->items);
    }
    l->items[l->n] = m;
    return &l->items[l->n++];
}

static struct member *add(struct members *l, char kind, const struct tree_entry *t) {
    const struct member m = {.kind = kind,
                             .mode = t->mode,
                             .uid = t->uid,
                             .gid = t->gid,
                             .mtime_ns = t->mtime_ns,
                             .path = must_strdup(t->path)};
    return push(l, m);
}

static void members_free(struct members *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].path);
        free(l->items[i].target);
    }
    free(l->items);
}

static void batch_free(struct out_batch *b) {
    if (b != NULL) {
        members_free(&b->members);
        members_free(&b->mends);
        buf_free(&b->remarks);
        buf_free(&b->mend_records);
        free(b);
    }
}

void batches_free(struct sender *s) {
    if (s->archive != NULL) {
        err_set(&s->late, ERR_FAILED, "given up"); // nothing more goes out
        archive_write_free(s->archive);
    }
    archive_entry_free(s->entry);
    batch_free(s->batch);
    while (s->flying != NULL) {
        struct out_batch *b = s->flying;
        s->flying = b->next;
        batch_free(b);
    }
    buf_free(&s->frame);
}

// --- the archive

static int say_alive(void *wire, struct err *e) {
    return wire_alive(wire, e);
}

static int flush_frame(struct sender *s, struct err *e) {
    struct wire *w = &s->session.wire;
    int rc = s->frame.len == 0 ? 0 : rate_wait(s->job->rate, s->frame.len, say_alive, w, e);
    if (rc == 0 && s->frame.len > 0) {
        rc = wire_send_buf(w, FRAME_TAR, &s->frame, e);
    }
    buf_clear(&s->frame);
    return rc;
}

// Never fails towards libarchive, which loses memory then: what could not be sent is in s->late.
static la_ssize_t on_write(struct archive *a, void *arg, const void *data, size_t len) {
    struct sender *s = arg;
    const char *from = data;
    (void)a;
    for (size_t left = len; left > 0 && s->late.code == 0;) {
        size_t part = s->frame.max - s->frame.len < left ? s->frame.max - s->frame.len : left;
        buf_put(&s->frame, from, part);
        from += part;
        left -= part;
        if (s->frame.len == s->frame.max) {
            flush_frame(s, &s->late);
        }
    }
    return (la_ssize_t)len;
}

int archive_failed(struct sender *s, struct err *e) {
    if (s->late.code != 0) {
        *e = s->late;
        return e->code;
    }
    const char *text = s->archive == NULL ? NULL : archive_error_string(s->archive);
    return err_set(e, ERR_FAILED, "libarchive: %s", text == NULL ? "out of memory" : text);
}

static int archive_open(struct sender *s, struct err *e) {
    s->entry = s->entry == NULL ? archive_entry_new() : s->entry;
    s->archive = archive_write_new();
    s->frame.max = rate_piece(s->job->rate, TAR_FRAME);
    if (s->archive == NULL || s->entry == NULL ||
        archive_write_set_format_pax(s->archive) != ARCHIVE_OK ||
        archive_write_set_options(s->archive, "hdrcharset=BINARY,xattrheader=SCHILY") !=
            ARCHIVE_OK ||
        archive_write_set_bytes_per_block(s->archive, 0) != ARCHIVE_OK ||
        archive_write_open(s->archive, s, NULL, on_write, NULL) != ARCHIVE_OK) {
        return archive_failed(s, e);
    }
    return 0;
}

static int archive_end(struct sender *s, struct err *e) {
    if (archive_write_close(s->archive) != ARCHIVE_OK || s->late.code != 0) {
        return archive_failed(s, e);
    }
    archive_write_free(s->archive);
    s->archive = NULL;
    return flush_frame(s, e);
}

// --- filling

int batch_bare(struct sender *s, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(16);
    s->batch = must_calloc(1, sizeof *s->batch);
    s->batch->number = s->next_number++;
    s->batch->remarks = (struct buf)BUF_INIT(PROTOCOL_FRAME_MAX - 128);
    s->batch->mend_records = (struct buf)BUF_INIT(SIZE_MAX - 1);
    put_u64(&b, s->batch->number);
    return wire_send(&s->session.wire, FRAME_BATCH, b.data, b.len, e);
}

static int batch_begin(struct sender *s, struct err *e) {
    int rc = batch_bare(s, e);
    return rc < 0 ? rc : archive_open(s, e);
}

// A batch with room for one more item of that size.
static int batch_for(struct sender *s, uint64_t size, struct err *e) {
    struct out_batch *b = s->batch;
    if (b != NULL && (b->members.n + b->mends.n >= s->batch_items || b->bytes >= BATCH_BYTES ||
                      (b->bytes > 0 && size >= BATCH_BYTES - b->bytes))) {
        int rc = batch_end(s, e);
        if (rc < 0) {
            return rc;
        }
    }
    return s->batch != NULL ? 0 : batch_begin(s, e);
}

static void remark(struct out_batch *b, char what, const struct listed *far) {
    put_u32(&b->remarks, (uint32_t)b->members.n - 1);
    put_u8(&b->remarks, (uint8_t)what);
    put_u8(&b->remarks, far == NULL ? 0 : (uint8_t)far->type);
    put_u64(&b->remarks, far == NULL ? 0 : far->size);
    put_u64(&b->remarks, far == NULL ? 0 : (uint64_t)far->mtime_ns);
    b->n_remarks++;
}

static void describe(struct archive_entry *a, const struct tree_entry *t) {
    int64_t ns = t->mtime_ns % 1000000000;
    ns += ns < 0 ? 1000000000 : 0;
    archive_entry_clear(a);
    archive_entry_set_pathname(a, t->path);
    archive_entry_set_filetype(a, t->type == TREE_FILE  ? AE_IFREG
                                  : t->type == TREE_DIR ? AE_IFDIR
                                                        : AE_IFLNK);
    archive_entry_set_perm(a, t->mode);
    archive_entry_set_uid(a, t->uid);
    archive_entry_set_gid(a, t->gid);
    archive_entry_set_mtime(a, (t->mtime_ns - ns) / 1000000000, (long)ns);
    archive_entry_set_size(a, t->type == TREE_FILE ? (int64_t)t->size : 0);
}

static int write_header(struct sender *s, struct err *e) {
    int rc = archive_write_header(s->archive, s->entry);
    return rc == ARCHIVE_OK && s->late.code == 0 ? 0 : archive_failed(s, e);
}

static struct member *begin_member(struct sender *s, struct item *i, char kind) {
    struct member *m = add(&s->batch->members, kind, &i->t);
    m->theirs = i->theirs;
    if (i->replace) {
        remark(s->batch, REMARK_REPLACE, i->far);
    }
    return m;
}

// The batch that a file's content goes with; a large one's has gone before it, in ranges.
static int content_begin(struct sender *s, struct item *i, int fd, struct err *e) {
    int rc = ranges_fit(s, i) ? ranges_send(s, i, fd, e) : SOURCE_WHOLE;
    i->in_ranges = rc == SOURCE_OK;
    if (i->in_ranges) {
        rc = batch_begin(s, e);
        return rc < 0 ? rc : ranges_whole(s, e);
    }
    return rc == SOURCE_WHOLE ? batch_for(s, i->t.size, e) : rc;
}

static int send_content(struct sender *s, struct item *i, int fd, struct err *e) {
    int rc = content_begin(s, i, fd, e);
    if (rc != 0) {
        return rc;
    }
    describe(s->entry, &i->t);
    uint64_t xattrs = source_describe(s, fd, i);
    struct member *m = begin_member(s, i, TREE_FILE);
    m->xattrs = xattrs;
    rc = write_header(s, e);
    rc = rc < 0 || i->in_ranges ? rc : source_copy(s, i, fd, e);
    if (rc < 0) {
        return rc;
    }
    if (rc != SOURCE_OK) { // the archive pads what is missing
        m->is_void = true;
        remark(s->batch, REMARK_VOID, NULL);
        return rc;
    }
    m->size = i->t.size;
    MUST(hash_unhex(i->digest, m->digest) == 0);
    if (!i->in_ranges && (s->session.keeps.flags & KEEP_CHECKSUM) != 0) {
        m->by = CONTENT_CHECKSUM;
        memcpy(m->checksum, s->checked, sizeof m->checksum);
    }
    m->sent = i->in_ranges ? 0 : i->t.size;
    s->batch->bytes += m->sent;
    s->batch->counts.sent_bytes += m->sent;
    return 0;
}

static int send_file(struct sender *s, struct item *i, struct err *e) {
    AUTO_CLOSE int fd = -1;
    int rc = source_open(s, i, &fd, e);
    if (rc != SOURCE_OK) {
        return rc;
    }
    const struct first_link *first = source_first(s, i);
    if (first == NULL) {
        return send_content(s, i, fd, e);
    }
    rc = batch_for(s, 0, e);
    if (rc < 0) {
        return rc;
    }
    describe(s->entry, &i->t);
    archive_entry_set_size(s->entry, 0);
    archive_entry_set_hardlink(s->entry, first->path);
    struct member *m = begin_member(s, i, TAR_HARD);
    m->target = must_strdup(first->path);
    // Where the first name was found there unread, nobody knows what this one is either.
    m->theirs = m->theirs || hash_unhex(first->digest, m->digest) != 0;
    memcpy(i->digest, first->digest, sizeof i->digest);
    return write_header(s, e);
}

int batch_send(struct sender *s, struct item *i, struct err *e) {
    int rc;
    if (i->t.type == TREE_FILE) {
        rc = send_file(s, i, e);
    } else {
        rc = batch_for(s, 0, e);
        if (rc < 0) {
            return rc;
        }
        describe(s->entry, &i->t);
        struct member *m = begin_member(s, i, (char)i->t.type);
        if (i->t.type == TREE_LINK) {
            m->target = must_strdup(i->target);
            archive_entry_set_symlink(s->entry, i->target);
        }
        rc = write_header(s, e);
    }
    if (rc == 0) {
        s->batch->counts.sent++;
    }
    return rc;
}

int batch_mend(struct sender *s, const struct tree_entry *t, uint8_t what, bool counted,
               struct err *e) {
    int rc = batch_for(s, 0, e);
    if (rc < 0) {
        return rc;
    }
    const struct mend m = {.type = (char)t->type,
                           .what = what,
                           .mode = t->mode,
                           .uid = t->uid,
                           .gid = t->gid,
                           .mtime_ns = t->mtime_ns,
                           .path = t->path};
    put_mend(&s->batch->mend_records, &m);
    add(&s->batch->mends, 'm', t)->counted = counted;
    s->batch->counts.mended += counted;
    return 0;
}

// --- ending

static void digest_members(struct sender *s, const struct out_batch *b, uint64_t *count,
                           uint64_t *bytes, uint8_t digest[HASH_SIZE]) {
    *count = *bytes = 0;
    for (size_t k = 0; k < b->members.n; k++) {
        const struct member *m = &b->members.items[k];
        if (m->is_void || m->refused) {
            continue;
        }
        bool file = m->kind == TREE_FILE;
        const struct digest_item d = {
            .kind = m->kind,
            .path = m->path,
            .mode = m->mode,
            .uid = m->uid,
            .gid = m->gid,
            .mtime_ns = m->mtime_ns,
            .xattrs = m->xattrs,
            .data = !file                     ? (const void *)m->target
                    : m->by == CONTENT_SHA256 ? m->digest
                                              : m->checksum,
            .len = file                ? content_size(m->by)
                   : m->target != NULL ? strlen(m->target)
                                       : 0,
        };
        digest_item(s->hash, &d);
        *bytes += m->size;
        ++*count;
    }
    hash_final(s->hash, digest);
}

static int send_mends(struct sender *s, struct out_batch *b, struct err *e) {
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < b->mend_records.len;) {
        // Cut between records: their paths say how long they are.
        size_t end = at;
        while (end < b->mend_records.len) {
            const uint8_t *path = b->mend_records.data + end + MEND_FIXED;
            size_t next = end + MEND_FIXED + 2 + ((size_t)path[0] << 8 | path[1]);
            if (next - at > PROTOCOL_FRAME_MAX) {
                break;
            }
            end = next;
        }
        rc = wire_send(&s->session.wire, FRAME_MEND, b->mend_records.data + at, end - at, e);
        at = end;
    }
    for (size_t k = 0; k < b->mends.n; k++) { // they count behind the members
        push(&b->members, b->mends.items[k]);
    }
    b->mends.n = 0;
    return rc;
}

static int send_commit(struct sender *s, struct out_batch *b, struct err *e) {
    AUTO_BUF struct buf out = BUF_INIT(PROTOCOL_FRAME_MAX);
    uint64_t count, bytes;
    uint8_t digest[HASH_SIZE];
    digest_members(s, b, &count, &bytes, digest);
    put_u64(&out, count);
    put_u64(&out, bytes);
    buf_put(&out, digest, sizeof digest);
    put_u32(&out, b->n_remarks);
    buf_put(&out, b->remarks.data, b->remarks.len);
    b->counts.files = count;
    b->counts.bytes = bytes;
    return wire_send(&s->session.wire, FRAME_COMMIT, out.data, out.len, e);
}

// What was committed is on its way until its receipt comes.
static int batch_flies(struct sender *s, struct err *e) {
    struct out_batch *b = STEAL(s->batch);
    *s->flying_last = b;
    s->flying_last = &b->next;
    s->n_flying++;
    int rc = session_turn(&s->session, false, e);
    while (rc == 0 && s->n_flying > BATCHES_FLYING) {
        rc = session_turn(&s->session, true, e);
    }
    return rc;
}

int batch_end(struct sender *s, struct err *e) {
    struct out_batch *b = s->batch;
    if (b == NULL) {
        return 0;
    }
    int rc = archive_end(s, e);
    rc = rc < 0 ? rc : send_mends(s, b, e);
    rc = rc < 0 ? rc : send_commit(s, b, e);
    return rc < 0 ? rc : batch_flies(s, e);
}

int batch_complete(struct sender *s, uint64_t count, uint64_t bytes,
                   const uint8_t digest[HASH_SIZE], struct err *e) {
    AUTO_BUF struct buf out = BUF_INIT(128);
    s->batch->is_range = true;
    s->batch->range_count = count;
    s->batch->counts.sent_bytes = bytes;
    memcpy(s->batch->digest, digest, HASH_SIZE);
    put_u64(&out, count);
    put_u64(&out, bytes);
    buf_put(&out, digest, HASH_SIZE);
    put_u32(&out, 0);
    int rc = wire_send(&s->session.wire, FRAME_COMMIT, out.data, out.len, e);
    return rc < 0 ? rc : batch_flies(s, e);
}

int batch_wait_all(struct sender *s, struct err *e) {
    int rc = 0;
    while (rc == 0 && s->n_flying > 0) {
        rc = session_turn(&s->session, true, e);
    }
    return rc;
}

// --- receipts

static int bad_receipt(const struct sender *s, struct err *e) {
    return err_set(e, ERR_RETRY, "%s: its receipt is not for what was sent", s->session.peer);
}

static int take_refusal(struct sender *s, struct out_batch *b, struct take *t, struct err *e) {
    struct refusal x;
    char detail[4 * sizeof x.detail];
    x.item = take_u32(t);
    take_text(t, x.class, sizeof x.class);
    take_text(t, x.detail, sizeof x.detail);
    if (t->bad || x.item >= b->members.n || b->members.items[x.item].refused ||
        strspn(x.class, "abcdefghijklmnopqrstuvwxyz-") != strlen(x.class)) {
        return bad_receipt(s, e);
    }
    struct member *m = &b->members.items[x.item];
    m->refused = true;
    if (m->kind == 'm') {
        b->counts.mended -= m->counted;
        s->counts->mended -= m->counted;
    } else {
        b->counts.sent--;
        b->counts.sent_bytes -= m->sent;
    }
    if (m->kind != 'm' && strcmp(x.class, REFUSAL_THERE) == 0) {
        s->counts->present++;
        return 0;
    }
    b->counts.problems++;
    escape_into(detail, sizeof detail, x.detail, strlen(x.detail));
    return tell_problem(s, m->path, x.class, detail, e);
}

static int take_receipt(struct sender *s, struct out_batch *b, struct take *t, struct err *e) {
    struct receipt r;
    uint64_t count, bytes;
    uint8_t digest[HASH_SIZE];
    take_bytes(t, r.nonce, sizeof r.nonce);
    r.number = take_u64(t);
    r.count = take_u64(t);
    r.bytes = take_u64(t);
    take_bytes(t, r.digest, sizeof r.digest);
    uint32_t refused = take_u32(t);
    if (t->bad || memcmp(r.nonce, s->session.nonce, sizeof r.nonce) != 0 || r.number != b->number ||
        refused > b->members.n) {
        return bad_receipt(s, e);
    }
    int rc = 0;
    for (uint32_t k = 0; rc == 0 && k < refused; k++) {
        rc = take_refusal(s, b, t, e);
    }
    if (rc < 0) {
        return rc;
    }
    if (b->is_range) {
        count = b->range_count;
        bytes = b->counts.sent_bytes;
        memcpy(digest, b->digest, sizeof digest);
    } else {
        digest_members(s, b, &count, &bytes, digest);
    }
    if (!take_done(t) || r.count != count || r.bytes != bytes ||
        memcmp(r.digest, digest, sizeof digest) != 0) {
        return bad_receipt(s, e);
    }
    b->counts.files = b->is_range ? 0 : count;
    b->counts.bytes = b->is_range ? 0 : bytes;
    return 0;
}

// What of a batch is in place now, told to whom it may concern.
static void tell_laid(const struct sender *s, const struct out_batch *b) {
    for (size_t i = 0; s->job->laid != NULL && i < b->members.n; i++) {
        const struct member *m = &b->members.items[i];
        uint8_t digest[HASH_SIZE] = {0};
        if (m->is_void || m->refused || m->theirs || m->kind == 'm') {
            continue;
        }
        if (m->kind == TREE_LINK) {
            hash_bytes(m->target, strlen(m->target), digest);
        } else {
            memcpy(digest, m->digest, sizeof digest);
        }
        s->job->laid(s->job->arg, m->kind == TAR_HARD ? TREE_FILE : m->kind, m->path, digest);
    }
}

int batch_receipt(void *sender, const struct frame *f, struct err *e) {
    struct sender *s = sender;
    struct take t = {.data = f->data, .len = f->len};
    struct out_batch *b = s->flying;
    if (b == NULL) {
        return bad_receipt(s, e);
    }
    int rc = take_receipt(s, b, &t, e);
    if (rc < 0) {
        return rc;
    }
    const struct files_batch done = {.number = b->number, .counts = b->counts};
    s->counts->sent += b->counts.sent;
    s->counts->sent_bytes += b->counts.sent_bytes;
    tell_laid(s, b);
    s->flying = b->next;
    s->flying_last = s->flying == NULL ? &s->flying : s->flying_last;
    s->n_flying--;
    batch_free(b);
    return s->job->batch == NULL ? 0 : s->job->batch(s->job->arg, &done, e);
}
