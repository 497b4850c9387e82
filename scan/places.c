// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "scan/internal.h"
#include "schema/pattern.h"

void scan_places_init(struct scan_places *p) {
    *p = (struct scan_places){.by_path = strtab_new()};
}

void scan_places_free(struct scan_places *p) {
    strtab_free(p->by_path);
    for (size_t i = 0; i < p->n_excludes; i++) {
        pattern_free(p->excludes[i]);
    }
    free(p->excludes);
    free(p->found);
}

static bool scan_work_folder(const struct scan_state *s, const char *path) {
    for (size_t i = 0; i < s->m->n_work_folders; i++) {
        if (strcmp(s->m->work_folders[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static int compile_excludes(const struct scan_state *s, struct scan_places *p, struct err *e) {
    const struct scope_list *list = &s->scope->excludes;
    p->excludes = must_calloc(list->n + 1, sizeof(struct pattern *));
    for (size_t i = 0; i < list->n; i++) {
        int rc = pattern_compile(list->items[i], &p->excludes[i], e);
        if (rc < 0) {
            return err_wrap(e, "--exclude");
        }
        p->n_excludes++;
    }
    return 0;
}

static int is_excluded(const struct scan_places *p, const char *path, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->n_excludes; i++) {
        rc = pattern_match(p->excludes[i], path, strlen(path), e);
    }
    return rc;
}

static int top_each(struct scan_list *l, const char *name, const char *path, const struct stat *st,
                    struct err *e) {
    struct scan_places *p = l->places;
    int excluded = is_excluded(p, path, e);
    if (excluded != 0 || scan_work_folder(l->s, path)) {
        return excluded < 0 ? excluded : 0;
    }
    if (S_ISDIR(st->st_mode)) {
        ARENA_PUSH(l->s->arena, p->tops, p->n_tops, p->cap_tops, arena_strdup(l->s->arena, name));
    } else {
        p->loose.files++;
        p->loose.bytes += S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
    }
    return 0;
}

static int place_each(struct scan_list *l, const char *name, const char *path,
                      const struct stat *st, struct err *e) {
    struct scan_place *p = l->place;
    int excluded = is_excluded(l->places, path, e);
    if (excluded < 0) {
        return excluded;
    }
    struct scan_entry t = {.inv = {.name = arena_strdup(l->s->arena, name),
                                   .is_dir = S_ISDIR(st->st_mode),
                                   .count = {.files = 1}},
                           .excluded = excluded == 1 || scan_work_folder(l->s, path),
                           .object = (size_t)-1};
    if (t.excluded) {
        t.inv.count = (struct inv_count){0};
    } else if (S_ISREG(st->st_mode)) {
        t.inv.count.bytes = (uint64_t)st->st_size;
    }
    ARENA_PUSH(l->s->arena, p->entries, p->n, p->cap, t);
    return 0;
}

// --- which places there are

static int text_order(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int entry_order(const void *a, const void *b) {
    return strcmp(((const struct scan_entry *)a)->inv.name,
                  ((const struct scan_entry *)b)->inv.name);
}

static int place_order(const void *a, const void *b) {
    return strcmp(((const struct scan_place *)a)->path, ((const struct scan_place *)b)->path);
}

struct owners {
    struct strtab *seen;
    const char **items;
    size_t n, cap;
};

static void add_owner(struct scan_state *s, struct owners *o, const char *name) {
    bool added;
    strtab_slot(o->seen, name, strlen(name), &added);
    if (added) {
        ARENA_PUSH(s->arena, o->items, o->n, o->cap, name);
    }
}

// Owners of objects, and directories at the top that may be those of owners without objects.
static void find_owners(struct scan_state *s, const struct scan_places *p, struct owners *o) {
    for (size_t i = 0; i < p->n_tops; i++) {
        if (scan_owner_reached(s, p->tops[i])) {
            add_owner(s, o, p->tops[i]);
        }
    }
    for (size_t i = 0; i < s->inv->n_objects; i++) {
        if (s->reached[i] && s->inv->objects[i].owner_is_safe) {
            add_owner(s, o, s->inv->objects[i].owner);
        }
    }
}

static void add_set(struct scan_state *s, struct scan_place *place, size_t collection,
                    size_t files) {
    ARENA_PUSH(s->arena, place->sets, place->n_sets, place->cap_sets,
               (struct scan_set){.collection = collection, .files = files});
}

// The place of a file set of this owner: made when it is new and there is such a directory.
static int add_place(struct scan_state *s, struct scan_places *p, size_t collection, size_t files,
                     const char *owner, struct err *e) {
    const struct model_files *f = &s->m->collections[collection].files[files];
    const char *path = model_under(f, owner, s->arena);
    if (!path || scan_work_folder(s, path)) {
        return 0;
    }
    uintptr_t known = strtab_get(p->by_path, path, strlen(path), 0);
    if (known) {
        add_set(s, &p->items[known - 1], collection, files);
        return 0;
    }
    struct scan_place place = {.path = path,
                               .owner = strstr(f->under, "{owner}") ? owner : "",
                               .reached = s->scope->server || scan_owner_reached(s, owner)};
    struct scan_list l = {.s = s, .path = path, .each = place_each, .places = p, .place = &place};
    int rc = scan_list(&l, e);
    if (rc == 1) {
        bool added;
        add_set(s, &place, collection, files);
        ARENA_PUSH(s->arena, p->items, p->n, p->cap, place);
        *strtab_slot(p->by_path, path, strlen(path), &added) = p->n;
    }
    return rc < 0 ? rc : 0;
}

static int add_places_of(struct scan_state *s, struct scan_places *p, const char *owner,
                         struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->m->n_collections; i++) {
        const struct model_collection *c = &s->m->collections[i];
        for (size_t k = 0; rc == 0 && c->level == MODEL_TOP && k < c->n_files; k++) {
            rc = add_place(s, p, i, k, owner, e);
        }
    }
    return rc;
}

// --- what belongs to whom

// The ID may end at any byte of a name when the template goes on with anything.
static void match_set(const struct scan_state *s, const struct scan_place *p, const char *name,
                      size_t collection, size_t files,
                      void (*hit)(void *arg, size_t object, size_t files), void *arg) {
    const struct model_files *f = &s->m->collections[collection].files[files];
    const char *at = strstr(f->name, "{id}");
    size_t before = at ? (size_t)(at - f->name) : 0;
    const char *after = at ? at + 4 : "";
    bool any = strchr(after, '*') != NULL;
    size_t len = strlen(name), last = any ? len : len - strlen(after);
    char id[PATH_COMPONENT_MAX + 1];
    for (size_t end = any ? before + 1 : last; end <= last && end > before && len < sizeof id;
         end++) {
        if (any && isalnum((unsigned char)name[end])) {
            continue;
        }
        memcpy(id, name + before, end - before);
        id[end - before] = 0;
        size_t object = scan_find_object(s, collection, id);
        if (object == (size_t)-1) {
            continue;
        }
        const struct inv_object *o = &s->inv->objects[object];
        bool owned = !*p->owner || (o->owner && strcmp(o->owner, p->owner) == 0);
        if (o->id_is_safe && owned && model_name_matches(f, id, name)) {
            hit(arg, object, files);
        }
    }
}

void scan_place_match(const struct scan_state *s, const struct scan_place *p, const char *name,
                      void (*hit)(void *arg, size_t object, size_t files), void *arg) {
    for (size_t i = 0; i < p->n_sets; i++) {
        match_set(s, p, name, p->sets[i].collection, p->sets[i].files, hit, arg);
    }
}

struct marking {
    const struct scan_state *s;
    struct scan_places *p;
    struct scan_entry *t;
};

static void mark_hit(void *arg, size_t object, size_t files) {
    struct marking *m = arg;
    const struct inv_object *o = &m->s->inv->objects[object];
    m->t->inv.documented = true;
    m->p->found[object] |= 1u << (files % 32);
    if (m->s->reached[object] && m->t->object == (size_t)-1) {
        m->t->object = object;
        m->t->tree = m->s->m->collections[o->collection].files[files].tree && m->t->inv.is_dir;
    }
}

static void mark_place(struct scan_state *s, struct scan_places *p, struct scan_place *place) {
    for (size_t i = 0; i < place->n; i++) {
        struct marking m = {.s = s, .p = p, .t = &place->entries[i]};
        AUTO_FREE char *path = must_sprintf("%s/%s", place->path, m.t->inv.name);
        uintptr_t at = strtab_get(p->by_path, path, strlen(path), 0);
        m.t->place = at > 0;
        m.t->named = at > 0 && p->items[at - 1].n > 0;
        scan_place_match(s, place, m.t->inv.name, mark_hit, &m);
    }
}

static void finish_places(struct scan_state *s, struct scan_places *p) {
    if (p->n > 0) {
        qsort(p->items, p->n, sizeof *p->items, place_order);
    }
    for (size_t i = 0; i < p->n; i++) {
        *strtab_slot(p->by_path, p->items[i].path, strlen(p->items[i].path), NULL) = i + 1;
    }
    p->found = must_calloc(s->inv->n_objects + 1, sizeof *p->found);
    for (size_t i = 0; i < p->n; i++) {
        struct scan_place *place = &p->items[i];
        if (place->n > 0) {
            qsort(place->entries, place->n, sizeof *place->entries, entry_order);
        }
        mark_place(s, p, place);
    }
}

int scan_places_find(struct scan_state *s, struct scan_places *p, struct err *e) {
    AUTO_STRTAB struct strtab *seen = strtab_new();
    struct owners owners = {.seen = seen};
    struct scan_list root = {.s = s, .path = ".", .each = top_each, .places = p};
    int rc = compile_excludes(s, p, e);
    rc = rc ? rc : scan_list(&root, e);
    if (rc < 0) {
        return rc;
    }
    if (p->n_tops > 0) {
        qsort(p->tops, p->n_tops, sizeof *p->tops, text_order);
    }
    find_owners(s, p, &owners);
    rc = 0;
    for (size_t i = 0; rc == 0 && i < owners.n; i++) {
        rc = add_places_of(s, p, owners.items[i], e);
    }
    if (rc == 0) {
        finish_places(s, p);
    }
    return rc;
}
