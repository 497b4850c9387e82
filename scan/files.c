// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "scan/pool.h"
#include "site/tree.h"

// --- what the units are

static bool counts(const struct scan_place *place, const struct scan_entry *t) {
    return t->inv.is_dir && !t->named && !t->excluded &&
           (place->reached || t->object != (size_t)-1);
}

static bool has_members(const struct pool *p, const struct scan_entry *t) {
    return t->object != (size_t)-1 && t->tree &&
           scan_members_of(p->members, p->s->inv->objects[t->object].collection);
}

static void add_units(struct pool *p, const struct scan_places *places) {
    for (size_t i = 0; i < places->n; i++) {
        const struct scan_place *place = &places->items[i];
        for (size_t k = 0; k < place->n; k++) {
            const struct scan_entry *t = &place->entries[k];
            if (counts(place, t)) {
                pool_add(p, arena_printf(p->s->arena, "%s/%s", place->path, t->inv.name),
                         has_members(p, t) ? t->object : (size_t)-1);
            }
        }
    }
    for (size_t i = 0; i < places->n_tops; i++) {
        if (scan_owner_reached(p->s, places->tops[i])) {
            pool_add(p, places->tops[i], (size_t)-1);
        }
    }
}

static void set_apart(struct pool *p, const struct scan_places *places) {
    const struct scan_state *s = p->s;
    p->apart = arena_alloc(s->arena, (places->n + s->m->n_work_folders + 1) * sizeof *p->apart);
    for (size_t i = 0; i < places->n; i++) {
        if (places->items[i].n > 0) { // an empty one is counted like any other directory
            p->apart[p->n_apart++] = places->items[i].path;
        }
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
        if (p->items[i].n > 0 && tree_is_below(p->items[i].path, top)) {
            return true;
        }
    }
    return false;
}

static void fill_rest(struct pool *p, const struct scan_places *places, size_t unit) {
    struct scan_state *s = p->s;
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

static void fill(struct pool *p, struct scan_places *places) {
    struct inventory *inv = p->s->inv;
    size_t unit = 0;
    inv->dirs = arena_alloc(p->s->arena, (places->n + 1) * sizeof *inv->dirs);
    for (size_t i = 0; i < places->n; i++) {
        if (places->items[i].n > 0) {
            fill_dir(p, &places->items[i], &inv->dirs[inv->n_dirs++], &unit);
        }
    }
    fill_rest(p, places, unit);
}

static void members_cleanup(struct scan_members **m) {
    scan_members_free(*m);
}

int scan_files(struct scan_state *s, struct err *e) {
    AUTO(scan_places_free) struct scan_places places;
    AUTO(members_cleanup) struct scan_members *members = NULL;
    AUTO(pool_free) struct pool p;
    scan_places_init(&places);
    pool_init(&p, s);
    int rc = scan_places_find(s, &places, e);
    rc = rc ? rc : scan_members_new(s, &members, e);
    if (rc == 0) {
        p.members = members;
        p.excludes = places.excludes;
        p.n_excludes = places.n_excludes;
        set_apart(&p, &places);
        add_units(&p, &places);
        rc = pool_run(&p, e);
    }
    if (rc == 0) {
        fill(&p, &places);
        rc = scan_crosscheck_files(s, &places, e);
    }
    return rc < 0 ? err_wrap(e, "scan of the files") : 0;
}
