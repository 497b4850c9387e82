// SPDX-License-Identifier: Apache-2.0
#include "executor/graph.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"

struct graph {
    size_t n;
    size_t *waits;   // dependencies of each step that are not finished
    size_t *offsets; // dependents of step i: dependents[offsets[i] .. offsets[i + 1])
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

// Counting sort of the edges by the step that is waited for.
static void fill_dependents(struct graph *g, const struct plan *p) {
    for (size_t i = 0; i < p->n_steps; i++)
        for (size_t d = 0; d < p->steps[i].n_deps; d++)
            g->offsets[p->steps[i].deps[d] + 1]++;
    for (size_t i = 0; i < g->n; i++)
        g->offsets[i + 1] += g->offsets[i];
    g->dependents = must_calloc(g->offsets[g->n] + 1, sizeof *g->dependents);
    size_t *fill = must_calloc(g->n + 1, sizeof *fill);
    for (size_t i = 0; i < p->n_steps; i++)
        for (size_t d = 0; d < p->steps[i].n_deps; d++) {
            size_t on = p->steps[i].deps[d];
            g->dependents[g->offsets[on] + fill[on]++] = i;
        }
    free(fill);
}

struct graph *graph_new(const struct plan *p) {
    struct graph *g = must_calloc(1, sizeof *g);
    g->n = g->left = p->n_steps;
    g->waits = must_calloc(g->n + 1, sizeof *g->waits);
    g->offsets = must_calloc(g->n + 2, sizeof *g->offsets);
    g->heap = must_calloc(g->n + 1, sizeof *g->heap);
    fill_dependents(g, p);
    for (size_t i = 0; i < g->n; i++) {
        g->waits[i] = p->steps[i].n_deps;
        if (g->waits[i] == 0)
            heap_push(g, i);
    }
    return g;
}

void graph_free(struct graph *g) {
    if (g == NULL)
        return;
    free(g->waits);
    free(g->offsets);
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
    for (size_t i = g->offsets[step]; i < g->offsets[step + 1]; i++) {
        size_t dependent = g->dependents[i];
        MUST(g->waits[dependent] > 0);
        if (--g->waits[dependent] == 0)
            heap_push(g, dependent);
    }
}

size_t graph_left(const struct graph *g) {
    return g->left;
}
