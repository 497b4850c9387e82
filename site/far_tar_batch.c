// SPDX-License-Identifier: Apache-2.0
// What a batch brings: read from the sender's archive, and written to a plain one for the tar
// there, whose members are the regular files under the numbers of their items.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "site/far_tar_private.h"

static int out_of_turn(struct err *e, const char *what) {
    return err_set(e, ERR_DATA, "%s out of turn or not well formed", what);
}

// --- content on its way there

static int send_piece(struct far_tar *t, struct err *e) {
    char head[32];
    snprintf(head, sizeof head, "%zu\n", t->piece.len / FAR_BLOCK);
    int rc = t->piece.len == 0 ? 0 : far_shell_write(t->sh, head, strlen(head), e);
    rc = rc < 0 ? rc : far_shell_write(t->sh, t->piece.data, t->piece.len, e);
    buf_clear(&t->piece);
    return rc;
}

// Zeros when data is NULL.
static int put_content(struct far_tar *t, const uint8_t *data, uint64_t len, struct err *e) {
    int rc = 0;
    while (rc == 0 && len > 0) {
        size_t part = FAR_PIECE - t->piece.len;
        part = part > len ? (size_t)len : part;
        void *room = buf_room(&t->piece, part);
        if (data == NULL) {
            memset(room, 0, part);
        } else {
            memcpy(room, data, part);
            data += part;
        }
        t->piece.len += part;
        len -= part;
        rc = t->piece.len == FAR_PIECE ? send_piece(t, e) : 0;
    }
    return rc;
}

static int pad_to(struct far_tar *t, uint64_t unit, uint64_t len, struct err *e) {
    return len % unit == 0 ? 0 : put_content(t, NULL, unit - len % unit, e);
}

static int begin_archive(struct far_tar *t, const char *name, struct err *e) {
    char line[64], answer[FAR_ANSWER_MAX];
    snprintf(line, sizeof line, "v_take %s\n", name);
    t->dir[0] = 0;
    buf_clear(&t->piece);
    int rc = far_shell_ask(t->sh, line, answer, e);
    return rc < 0 || strcmp(answer, "go") == 0 ? rc : far_said(t, answer, e);
}

static int end_archive(struct far_tar *t, struct err *e) {
    char answer[FAR_ANSWER_MAX];
    int rc = put_content(t, NULL, 2 * TAR_BLOCK, e);
    rc = rc < 0 ? rc : pad_to(t, FAR_BLOCK, t->piece.len, e);
    rc = rc < 0 ? rc : send_piece(t, e);
    rc = rc < 0 ? rc : far_shell_write(t->sh, "0\n", 2, e);
    rc = rc < 0 ? rc : far_answer(t, answer, e);
    if (rc == 0 && strncmp(answer, "taken ", 6) == 0 && strcmp(answer, "taken 0") != 0) {
        return err_set(e, ERR_RETRY, "tar there ended with status %.8s", answer + 6);
    }
    return rc < 0 || strcmp(answer, "taken 0") == 0 ? rc : far_said(t, answer, e);
}

// In octal, or where it does not fit in base 256, as both GNU and BusyBox read it.
static void put_field(uint8_t *at, size_t size, uint64_t v) {
    if (v < UINT64_C(1) << 3 * (size - 1)) {
        for (size_t i = size - 1; i-- > 0; v >>= 3) {
            at[i] = (uint8_t)('0' + (v & 7));
        }
        return;
    }
    for (size_t i = size; i-- > 1; v >>= 8) {
        at[i] = (uint8_t)v;
    }
    at[0] = 0x80;
}

static int put_header(struct far_tar *t, char flag, const char *name, const struct item *i,
                      uint64_t size, struct err *e) {
    uint8_t b[TAR_BLOCK] = {0};
    unsigned sum = 0;
    memcpy(b, name, strlen(name));
    put_field(b + 100, 8, i->mode);
    put_field(b + 108, 8, i->uid);
    put_field(b + 116, 8, i->gid);
    put_field(b + 124, 12, size);
    put_field(b + 136, 12, i->mtime_ns < 0 ? 0 : (uint64_t)i->mtime_ns / 1000000000);
    memset(b + 148, ' ', 8);
    b[156] = (uint8_t)flag;
    memcpy(b + 257, "ustar\00000", 8);
    for (size_t k = 0; k < sizeof b; k++) {
        sum += b[k];
    }
    put_field(b + 148, 7, sum);
    return put_content(t, b, sizeof b, e);
}

// With fractions of seconds in an extended header, which BusyBox passes over.
static int put_file(struct far_tar *t, const char *name, const struct item *i, struct err *e) {
    char when[FAR_TIME_MAX], record[FAR_TIME_MAX + 16];
    int rc = 0;
    if (t->fractions) {
        far_time(t, i->mtime_ns, when);
        int n = (int)strlen(when) + 11; // "NN mtime=" before it, a newline behind
        n = snprintf(record, sizeof record, "%d mtime=%s\n", n - 1, when);
        rc = put_header(t, 'x', "x", i, (uint64_t)n, e);
        rc = rc < 0 ? rc : put_content(t, (const uint8_t *)record, (uint64_t)n, e);
        rc = rc < 0 ? rc : pad_to(t, TAR_BLOCK, (uint64_t)n, e);
    }
    return rc < 0 ? rc : put_header(t, '0', name, i, i->size, e);
}

int far_trial(struct far_tar *t, struct err *e) {
    const struct item i = {
        .mode = 0640, .uid = 61234, .gid = 61234, .mtime_ns = INT64_C(1000000001123456789)};
    int rc = begin_archive(t, "trial", e);
    rc = rc < 0 ? rc : put_file(t, "0", &i, e);
    return rc < 0 ? rc : end_archive(t, e);
}

// --- members

static struct item *add_item(struct far_tar *t, char kind, const char *path) {
    struct batch *b = t->batch;
    if (b->n == b->cap) {
        b->cap = b->cap == 0 ? 256 : 2 * b->cap;
        b->items = must_realloc(b->items, b->cap, sizeof *b->items);
    }
    b->items[b->n] = (struct item){.kind = kind, .path = must_strdup(path)};
    return &b->items[b->n++];
}

static int on_member(void *arg, const struct tar_member *m, struct err *e) {
    struct far_tar *t = arg;
    char name[STAGE_FILE_NAME];
    if (t->batch->n == PROTOCOL_BATCH_ITEMS) {
        return err_set(e, ERR_LIMIT, "more than %d items in one batch", PROTOCOL_BATCH_ITEMS);
    }
    stage_file_name(t->batch->n, name);
    struct item *i = add_item(t, m->type, m->path);
    i->mode = m->mode;
    i->uid = m->uid;
    i->gid = m->gid;
    i->size = m->size;
    i->mtime_ns = m->mtime_ns;
    t->batch->n_members++;
    t->offset = 0;
    if (m->type == TREE_LINK || m->type == TAR_HARD) {
        i->target = must_strdup(m->target);
    }
    if (m->n_xattrs > 0) {
        return out_of_turn(e, "extended attributes"); // it was told that there can be none
    }
    return m->type == TREE_FILE ? put_file(t, name, i, e) : 0;
}

static int on_data(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *e) {
    struct far_tar *t = arg;
    int rc = put_content(t, NULL, offset - t->offset, e);
    t->offset = offset + len;
    return rc < 0 ? rc : put_content(t, data, len, e);
}

static int on_end(void *arg, struct err *e) {
    struct far_tar *t = arg;
    const struct item *i = &t->batch->items[t->batch->n - 1];
    if (i->kind != TREE_FILE) {
        return 0;
    }
    int rc = put_content(t, NULL, i->size - t->offset, e);
    return rc < 0 ? rc : pad_to(t, TAR_BLOCK, i->size, e);
}

// --- frames

int far_batch(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    uint64_t number = take_u64(&k);
    char name[32];
    if (!take_done(&k) || t->batch != NULL || !t->writes || !t->selected ||
        number != t->next_number) {
        return out_of_turn(e, "a batch");
    }
    int rc = t->parents_there ? 0 : far_parents(t, e);
    if (rc < 0) {
        return rc;
    }
    if (t->tar == NULL) {
        const struct tar_sink sink = {
            .arg = t, .member = on_member, .data = on_data, .end = on_end};
        t->tar = tar_reader_new(&sink);
    }
    t->parents_there = true;
    t->next_number++;
    t->batch = must_calloc(1, sizeof *t->batch);
    t->batch->number = number;
    t->batch->refusals = (struct buf)BUF_INIT(PROTOCOL_FRAME_MAX - 256);
    snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    return begin_archive(t, name, e);
}

void far_batch_free(struct far_tar *t) {
    struct batch *b = STEAL(t->batch);
    for (size_t i = 0; b != NULL && i < b->n; i++) {
        free(b->items[i].path);
        free(b->items[i].target);
    }
    if (b != NULL) {
        free(b->items);
        buf_free(&b->refusals);
    }
    free(b);
}

int far_content(struct far_tar *t, const struct frame *f, struct err *e) {
    if (t->batch == NULL || t->batch->n != t->batch->n_members) {
        return out_of_turn(e, "content");
    }
    return tar_reader_feed(t->tar, f->data, f->len, e);
}

int far_mend(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    char path[PATH_REL_MAX + 1];
    while (t->batch != NULL && k.at < k.len) {
        struct mend m;
        take_mend(&k, &m, path);
        if (k.bad || t->batch->n == PROTOCOL_BATCH_ITEMS) {
            return out_of_turn(e, "metadata");
        }
        struct item *i = add_item(t, 'm', m.path);
        i->was_type = m.type;
        i->what = m.what;
        i->mode = m.mode;
        i->uid = m.uid;
        i->gid = m.gid;
        i->mtime_ns = m.mtime_ns;
    }
    return t->batch == NULL ? out_of_turn(e, "metadata") : 0;
}

static int take_remarks(struct batch *b, struct take *k, struct err *e) {
    uint32_t n = take_u32(k);
    for (uint32_t j = 0; !k->bad && j < n; j++) {
        uint32_t member = take_u32(k);
        char what = (char)take_u8(k), type = (char)take_u8(k);
        uint64_t size = take_u64(k);
        int64_t mtime_ns = (int64_t)take_u64(k);
        if (k->bad || member >= b->n_members || (what != REMARK_VOID && what != REMARK_REPLACE)) {
            return out_of_turn(e, "a remark");
        }
        struct item *i = &b->items[member];
        i->void_ = i->void_ || what == REMARK_VOID;
        i->replace = i->replace || what == REMARK_REPLACE;
        i->was_type = type;
        i->was_size = size;
        i->was_mtime_ns = mtime_ns;
    }
    return take_done(k) ? 0 : out_of_turn(e, "a commit");
}

// "s NUMBER DIGEST" of each file as it was read back, "summed" at the end.
static int take_sums(struct far_tar *t, struct err *e) {
    char answer[FAR_ANSWER_MAX], line[48];
    size_t files = 0, came = 0;
    for (size_t i = 0; i < t->batch->n_members; i++) {
        files += t->batch->items[i].kind == TREE_FILE;
    }
    snprintf(line, sizeof line, "v_sums %zu\n", files);
    int rc = far_shell_write(t->sh, line, strlen(line), e);
    while (rc == 0 && (rc = far_answer(t, answer, e)) == 0 && strcmp(answer, "summed") != 0) {
        char hex[HASH_HEX];
        struct words w = {.at = answer};
        words_expect(&w, "s");
        size_t k = words_number(&w, 16, UINT32_MAX);
        words_text(&w, hex, sizeof hex);
        if (!words_done(&w) || k >= t->batch->n_members || t->batch->items[k].kind != TREE_FILE ||
            hash_unhex(hex, t->batch->items[k].digest) != 0) {
            return strncmp(answer, "fail ", 5) == 0 ? err_set(e, ERR_RETRY, "%.200s", answer + 5)
                                                    : far_said(t, answer, e);
        }
        came++;
    }
    return rc == 0 && came != files
               ? err_set(e, ERR_RETRY, "%zu of %zu files can be read back", came, files)
               : rc;
}

// What was read back must be what the sender has read, before anything is put in place.
static int check_sum(struct far_tar *t, uint64_t count, uint64_t bytes,
                     const uint8_t promised[HASH_SIZE], struct err *e) {
    struct batch *b = t->batch;
    uint8_t digest[HASH_SIZE];
    uint64_t n = 0, n_bytes = 0;
    for (size_t k = 0; k < b->n; k++) {
        if (!b->items[k].void_) {
            batch_digest(t->hash, &b->items[k]);
            n_bytes += b->items[k].kind == TREE_FILE ? b->items[k].size : 0;
            n++;
        }
    }
    hash_final(t->hash, digest);
    return n != count || n_bytes != bytes || memcmp(digest, promised, HASH_SIZE) != 0
               ? err_set(e, ERR_RETRY, "batch %llu reads back different from what was sent",
                         (unsigned long long)b->number)
               : 0;
}

int far_commit(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    uint8_t digest[HASH_SIZE];
    uint64_t count = take_u64(&k), bytes = take_u64(&k);
    take_bytes(&k, digest, sizeof digest);
    if (k.bad || t->batch == NULL) {
        return out_of_turn(e, "a commit");
    }
    int rc = take_remarks(t->batch, &k, e);
    rc = rc < 0 ? rc : tar_reader_finish(t->tar, e);
    rc = rc < 0 ? rc : end_archive(t, e);
    rc = rc < 0 ? rc : take_sums(t, e);
    rc = rc < 0 ? rc : check_sum(t, count, bytes, digest, e);
    rc = rc < 0 ? rc : far_place(t, e);
    rc = rc < 0 ? rc : far_receipt(t, e);
    far_batch_free(t);
    return rc;
}
