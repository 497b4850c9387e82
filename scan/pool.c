// SPDX-License-Identifier: Apache-2.0
#include "scan/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "site/tree.h"

#define THREADS 4
#define FINDINGS_KEPT 20000
#define STOP_EVERY 4096

struct worker {
    struct pool *p;
    struct unit *u;
    struct mongo *session; // opened when there are members to be asked for
    struct scan_names *names;
    bool collect; // names
    uint64_t files;
};

// --- findings in order

static int tell(struct pool *p, struct unit *u, struct err *e) {
    int rc = 0;
    for (size_t i = 0; i < u->n_kept; i++) {
        struct kept *k = &u->kept[i];
        rc = rc ? rc : scan_report(p->s, k->kind, k->collection, k->id, k->detail, e);
        free(k->id);
        free(k->detail);
    }
    p->kept -= u->n_kept;
    u->n_kept = 0;
    return rc;
}

static int wait_and_tell(struct pool *p, struct unit *u, struct err *e) {
    pthread_mutex_lock(&p->lock);
    while (&p->units[p->told] != u && !p->failed) {
        pthread_cond_wait(&p->turn, &p->lock);
    }
    int rc = tell(p, u, e);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int keep(struct worker *w, enum inv_finding_kind kind, const char *collection,
                const char *id, const char *detail, struct err *e) {
    struct unit *u = w->u;
    if (u->n_kept == u->cap_kept) {
        u->cap_kept = u->cap_kept ? 2 * u->cap_kept : 16;
        u->kept = must_realloc(u->kept, u->cap_kept, sizeof *u->kept);
    }
    u->kept[u->n_kept++] = (struct kept){.kind = kind,
                                         .collection = collection,
                                         .id = must_strdup(id),
                                         .detail = must_strdup(detail)};
    pthread_mutex_lock(&w->p->lock);
    bool many = ++w->p->kept >= FINDINGS_KEPT;
    pthread_mutex_unlock(&w->p->lock);
    return many ? wait_and_tell(w->p, u, e) : 0;
}

static int finish(struct worker *w, struct err *e) {
    struct pool *p = w->p;
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    w->u->done = true;
    for (; rc == 0 && p->told < p->n && p->units[p->told].done; p->told++) {
        struct unit *u = &p->units[p->told];
        rc = tell(p, u, e);
        free(u->kept);
        u->kept = NULL;
    }
    p->files += w->u->count.files;
    uint64_t files = p->files;
    pthread_cond_broadcast(&p->turn);
    pthread_mutex_unlock(&p->lock);
    scan_progress(p->s, "files", files);
    return rc;
}

// --- one unit

static int keep_unreadable(struct worker *w, const char *path, int errnum, struct err *e) {
    char text[128];
    return keep(w, FINDING_UNREADABLE, "", path, strerror_r(errnum, text, sizeof text), e);
}

static int count_entry(void *arg, const struct tree_entry *t, struct err *e) {
    struct worker *w = arg;
    int rc = ++w->files % STOP_EVERY == 0 ? scan_stopped(e) : 0;
    if (rc < 0) {
        return rc;
    }
    if (t->type == TREE_OTHER) {
        return keep(w, FINDING_SPECIAL_FILE, "", t->path, "", e);
    }
    w->u->count.files++;
    if (t->type != TREE_FILE) {
        return 0;
    }
    w->u->count.bytes += t->size;
    if (w->collect) {
        scan_names_add(w->names, t->path);
    }
    if (!scan_readable(w->p->s->o->source_root, t->path, t->mode, t->uid)) {
        return keep_unreadable(w, t->path, EACCES, e);
    }
    return 0;
}

static int count_unreadable(void *arg, const char *path, int errnum, struct err *e) {
    return errnum == ENOENT ? 0 : keep_unreadable(arg, path, errnum, e);
}

static int member_missing(void *arg, const char *collection, const char *id, const char *detail,
                          struct err *e) {
    struct worker *w = arg;
    (void)detail;
    return keep(w, FINDING_MISSING_MEMBER, collection, id, w->u->path, e);
}

static int check_members(struct worker *w, struct err *e) {
    const struct inv_object *o = &w->p->s->inv->objects[w->u->object];
    const struct scan_member_sink sink = {.arg = w, .missing = member_missing};
    int rc = w->session ? 0 : mongo_session(w->p->s->o->source, &w->session, e);
    if (rc < 0) {
        return rc;
    }
    mongo_be_patient(w->session);
    scan_names_sort(w->names);
    return scan_members_check(w->p->members, w->session, o->collection, o->id, w->names, &sink, e);
}

// The part of what stands apart that lies below this unit.
static size_t apart_below(const struct pool *p, const char *under, const char **out) {
    size_t n = 0;
    for (size_t i = 0; i < p->n_apart; i++) {
        if (tree_is_below(p->apart[i], under)) {
            out[n++] = p->apart[i];
        }
    }
    return n;
}

static int run_unit(struct worker *w, struct err *e) {
    struct pool *p = w->p;
    AUTO_FREE const char **except = must_calloc(p->n_apart + 1, sizeof *except);
    struct tree_selection selection = {.under = w->u->path,
                                       .except = except,
                                       .n_except = apart_below(p, w->u->path, except),
                                       .excludes = p->excludes,
                                       .n_excludes = p->n_excludes};
    const struct tree_walker walker = {
        .entry = count_entry, .unreadable = count_unreadable, .arg = w};
    w->collect = w->u->object != (size_t)-1;
    scan_names_clear(w->names);
    int rc = scan_stopped(e);
    rc = rc ? rc : tree_walk(p->s->o->source_root, &selection, &walker, e);
    if (rc == 0 && w->collect) {
        rc = check_members(w, e);
    }
    return rc ? rc : finish(w, e);
}

static void *work(void *arg) {
    struct pool *p = arg;
    struct worker w = {.p = p, .names = scan_names_new()};
    struct err e = {0};
    int rc = 0;
    while (rc == 0) {
        pthread_mutex_lock(&p->lock);
        w.u = p->next < p->n && !p->failed ? &p->units[p->next++] : NULL;
        pthread_mutex_unlock(&p->lock);
        if (!w.u) {
            break;
        }
        rc = run_unit(&w, &e);
    }
    pthread_mutex_lock(&p->lock);
    if (rc < 0 && !p->failed) {
        p->failed = true;
        p->err = e;
        pthread_cond_broadcast(&p->turn);
    }
    pthread_mutex_unlock(&p->lock);
    scan_names_free(w.names);
    mongo_free(w.session);
    return NULL;
}

int pool_run(struct pool *p, struct err *e) {
    pthread_t threads[THREADS];
    size_t n = 0;
    while (n < THREADS && n < p->n && pthread_create(&threads[n], NULL, work, p) == 0) {
        n++;
    }
    if (n == 0) {
        (void)work(p);
    }
    for (size_t i = 0; i < n; i++) {
        MUST(pthread_join(threads[i], NULL) == 0);
    }
    if (p->failed) {
        *e = p->err;
        return e->code;
    }
    return 0;
}

void pool_init(struct pool *p, struct scan_state *s) {
    *p = (struct pool){.s = s};
    MUST(pthread_mutex_init(&p->lock, NULL) == 0);
    MUST(pthread_cond_init(&p->turn, NULL) == 0);
}

void pool_add(struct pool *p, const char *path, size_t object) {
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->units = must_realloc(p->units, p->cap, sizeof *p->units);
    }
    p->units[p->n++] = (struct unit){.path = path, .object = object};
}

void pool_free(struct pool *p) {
    for (size_t i = 0; i < p->n; i++) {
        struct unit *u = &p->units[i];
        for (size_t k = 0; k < u->n_kept; k++) {
            free(u->kept[k].id);
            free(u->kept[k].detail);
        }
        free(u->kept);
    }
    free(p->units);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->turn);
}
