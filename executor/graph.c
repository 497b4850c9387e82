// SPDX-License-Identifier: Apache-2.0
// Nodes are the steps, then the plan's groups: a group is finished when its last member is, and
// what waits for "files/" waits for that one node. So the graph is as large as what the plan says
// and not as what it multiplies out to.
#include "executor/graph.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"

struct heap { // smallest index first
    size_t *items;
    size_t n;
};

struct graph {
    const struct plan *plan;
    size_t n;      // steps
    size_t *waits; // by node: what it waits for that is not finished
    size_t *first; // dependents of node i: dependents[first[i] .. first[i + 1])
    size_t *dependents;
    struct heap ready[2]; // steps that read; restores
    size_t left;
};

static void heap_push(struct heap *h, size_t step) {
    size_t i = h->n++;
    while (i > 0 && h->items[(i - 1) / 2] > step) {
        h->items[i] = h->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->items[i] = step;
}

static size_t heap_pop(struct heap *h) {
    size_t top = h->items[0], last = h->items[--h->n], i = 0;
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->items[child + 1] < h->items[child])
            child++;
        if (h->items[child] >= last)
            break;
        h->items[i] = h->items[child];
    }
    h->items[i] = last;
    return top;
}

static void make_ready(struct graph *g, size_t step) {
    heap_push(&g->ready[g->plan->steps[step].kind == KIND_RESTORE], step);
}

static void each_edge(const struct plan *p, void (*edge)(void *arg, size_t from, size_t to),
                      void *arg) {
    for (size_t i = 0; i < p->n_steps; i++)
        for (size_t d = 0; d < p->steps[i].n_deps; d++)
            edge(arg, p->steps[i].deps[d], i);
    for (size_t k = 0; k < p->n_groups; k++)
        for (size_t i = p->groups[k].lo; i < p->groups[k].hi; i++)
            if (p->steps_by_id.order[i] != p->groups[k].self)
                edge(arg, p->steps_by_id.order[i], p->n_steps + k);
}

static void count_edge(void *arg, size_t from, size_t to) {
    struct graph *g = arg;
    g->first[from + 1]++;
    g->waits[to]++;
}

struct fill {
    struct graph *g;
    size_t *filled;
};

static void fill_edge(void *arg, size_t from, size_t to) {
    const struct fill *f = arg;
    f->g->dependents[f->g->first[from] + f->filled[from]++] = to;
}

// Counting sort of the edges by the node that is waited for.
static void fill_dependents(struct graph *g, const struct plan *p) {
    size_t nodes = p->n_steps + p->n_groups;
    each_edge(p, count_edge, g);
    for (size_t i = 0; i < nodes; i++)
        g->first[i + 1] += g->first[i];
    g->dependents = must_calloc(g->first[nodes] + 1, sizeof *g->dependents);
    struct fill f = {.g = g, .filled = must_calloc(nodes + 1, sizeof *f.filled)};
    each_edge(p, fill_edge, &f);
    free(f.filled);
}

struct graph *graph_new(const struct plan *p) {
    struct graph *g = must_calloc(1, sizeof *g);
    g->plan = p;
    g->n = g->left = p->n_steps;
    g->waits = must_calloc(g->n + p->n_groups + 1, sizeof *g->waits);
    g->first = must_calloc(g->n + p->n_groups + 2, sizeof *g->first);
    for (int i = 0; i < 2; i++)
        g->ready[i].items = must_calloc(g->n + 1, sizeof *g->ready[i].items);
    fill_dependents(g, p);
    for (size_t i = 0; i < g->n; i++)
        if (g->waits[i] == 0)
            make_ready(g, i);
    return g;
}

void graph_free(struct graph *g) {
    if (g == NULL)
        return;
    free(g->waits);
    free(g->first);
    free(g->dependents);
    for (int i = 0; i < 2; i++)
        free(g->ready[i].items);
    free(g);
}

bool graph_take(struct graph *g, bool restore, size_t *step) {
    struct heap *h = &g->ready[restore];
    if (h->n == 0)
        h = &g->ready[!restore];
    if (h->n == 0)
        return false;
    *step = heap_pop(h);
    g->left--;
    return true;
}

bool graph_ready(const struct graph *g, bool restore) {
    return g->ready[restore].n > 0;
}

void graph_finish(struct graph *g, size_t step) {
    for (size_t i = g->first[step]; i < g->first[step + 1]; i++) {
        size_t dependent = g->dependents[i];
        MUST(g->waits[dependent] > 0);
        if (--g->waits[dependent] > 0)
            continue;
        if (dependent < g->n)
            make_ready(g, dependent);
        else
            graph_finish(g, dependent); // a group; no group waits for a group
    }
}

size_t graph_left(const struct graph *g) {
    return g->left;
}
