// SPDX-License-Identifier: Apache-2.0
// What goes into a step's hash, each a field with its length in front (hash_field):
//
//     "mvimig step", kind, kind version, pass,
//     then for each thing the step has: its name, the number of values, the values.
//
// A step that lacks a thing has no trace of it, so that a parameter added later changes no hash of
// the steps without it. Things in this order: those of plans/params.tbl.h, except, onConflict,
// excludes, fixups, base (of deletes). `set` is the digest of its IDs, sorted, each once; `from`
// the hash of that dump; `by: _id` counts as absent, since it is what absence means; a fix-up is
// three values.
#include "plans/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strtab.h"
#include "plans/params.h"

struct hasher {
    const struct plan *p;
    int pass;
    struct hash *h;
    // Digests of IDs; steps that name the same sets share their list, and its address finds them.
    struct strtab *known;
    uint8_t (*digests)[HASH_SIZE];
    size_t n, cap;
    struct arena *arena;
    uint8_t (*out)[HASH_SIZE];
};

static int hash_compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void hash_number(struct hash *h, size_t n) {
    char text[32];
    snprintf(text, sizeof text, "%zu", n);
    hash_field_str(h, text);
}

static void hash_head(struct hash *h, const char *name, size_t n) {
    hash_field_str(h, name);
    hash_number(h, n);
}

static void hash_sorted(struct hash *h, const char *name, const char *const *items, size_t n) {
    if (n == 0) {
        return;
    }
    AUTO_FREE const char **sorted = must_calloc(n, sizeof *sorted);
    memcpy(sorted, items, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, hash_compare);
    hash_head(h, name, n);
    for (size_t i = 0; i < n; i++) {
        hash_field_str(h, sorted[i]);
    }
}

static void hash_ids(const struct plan_step *s, uint8_t out[HASH_SIZE]) {
    size_t n = 0;
    for (size_t i = 0; i < s->n_sets; i++) {
        n += s->sets[i]->n;
    }
    AUTO_FREE const char **ids = must_calloc(n + 1, sizeof *ids);
    size_t at = 0;
    for (size_t i = 0; i < s->n_sets; i++) {
        for (size_t j = 0; j < s->sets[i]->n; j++) {
            ids[at++] = s->sets[i]->ids[j];
        }
    }
    qsort(ids, n, sizeof *ids, hash_compare);
    AUTO_HASH struct hash *h = hash_new();
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(ids[i], ids[i - 1]) != 0) {
            hash_field_str(h, ids[i]);
        }
    }
    hash_final(h, out);
}

static const uint8_t *hash_ids_once(struct hasher *x, const struct plan_step *s) {
    bool added;
    uintptr_t *slot = strtab_slot(x->known, &s->sets, sizeof s->sets, &added);
    if (added) {
        if (x->n == x->cap) {
            x->digests = arena_grow(x->arena, x->digests, x->n, &x->cap, HASH_SIZE);
        }
        *slot = x->n++;
        hash_ids(s, x->digests[*slot]);
    }
    return x->digests[*slot];
}

static void hash_param(struct hasher *x, const struct plan_step *s,
                       const struct plan_param *param) {
    const char *value = plan_param_value(s, param);
    if (value == NULL || (param->flag == P_BY && strcmp(value, "_id") == 0)) {
        return;
    }
    hash_head(x->h, param->key, 1);
    if (param->flag == P_SET) {
        hash_field(x->h, hash_ids_once(x, s), HASH_SIZE);
    } else if (param->flag == P_FROM) {
        MUST(s->from_index < x->p->n_steps);
        hash_field(x->h, x->out[s->from_index], HASH_SIZE);
    } else {
        hash_field_str(x->h, value);
    }
}

static void hash_fixups(struct hasher *x, const char *collection) {
    size_t n = 0;
    for (size_t i = 0; i < x->p->n_fixups; i++) {
        n += strcmp(x->p->fixups[i].collection, collection) == 0;
    }
    if (n == 0) {
        return;
    }
    hash_head(x->h, "fixups", n);
    for (size_t i = 0; i < x->p->n_fixups; i++) {
        const struct plan_fixup *f = &x->p->fixups[i];
        if (strcmp(f->collection, collection) == 0) {
            hash_field_str(x->h, f->field);
            hash_field_str(x->h, f->pattern);
            hash_field_str(x->h, f->replacement);
        }
    }
}

static void hash_step(struct hasher *x, size_t i) {
    const struct plan_step *s = &x->p->steps[i];
    const struct plan_kind *kind = &plan_kinds[s->kind];
    hash_field_str(x->h, "mvimig step");
    hash_field_str(x->h, kind->name);
    hash_number(x->h, (size_t)kind->version);
    hash_number(x->h, (size_t)x->pass);
    for (size_t j = 0; j < N_PLAN_PARAMS; j++) {
        hash_param(x, s, &plan_params[j]);
    }
    hash_sorted(x->h, "except", s->except, s->n_except);
    if (kind->params & P_CONFLICT) {
        hash_head(x->h, "onConflict", 1);
        hash_field_str(x->h, conflict_policy_names[s->on_conflict]);
    }
    if (s->kind == KIND_DELETE) {
        hash_sorted(x->h, "base", x->p->base, x->p->n_base);
    } else if (plan_is_file_step(s)) {
        hash_sorted(x->h, "excludes", x->p->excludes, x->p->n_excludes);
    } else if (s->kind == KIND_RESTORE) {
        hash_fixups(x, x->p->steps[s->from_index].collection);
    }
    hash_final(x->h, x->out[i]);
}

void hash_plan_steps(const struct plan *p, int pass, uint8_t (*out)[HASH_SIZE]) {
    AUTO_HASH struct hash *h = hash_new();
    AUTO_STRTAB struct strtab *known = strtab_new();
    AUTO_ARENA struct arena *arena = arena_new();
    struct hasher x = {.p = p, .pass = pass, .h = h, .known = known, .arena = arena, .out = out};
    for (size_t i = 0; i < p->n_steps; i++) {
        if (p->steps[i].kind != KIND_RESTORE) {
            hash_step(&x, i);
        }
    }
    for (size_t i = 0; i < p->n_steps; i++) {
        if (p->steps[i].kind == KIND_RESTORE) { // its dump's hash is there by now
            hash_step(&x, i);
        }
    }
}

void plan_hash_steps(struct plan *p) {
    AUTO_FREE uint8_t(*hashes)[HASH_SIZE] = must_calloc(p->n_steps + 1, HASH_SIZE);
    hash_plan_steps(p, p->pass, hashes);
    for (size_t i = 0; i < p->n_steps; i++) {
        memcpy(p->steps[i].hash, hashes[i], HASH_SIZE);
        hash_hex(hashes[i], p->steps[i].hash_text);
    }
}
