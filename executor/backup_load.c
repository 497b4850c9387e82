// SPDX-License-Identifier: Apache-2.0
#include "executor/backup_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "base/strtab.h"

struct loading { // a collection
    char *name;
    size_t numbers;
    struct segment_writer *out;
    uint64_t documents, bytes; // of the segment being written
    size_t segment;            // its index
};

struct backup_load {
    int dirfd;
    struct strtab *known; // name -> index + 1
    struct loading **collections;
    size_t n, cap;
    struct backup_segment *segments;
    size_t n_segments, cap_segments;
};

struct backup_load *backup_load_new(int dirfd) {
    struct backup_load *l = must_calloc(1, sizeof *l);
    l->dirfd = dirfd;
    l->known = strtab_new();
    return l;
}

static struct loading *find(struct backup_load *l, const char *name) {
    bool added;
    uintptr_t *slot = strtab_slot(l->known, name, strlen(name), &added);
    if (added) {
        if (l->n == l->cap) {
            l->cap = l->cap ? 2 * l->cap : 32;
            l->collections = must_realloc(l->collections, l->cap, sizeof(struct loading *));
        }
        struct loading *c = must_calloc(1, sizeof *c);
        c->name = must_strdup(name);
        l->collections[l->n++] = c;
        *slot = l->n;
    }
    return l->collections[*slot - 1];
}

static int begin(struct backup_load *l, struct loading *c, size_t collection, struct err *e) {
    if (l->n_segments == l->cap_segments) {
        l->cap_segments = l->cap_segments ? 2 * l->cap_segments : 64;
        l->segments = must_realloc(l->segments, l->cap_segments, sizeof *l->segments);
    }
    c->segment = l->n_segments++;
    c->documents = c->bytes = 0;
    struct backup_segment *s = &l->segments[c->segment];
    *s = (struct backup_segment){.collection = c->name, .number = ++c->numbers};
    (void)snprintf(s->path, sizeof s->path, "%zu/%zu.bson.zst", collection, s->number);
    return l->dirfd < 0 ? 0 : segment_create(l->dirfd, s->path, &c->out, e);
}

static int end(struct backup_load *l, struct loading *c, struct err *e) {
    struct backup_segment *s = &l->segments[c->segment];
    int rc = 0;
    s->sum = (struct segment_sum){.documents = c->documents, .bytes = c->bytes};
    if (c->out) {
        rc = segment_publish(c->out, &s->sum, e);
        segment_writer_free(STEAL(c->out));
    }
    c->documents = 0;
    return rc;
}

int backup_load_add(struct backup_load *l, const char *collection, const uint8_t *doc, size_t len,
                    struct err *e) {
    struct loading *c = find(l, collection);
    int rc = 0;
    if (stop_asked()) {
        return err_set(e, stop_error(), "stopped; nothing was restored yet");
    }
    if (c->documents &&
        (c->documents == BACKUP_LOAD_DOCUMENTS || c->bytes + len > BACKUP_LOAD_BYTES)) {
        rc = end(l, c, e);
    }
    if (rc == 0 && c->documents == 0) {
        rc = begin(l, c, (size_t)strtab_get(l->known, collection, strlen(collection), 0), e);
    }
    if (rc == 0 && c->out) {
        rc = segment_add(c->out, doc, len, e);
    }
    c->documents++;
    c->bytes += len;
    return rc;
}

static int compare(const void *a, const void *b) {
    const struct backup_segment *x = a, *y = b;
    int rc = strcmp(x->collection, y->collection);
    return rc ? rc : (x->number > y->number) - (x->number < y->number);
}

int backup_load_finish(struct backup_load *l, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        rc = l->collections[i]->documents ? end(l, l->collections[i], e) : 0;
    }
    if (l->n_segments) {
        qsort(l->segments, l->n_segments, sizeof *l->segments, compare);
    }
    return rc;
}

const struct backup_segment *backup_load_segments(const struct backup_load *l, size_t *n) {
    *n = l->n_segments;
    return l->segments;
}

void backup_load_free(struct backup_load *l) {
    if (!l) {
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        segment_writer_free(l->collections[i]->out);
        free(l->collections[i]->name);
        free(l->collections[i]);
    }
    free(l->collections);
    free(l->segments);
    strtab_free(l->known);
    free(l);
}
