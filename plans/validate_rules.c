// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/strtab.h"
#include "plans/check.h"
#include "plans/params.h"
#include "plans/report.h"

// Steps that others have to wait for: all file steps, or all restores of one collection.
struct rule_class {
    uint64_t *bits; // NULL when the plan has none
    size_t first;   // one of them
    size_t prefix;  // length of the prefix of its ID that names all of them; 0 when there is none
};

struct rules {
    struct check *c;
    size_t words;
    const uint64_t **reach;
    struct rule_class files;
    struct strtab *known; // position in restores, by collection
    struct rule_class *restores;
    size_t n_restores, cap_restores;
};

static const char *restored_collection(const struct plan *p, const struct plan_step *s) {
    return s->kind == KIND_RESTORE ? p->steps[s->from_index].collection : NULL;
}

// Shortens the prefix to the last slash up to which this ID agrees.
static size_t rule_common(const char *a, const char *b, size_t prefix) {
    size_t slash = 0;
    for (size_t i = 0; i < prefix && a[i] == b[i]; i++) {
        slash = a[i] == '/' ? i + 1 : slash;
    }
    return slash;
}

static void rule_add(struct rules *r, struct rule_class *class, size_t step) {
    const struct plan *p = r->c->p;
    if (class->bits == NULL) {
        class->bits = arena_alloc(r->c->scratch, r->words * sizeof *class->bits);
        class->first = step;
        class->prefix = strlen(p->steps[step].id);
    }
    links_set(class->bits, step);
    class->prefix = rule_common(p->steps[class->first].id, p->steps[step].id, class->prefix);
}

// Valid until the next new collection.
static struct rule_class *rule_restores(struct rules *r, const char *collection) {
    bool added;
    uintptr_t *slot = strtab_slot(r->known, collection, strlen(collection), &added);
    if (added) {
        *slot = r->n_restores;
        ARENA_PUSH(r->c->scratch, r->restores, r->n_restores, r->cap_restores,
                   (struct rule_class){0});
    }
    return &r->restores[*slot];
}

static void rules_classify(struct rules *r) {
    const struct plan *p = r->c->p;
    const struct plan_rules *rules = r->c->rules;
    for (size_t i = 0; i < rules->n_orders; i++) {
        rule_restores(r, rules->orders[i].child);
    }
    for (size_t i = 0; i < p->n_steps; i++) {
        const char *collection = restored_collection(p, &p->steps[i]);
        if (plan_is_file_step(&p->steps[i])) {
            rule_add(r, &r->files, i);
        } else if (collection != NULL && strtab_has(r->known, collection, strlen(collection))) {
            rule_add(r, rule_restores(r, collection), i);
        }
    }
}

// The first of the class that the step does not wait for; (size_t)-1 when it waits for all.
static size_t rule_missing(const struct rules *r, const struct rule_class *class, size_t step,
                           size_t *n) {
    size_t first = (size_t)-1;
    *n = 0;
    for (size_t i = 0; class->bits != NULL && i < r->words; i++) {
        uint64_t missing = class->bits[i] & ~(r->reach[step] != NULL ? r->reach[step][i] : 0);
        if (missing != 0 && first == (size_t)-1) {
            first = i * 64 + (size_t)__builtin_ctzll(missing);
        }
        *n += (size_t)__builtin_popcountll(missing);
    }
    return first;
}

// A prefix that takes in the whole class, if it does not name the step itself; else one step.
static const char *rule_mend(const struct rules *r, const struct rule_class *class, size_t step,
                             size_t missing) {
    const struct plan *p = r->c->p;
    struct arena *a = r->c->problems->arena;
    const char *id = p->steps[class->first].id;
    if (class->prefix == 0 || strncmp(p->steps[step].id, id, class->prefix) == 0) {
        return report_quote(a, p->steps[missing].id);
    }
    return report_quote(a, arena_strndup(a, id, class->prefix));
}

static void rule_check(struct rules *r, const struct rule_class *class, size_t step,
                       const char *what) {
    struct check *c = r->c;
    size_t n;
    size_t missing = rule_missing(r, class, step, &n);
    if (missing == (size_t)-1) {
        return;
    }
    struct arena *a = c->problems->arena;
    const struct plan_step *s = &c->p->steps[step];
    REPORT_STEP(c->problems, s,
                "would restore %s before %s (%zu step%s, such as %s); add needs: [%s]",
                report_quote(a, restored_collection(c->p, s)), what, n, n == 1 ? "" : "s",
                report_quote(a, c->p->steps[missing].id), rule_mend(r, class, step, missing));
}

static void rules_check_step(struct rules *r, size_t step, const char *collection) {
    const struct plan_rules *rules = r->c->rules;
    for (size_t i = 0; i < rules->n_with_files; i++) {
        if (strcmp(rules->with_files[i], collection) == 0) {
            rule_check(r, &r->files, step, "its files are there");
            break;
        }
    }
    for (size_t i = 0; i < rules->n_orders; i++) {
        if (strcmp(rules->orders[i].collection, collection) == 0) {
            const char *child = rules->orders[i].child;
            const char *what = arena_printf(r->c->problems->arena, "%s is restored", child);
            rule_check(r, rule_restores(r, child), step, what);
        }
    }
}

void check_rules(struct check *c) {
    if (c->rules == NULL) {
        return;
    }
    AUTO_STRTAB struct strtab *known = strtab_new();
    struct rules r = {.c = c,
                      .words = LINKS_WORDS(c->p->n_steps),
                      .reach = links_reach(c->links),
                      .known = known};
    rules_classify(&r);
    for (size_t i = 0; i < c->p->n_steps; i++) {
        const char *collection = restored_collection(c->p, &c->p->steps[i]);
        if (collection != NULL) {
            rules_check_step(&r, i, collection);
        }
    }
}
