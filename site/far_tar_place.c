// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "site/far_tar_private.h"

// --- lines

// "r NUMBER CLASS DETAIL": an item that was not put in place.
static int take_refusal(struct far_tar *t, const char *answer, struct err *e) {
    struct refusal x = {0};
    struct batch *b = t->batch;
    struct words w = {.at = answer};
    words_expect(&w, "r");
    size_t k = words_number(&w, 16, UINT32_MAX);
    words_text(&w, x.class, sizeof x.class);
    if (b == NULL || w.bad || k >= b->n) {
        return far_said(t, answer, e);
    }
    if (b->items[k].refused) {
        return 0;
    }
    snprintf(x.detail, sizeof x.detail, "%s", words_rest(&w));
    b->items[k].refused = true;
    put_u32(&b->refusals, (uint32_t)k);
    put_text(&b->refusals, x.class);
    put_text(&b->refusals, x.detail);
    b->n_refusals++;
    return 0;
}

int far_lines(struct far_tar *t, bool all, struct err *e) {
    char answer[FAR_ANSWER_MAX];
    if (t->lines.len == 0 || (!all && t->n_lines < FAR_GROUP)) {
        return 0;
    }
    buf_puts(&t->lines, "say next\n");
    int rc = far_shell_write(t->sh, t->lines.data, t->lines.len, e);
    buf_clear(&t->lines);
    t->n_lines = 0;
    while (rc == 0 && (rc = far_answer(t, answer, e)) == 0 && strcmp(answer, "next") != 0) {
        rc = take_refusal(t, answer, e);
    }
    return rc;
}

static void put_word(struct far_tar *t, const char *text) {
    buf_puts(&t->lines, " ");
    far_shell_quote(&t->lines, text);
}

static void enter(struct far_tar *t, const char *dir) {
    if (strcmp(t->dir, dir) != 0) {
        buf_puts(&t->lines, "v_cd");
        put_word(t, dir);
        buf_puts(&t->lines, "\n");
        memcpy(t->dir, dir, strlen(dir) + 1);
    }
}

void far_cd(struct far_tar *t, const char *path, const char **leaf) {
    char dir[PATH_REL_MAX + 1] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        memcpy(dir, path, (size_t)(slash - path));
        dir[slash - path] = 0;
    }
    *leaf = slash == NULL ? path : slash + 1;
    enter(t, dir);
}

static void put_owner(struct far_tar *t, bool set, uint32_t uid, uint32_t gid) {
    if (set) {
        buf_printf(&t->lines, " %u:%u", uid, gid);
    } else {
        buf_puts(&t->lines, " ''");
    }
}

static int64_t kept(const struct far_tar *t, int64_t ns) {
    int64_t unit = t->keeps.mtime_ns > 0 ? (int64_t)t->keeps.mtime_ns : 1, rest = ns % unit;
    return ns - (rest < 0 ? rest + unit : rest);
}

// --- items

static void put_seen(struct far_tar *t, const struct item *i) {
    char when[FAR_TIME_MAX];
    far_time(t, i->was_mtime_ns, when);
    buf_printf(&t->lines, " %c '%llu %s'", i->was_type, (unsigned long long)i->was_size, when);
}

static void put_symlink(struct far_tar *t, size_t k) {
    const struct item *i = &t->batch->items[k];
    char when[FAR_TIME_MAX];
    far_time(t, i->mtime_ns, when);
    buf_printf(&t->lines, "v_symlink %zx", k);
    put_word(t, i->target);
    put_owner(t, (t->keeps.flags & KEEP_OWNER) != 0, i->uid, i->gid);
    buf_printf(&t->lines, " %s\n", when);
    t->dir[0] = 0;
}

static void put_hard(struct far_tar *t, size_t k) {
    const struct item *i = &t->batch->items[k];
    char when[FAR_TIME_MAX];
    const char *first;
    far_cd(t, i->target, &first);
    far_time(t, kept(t, i->mtime_ns), when);
    buf_printf(&t->lines, "v_hard %zx", k);
    put_word(t, first);
    buf_printf(&t->lines, " %s\n", when);
}

static void put_member(struct far_tar *t, size_t k) {
    const struct item *i = &t->batch->items[k];
    const char *leaf;
    if (i->kind == TREE_LINK) {
        put_symlink(t, k);
    } else if (i->kind == TAR_HARD) {
        put_hard(t, k);
    }
    far_cd(t, i->path, &leaf);
    buf_printf(&t->lines, "%s %zx",
               i->kind == TREE_DIR ? "v_dir"
               : i->replace        ? "v_replace"
                                   : "v_new",
               k);
    put_word(t, leaf);
    if (i->replace) {
        put_seen(t, i);
    }
    buf_puts(&t->lines, "\n");
    if (i->kind == TREE_FILE && i->mtime_ns < 0) { // no plain header holds that
        char when[FAR_TIME_MAX];
        far_time(t, i->mtime_ns, when);
        buf_printf(&t->lines, "v_mend %zx", k);
        put_word(t, leaf);
        buf_printf(&t->lines, " f '' '' %s\n", when);
    }
}

static void put_mending(struct far_tar *t, size_t k) {
    const struct item *i = &t->batch->items[k];
    char when[FAR_TIME_MAX];
    const char *leaf;
    far_cd(t, i->path, &leaf);
    far_time(t, i->mtime_ns, when);
    buf_printf(&t->lines, "v_mend %zx", k);
    put_word(t, leaf);
    buf_printf(&t->lines, " %c", i->was_type);
    put_owner(t, (i->what & MEND_OWNER) != 0, i->uid, i->gid);
    if ((i->what & MEND_MODE) != 0) {
        buf_printf(&t->lines, " %o", i->mode);
    } else {
        buf_puts(&t->lines, " ''");
    }
    buf_printf(&t->lines, " %s\n", (i->what & MEND_TIME) != 0 ? when : "''");
}

// --- all of it

static int mend_all(struct far_tar *t, bool directories, struct err *e) {
    int rc = 0;
    for (size_t k = t->batch->n_members; rc == 0 && k < t->batch->n; k++) {
        if ((t->batch->items[k].was_type == TREE_DIR) == directories) {
            put_mending(t, k);
            t->n_lines++;
            rc = far_lines(t, false, e);
        }
    }
    return rc < 0 ? rc : far_lines(t, true, e);
}

static int say_sync(struct far_tar *t, struct err *e) {
    char answer[FAR_ANSWER_MAX];
    t->dir[0] = 0;
    int rc = far_shell_write(t->sh, "v_sync\n", 7, e);
    rc = rc < 0 ? rc : far_answer(t, answer, e);
    if (rc == 0 && strncmp(answer, "fail ", 5) == 0) {
        return err_set(e, ERR_RETRY, "%.200s", answer + 5);
    }
    return rc < 0 || strcmp(answer, "synced") == 0 ? rc : far_said(t, answer, e);
}

int far_place(struct far_tar *t, struct err *e) {
    char answer[FAR_ANSWER_MAX];
    t->dir[0] = 0;
    int rc = mend_all(t, false, e);
    for (size_t k = 0; rc == 0 && k < t->batch->n_members; k++) {
        if (!t->batch->items[k].void_) {
            put_member(t, k);
            t->n_lines++;
            rc = far_lines(t, false, e);
        }
    }
    rc = rc < 0 ? rc : far_lines(t, true, e);
    rc = rc < 0 ? rc : mend_all(t, true, e); // behind the renames, which touch their times
    rc = rc < 0 ? rc : say_sync(t, e);
    rc = rc < 0 ? rc : far_shell_write(t->sh, "v_drop\n", 7, e);
    rc = rc < 0 ? rc : far_answer(t, answer, e);
    return rc < 0 || strcmp(answer, "dropped") == 0 ? rc : far_said(t, answer, e);
}

int far_receipt(struct far_tar *t, struct err *e) {
    struct batch *b = t->batch;
    AUTO_BUF struct buf out = BUF_INIT(PROTOCOL_FRAME_MAX);
    uint64_t bytes = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (!b->items[i].void_ && !b->items[i].refused) {
            batch_digest(t->hash, &b->items[i]);
            bytes += b->items[i].kind == TREE_FILE ? b->items[i].size : 0;
            b->count++;
        }
    }
    hash_final(t->hash, b->digest);
    buf_put(&out, t->nonce, sizeof t->nonce);
    put_u64(&out, b->number);
    put_u64(&out, b->count);
    put_u64(&out, bytes);
    buf_put(&out, b->digest, sizeof b->digest);
    put_u32(&out, b->n_refusals);
    buf_put(&out, b->refusals.data, b->refusals.len);
    return wire_send(&t->wire, FRAME_RECEIPT, out.data, out.len, e);
}

// The directories that lead to `under`, as they are at the source.
int far_parents(struct far_tar *t, struct err *e) {
    char path[PATH_REL_MAX + 1], answer[FAR_ANSWER_MAX];
    const char *leaf;
    size_t len = strcmp(t->under, ".") == 0 ? 0 : strlen(t->under);
    t->dir[0] = 0;
    for (size_t i = 0, n = 0; n < len; i++) {
        n += strcspn(t->under + n, "/");
        memcpy(path, t->under, n);
        path[n++] = 0;
        far_cd(t, path, &leaf);
        buf_puts(&t->lines, "v_parent");
        put_word(t, leaf);
        put_owner(t, i < t->n_parents && (t->keeps.flags & KEEP_OWNER) != 0, t->parents[i].uid,
                  t->parents[i].gid);
        buf_printf(&t->lines, " %o\n", i < t->n_parents ? t->parents[i].mode | 0700 : 0755);
    }
    buf_puts(&t->lines, "say next\n");
    int rc = far_shell_write(t->sh, t->lines.data, t->lines.len, e);
    buf_clear(&t->lines);
    rc = rc < 0 ? rc : far_answer(t, answer, e);
    if (rc == 0 && strncmp(answer, "r ", 2) == 0) {
        return err_set(e, ERR_FAILED, "%s: cannot be made at the destination", t->under);
    }
    return rc < 0 || strcmp(answer, "next") == 0 ? rc : far_said(t, answer, e);
}
