// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "compiler/internal.h"

#define UNSAFE "unsafe"

const struct cut_limits set_limits = {
    .files = 4096, .bytes = (uint64_t)256 * 1000 * 1000, .items = 256};

const char *count_of(struct arena *a, uint64_t n, const char *plural) {
    char text[HUMAN_TEXT];
    size_t len = strlen(plural);
    bool cut = n == 1 && len > 1 && plural[len - 1] == 's';
    return arena_printf(a, "%s %.*s", human_count(n, text), (int)(cut ? len - 1 : len), plural);
}

void set_add(struct compiling *c, const char *name, const char *comment, const char **ids,
             const char **id_comments, size_t n) {
    struct plan_set s = {
        .name = name, .comment = comment, .ids = ids, .id_comments = id_comments, .n = n, .cap = n};
    ARENA_PUSH(c->arena, c->plan->sets, c->plan->n_sets, c->plan->cap_sets, s);
}

const struct object_set *sets_of(const struct compiling *c, size_t collection, size_t *n) {
    const struct object_set *first = NULL;
    *n = 0;
    for (size_t i = 0; i < c->n_sets; i++) {
        if (c->sets[i].collection == collection) {
            first = first != NULL ? first : &c->sets[i];
            (*n)++;
        }
    }
    return first;
}

// --- the weight of objects

static struct inv_count files_of(const struct compiling *c, const struct inv_object *o) {
    struct inv_count sum = {0};
    for (size_t k = 0; k < c->m->collections[o->collection].n_files; k++) {
        sum.files += o->files != NULL ? o->files[k].files : 0;
        sum.bytes += o->files != NULL ? o->files[k].bytes : 0;
    }
    return sum;
}

static uint64_t children_of(const struct compiling *c, const struct inv_object *o) {
    uint64_t sum = 0;
    for (size_t i = 0; o->children != NULL && i < c->m->n_collections; i++) {
        sum += o->children[i];
    }
    return sum;
}

// --- one set

static const char *set_comment(struct compiling *c, const struct object_set *s) {
    const struct model_collection *m = &c->m->collections[s->collection];
    struct inv_count sum = {0};
    char bytes[HUMAN_TEXT];
    for (size_t i = 0; i < s->n; i++) {
        struct inv_count one = files_of(c, &c->inv->objects[s->objects[i]]);
        sum.files += one.files;
        sum.bytes += one.bytes;
    }
    const char *text = count_of(c->arena, s->n, m->noun);
    if (m->n_files > 0 && s->files) {
        text = arena_printf(c->arena, "%s, %s, %s", text, count_of(c->arena, sum.files, "files"),
                            human_bytes(sum.bytes, bytes));
    } else if (m->n_files > 0) {
        text = arena_printf(c->arena, "%s whose ID or owner is no file name: without files", text);
    }
    if (s->owner != NULL && strcmp(name_component(c->scratch, s->owner), s->owner) != 0) {
        text = arena_printf(c->arena, "%s, owner %s", text, s->owner);
    }
    return text;
}

// The object's name, and why it is here when the scope did not name it.
static const char *id_comment(struct compiling *c, size_t object) {
    const char *name = c->inv->objects[object].name;
    size_t from = c->closure.from[object];
    if (from == NO_OBJECT) {
        return name;
    }
    const struct inv_object *o = &c->inv->objects[from];
    return arena_printf(c->arena, "%s%sfollowed from %s %s", name != NULL ? name : "",
                        name != NULL ? "; " : "", c->m->collections[o->collection].name, o->id);
}

static void put_set(struct compiling *c, const struct object_set *s) {
    const char **ids = arena_alloc(c->arena, (s->n + 1) * sizeof *ids);
    const char **comments = arena_alloc(c->arena, (s->n + 1) * sizeof *comments);
    for (size_t i = 0; i < s->n; i++) {
        ids[i] = c->inv->objects[s->objects[i]].id;
        comments[i] = id_comment(c, s->objects[i]);
    }
    set_add(c, s->name, set_comment(c, s), ids, comments, s->n);
    ARENA_PUSH(c->scratch, c->sets, c->n_sets, c->cap_sets, *s);
}

// --- cutting

// Objects that share sets: one collection, one owner, with files or without.
struct group {
    size_t collection;
    const char *owner;
    bool files;
    const size_t *objects;
    size_t n;
};

static void put_part(struct compiling *c, const struct group *g, size_t first, size_t n,
                     const char *part) {
    const char *noun = c->m->collections[g->collection].noun;
    struct object_set s = {
        .collection = g->collection,
        .owner = g->owner,
        .files = g->files,
        .label = arena_printf(c->arena, "%s/%s", name_component(c->arena, g->owner), part),
        .objects = g->objects + first,
        .n = n,
    };
    s.name = arena_printf(c->arena, "%s/%s", noun, s.label);
    put_set(c, &s);
}

static void cut_group(struct compiling *c, const struct group *g) {
    struct cut_state state = {0};
    size_t first = 0, number = 1;
    for (size_t i = 0; i < g->n; i++) {
        const struct inv_object *o = &c->inv->objects[g->objects[i]];
        struct inv_count files = files_of(c, o);
        if (cut_before(&set_limits, &state, o->id, files.files + children_of(c, o), files.bytes)) {
            put_part(c, g, first, i - first, arena_printf(c->scratch, "%04zu", number++));
            first = i;
        }
    }
    put_part(c, g, first, g->n - first, arena_printf(c->scratch, "%04zu", number));
}

static bool needs_owner(const struct model_collection *m) {
    for (size_t k = 0; k < m->n_files; k++) {
        if (strstr(m->files[k].under, "{owner}") != NULL) {
            return true;
        }
    }
    return false;
}

// False when an object of a kind that has files cannot have them moved.
static bool has_safe_paths(const struct compiling *c, const struct inv_object *o) {
    const struct model_collection *m = &c->m->collections[o->collection];
    if (m->n_files == 0) {
        return true;
    }
    return o->id_is_safe &&
           (!needs_owner(m) || (o->owner_is_safe && plan_text(c->scratch, o->owner) == o->owner));
}

struct member {
    size_t object;
    const char *owner; // NULL sorts first
    bool files;
};

static int member_order(const void *x, const void *y) {
    const struct member *a = x, *b = y;
    int rc = a->owner == NULL || b->owner == NULL ? (a->owner != NULL) - (b->owner != NULL)
                                                  : strcmp(a->owner, b->owner);
    rc = rc != 0 ? rc : (int)b->files - (int)a->files;
    // Objects of one collection are in the order of their IDs already.
    return rc != 0 ? rc : (a->object > b->object) - (a->object < b->object);
}

static bool same_group(const struct member *a, const struct member *b) {
    bool same = a->owner == NULL || b->owner == NULL ? a->owner == b->owner
                                                     : strcmp(a->owner, b->owner) == 0;
    return same && a->files == b->files;
}

static void put_group(struct compiling *c, size_t collection, const struct member *members,
                      size_t n) {
    size_t *objects = arena_alloc(c->scratch, n * sizeof *objects);
    for (size_t i = 0; i < n; i++) {
        objects[i] = members[i].object;
    }
    struct group g = {collection, members[0].owner, members[0].files, objects, n};
    if (g.files) {
        cut_group(c, &g);
    } else if (c->documents) {
        put_part(c, &g, 0, n, UNSAFE);
    }
}

static void sets_of_collection(struct compiling *c, size_t collection, size_t first, size_t end) {
    struct member *members = arena_alloc(c->scratch, (end - first + 1) * sizeof *members);
    size_t n = 0;
    for (size_t i = first; i < end; i++) {
        const struct inv_object *o = &c->inv->objects[i];
        if (c->closure.in[i]) {
            members[n++] = (struct member){i, o->owner, has_safe_paths(c, o)};
        }
    }
    if (n > 1) {
        qsort(members, n, sizeof *members, member_order);
    }
    for (size_t i = 0, stop; i < n; i = stop) {
        for (stop = i + 1; stop < n && same_group(&members[i], &members[stop]); stop++) {
        }
        put_group(c, collection, members + i, stop - i);
    }
}

void sets_make(struct compiling *c) {
    const struct inventory *inv = c->inv;
    for (size_t i = 0, stop; i < inv->n_objects; i = stop) {
        size_t collection = inv->objects[i].collection;
        for (stop = i + 1; stop < inv->n_objects && inv->objects[stop].collection == collection;
             stop++) {
        }
        // Without documents, objects that have no files have no business in the plan.
        if (c->documents || c->m->collections[collection].n_files > 0) {
            sets_of_collection(c, collection, i, stop);
        }
    }
}
