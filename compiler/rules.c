// SPDX-License-Identifier: Apache-2.0
// Which restores wait for which: parents for what belongs to them, and collections for those that
// they refer to, as long as nothing waits for itself.
#include "compiler/internal.h"

struct order_graph {
    const struct model *m;
    struct arena *a;
    bool *edges; // [collection * n + the one it waits for]
    struct plan_order *orders;
    size_t n, cap;
};

static bool waits_for(const struct order_graph *g, size_t from, size_t to, bool *seen) {
    if (from == to) {
        return true;
    }
    seen[from] = true;
    for (size_t i = 0; i < g->m->n_collections; i++) {
        if (g->edges[from * g->m->n_collections + i] && !seen[i] && waits_for(g, i, to, seen)) {
            return true;
        }
    }
    return false;
}

static void add_order(struct order_graph *g, size_t collection, size_t child) {
    size_t n = g->m->n_collections;
    bool *seen = arena_alloc(g->a, n);
    if (g->edges[collection * n + child] || waits_for(g, child, collection, seen)) {
        return;
    }
    g->edges[collection * n + child] = true;
    struct plan_order o = {g->m->collections[collection].name, g->m->collections[child].name};
    ARENA_PUSH(g->a, g->orders, g->n, g->cap, o);
}

static void find_orders(struct order_graph *g) {
    const struct model *m = g->m;
    for (size_t i = 0; i < m->n_collections; i++) {
        if (m->collections[i].level == MODEL_SECOND) {
            add_order(g, model_index(m, m->collections[i].parent), i);
        }
    }
    for (size_t i = 0; i < m->n_collections; i++) {
        for (size_t r = 0; r < m->collections[i].n_refs; r++) {
            add_order(g, i, model_index(m, m->collections[i].refs[r].collection));
        }
    }
}

struct plan_rules *compile_rules(const struct model *m, struct arena *a) {
    struct plan_rules *rules = arena_alloc(a, sizeof *rules);
    size_t n = m->n_collections;
    struct order_graph g = {.m = m, .a = a, .edges = arena_alloc(a, n * n + 1)};
    const char **with_files = arena_alloc(a, (n + 1) * sizeof *with_files);
    find_orders(&g);
    rules->orders = g.orders;
    rules->n_orders = g.n;
    for (size_t i = 0; i < n; i++) {
        if (m->collections[i].with_files) {
            with_files[rules->n_with_files++] = m->collections[i].name;
        }
    }
    rules->with_files = with_files;
    return rules;
}
