// SPDX-License-Identifier: Apache-2.0
// Counting is cut into units, a tree each, which several threads take in order. What they find is
// told in the order of the units as well, so that the same server gives the same report; a thread
// that is ahead keeps its findings, and waits for its turn when many are kept.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "scan/internal.h"
#include "site/tree.h"

#define THREADS 4
#define FINDINGS_KEPT 20000
#define STOP_EVERY 4096

bool scan_readable(int rootfd, const char *path, mode_t mode, uid_t uid) {
    uid_t us = geteuid();
    if (us == 0 || (mode & S_IROTH) || (us == uid && (mode & S_IRUSR))) {
        return true;
    }
    AUTO_CLOSE int fd = path_open(rootfd, path, O_RDONLY, 0);
    return fd >= 0 || errno != EACCES;
}

struct kept {
    enum inv_finding_kind kind;
    const char *collection; // of the model, or ""
    char *id, *detail;
};

struct unit {
    const char *path;
    struct inv_count count;
    size_t object; // whose directory it is, for its members; (size_t)-1
    bool done;
    struct kept *kept;
    size_t n_kept, cap_kept;
};

struct pool {
    struct scan_state *s;
    struct scan_places *places;
    struct scan_members *members;
    const char **apart; // places and work folders, which no unit counts below another
    size_t n_apart;
    struct unit *units;
    size_t n, cap;
    pthread_mutex_t lock; // around all below
    pthread_cond_t turn;
    size_t next, told; // unit to take; unit whose findings are told
    size_t kept;       // findings that wait
    uint64_t files;
    bool failed;
    struct err err; // the first
};

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
    scan_names_sort(w->names);
    return scan_members_check(w->p->members, w->session, o->collection, o->id, w->names, &sink, e);
}

static bool below(const char *path, const char *under) {
    size_t n = strlen(under);
    return strncmp(path, under, n) == 0 && path[n] == '/';
}

// The part of what stands apart that lies below this unit.
static size_t apart_below(const struct pool *p, const char *under, const char **out) {
    size_t n = 0;
    for (size_t i = 0; i < p->n_apart; i++) {
        if (below(p->apart[i], under)) {
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
                                       .excludes = p->places->excludes,
                                       .n_excludes = p->places->n_excludes};
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

static int run_pool(struct pool *p, struct err *e) {
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

// --- what the units are

static void add_unit(struct pool *p, const char *path, size_t object) {
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->units = must_realloc(p->units, p->cap, sizeof *p->units);
    }
    p->units[p->n++] = (struct unit){.path = path, .object = object};
}

static bool counts(const struct scan_place *place, const struct scan_entry *t) {
    return t->inv.is_dir && !t->named && !t->excluded &&
           (place->reached || t->object != (size_t)-1);
}

static bool has_members(const struct pool *p, const struct scan_entry *t) {
    return t->object != (size_t)-1 && t->tree &&
           scan_members_of(p->members, p->s->inv->objects[t->object].collection);
}

static void add_units(struct pool *p) {
    const struct scan_places *places = p->places;
    for (size_t i = 0; i < places->n; i++) {
        const struct scan_place *place = &places->items[i];
        for (size_t k = 0; k < place->n; k++) {
            const struct scan_entry *t = &place->entries[k];
            if (counts(place, t)) {
                add_unit(p, arena_printf(p->s->arena, "%s/%s", place->path, t->inv.name),
                         has_members(p, t) ? t->object : (size_t)-1);
            }
        }
    }
    for (size_t i = 0; i < places->n_tops; i++) {
        if (scan_owner_reached(p->s, places->tops[i])) {
            add_unit(p, places->tops[i], (size_t)-1);
        }
    }
}

static void set_apart(struct pool *p) {
    const struct scan_state *s = p->s;
    p->apart = arena_alloc(s->arena, (p->places->n + s->m->n_work_folders + 1) * sizeof *p->apart);
    for (size_t i = 0; i < p->places->n; i++) {
        p->apart[p->n_apart++] = p->places->items[i].path;
    }
    for (size_t i = 0; i < s->m->n_work_folders; i++) {
        p->apart[p->n_apart++] = s->m->work_folders[i];
    }
}

// --- into the inventory

struct adding {
    struct inventory *inv;
    const struct inv_count *count;
};

static void add_hit(void *arg, size_t object, size_t files) {
    struct adding *a = arg;
    a->inv->objects[object].files[files].files += a->count->files;
    a->inv->objects[object].files[files].bytes += a->count->bytes;
}

static void fill_dir(struct pool *p, struct scan_place *place, struct inv_dir *dir, size_t *unit) {
    struct scan_state *s = p->s;
    *dir =
        (struct inv_dir){.path = place->path,
                         .owner = arena_strdup(s->arena, place->owner),
                         .entries = arena_alloc(s->arena, (place->n + 1) * sizeof *dir->entries)};
    for (size_t i = 0; i < place->n; i++) {
        struct scan_entry *t = &place->entries[i];
        if (counts(place, t)) {
            t->inv.count.files += p->units[*unit].count.files;
            t->inv.count.bytes += p->units[*unit].count.bytes;
            (*unit)++;
        }
        struct adding a = {.inv = s->inv, .count = &t->inv.count};
        scan_place_match(s, place, t->inv.name, add_hit, &a);
        if (!t->named && !t->excluded) {
            dir->entries[dir->n_entries++] = t->inv;
        }
    }
}

static bool has_place(const struct scan_places *p, const char *top) {
    for (size_t i = 0; i < p->n; i++) {
        if (below(p->items[i].path, top)) {
            return true;
        }
    }
    return false;
}

static void fill_rest(struct pool *p, size_t unit) {
    struct scan_state *s = p->s;
    const struct scan_places *places = p->places;
    struct inventory *inv = s->inv;
    inv->rest = arena_alloc(s->arena, (places->n_tops + 1) * sizeof *inv->rest);
    if (s->scope->server && places->loose.files > 0) {
        inv->rest[inv->n_rest++] = (struct inv_rest){.top = ".", .count = places->loose};
    }
    for (size_t i = 0; i < places->n_tops; i++) {
        if (!scan_owner_reached(s, places->tops[i])) {
            continue;
        }
        const struct inv_count count = p->units[unit++].count;
        // An empty directory has its line as well; one that holds places alone has theirs.
        if (count.files > 0 || !has_place(places, places->tops[i])) {
            inv->rest[inv->n_rest++] = (struct inv_rest){.top = places->tops[i], .count = count};
        }
    }
}

static void fill(struct pool *p) {
    struct inventory *inv = p->s->inv;
    size_t unit = 0;
    inv->dirs = arena_alloc(p->s->arena, (p->places->n + 1) * sizeof *inv->dirs);
    for (size_t i = 0; i < p->places->n; i++) {
        fill_dir(p, &p->places->items[i], &inv->dirs[inv->n_dirs++], &unit);
    }
    fill_rest(p, unit);
}

static void pool_free(struct pool *p) {
    for (size_t i = 0; i < p->n; i++) {
        struct unit *u = &p->units[i];
        for (size_t k = 0; k < u->n_kept; k++) {
            free(u->kept[k].id);
            free(u->kept[k].detail);
        }
        free(u->kept);
    }
    free(p->units);
    scan_members_free(p->members);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->turn);
}

int scan_files(struct scan_state *s, struct err *e) {
    AUTO(scan_places_free) struct scan_places places;
    AUTO(pool_free) struct pool p = {.s = s, .places = &places};
    MUST(pthread_mutex_init(&p.lock, NULL) == 0);
    MUST(pthread_cond_init(&p.turn, NULL) == 0);
    scan_places_init(&places);
    int rc = scan_places_find(s, &places, e);
    rc = rc ? rc : scan_members_new(s, &p.members, e);
    if (rc < 0) {
        return rc;
    }
    set_apart(&p);
    add_units(&p);
    rc = run_pool(&p, e);
    if (rc == 0) {
        fill(&p);
        rc = scan_crosscheck_files(s, &places, e);
    }
    return rc < 0 ? err_wrap(e, "scan of the files") : 0;
}
