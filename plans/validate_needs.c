// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/strtab.h"
#include "base/ytree.h"
#include "plans/check.h"
#include "plans/index.h"
#include "plans/report.h"

#define NEEDS_CYCLES 3      // told of
#define NEEDS_CYCLE_STEPS 8 // named of one
#define NEEDS_NEAREST_MAX 2000

struct needs {
    struct check *c;
    struct strtab *groups; // by prefix: group index + 1; those that leave no step out
    size_t pairs;
};

static const char *needs_nearest(struct check *c, const char *word) {
    struct plan *p = c->p;
    if (p->n_steps > NEEDS_NEAREST_MAX) {
        return "";
    }
    const char **known = arena_alloc(c->scratch, p->n_steps * sizeof *known);
    for (size_t i = 0; i < p->n_steps; i++) {
        known[i] = p->steps[i].id;
    }
    const char *near = ytree_nearest(word, known, p->n_steps);
    struct arena *a = c->problems->arena;
    return near != NULL ? arena_printf(a, "; did you mean %s?", report_quote(a, near)) : "";
}

static size_t needs_new_group(struct check *c, struct index_span span, size_t self) {
    struct links *l = c->links;
    struct plan_group g = {span.lo, span.hi, self};
    ARENA_PUSH(c->scratch, l->groups, l->n_groups, l->cap_groups, g);
    return l->n_groups - 1;
}

// The link for a prefix, (size_t)-1 when nothing is below it. A step in its own prefix gets a group
// of its own, which leaves it out.
static size_t needs_prefix(struct needs *n, size_t step, const char *prefix) {
    struct check *c = n->c;
    const struct plan *p = c->p;
    struct index_span span = index_prefix(p, &index_steps, prefix);
    bool own = strncmp(p->steps[step].id, prefix, strlen(prefix)) == 0;
    if (span.hi - span.lo <= (own ? 1 : 0)) {
        REPORT_STEP(c->problems, &p->steps[step],
                    "needs %s: no %sstep is below it; mend it or take it out",
                    report_quote(c->problems->arena, prefix), own ? "other " : "");
        return (size_t)-1;
    }
    n->pairs += span.hi - span.lo;
    if (own) {
        return p->n_steps + needs_new_group(c, span, step);
    }
    bool added;
    uintptr_t *slot = strtab_slot(n->groups, prefix, strlen(prefix), &added);
    if (added) {
        *slot = needs_new_group(c, span, (size_t)-1) + 1;
    }
    return p->n_steps + *slot - 1;
}

static size_t needs_exact(struct needs *n, size_t step, const char *id) {
    struct check *c = n->c;
    size_t i = index_find(c->p, &index_steps, id);
    n->pairs++;
    if (i == step) {
        REPORT_STEP(c->problems, &c->p->steps[step], "needs itself; take it out");
        return (size_t)-1;
    }
    if (i == (size_t)-1) {
        REPORT_STEP(c->problems, &c->p->steps[step],
                    "needs %s: there is no such step%s (a prefix ends in \"/\")",
                    report_quote(c->problems->arena, id), needs_nearest(c, id));
    }
    return i;
}

static void needs_resolve(struct needs *n, size_t step) {
    struct check *c = n->c;
    const struct plan_step *s = &c->p->steps[step];
    size_t *links = arena_alloc(c->scratch, (s->n_needs + 1) * sizeof *links);
    size_t kept = 0;
    for (size_t i = 0; i < s->n_needs; i++) {
        size_t len = strlen(s->needs[i]);
        bool prefix = len > 0 && s->needs[i][len - 1] == '/';
        size_t link =
            prefix ? needs_prefix(n, step, s->needs[i]) : needs_exact(n, step, s->needs[i]);
        if (link != (size_t)-1) {
            links[kept++] = link;
        }
    }
    if (s->from_index != (size_t)-1) {
        links[kept++] = s->from_index;
        n->pairs++;
    }
    c->links->of[step] = links;
    c->links->n_of[step] = kept;
}

static void needs_cycle(void *arg, const size_t *steps, size_t n) {
    struct check *c = arg;
    struct arena *a = c->problems->arena;
    const char *text = "";
    for (size_t i = 0; i < n && i < NEEDS_CYCLE_STEPS; i++) {
        text = arena_printf(a, "%s%s -> ", text, report_quote(a, c->p->steps[steps[i]].id));
    }
    if (n > NEEDS_CYCLE_STEPS) {
        text = arena_printf(a, "%s(%zu more) -> ", text, n - NEEDS_CYCLE_STEPS);
    }
    const struct plan_step *first = &c->p->steps[steps[0]];
    REPORT_STEP(c->problems, first,
                "waits for itself, so that it could never start: %s%s; take one of these needs out",
                text, report_quote(a, first->id));
}

static void deps_mark(const struct plan *p, size_t dep, uint64_t *bits) {
    if (dep < p->n_steps) {
        links_set(bits, dep);
        return;
    }
    const struct plan_group *g = &p->groups[dep - p->n_steps];
    for (size_t i = g->lo; i < g->hi; i++) {
        if (p->steps_by_id.order[i] != g->self) {
            links_set(bits, p->steps_by_id.order[i]);
        }
    }
}

size_t plan_deps(const struct plan *p, size_t step, size_t *out) {
    const struct plan_step *s = &p->steps[step];
    size_t words = LINKS_WORDS(p->n_steps), n = 0;
    AUTO_FREE uint64_t *bits = must_calloc(words + 1, sizeof *bits);
    for (size_t i = 0; i < s->n_deps; i++) {
        deps_mark(p, s->deps[i], bits);
    }
    for (size_t i = 0; i < words; i++) {
        for (; bits[i] != 0; bits[i] &= bits[i] - 1) {
            out[n++] = i * 64 + (size_t)__builtin_ctzll(bits[i]);
        }
    }
    return n;
}

static void needs_keep(struct check *c) {
    const struct links *l = c->links;
    struct plan *p = c->p;
    p->n_groups = l->n_groups;
    p->groups = arena_alloc(p->arena, (l->n_groups + 1) * sizeof *p->groups);
    if (l->n_groups > 0) {
        memcpy(p->groups, l->groups, l->n_groups * sizeof *p->groups);
    }
    for (size_t i = 0; i < p->n_steps; i++) {
        struct plan_step *s = &p->steps[i];
        s->n_deps = l->n_of[i];
        s->deps = arena_alloc(p->arena, (s->n_deps + 1) * sizeof *s->deps);
        memcpy(s->deps, l->of[i], s->n_deps * sizeof *s->deps);
    }
}

void check_needs(struct check *c) {
    AUTO_STRTAB struct strtab *groups = strtab_new();
    struct needs n = {.c = c, .groups = groups};
    c->links = links_new(c->p, c->scratch);
    for (size_t i = 0; i < c->p->n_steps; i++) {
        needs_resolve(&n, i);
    }
    if (n.pairs > PLAN_PAIRS_MAX) {
        problems_add(c->problems, 0, "",
                     "the needs of all steps name %zu pairs of steps, more than %d; use fewer "
                     "and larger steps",
                     n.pairs, PLAN_PAIRS_MAX);
        return;
    }
    if (links_walk(c->links, NEEDS_CYCLES, needs_cycle, c) == 0) {
        needs_keep(c);
    }
}
