// SPDX-License-Identifier: Apache-2.0
// Nodes are the steps, then the plan's groups: a group is finished when its last member is, and
// what waits for "files/" waits for that one node. So the graph is as large as what the plan says
// and not as what it multiplies out to.
#include "executor/graph.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"

struct graph {
    size_t n;      // steps
    size_t *waits; // by node: what it waits for that is not finished
    size_t *first; // dependents of node i: dependents[first[i] .. first[i + 1])
    size_t *dependents;
    size_t *heap; // ready steps, smallest index first
    size_t n_heap;
    size_t left;
};

static void heap_push(struct graph *g, size_t step) {
    size_t i = g->n_heap++;
    while (i > 0 && g->heap[(i - 1) / 2] > step) {
        g->heap[i] = g->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    g->heap[i] = step;
}

static size_t heap_pop(struct graph *g) {
    size_t top = g->heap[0], last = g->heap[--g->n_heap], i = 0;
    for (size_t child; (child = 2 * i + 1) < g->n_heap; i = child) {
        if (child + 1 < g->n_heap && g->heap[child + 1] < g->heap[child])
            child++;
        if (g->heap[child] >= last)
            break;
        g->heap[i] = g->heap[child];
    }
    g->heap[i] = last;
    return top;
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
    g->n = g->left = p->n_steps;
    g->waits = must_calloc(g->n + p->n_groups + 1, sizeof *g->waits);
    g->first = must_calloc(g->n + p->n_groups + 2, sizeof *g->first);
    g->heap = must_calloc(g->n + 1, sizeof *g->heap);
    fill_dependents(g, p);
    for (size_t i = 0; i < g->n; i++)
        if (g->waits[i] == 0)
            heap_push(g, i);
    return g;
}

void graph_free(struct graph *g) {
    if (g == NULL)
        return;
    free(g->waits);
    free(g->first);
    free(g->dependents);
    free(g->heap);
    free(g);
}

bool graph_take(struct graph *g, size_t *step) {
    if (g->n_heap == 0)
        return false;
    *step = heap_pop(g);
    g->left--;
    return true;
}

void graph_finish(struct graph *g, size_t step) {
    for (size_t i = g->first[step]; i < g->first[step + 1]; i++) {
        size_t dependent = g->dependents[i];
        MUST(g->waits[dependent] > 0);
        if (--g->waits[dependent] > 0)
            continue;
        if (dependent < g->n)
            heap_push(g, dependent);
        else
            graph_finish(g, dependent); // a group; no group waits for a group
    }
}

size_t graph_left(const struct graph *g) {
    return g->left;
}
