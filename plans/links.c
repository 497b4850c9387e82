// SPDX-License-Identifier: Apache-2.0
#include "plans/links.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct links *links_new(const struct plan *p, struct arena *a) {
    struct links *l = arena_alloc(a, sizeof *l);
    l->p = p;
    l->arena = a;
    l->of = arena_alloc(a, p->n_steps * sizeof *l->of);
    l->n_of = arena_alloc(a, p->n_steps * sizeof *l->n_of);
    l->order = arena_alloc(a, p->n_steps * sizeof *l->order);
    return l;
}

// A step of the group by its place, (size_t)-1 for the one left out.
static size_t links_member(const struct links *l, const struct plan_group *g, size_t place) {
    size_t step = l->p->steps_by_id.order[g->lo + place];
    return step != g->self ? step : (size_t)-1;
}

// A depth-first walk without recursion, since a chain may be as long as the plan. Nodes are steps,
// then groups.
enum walk_state { WALK_NEW, WALK_OPEN, WALK_DONE };

struct walk {
    struct links *l;
    uint8_t *state;
    struct walk_frame {
        size_t node, next;
    } * stack;
    size_t depth;
    size_t n_order;
    size_t n_cycles, max;
    void (*cycle)(void *arg, const size_t *steps, size_t n);
    void *arg;
};

static size_t walk_children(const struct links *l, size_t node) {
    size_t n = l->p->n_steps;
    return node < n ? l->n_of[node] : l->groups[node - n].hi - l->groups[node - n].lo;
}

static size_t walk_child(const struct links *l, size_t node, size_t i) {
    size_t n = l->p->n_steps;
    return node < n ? l->of[node][i] : links_member(l, &l->groups[node - n], i);
}

static void walk_open(struct walk *w, size_t node) {
    w->state[node] = WALK_OPEN;
    w->stack[w->depth++] = (struct walk_frame){node, 0};
}

static void walk_close(struct walk *w) {
    size_t node = w->stack[--w->depth].node;
    w->state[node] = WALK_DONE;
    if (node < w->l->p->n_steps) {
        w->l->order[w->n_order++] = node;
    }
}

// The steps on the stack from `node` on are a cycle. It may begin at a group; only steps are told.
static void walk_found(struct walk *w, size_t node) {
    size_t from = w->depth;
    while (w->stack[from - 1].node != node) {
        from--;
    }
    AUTO_FREE size_t *steps = must_calloc(w->depth, sizeof *steps);
    size_t n = 0;
    for (size_t i = from - 1; i < w->depth; i++) {
        if (w->stack[i].node < w->l->p->n_steps) {
            steps[n++] = w->stack[i].node;
        }
    }
    w->n_cycles++;
    w->cycle(w->arg, steps, n);
}

static void walk_from(struct walk *w, size_t start) {
    walk_open(w, start);
    while (w->depth > 0) {
        struct walk_frame *top = &w->stack[w->depth - 1];
        if (top->next == walk_children(w->l, top->node)) {
            walk_close(w);
            continue;
        }
        size_t child = walk_child(w->l, top->node, top->next++);
        if (child == (size_t)-1) {
            continue;
        }
        if (w->state[child] == WALK_NEW) {
            walk_open(w, child);
        } else if (w->state[child] == WALK_OPEN && w->n_cycles < w->max) {
            walk_found(w, child);
        }
    }
}

size_t links_walk(struct links *l, size_t max,
                  void (*cycle)(void *arg, const size_t *steps, size_t n), void *arg) {
    size_t nodes = l->p->n_steps + l->n_groups;
    AUTO_FREE uint8_t *state = must_calloc(nodes + 1, 1);
    AUTO_FREE struct walk_frame *stack = must_calloc(nodes + 1, sizeof *stack);
    struct walk w = {
        .l = l, .state = state, .stack = stack, .max = max, .cycle = cycle, .arg = arg};
    for (size_t i = 0; i < l->p->n_steps; i++) {
        if (state[i] == WALK_NEW) {
            walk_from(&w, i);
        }
    }
    return w.n_cycles;
}

struct reach {
    struct links *l;
    size_t words;
    const uint64_t **steps;  // by step
    const uint64_t **groups; // by group, made when first asked for
};

static void reach_or(uint64_t *bits, const uint64_t *more, size_t words) {
    for (size_t i = 0; more != NULL && i < words; i++) {
        bits[i] |= more[i];
    }
}

// The group's members and all they wait for. Members that share their set add it once.
static const uint64_t *reach_group(struct reach *r, size_t group) {
    if (r->groups[group] != NULL) {
        return r->groups[group];
    }
    const struct plan_group *g = &r->l->groups[group];
    uint64_t *bits = arena_alloc(r->l->arena, r->words * sizeof *bits);
    const uint64_t *last = NULL;
    for (size_t i = 0; i < g->hi - g->lo; i++) {
        size_t step = links_member(r->l, g, i);
        if (step == (size_t)-1) {
            continue;
        }
        links_set(bits, step);
        if (r->steps[step] != last) {
            last = r->steps[step];
            reach_or(bits, last, r->words);
        }
    }
    r->groups[group] = bits;
    return bits;
}

static const uint64_t *reach_step(struct reach *r, size_t step) {
    size_t n = r->l->n_of[step], n_steps = r->l->p->n_steps;
    if (n == 0) {
        return NULL;
    }
    if (n == 1 && r->l->of[step][0] >= n_steps) {
        return reach_group(r, r->l->of[step][0] - n_steps);
    }
    uint64_t *bits = arena_alloc(r->l->arena, r->words * sizeof *bits);
    for (size_t i = 0; i < n; i++) {
        size_t link = r->l->of[step][i];
        if (link >= n_steps) {
            reach_or(bits, reach_group(r, link - n_steps), r->words);
        } else {
            links_set(bits, link);
            reach_or(bits, r->steps[link], r->words);
        }
    }
    return bits;
}

const uint64_t **links_reach(struct links *l) {
    struct arena *a = l->arena;
    struct reach r = {
        .l = l,
        .words = LINKS_WORDS(l->p->n_steps),
        .steps = arena_alloc(a, l->p->n_steps * sizeof *r.steps),
        .groups = arena_alloc(a, l->n_groups * sizeof *r.groups),
    };
    for (size_t i = 0; i < l->p->n_steps; i++) {
        r.steps[l->order[i]] = reach_step(&r, l->order[i]);
    }
    return r.steps;
}
