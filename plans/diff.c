// SPDX-License-Identifier: Apache-2.0
// Two plans compared by what they do. Lines begin with "-" for what only the old one has, "+" for
// what only the new one has, "~" for what both have and differs. Objects are compared within what
// their sets' names have in front of the last slash, so that it does not matter how they were cut
// into sets; steps by hash, with one pass for both plans, so that it does not matter how they are
// called.
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/strtab.h"
#include "plans/hash.h"
#include "plans/params.h"

struct diff {
    const struct plan *old, *new;
    struct buf *out;
    size_t lines;
};

static void diff_put(struct diff *d, const char *text) {
    escape_text(d->out, text != NULL ? text : "(none)", strlen(text != NULL ? text : "(none)"));
}

static void diff_change(struct diff *d, const char *key, const char *old, const char *new) {
    if (old == new || (old != NULL && new != NULL &&strcmp(old, new) == 0)) {
        return;
    }
    buf_puts(d->out, "~ ");
    diff_put(d, key);
    buf_puts(d->out, ": ");
    diff_put(d, old);
    buf_puts(d->out, " -> ");
    diff_put(d, new);
    buf_puts(d->out, "\n");
    d->lines++;
}

static void diff_ends(struct diff *d, const char *key, const struct plan_end *old,
                      const struct plan_end *new) {
    const struct {
        const char *key, *old, *new;
    } fields[] = {{"server", old->server, new->server},
                  {"database", old->database, new->database},
                  {"root", old->root, new->root},
                  {"fingerprint", old->fingerprint, new->fingerprint}};
    AUTO_ARENA struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        diff_change(d, arena_printf(a, "%s %s", key, fields[i].key), fields[i].old, fields[i].new);
    }
}

static void diff_one_side(struct diff *d, const char *mark, const char *what, const char *text) {
    buf_printf(d->out, "%s ", mark);
    diff_put(d, what);
    buf_puts(d->out, " ");
    diff_put(d, text);
    buf_puts(d->out, "\n");
    d->lines++;
}

// Items that only one of two lists has.
static void diff_lists(struct diff *d, const char *what, const char *const *old, size_t n_old,
                       const char *const *new, size_t n_new) {
    const struct {
        const char *mark;
        const char *const *items, *const *others;
        size_t n, n_others;
    } sides[] = {{"-", old, new, n_old, n_new}, {"+", new, old, n_new, n_old}};
    for (size_t side = 0; side < 2; side++) {
        AUTO_STRTAB struct strtab *others = strtab_new();
        bool added;
        for (size_t i = 0; i < sides[side].n_others; i++) {
            const char *item = sides[side].others[i];
            strtab_slot(others, item, strlen(item), &added);
        }
        for (size_t i = 0; i < sides[side].n; i++) {
            const char *item = sides[side].items[i];
            if (!strtab_has(others, item, strlen(item))) {
                diff_one_side(d, sides[side].mark, what, item);
            }
        }
    }
}

static const char **diff_fixup_texts(const struct plan *p, struct arena *a) {
    const char **texts = arena_alloc(a, p->n_fixups * sizeof *texts);
    for (size_t i = 0; i < p->n_fixups; i++) {
        const struct plan_fixup *f = &p->fixups[i];
        texts[i] =
            arena_printf(a, "%s.%s: %s -> %s", f->collection, f->field, f->pattern, f->replacement);
    }
    return texts;
}

static void diff_header(struct diff *d) {
    const struct plan *old = d->old, *new = d->new;
    AUTO_ARENA struct arena *a = arena_new();
    diff_change(d, "name", old->name, new->name);
    if (old->pass != new->pass) {
        diff_change(d, "pass", arena_printf(a, "%d", old->pass),
                    arena_printf(a, "%d, so that every step is new", new->pass));
    }
    diff_change(d, "scope", old->scope, new->scope);
    diff_ends(d, "source", &old->source, &new->source);
    diff_ends(d, "destination", &old->destination, &new->destination);
    diff_lists(d, "base", old->base, old->n_base, new->base, new->n_base);
    diff_lists(d, "exclude", old->excludes, old->n_excludes, new->excludes, new->n_excludes);
    diff_lists(d, "fixup", diff_fixup_texts(old, a), old->n_fixups, diff_fixup_texts(new, a),
               new->n_fixups);
}

// "alice/datasets" of "alice/datasets/0001".
static size_t diff_owner_len(const char *set_name) {
    const char *slash = strrchr(set_name, '/');
    return slash != NULL ? (size_t)(slash - set_name) : strlen(set_name);
}

// An object as a table key: what it belongs to, a zero byte, its ID.
static void diff_object_key(const struct plan_set *s, size_t i, struct buf *key) {
    buf_clear(key);
    buf_put(key, s->name, diff_owner_len(s->name));
    buf_put(key, "", 1);
    buf_puts(key, s->ids[i]);
}

static void diff_note_objects(const struct plan *p, struct strtab *objects, struct buf *key) {
    bool added;
    for (size_t i = 0; i < p->n_sets; i++) {
        for (size_t j = 0; j < p->sets[i].n; j++) {
            diff_object_key(&p->sets[i], j, key);
            strtab_slot(objects, key->data, key->len, &added);
        }
    }
}

static void diff_object(struct diff *d, const char *mark, const struct plan_set *s, size_t i) {
    buf_printf(d->out, "%s ", mark);
    escape_text(d->out, s->name, diff_owner_len(s->name));
    buf_puts(d->out, ": ");
    diff_put(d, s->ids[i]);
    if (s->id_comments != NULL && s->id_comments[i] != NULL) {
        buf_puts(d->out, "  # ");
        diff_put(d, s->id_comments[i]);
    }
    buf_puts(d->out, "\n");
    d->lines++;
}

static void diff_objects(struct diff *d, const char *mark, const struct plan *p,
                         const struct plan *other) {
    AUTO_STRTAB struct strtab *there = strtab_new();
    AUTO_STRTAB struct strtab *told = strtab_new();
    AUTO_BUF struct buf key = BUF_INIT(PLAN_TEXT_MAX + PLAN_LABEL_MAX + 1);
    bool added;
    diff_note_objects(other, there, &key);
    for (size_t i = 0; i < p->n_sets; i++) {
        for (size_t j = 0; j < p->sets[i].n; j++) {
            diff_object_key(&p->sets[i], j, &key);
            strtab_slot(told, key.data, key.len, &added);
            if (added && !strtab_has(there, key.data, key.len)) {
                diff_object(d, mark, &p->sets[i], j);
            }
        }
    }
}

// A plan's steps by hash: position + 1.
struct side {
    const struct plan *p;
    uint8_t (*hashes)[HASH_SIZE];
    struct strtab *by_hash;
};

static void side_fill(struct side *s, const struct plan *p) {
    bool added;
    s->p = p;
    s->hashes = must_calloc(p->n_steps + 1, HASH_SIZE);
    s->by_hash = strtab_new();
    hash_plan_steps(p, 0, s->hashes);
    for (size_t i = 0; i < p->n_steps; i++) {
        *strtab_slot(s->by_hash, s->hashes[i], HASH_SIZE, &added) = i + 1;
    }
}

static void side_clear(struct side *s) {
    free(s->hashes);
    strtab_free(s->by_hash);
}

static bool side_has(const struct side *s, const uint8_t hash[HASH_SIZE]) {
    return strtab_has(s->by_hash, hash, HASH_SIZE);
}

static const char *diff_needs_text(const struct plan_step *s, struct arena *a) {
    const char *list = "";
    for (size_t i = 0; i < s->n_needs; i++) {
        list = arena_printf(a, "%s%s%s", list, i > 0 ? ", " : "", s->needs[i]);
    }
    return list[0] != 0 ? list : NULL;
}

static size_t diff_count_ids(const struct plan_step *s) {
    AUTO_STRTAB struct strtab *ids = plan_step_ids(s);
    return strtab_count(ids);
}

// What of a step's own line differs, and how many objects its sets hold.
static void diff_params(struct diff *d, const struct plan_step *old, const struct plan_step *new) {
    AUTO_ARENA struct arena *a = arena_new();
    const char *what = arena_printf(a, "step %s", new->id);
    diff_change(d, arena_printf(a, "%s: kind", what), plan_kinds[old->kind].name,
                plan_kinds[new->kind].name);
    for (size_t i = 0; i < N_PLAN_PARAMS; i++) {
        diff_change(d, arena_printf(a, "%s: %s", what, plan_params[i].key),
                    plan_param_value(old, &plan_params[i]), plan_param_value(new, &plan_params[i]));
    }
    if (old->kind == new->kind && (plan_kinds[new->kind].params & P_CONFLICT)) {
        diff_change(d, arena_printf(a, "%s: onConflict", what),
                    conflict_policy_names[old->on_conflict],
                    conflict_policy_names[new->on_conflict]);
    }
    diff_change(d, arena_printf(a, "%s: objects", what),
                arena_printf(a, "%zu", diff_count_ids(old)),
                arena_printf(a, "%zu", diff_count_ids(new)));
    diff_change(d, arena_printf(a, "%s: needs", what), diff_needs_text(old, a),
                diff_needs_text(new, a));
    diff_lists(d, arena_printf(a, "step %s: except", new->id), old->except, old->n_except,
               new->except, new->n_except);
}

// A step that both plans have by ID. When none of its own words differs, what it refers to does.
static void diff_step(struct diff *d, const struct plan_step *old, const struct plan_step *new,
                      bool same) {
    size_t before = d->lines;
    diff_params(d, old, new);
    if (!same && d->lines == before) {
        buf_puts(d->out, "~ step ");
        diff_put(d, new->id);
        buf_puts(d->out, old->from != NULL ? ": what it restores is dumped differently, or mended "
                                             "by other fixups\n"
                                           : ": other objects, or other excludes\n");
        d->lines++;
    }
}

static void diff_renamed(struct diff *d, const char *old, const char *new) {
    buf_puts(d->out, "~ step ");
    diff_put(d, old);
    buf_puts(d->out, " is called ");
    diff_put(d, new);
    buf_puts(d->out, "\n");
    d->lines++;
}

static void diff_steps(struct diff *d, const struct side *old, const struct side *new) {
    for (size_t i = 0; i < old->p->n_steps; i++) {
        const char *id = old->p->steps[i].id;
        bool gone = plan_find_step(new->p, id) == (size_t)-1;
        if (gone && !side_has(new, old->hashes[i])) {
            diff_one_side(d, "-", "step", id);
        }
    }
    for (size_t i = 0; i < new->p->n_steps; i++) {
        const struct plan_step *s = &new->p->steps[i];
        size_t was = plan_find_step(old->p, s->id);
        size_t twin = strtab_get(old->by_hash, new->hashes[i], HASH_SIZE, 0);
        if (was != (size_t)-1) {
            diff_step(d, &old->p->steps[was], s,
                      memcmp(old->hashes[was], new->hashes[i], HASH_SIZE) == 0);
        } else if (twin > 0) {
            diff_renamed(d, old->p->steps[twin - 1].id, s->id);
        } else {
            diff_one_side(d, "+", "step", s->id);
        }
    }
}

void plan_diff(const struct plan *old, const struct plan *new, struct buf *out) {
    struct diff d = {old, new, out, 0};
    AUTO(side_clear) struct side old_side = {0};
    AUTO(side_clear) struct side new_side = {0};
    diff_header(&d);
    diff_objects(&d, "-", old, new);
    diff_objects(&d, "+", new, old);
    side_fill(&old_side, old);
    side_fill(&new_side, new);
    diff_steps(&d, &old_side, &new_side);
    if (d.lines == 0) {
        buf_puts(out, "both plans do the same\n");
    }
}
