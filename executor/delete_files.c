// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/escape.h"
#include "base/fault.h"
#include "base/stop.h"
#include "base/strtab.h"
#include "executor/base.h"
#include "executor/delete.h"

struct found { // a path that the base has laid and the source has no longer
    struct files_delete_item item;
    size_t next; // another record of the same path, 1 + its index; 0: none
    bool head;   // the first record of its path
};
struct deletion {
    struct step_run *s;
    struct arena *arena;
    struct tree_parent parent; // of the source
    struct strtab *paths;      // path -> 1 + index of its first record
    struct found *found;
    size_t n, cap;
    struct files_delete_item *items; // asked for
    enum files_delete_outcome *outcomes;
    size_t n_items, told;
    uint64_t deleted;
    bool counting; // nothing else: no record, no deletion
};

// 1: nothing stands at the source under this path; 0: something does.
static int is_gone(struct deletion *d, const char *path, struct err *e) {
    const char *leaf;
    struct stat st;
    char shown[300];
    int dir = tree_parent_of(&d->parent, path, &leaf);
    if (dir >= 0 && fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return 0;
    }
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        return errno == ENOENT;
    }
    return err_sys(e, ERR_IO, errno, "%s cannot be looked at in the source",
                   escape_into(shown, sizeof shown, path, strlen(path)));
}

static int add_record(void *arg, const uint8_t *key, size_t len, const uint8_t *sum,
                      struct err *e) {
    struct deletion *d = arg;
    bool added;
    if (len < 2 || len > PATH_REL_MAX + 1 || memchr(key, 0, len) != NULL) {
        return 0;
    }
    char *path = arena_strndup(d->arena, (const char *)key + 1, len - 1);
    if (!path_relative_ok(path)) {
        return 0;
    }
    uintptr_t *slot = strtab_slot(d->paths, path, len - 1, &added);
    if (added) {
        *slot = 0;
        int rc = is_gone(d, path, e);
        if (rc < 0) {
            return rc;
        }
        *slot = rc == 1 ? d->n + 1 : UINTPTR_MAX;
    }
    if (*slot == UINTPTR_MAX) {
        return 0;
    }
    struct found f = {.item = {.type = (char)key[0], .path = path}, .head = added};
    memcpy(f.item.digest, sum, HASH_SIZE);
    if (!added) {
        f.next = d->found[*slot - 1].next;
        d->found[*slot - 1].next = d->n + 1;
    }
    ARENA_PUSH(d->arena, d->found, d->n, d->cap, f);
    return 0;
}

// What lies in a directory comes before it.
static int backwards(const void *a, const void *b) {
    const struct files_delete_item *x = a, *y = b;
    return -tree_compare(x->path, y->path);
}

static int on_outcome(void *arg, const struct files_delete_item *item,
                      enum files_delete_outcome outcome, struct err *e) {
    struct deletion *d = arg;
    (void)item;
    (void)e;
    d->outcomes[d->told++] = outcome;
    return 0;
}

static int ask(struct deletion *d, bool really, struct err *e) {
    d->told = 0;
    d->outcomes = arena_alloc(d->arena, (d->n_items + 1) * sizeof *d->outcomes);
    return d->n_items == 0 ? 0
                           : files_delete(d->s->run->destination_files, d->items, d->n_items,
                                          really, on_outcome, d, e);
}

static int record(struct deletion *d, const struct files_delete_item *i, bool deleted, bool last,
                  struct err *e) {
    char shown[PATH_REL_MAX + 1], digest[HASH_HEX] = "";
    if (deleted && i->type == TREE_FILE) {
        hash_hex(i->digest, digest);
    }
    struct delete_row row = {.object = "file",
                             .id = escape_into(shown, sizeof shown, i->path, strlen(i->path)),
                             .digest = digest,
                             .deleted = deleted,
                             .last = last};
    return delete_record(d->s, &row, e);
}

// Asks about one record of each path at a time, until one fits: a path has as many as passes have
// changed it. What fits none is a conflict.
static int look(struct deletion *d, struct files_delete_item *out, size_t *n_out, struct err *e) {
    size_t *at = arena_alloc(d->arena, (d->n + 1) * sizeof *at), n = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (d->found[i].head) {
            at[n++] = i;
        }
    }
    while (n > 0) {
        size_t left = 0;
        d->items = arena_alloc(d->arena, n * sizeof *d->items);
        for (size_t i = 0; i < n; i++) {
            d->items[i] = d->found[at[i]].item;
        }
        d->n_items = n;
        int rc = ask(d, false, e);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            const struct found *f = &d->found[at[i]];
            if (d->outcomes[i] == FILES_DELETE_AS_LAID) {
                out[(*n_out)++] = f->item;
            } else if (d->outcomes[i] == FILES_DELETE_DIFFERS && f->next > 0) {
                at[left++] = f->next - 1;
            } else if (d->outcomes[i] == FILES_DELETE_DIFFERS && !d->counting) {
                rc = record(d, &f->item, false, false, e);
            }
        }
        if (rc != 0) {
            return rc;
        }
        n = left;
    }
    return 0;
}

// A directory goes with the last of what it holds, and is not counted.
static uint64_t count_files(const struct files_delete_item *items, size_t n) {
    uint64_t files = 0;
    for (size_t i = 0; i < n; i++) {
        files += items[i].type != TREE_DIR;
    }
    return files;
}

static int delete_looked_at(struct deletion *d, uint64_t files, struct err *e) {
    int rc = 0;
    uint64_t k = 0, done = 0;
    for (size_t i = 0; rc == 0 && i < d->n_items; i++) {
        if (d->items[i].type != TREE_DIR) {
            rc = record(d, &d->items[i], true, ++k == files, e);
        }
    }
    rc = rc == 0 ? journal_fence(d->s->run->journal, e) : rc;
    (void)FAULT("delete.files-intended");
    rc = rc == 0 ? ask(d, true, e) : rc;
    (void)FAULT("delete.files-deleted");
    for (size_t i = 0; i < d->told; i++) {
        bool deleted = d->outcomes[i] == FILES_DELETE_AS_LAID;
        d->deleted += rc == 0 && deleted;
        done += deleted && d->items[i].type != TREE_DIR;
    }
    delete_end(d->s, files, done);
    return rc;
}

static int delete_items(struct deletion *d, struct files_delete_item *items, size_t n,
                        struct err *e) {
    uint64_t files = count_files(items, n);
    int rc = delete_begin(d->s, files, "files", e);
    qsort(items, n, sizeof *items, backwards);
    d->items = items;
    d->n_items = n;
    d->told = 0;
    return rc == 0 ? delete_looked_at(d, files, e) : rc;
}

// What is gone at the source and stands as it was laid; `items` live in the arena.
static int look_at_all(struct deletion *d, struct files_delete_item **items, size_t *n,
                       struct err *e) {
    int rc = base_each(d->s->run->base, NULL, add_record, d, e);
    tree_parent_close(&d->parent);
    *items = arena_alloc(d->arena, (d->n + 1) * sizeof **items);
    *n = 0;
    return rc == 0 ? look(d, *items, n, e) : rc;
}

int delete_files(struct step_run *s, struct err *e) {
    AUTO_ARENA struct arena *arena = arena_new();
    AUTO_STRTAB struct strtab *paths = strtab_new();
    struct deletion d = {
        .s = s, .arena = arena, .parent = TREE_PARENT_INIT(s->run->source_root), .paths = paths};
    struct files_delete_item *items;
    size_t n;
    int rc = look_at_all(&d, &items, &n, e);
    rc = rc == 0 ? delete_items(&d, items, n, e) : rc;
    s->result.files = strtab_count(paths);
    s->result.sent = d.deleted;
    s->result.present = strtab_count(paths) - d.deleted;
    return rc;
}

int delete_files_count(struct step_run *s, uint64_t *n, struct err *e) {
    AUTO_ARENA struct arena *arena = arena_new();
    AUTO_STRTAB struct strtab *paths = strtab_new();
    struct deletion d = {.s = s,
                         .arena = arena,
                         .parent = TREE_PARENT_INIT(s->run->source_root),
                         .paths = paths,
                         .counting = true};
    struct files_delete_item *items;
    size_t n_items;
    int rc = look_at_all(&d, &items, &n_items, e);
    *n = rc == 0 ? count_files(items, n_items) : 0;
    return rc;
}
