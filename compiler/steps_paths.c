// SPDX-License-Identifier: Apache-2.0
// Files that objects name by their path, wherever they lie: a step for each directory. What other
// steps move anyway gets none.
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/path.h"
#include "compiler/internal.h"

struct named_path {
    const char *path;
    struct inv_count count;
    size_t object;
};

// What other steps move: "alice/datasets/d1" to its file set, by its place in `files` plus one.
struct covered {
    struct compiling *c;
    struct strtab *objects;
    const struct model_files **files;
    size_t n, cap;
};

static void note_set(struct covered *v, const struct object_set *set) {
    struct compiling *c = v->c;
    const struct model_collection *m = &c->m->collections[set->collection];
    for (size_t k = 0; set->files && k < m->n_files; k++) {
        const char *under = model_under(&m->files[k], set->owner, c->scratch);
        ARENA_PUSH(c->scratch, v->files, v->n, v->cap, &m->files[k]);
        for (size_t i = 0; i < set->n; i++) {
            const char *id = c->inv->objects[set->objects[i]].id;
            AUTO_FREE char *path = must_sprintf("%s/%s", under, id);
            bool added;
            uintptr_t *slot = strtab_slot(v->objects, path, strlen(path), &added);
            *slot = added ? v->n : *slot;
        }
    }
}

// The file set of the object at the path's first `len` bytes; NULL when there is none.
static const struct model_files *file_set_at(const struct covered *v, const char *path,
                                             size_t len) {
    size_t place = strtab_get(v->objects, path, len, 0);
    MUST(place <= v->n && (place == 0 || v->files != NULL));
    return place == 0 ? NULL : v->files[place - 1];
}

// The path lies in a directory that an object's tree is.
static bool is_in_tree(const struct covered *v, const char *path) {
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const struct model_files *f = file_set_at(v, path, (size_t)(slash - path));
        if (f != NULL && f->tree) {
            return true;
        }
    }
    return false;
}

// The path is one of an object's files: its name begins with the ID.
static bool is_in_file_set(const struct covered *v, const char *path) {
    const char *leaf = last_component(path);
    for (size_t len = 1; len <= strlen(leaf); len++) {
        const struct model_files *f = file_set_at(v, path, (size_t)(leaf - path) + len);
        const char *id = f == NULL ? NULL : arena_strndup(v->c->scratch, leaf, len);
        if (id != NULL && model_name_matches(f, id, leaf)) {
            return true;
        }
    }
    return false;
}

static bool is_of_user(const struct covered *v, const char *path) {
    const struct scope_list *users = &v->c->scope->users;
    for (size_t i = 0; i < users->n; i++) {
        size_t len = strlen(users->items[i]);
        if (strncmp(path, users->items[i], len) == 0 && path[len] == '/') {
            return true;
        }
    }
    return false;
}

static bool needs_step(const struct covered *v, const char *path) {
    return path_relative_ok(path) && escape_is_utf8(path, strlen(path)) && !is_of_user(v, path) &&
           !is_in_tree(v, path) && !is_in_file_set(v, path);
}

static size_t directory_length(const char *path) {
    return (size_t)(last_component(path) - path);
}

// By directory first: the entries of one have to stand side by side.
static int path_order(const void *x, const void *y) {
    const struct named_path *a = x, *b = y;
    size_t a_len = directory_length(a->path), b_len = directory_length(b->path);
    int rc = memcmp(a->path, b->path, a_len < b_len ? a_len : b_len);
    rc = rc != 0 ? rc : (a_len > b_len) - (a_len < b_len);
    rc = rc != 0 ? rc : strcmp(a->path, b->path);
    return rc != 0 ? rc : (a->object > b->object) - (a->object < b->object);
}

static struct named_path *collect(const struct covered *v, size_t *n) {
    struct compiling *c = v->c;
    struct named_path *paths = NULL;
    size_t cap = 0;
    *n = 0;
    for (size_t i = 0; i < c->inv->n_objects; i++) {
        const struct inv_object *o = &c->inv->objects[i];
        for (size_t p = 0; c->closure.in[i] && p < o->n_paths; p++) {
            if (needs_step(v, o->paths[p].path)) {
                struct named_path named = {o->paths[p].path, o->paths[p].count, i};
                ARENA_PUSH(c->scratch, paths, *n, cap, named);
            }
        }
    }
    if (*n > 1) {
        qsort(paths, *n, sizeof *paths, path_order);
    }
    return paths;
}

// The first n paths lie in one directory.
static void directory_step(struct compiling *c, const struct named_path *paths, size_t n) {
    struct named_entry *entries = arena_alloc(c->scratch, n * sizeof *entries);
    size_t len = directory_length(paths[0].path), kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct inv_object *o = &c->inv->objects[paths[i].object];
        if (kept > 0 && strcmp(entries[kept - 1].name, paths[i].path + len) == 0) {
            continue;
        }
        entries[kept++] = (struct named_entry){
            paths[i].path + len,
            arena_printf(c->arena, "followed from %s %s", c->m->collections[o->collection].name,
                         o->id),
            paths[i].count,
        };
    }
    const char *dir = len == 0 ? "." : arena_strndup(c->scratch, paths[0].path, len - 1);
    entry_steps(c, "paths", dir, entries, kept);
}

void path_steps(struct compiling *c) {
    if (c->scope->server || c->scope->no_follow) {
        return;
    }
    AUTO_STRTAB struct strtab *objects = strtab_new();
    struct covered v = {.c = c, .objects = objects};
    for (size_t i = 0; i < c->n_sets; i++) {
        note_set(&v, &c->sets[i]);
    }
    size_t n;
    const struct named_path *paths = collect(&v, &n);
    for (size_t i = 0, stop; i < n; i = stop) {
        size_t len = directory_length(paths[i].path);
        for (stop = i + 1; stop < n && directory_length(paths[stop].path) == len &&
                           strncmp(paths[stop].path, paths[i].path, len) == 0;
             stop++) {
        }
        directory_step(c, paths + i, stop - i);
    }
}
