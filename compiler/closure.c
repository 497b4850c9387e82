// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/escape.h"
#include "compiler/internal.h"

// Findings of earlier compilations of the same inventory.
static void forget_findings(struct inventory *inv) {
    static const enum inv_finding_kind ours[] = {FINDING_LEFT_BEHIND, FINDING_NO_STRING_ID,
                                                 FINDING_NOT_UTF8};
    for (size_t k = 0; k < sizeof ours / sizeof *ours; k++) {
        size_t kept = 0;
        for (size_t i = 0; i < inv->n_findings; i++) {
            if (inv->findings[i].kind != ours[k]) {
                inv->findings[kept++] = inv->findings[i];
            }
        }
        inv->n_findings = kept;
        inv->finding_counts[ours[k]] = 0;
    }
}

bool takes_collection(const struct compiling *c, size_t collection) {
    const struct model_collection *m = &c->m->collections[collection];
    if (m->level == MODEL_WHOLE && !c->scope->server) {
        return false;
    }
    return m->class == MODEL_WORK || (m->class == MODEL_ACCOUNTS && c->scope->with_accounts) ||
           (m->class == MODEL_TRANSIENT && c->scope->with_transient);
}

size_t projects_collection(const struct model *m) {
    for (size_t i = 0; i < m->n_collections; i++) {
        const char *field = m->collections[i].project_field;
        if (field != NULL && strcmp(field, "_id") == 0) {
            return i;
        }
    }
    return (size_t)-1;
}

// Sets of a plan hold text of a bounded length.
static bool can_stand_in_set(const struct inv_object *o) {
    size_t len = strlen(o->id);
    return o->id_is_string && plan_id_ok(o->id, len);
}

// Owners and projects that the scope names, and where every object is.
struct selecting {
    struct compiling *c;
    struct strtab *users, *projects;
    struct strtab *objects; // collection and ID to index + 1
    struct buf key;
};

static void note_list(struct strtab *to, const struct scope_list *list) {
    bool added;
    for (size_t i = 0; i < list->n; i++) {
        strtab_slot(to, list->items[i], strlen(list->items[i]), &added);
    }
}

static const struct buf *object_key(struct selecting *s, size_t collection, const char *id) {
    buf_clear(&s->key);
    buf_put(&s->key, &collection, sizeof collection);
    buf_puts(&s->key, id);
    return &s->key;
}

static void note_objects(struct selecting *s) {
    for (size_t i = 0; i < s->c->inv->n_objects; i++) {
        const struct inv_object *o = &s->c->inv->objects[i];
        const struct buf *key = object_key(s, o->collection, o->id);
        bool added;
        uintptr_t *slot = strtab_slot(s->objects, key->data, key->len, &added);
        *slot = added ? i + 1 : *slot;
    }
}

static size_t find_object(struct selecting *s, const struct inv_ref *r) {
    const struct buf *key = object_key(s, r->collection, r->id);
    return (size_t)strtab_get(s->objects, key->data, key->len, 0) - 1;
}

static bool is_named(const struct strtab *names, const char *name) {
    return name != NULL && strtab_has(names, name, strlen(name));
}

static bool scope_selects(struct selecting *s, const struct inv_object *o) {
    bool group = o->collection == projects_collection(s->c->m);
    return is_named(s->users, o->owner) || is_named(s->projects, group ? o->id : o->project);
}

// What is followed may refer to more: a queue, so that the nearest object is named.
static void follow(struct selecting *s) {
    struct compiling *c = s->c;
    AUTO_FREE size_t *queue = must_calloc(c->inv->n_objects + 1, sizeof *queue);
    size_t n = 0;
    for (size_t i = 0; i < c->inv->n_objects; i++) {
        if (c->closure.in[i]) {
            queue[n++] = i;
        }
    }
    for (size_t at = 0; at < n; at++) {
        const struct inv_object *o = &c->inv->objects[queue[at]];
        for (size_t r = 0; r < o->n_refs; r++) {
            size_t to = o->refs[r].follow ? find_object(s, &o->refs[r]) : NO_OBJECT;
            if (to != NO_OBJECT && !c->closure.in[to] &&
                takes_collection(c, o->refs[r].collection)) {
                c->closure.in[to] = true;
                c->closure.from[to] = queue[at];
                queue[n++] = to;
            }
        }
    }
}

void report_finding(const struct compiling *c, enum inv_finding_kind kind, const char *collection,
                    const char *id, const char *detail) {
    const struct inv_finding f = {kind, collection, id, detail};
    inventory_add_finding(c->inv, kind, collection, id, detail);
    if (c->options->finding != NULL) {
        c->options->finding(c->options->arg, &f);
    }
}

static void report_left_behind(struct selecting *s, const struct inv_object *o) {
    struct inventory *inv = s->c->inv;
    for (size_t r = 0; r < o->n_refs; r++) {
        size_t to = find_object(s, &o->refs[r]);
        if (to == NO_OBJECT || s->c->closure.in[to]) {
            continue;
        }
        const char *owner = inv->objects[to].owner;
        const char *detail = arena_printf(
            s->c->scratch, "%s %s%s%s", s->c->m->collections[o->refs[r].collection].name,
            o->refs[r].id, owner != NULL ? ", owner " : "", owner != NULL ? owner : "");
        report_finding(s->c, FINDING_LEFT_BEHIND, s->c->m->collections[o->collection].name, o->id,
                       detail);
    }
}

static void drop_unplannable(struct compiling *c) {
    for (size_t i = 0; i < c->inv->n_objects; i++) {
        const struct inv_object *o = &c->inv->objects[i];
        if (c->closure.in[i] && !can_stand_in_set(o)) {
            c->closure.in[i] = false;
            // With all of a server they go along in the ranges, without a line of their own.
            if (!c->scope->server) {
                report_finding(c, FINDING_NO_STRING_ID, c->m->collections[o->collection].name,
                               o->id, "");
            }
        }
    }
}

static void select_by_scope(struct selecting *s) {
    struct compiling *c = s->c;
    note_list(s->users, &c->scope->users);
    note_list(s->projects, &c->scope->projects);
    note_objects(s);
    for (size_t i = 0; i < c->inv->n_objects; i++) {
        const struct inv_object *o = &c->inv->objects[i];
        c->closure.in[i] = takes_collection(c, o->collection) && scope_selects(s, o);
    }
    if (!c->scope->no_follow) {
        follow(s);
    }
    drop_unplannable(c);
    for (size_t i = 0; i < c->inv->n_objects; i++) {
        if (c->closure.in[i]) {
            report_left_behind(s, &c->inv->objects[i]);
        }
    }
}

void closure_make(struct compiling *c) {
    size_t n = c->inv->n_objects;
    forget_findings(c->inv);
    c->closure.in = arena_alloc(c->scratch, n + 1);
    c->closure.from = arena_alloc(c->scratch, (n + 1) * sizeof *c->closure.from);
    for (size_t i = 0; i < n; i++) {
        c->closure.from[i] = NO_OBJECT;
        c->closure.in[i] = takes_collection(c, c->inv->objects[i].collection);
    }
    if (c->scope->server) {
        drop_unplannable(c);
        return;
    }
    AUTO_STRTAB struct strtab *users = strtab_new();
    AUTO_STRTAB struct strtab *projects = strtab_new();
    AUTO_STRTAB struct strtab *objects = strtab_new();
    struct selecting s = {c, users, projects, objects, BUF_INIT(SIZE_MAX / 2)};
    select_by_scope(&s);
    buf_free(&s.key);
}
