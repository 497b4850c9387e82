// SPDX-License-Identifier: Apache-2.0
// Two steps that write the same thing: alike by hash, two restores of one dump, one object in the
// sets of two steps, or a whole directory that holds what another step moves.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/strtab.h"
#include "plans/check.h"
#include "plans/params.h"
#include "plans/report.h"

#define WHOLE_PATH (PATH_REL_MAX + 1 + PATH_COMPONENT_MAX)
#define WHOLE_KEY (sizeof(size_t) + WHOLE_PATH)

static void writes_report_twin(struct check *c, size_t first, size_t second, const char *what) {
    const struct plan_step *one = &c->p->steps[first];
    struct arena *a = c->problems->arena;
    REPORT_STEP(c->problems, &c->p->steps[second], "%s %s; take one of them out", what,
                report_quote(a, one->id));
}

static void writes_check_hashes(struct check *c) {
    AUTO_STRTAB struct strtab *seen = strtab_new();
    AUTO_STRTAB struct strtab *restored = strtab_new();
    for (size_t i = 0; i < c->p->n_steps; i++) {
        const struct plan_step *s = &c->p->steps[i];
        bool added, fresh = true;
        uintptr_t *slot = strtab_slot(seen, s->hash, HASH_SIZE, &added);
        uintptr_t *dump = NULL;
        if (s->kind == KIND_RESTORE) {
            dump = strtab_slot(restored, &s->from_index, sizeof s->from_index, &fresh);
        }
        if (!added) {
            writes_report_twin(c, *slot - 1, i, "does the very same as step");
        } else if (!fresh) {
            writes_report_twin(c, *dump - 1, i, "restores the same dump as step");
        }
        *slot = added ? i + 1 : *slot;
        if (dump != NULL && fresh) {
            *dump = i + 1;
        }
    }
}

// Steps that pick objects by ID from the same place; one object may be picked by one of them.
struct writes_pick {
    const char *key; // the place
    size_t step;
};

static int writes_compare(const void *a, const void *b) {
    const struct writes_pick *x = a, *y = b;
    int rc = strcmp(x->key, y->key);
    return rc != 0 ? rc : (x->step > y->step) - (x->step < y->step);
}

// No part holds a newline that could make two places look alike: the lengths stand in front.
static const char *writes_key(struct check *c, const struct plan_step *s) {
    bool dump = s->kind == KIND_DUMP;
    const char *one = dump ? s->collection : s->under;
    const char *two = dump ? (s->by != NULL ? s->by : "_id") : (s->name != NULL ? s->name : "");
    return arena_printf(c->scratch, "%d %zu %zu %s%s", dump, strlen(one), strlen(two), one, two);
}

// Notes the IDs of one step; true, and the step that has one of them already, at the first clash.
static bool writes_clash(const struct plan_step *s, size_t step, struct strtab *ids,
                         const char **id, size_t *other) {
    for (size_t i = 0; i < s->n_sets; i++) {
        for (size_t j = 0; j < s->sets[i]->n; j++) {
            bool added;
            *id = s->sets[i]->ids[j];
            uintptr_t *slot = strtab_slot(ids, *id, strlen(*id), &added);
            if (added) {
                *slot = step + 1;
            } else if (*slot != step + 1) {
                *other = *slot - 1;
                return true;
            }
        }
    }
    return false;
}

// Ranges that pick from the same set are parts of one dump, and looked at once.
static bool writes_is_further_range(struct check *c, size_t step, struct strtab *ranges) {
    const struct plan_step *s = &c->p->steps[step];
    bool added = true;
    if (plan_is_range_dump(s)) {
        strtab_slot(ranges, s->set, strlen(s->set), &added);
    }
    return !added;
}

static void writes_check_place(struct check *c, const struct writes_pick *picks, size_t n) {
    AUTO_STRTAB struct strtab *ids = strtab_new();
    AUTO_STRTAB struct strtab *ranges = strtab_new();
    struct arena *a = c->problems->arena;
    for (size_t i = 0; i < n; i++) {
        size_t step = picks[i].step, other;
        const struct plan_step *s = &c->p->steps[step];
        const char *id;
        if (!writes_is_further_range(c, step, ranges) && writes_clash(s, step, ids, &id, &other)) {
            REPORT_STEP(c->problems, s,
                        "moves %s, which step %s moves already; leave the ID in one of their sets",
                        report_quote(a, id), report_quote(a, c->p->steps[other].id));
        }
    }
}

static void writes_check_objects(struct check *c) {
    AUTO_FREE struct writes_pick *picks = must_calloc(c->p->n_steps + 1, sizeof *picks);
    size_t n = 0;
    for (size_t i = 0; i < c->p->n_steps; i++) {
        if (c->p->steps[i].set != NULL) {
            picks[n++] = (struct writes_pick){writes_key(c, &c->p->steps[i]), i};
        }
    }
    qsort(picks, n, sizeof *picks, writes_compare);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && strcmp(picks[i].key, picks[end].key) == 0; end++) {
        }
        if (end - i > 1) {
            writes_check_place(c, picks + i, end - i);
        }
    }
}

// Steps that move all of a directory, and what they leave to others.
struct writes_whole {
    struct check *c;
    struct strtab *dirs;    // step + 1 by `under`
    struct strtab *excepts; // by step and path
};

// A step and a path as one key; returns its length.
static size_t whole_key(char key[WHOLE_KEY], size_t step, const char *path, size_t len) {
    MUST(len <= WHOLE_PATH);
    memcpy(key, &step, sizeof step);
    memcpy(key + sizeof step, path, len);
    return sizeof step + len;
}

// True when the whole step leaves out the path or a directory above it.
static bool whole_leaves_out(struct writes_whole *w, size_t whole, const char *path) {
    char key[WHOLE_KEY];
    size_t end = strlen(path);
    for (size_t len = 1; len <= end; len++) {
        if ((path[len] == '/' || path[len] == 0) &&
            strtab_has(w->excepts, key, whole_key(key, whole, path, len))) {
            return true;
        }
    }
    return false;
}

// Directories picked one by one may be left out one by one.
static bool whole_leaves_out_picks(struct writes_whole *w, size_t whole,
                                   const struct plan_step *s) {
    char path[WHOLE_PATH + 1];
    const char *dir = strcmp(s->under, ".") == 0 ? "" : s->under;
    if (s->set == NULL || s->name != NULL) {
        return false;
    }
    for (size_t i = 0; i < s->n_sets; i++) {
        for (size_t j = 0; j < s->sets[i]->n; j++) {
            snprintf(path, sizeof path, "%s%s%s", dir, dir[0] != 0 ? "/" : "", s->sets[i]->ids[j]);
            if (!whole_leaves_out(w, whole, path)) {
                return false;
            }
        }
    }
    return true;
}

static void whole_check_one(struct writes_whole *w, size_t step, const char *dir, size_t len) {
    struct check *c = w->c;
    const struct plan_step *s = &c->p->steps[step];
    size_t whole = strtab_get(w->dirs, dir, len, 0);
    if (whole == 0 || --whole == step || whole_leaves_out(w, whole, s->under) ||
        whole_leaves_out_picks(w, whole, s)) {
        return;
    }
    struct arena *a = c->problems->arena;
    REPORT_STEP(c->problems, &c->p->steps[whole],
                "moves all of %s, also what step %s moves; add except: [%s]",
                report_quote(a, c->p->steps[whole].under), report_quote(a, s->id),
                report_quote(a, s->under));
}

// Looks for whole steps at the step's directory and above it, "." being above all.
static void whole_check_above(struct writes_whole *w, size_t step) {
    const char *under = w->c->p->steps[step].under;
    if (strcmp(under, ".") != 0) {
        whole_check_one(w, step, ".", 1);
    }
    size_t end = strlen(under);
    for (size_t len = 1; len <= end; len++) {
        if (under[len] == '/' || under[len] == 0) {
            whole_check_one(w, step, under, len);
        }
    }
}

static void writes_check_directories(struct check *c) {
    AUTO_STRTAB struct strtab *dirs = strtab_new();
    AUTO_STRTAB struct strtab *excepts = strtab_new();
    struct writes_whole w = {c, dirs, excepts};
    char key[WHOLE_KEY];
    for (size_t i = 0; i < c->p->n_steps; i++) {
        const struct plan_step *s = &c->p->steps[i];
        bool added;
        if (!plan_is_file_step(s) || s->set != NULL) {
            continue;
        }
        uintptr_t *slot = strtab_slot(dirs, s->under, strlen(s->under), &added);
        *slot = added ? i + 1 : *slot;
        for (size_t j = 0; j < s->n_except; j++) {
            const char *path = s->except[j];
            strtab_slot(excepts, key, whole_key(key, i, path, strlen(path)), &added);
        }
    }
    for (size_t i = 0; strtab_count(dirs) > 0 && i < c->p->n_steps; i++) {
        if (plan_is_file_step(&c->p->steps[i])) {
            whole_check_above(&w, i);
        }
    }
}

void check_writes(struct check *c) {
    writes_check_hashes(c);
    writes_check_objects(c);
    writes_check_directories(c);
}
