// SPDX-License-Identifier: Apache-2.0
#include "executor/base.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strtab.h"
#include "executor/laid.h"

// 128 bits of each: enough that two records of one key and content are never taken for others.
struct fact {
    uint8_t key[CHECKSUM_SIZE], sum[CHECKSUM_SIZE];
};
struct facts { // of a collection, or of all files
    struct fact *items;
    size_t n, cap;
};
struct base {
    pthread_mutex_t lock;
    struct {
        int fd, last_pass;
    } * folders;
    size_t n;
    struct strtab *known; // collection, "" for files -> struct facts
    struct facts **all;
    size_t n_all, cap_all;
};

static int open_folder(struct base *b, const struct plan *p, int workdir_fd, const char *name,
                       struct err *e) {
    bool own = strcmp(name, p->name) == 0;
    AUTO_FREE char *path = must_sprintf("../%s", name);
    int fd = openat(workdir_fd, own ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return err_sys(e, ERR_PLAN, errno,
                       "base: the work directory of the migration %s cannot be opened; put it back "
                       "beside this one, or plan again",
                       name);
    }
    // Passes are numbered without gaps but for those that were planned and never applied.
    b->folders[b->n].fd = fd;
    b->folders[b->n++].last_pass = own ? p->pass : 0;
    return 0;
}

// The highest pass that has a folder; a few that were never applied may lie between.
static int last_pass(int fd) {
    int last = 0;
    for (int pass = 1; pass <= last + 100; pass++) {
        char name[32];
        snprintf(name, sizeof name, "pass-%d", pass);
        if (faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            last = pass;
        }
    }
    return last;
}

int base_open(const struct plan *p, int workdir_fd, struct base **out, struct err *e) {
    int rc = 0;
    *out = NULL;
    if (p->n_base == 0) {
        return 0;
    }
    struct base *b = must_calloc(1, sizeof *b);
    pthread_mutex_init(&b->lock, NULL);
    b->known = strtab_new();
    b->folders = must_calloc(p->n_base, sizeof *b->folders);
    for (size_t i = 0; rc == 0 && i < p->n_base; i++) {
        rc = open_folder(b, p, workdir_fd, p->base[i], e);
    }
    for (size_t i = 0; i < b->n; i++) {
        int last = last_pass(b->folders[i].fd);
        if (b->folders[i].last_pass == 0 || b->folders[i].last_pass > last) {
            b->folders[i].last_pass = last;
        }
    }
    if (rc != 0) {
        base_close(b);
        return rc;
    }
    *out = b;
    return 0;
}

void base_close(struct base *b) {
    if (b == NULL) {
        return;
    }
    for (size_t i = 0; i < b->n; i++) {
        close(b->folders[i].fd);
    }
    for (size_t i = 0; i < b->n_all; i++) {
        free(b->all[i]->items);
        free(b->all[i]);
    }
    free(b->all);
    free(b->folders);
    strtab_free(b->known);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

int base_each(struct base *b, const char *collection,
              int (*each)(void *arg, const uint8_t *key, size_t len, const uint8_t *sum,
                          struct err *e),
              void *arg, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && b != NULL && i < b->n; i++) {
        rc = laid_each(b->folders[i].fd, b->folders[i].last_pass, collection, each, arg, e);
    }
    return rc;
}

static void fact_of(const void *key, size_t len, const uint8_t *sum, struct fact *out) {
    checksum_bytes(key, len, out->key);
    memcpy(out->sum, sum, CHECKSUM_SIZE);
}

static int fact_compare(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct fact));
}

static int add_fact(void *arg, const uint8_t *key, size_t len, const uint8_t *sum, struct err *e) {
    struct facts *f = arg;
    (void)e;
    if (f->n == f->cap) {
        f->cap = f->cap == 0 ? 1024 : 2 * f->cap;
        f->items = must_realloc(f->items, f->cap, sizeof *f->items);
    }
    fact_of(key, len, sum, &f->items[f->n++]);
    return 0;
}

// Read at the first question about it.
static int facts_of(struct base *b, const char *collection, const struct facts **out,
                    struct err *e) {
    const char *name = collection != NULL ? collection : "";
    uintptr_t at = strtab_get(b->known, name, strlen(name), 0);
    if (at != 0) {
        *out = b->all[at - 1];
        return 0;
    }
    struct facts *f = must_calloc(1, sizeof *f);
    int rc = base_each(b, collection, add_fact, f, e);
    if (rc != 0) {
        free(f->items);
        free(f);
        return rc;
    }
    if (f->n > 0) {
        qsort(f->items, f->n, sizeof *f->items, fact_compare);
    }
    if (b->n_all == b->cap_all) {
        b->cap_all = b->cap_all == 0 ? 16 : 2 * b->cap_all;
        b->all = must_realloc(b->all, b->cap_all, sizeof *b->all);
    }
    b->all[b->n_all++] = f;
    *strtab_slot(b->known, name, strlen(name), &(bool){0}) = b->n_all;
    *out = f;
    return 0;
}

int base_has(struct base *b, const char *collection, const void *key, size_t len,
             const uint8_t *sum, bool *ours, struct err *e) {
    const struct facts *f;
    struct fact wanted;
    *ours = false;
    if (b == NULL) {
        return 0;
    }
    fact_of(key, len, sum, &wanted);
    pthread_mutex_lock(&b->lock);
    int rc = facts_of(b, collection, &f, e);
    pthread_mutex_unlock(&b->lock);
    if (rc == 0 && f->n > 0) {
        *ours = bsearch(&wanted, f->items, f->n, sizeof *f->items, fact_compare) != NULL;
    }
    return rc;
}
