// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/escape.h"
#include "site/far_tar_private.h"
#include "site/tree_name.h"

#define CHUNK_MAX 100000 // names that one process of find hands over
#define STAT_MAX 256
// What is the tool's own in the root, as a pattern of find.
#define HEX8 "[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
#define HEX32 HEX8 HEX8 HEX8 HEX8
#define OWN "'./" TREE_OWN_PREFIX HEX32 "' './" TREE_PARTS_PREFIX HEX32 "'"

// --- reading the list

struct links { // what was told of symlinks, before they are described
    struct strtab *targets;
    struct strtab *closed;
};

static int odd(const struct far_tar *t, struct err *e) {
    (void)t;
    return err_set(e, ERR_RETRY, "a list that is not well formed");
}

// "./name" of find below `under` becomes a path below the root. NULL when it is none.
static char *path_of(struct far_tar *t, const char *found) {
    if (strncmp(found, "./", 2) != 0 || found[2] == 0) {
        return NULL;
    }
    const char *name = found + 2;
    size_t skip = strcmp(t->under, ".") == 0 ? 0 : strlen(t->under) + 1, len = strlen(name) + 1;
    if (skip + len > PATH_REL_MAX + 1) {
        return NULL;
    }
    char *path = arena_alloc(t->arena, skip + len);
    if (skip > 0) {
        memcpy(path, t->under, skip - 1);
        path[skip - 1] = '/';
    }
    memcpy(path + skip, name, len);
    return path_relative_ok(path) ? path : NULL;
}

static int take_path(struct far_tar *t, char **path, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(2 * PATH_REL_MAX + 16);
    int rc = far_shell_until(t->sh, 0, &text, e);
    *path = rc < 0 ? NULL : path_of(t, buf_str(&text));
    return rc == 0 && *path == NULL ? odd(t, e) : rc;
}

static bool is_left_out(const struct far_tar *t, const char *path) {
    for (const char *end = path; end != NULL;) {
        end = strchr(end + 1, '/');
        size_t len = end == NULL ? strlen(path) : (size_t)(end - path);
        if (strtab_get(t->except, path, len, 0) != 0) {
            return true;
        }
    }
    return false;
}

// A line of stat: raw mode in hex, uid, gid, size, time.
static int take_stat(struct far_tar *t, struct far_entry *x, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(STAT_MAX);
    char when[64];
    int rc = far_shell_until(t->sh, '\n', &line, e);
    if (rc < 0) {
        return rc;
    }
    struct words w = {.at = buf_str(&line)};
    uint32_t mode = (uint32_t)words_number(&w, 16, UINT32_MAX);
    uint32_t uid = (uint32_t)words_number(&w, 10, UINT32_MAX);
    uint32_t gid = (uint32_t)words_number(&w, 10, UINT32_MAX);
    uint64_t size = words_number(&w, 10, INT64_MAX);
    words_text(&w, when, sizeof when);
    if (w.bad) {
        return odd(t, e);
    }
    *x = (struct far_entry){.type = (mode & S_IFMT) == S_IFREG   ? TREE_FILE
                                    : (mode & S_IFMT) == S_IFDIR ? TREE_DIR
                                    : (mode & S_IFMT) == S_IFLNK ? TREE_LINK
                                                                 : TREE_OTHER,
                            .mode = mode & 07777,
                            .uid = uid,
                            .gid = gid,
                            .size = size,
                            .mtime_ns = far_time_read(when)};
    return 0;
}

static int take_entries(struct far_tar *t, size_t n, struct err *e) {
    size_t from = t->n_entries, kept = from;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct far_entry x;
        rc = take_stat(t, &x, e);
        ARENA_PUSH(t->arena, t->entries, t->n_entries, t->cap_entries, x);
    }
    for (size_t i = from; rc == 0 && i < t->n_entries; i++) {
        char *path;
        rc = take_path(t, &path, e);
        if (rc == 0 && !is_left_out(t, path)) {
            t->entries[kept] = t->entries[i];
            t->entries[kept++].path = path;
        }
    }
    t->n_entries = kept;
    return rc;
}

static int take_link(struct far_tar *t, struct links *l, struct err *e) {
    AUTO_BUF struct buf target = BUF_INIT(PROTOCOL_LINK_MAX + 1);
    char *path;
    int rc = take_path(t, &path, e);
    rc = rc < 0 ? rc : far_shell_until(t->sh, 0, &target, e);
    if (rc == 0 && target.len > 0) {
        *strtab_slot(l->targets, path, strlen(path), &(bool){0}) =
            (uintptr_t)arena_strdup(t->arena, buf_str(&target));
    }
    return rc;
}

// Everything up to "more".
static int take_list(struct far_tar *t, struct links *l, struct err *e) {
    char answer[FAR_ANSWER_MAX], *path;
    for (;;) {
        int rc = far_answer(t, answer, e);
        if (rc < 0 || strcmp(answer, "more") == 0) {
            return rc;
        }
        struct words w = {.at = answer};
        words_expect(&w, "n");
        uint64_t n = words_number(&w, 10, CHUNK_MAX);
        if (n > 0) {
            rc = take_entries(t, n, e);
        } else if (strcmp(answer, "l") == 0) {
            rc = take_link(t, l, e);
        } else if (strcmp(answer, "u") == 0) {
            rc = take_path(t, &path, e);
            if (rc == 0) {
                *strtab_slot(l->closed, path, strlen(path), &(bool){0}) = 1;
            }
        } else {
            rc = far_said(t, answer, e);
        }
        if (rc < 0) {
            return rc;
        }
    }
}

// --- asking for it

static int ask_names(struct far_tar *t, struct links *l, struct err *e) {
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < t->n_names;) {
        AUTO_BUF struct buf line = BUF_INIT(1u << 20);
        buf_puts(&line, "v_names");
        for (size_t n = 0; at < t->n_names && n < FAR_GROUP && line.len < 60000; n++, at++) {
            buf_puts(&line, " ");
            far_shell_quote(&line, t->names[at]);
        }
        buf_puts(&line, "\n");
        rc = far_shell_write(t->sh, line.data, line.len, e);
        rc = rc < 0 ? rc : take_list(t, l, e);
    }
    return rc;
}

static int ask_list(struct far_tar *t, struct links *l, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(1u << 16);
    char answer[FAR_ANSWER_MAX], shown[300];
    buf_puts(&line, "v_cd ");
    far_shell_quote(&line, t->under);
    buf_puts(&line, "; say cd $C\n");
    t->dir[0] = 0;
    int rc = far_shell_ask(t->sh, buf_str(&line), answer, e);
    if (rc < 0 || strcmp(answer, "cd 1") == 0 || (!t->all && strcmp(answer, "cd 2") == 0)) {
        return rc;
    }
    if (strcmp(answer, "cd 2") == 0) {
        escape_into(shown, sizeof shown, t->under, strlen(t->under));
        return err_set(e, ERR_FAILED,
                       "%s: a symbolic link or file stands there or on the way at the destination, "
                       "or it may not be entered; nothing is written through it: remove it or "
                       "leave %s out",
                       shown, shown);
    }
    if (!t->all) {
        return ask_names(t, l, e);
    }
    const char *list = strcmp(t->under, ".") == 0 ? "v_list " OWN " .\n" : "v_list ./ ./ .\n";
    rc = far_shell_write(t->sh, list, strlen(list), e);
    return rc < 0 ? rc : take_list(t, l, e);
}

static int compare_entries(const void *a, const void *b) {
    return tree_compare(((const struct far_entry *)a)->path, ((const struct far_entry *)b)->path);
}

static void complete(struct far_tar *t, const struct links *l) {
    for (size_t i = 0; i < t->n_entries; i++) {
        struct far_entry *x = &t->entries[i];
        if (x->type == TREE_LINK) {
            x->target = strtab_pointer(l->targets, x->path, strlen(x->path));
        }
        bool closed = strtab_get(l->closed, x->path, strlen(x->path), 0) != 0;
        if (closed || (x->type == TREE_LINK && x->target == NULL)) {
            x->type = LISTED_UNREADABLE;
            x->size = closed ? EACCES : ENOENT;
        }
    }
    if (t->n_entries > 1) {
        qsort(t->entries, t->n_entries, sizeof *t->entries, compare_entries);
    }
}

int far_list(struct far_tar *t, struct err *e) {
    struct links l = {.targets = strtab_new(), .closed = strtab_new()};
    int rc = ask_list(t, &l, e);
    if (rc == 0) {
        complete(t, &l);
    }
    strtab_free(l.targets);
    strtab_free(l.closed);
    return rc;
}

int far_list_turn(struct far_tar *t, struct err *e) {
    AUTO_BUF struct buf page = BUF_INIT(PROTOCOL_FRAME_MAX);
    AUTO_FREE struct listed *l = must_calloc(1, sizeof *l);
    int rc = 0;
    while (rc == 0 && t->credit > 0 && t->at < t->n_entries) {
        while (t->at < t->n_entries && page.len < PROTOCOL_PAGE) {
            const struct far_entry *x = &t->entries[t->at++];
            l->type = x->type;
            l->mode = x->mode;
            l->uid = x->uid;
            l->gid = x->gid;
            l->size = x->size;
            l->mtime_ns = x->mtime_ns;
            memcpy(l->path, x->path, strlen(x->path) + 1);
            const char *target = x->target == NULL ? "" : x->target;
            memcpy(l->target, target, strlen(target) + 1);
            put_listed(&page, l);
        }
        t->credit--;
        rc = wire_send(&t->wire, FRAME_PAGE, page.data, page.len, e);
        buf_clear(&page);
    }
    if (rc == 0 && t->at == t->n_entries && !t->listed) {
        put_u64(&page, t->n_entries);
        t->listed = true;
        rc = wire_send(&t->wire, FRAME_LISTED, page.data, page.len, e);
    }
    return rc;
}

// --- digests

static int take_digest(struct far_tar *t, struct buf *out, struct err *e) {
    char answer[FAR_ANSWER_MAX], hex[HASH_HEX];
    uint8_t digest[HASH_SIZE] = {0};
    int rc = far_answer(t, answer, e);
    if (rc < 0) {
        return rc;
    }
    struct words w = {.at = answer};
    words_expect(&w, "h");
    uint64_t size = words_number(&w, 10, INT64_MAX);
    words_text(&w, hex, sizeof hex);
    bool known = words_done(&w) && hash_unhex(hex, digest) == 0;
    if (!known && strcmp(answer, "h -") != 0) {
        return far_said(t, answer, e);
    }
    put_u8(out, known);
    put_u64(out, known ? size : 0);
    buf_put(out, digest, sizeof digest);
    return 0;
}

// Sends the lines gathered and takes an answer for each of n.
static int ask_group(struct far_tar *t, size_t n, struct buf *out,
                     int (*take)(struct far_tar *, struct buf *, struct err *), struct err *e) {
    buf_puts(&t->lines, "v_idle\n");
    int rc = far_shell_write(t->sh, t->lines.data, t->lines.len, e);
    buf_clear(&t->lines);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = take(t, out, e);
    }
    return rc;
}

int far_digests(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    AUTO_BUF struct buf answer = BUF_INIT(PROTOCOL_FRAME_MAX);
    char path[PATH_REL_MAX + 1];
    int rc = 0;
    size_t n = 0;
    if (t->batch != NULL) { // its archive is what the shell reads just now
        return err_set(e, ERR_DATA, "a list of paths amid a batch");
    }
    t->dir[0] = 0;
    for (size_t all = 0; rc == 0 && k.at < k.len; all++) {
        const char *leaf;
        take_text(&k, path, sizeof path);
        if (k.bad || all == PROTOCOL_DIGESTS || !path_relative_ok(path)) {
            return err_set(e, ERR_DATA, "a list of paths that is not well formed");
        }
        if (n == 0) {
            buf_puts(&t->lines, "v_busy\n");
        }
        far_cd(t, path, &leaf);
        buf_puts(&t->lines, "v_digest ");
        far_shell_quote(&t->lines, leaf);
        buf_puts(&t->lines, "\n");
        if (++n == FAR_GROUP || k.at == k.len) {
            rc = ask_group(t, n, &answer, take_digest, e);
            n = 0;
        }
    }
    return rc < 0 ? rc : wire_send(&t->wire, FRAME_DIGESTS, answer.data, answer.len, e);
}

// --- deleting

static int take_outcome(struct far_tar *t, struct buf *out, struct err *e) {
    char answer[FAR_ANSWER_MAX];
    int rc = far_answer(t, answer, e);
    if (rc < 0) {
        return rc;
    }
    if (strncmp(answer, "o ", 2) != 0 || answer[2] < '0' ||
        answer[2] > '0' + FILES_DELETE_OCCUPIED || answer[3] != 0) {
        return far_said(t, answer, e);
    }
    put_u8(out, (uint8_t)(answer[2] - '0'));
    return 0;
}

static int put_removal(struct far_tar *t, struct take *k, bool really, struct err *e) {
    char path[PATH_REL_MAX + 1], hex[HASH_HEX];
    uint8_t digest[HASH_SIZE];
    const char *leaf;
    char type = (char)take_u8(k);
    take_bytes(k, digest, sizeof digest);
    take_text(k, path, sizeof path);
    if (k->bad || !path_relative_ok(path) || t->selected || (really && !t->writes) ||
        (type != TREE_FILE && type != TREE_DIR && type != TREE_LINK)) {
        return err_set(e, ERR_DATA, "a list of what to remove that is not well formed");
    }
    hash_hex(digest, hex);
    t->dir[0] = 0; // the directory may be one that was removed
    far_cd(t, path, &leaf);
    buf_puts(&t->lines, "v_remove ");
    far_shell_quote(&t->lines, leaf);
    buf_printf(&t->lines, " %c %s %s\n", type, hex, really ? "really" : "''");
    return 0;
}

int far_remove(struct far_tar *t, const struct frame *f, struct err *e) {
    struct take k = {.data = f->data, .len = f->len};
    AUTO_BUF struct buf outcomes = BUF_INIT(PROTOCOL_REMOVALS);
    char answer[FAR_ANSWER_MAX];
    bool really = take_u8(&k) == 1;
    size_t n = 0;
    int rc = 0;
    for (size_t all = 0; rc == 0 && k.at < k.len; all++) {
        if (all == PROTOCOL_REMOVALS) {
            return err_set(e, ERR_DATA, "a list of what to remove that is not well formed");
        }
        if (n == 0) {
            buf_puts(&t->lines, "v_busy\n");
        }
        rc = put_removal(t, &k, really, e);
        if (rc == 0 && (++n == FAR_GROUP || k.at == k.len)) {
            rc = ask_group(t, n, &outcomes, take_outcome, e);
            n = 0;
        }
    }
    if (rc == 0 && really) {
        rc = far_shell_write(t->sh, "v_sync\n", 7, e);
        rc = rc < 0 ? rc : far_answer(t, answer, e);
        rc = rc < 0 || strcmp(answer, "synced") == 0 ? rc : far_said(t, answer, e);
    }
    return rc < 0 ? rc : wire_send(&t->wire, FRAME_REMOVED, outcomes.data, outcomes.len, e);
}
