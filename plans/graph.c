// SPDX-License-Identifier: Apache-2.0
// The plan as a graph in DOT (https://graphviz.org/doc/info/lang.html): an arrow from what is
// waited for to what waits. Large plans are folded by stage, the first two parts of a step's ID.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/human.h"
#include "base/strtab.h"
#include "plans/links.h"
#include "plans/params.h"

#define GRAPH_UNFOLDED 60
#define GRAPH_LABEL 120

struct node {
    const char *label; // borrowed; its first `len` bytes
    size_t len;
    enum step_kind_id kind;
    size_t steps;
    uint64_t files, documents, bytes;
};

struct graph {
    const struct plan *p;
    struct node *nodes;
    size_t n, words;
    size_t *of;      // node of each step
    uint64_t *waits; // by node: bits of the nodes it waits for
};

static size_t graph_label_len(const char *id, bool fold) {
    const char *slash = strchr(id, '/');
    const char *second = slash != NULL ? strchr(slash + 1, '/') : NULL;
    return fold && second != NULL ? (size_t)(second - id) : strlen(id);
}

static void graph_add_nodes(struct graph *g, bool fold) {
    AUTO_STRTAB struct strtab *known = strtab_new();
    for (size_t i = 0; i < g->p->n_steps; i++) {
        const struct plan_step *s = &g->p->steps[i];
        size_t len = graph_label_len(s->id, fold);
        bool added;
        uintptr_t *slot = strtab_slot(known, s->id, len, &added);
        if (added) {
            *slot = g->n;
            g->nodes[g->n++] = (struct node){.label = s->id, .len = len, .kind = s->kind};
        }
        struct node *n = &g->nodes[*slot];
        n->steps++;
        n->files += s->expect.files;
        n->documents += s->expect.documents;
        n->bytes += s->expect.bytes;
        g->of[i] = *slot;
    }
}

static void graph_add_edges(struct graph *g) {
    AUTO_FREE size_t *deps = must_calloc(g->p->n_steps + 1, sizeof *deps);
    for (size_t i = 0; i < g->p->n_steps; i++) {
        size_t n = plan_deps(g->p, i, deps);
        for (size_t j = 0; j < n; j++) {
            size_t from = g->of[deps[j]];
            if (from != g->of[i]) {
                links_set(g->waits + g->of[i] * g->words, from);
            }
        }
    }
}

static bool graph_waits(const struct graph *g, size_t node, size_t on) {
    return g->waits[node * g->words + on / 64] >> (on % 64) & 1;
}

// Waiting for what one of the other nodes waits for anyway need not be drawn. (Folding can make
// cycles, in which everything would be left out: it is asked of unfolded graphs only.)
static bool graph_is_implied(const struct graph *g, size_t node, size_t on) {
    for (size_t i = 0; i < g->n; i++) {
        if (i != on && graph_waits(g, node, i) && graph_waits(g, i, on)) {
            return true;
        }
    }
    return false;
}

// Text inside a double-quoted DOT string.
static void graph_put(struct buf *out, const char *text, size_t len) {
    char shown[GRAPH_LABEL];
    escape_into(shown, sizeof shown, text, len);
    for (const char *p = shown; *p != 0; p++) {
        buf_puts(out, *p == '"' || *p == '\\' ? "\\" : "");
        buf_put(out, p, 1);
    }
}

static void graph_put_count(struct buf *out, uint64_t n, const char *noun) {
    char text[HUMAN_TEXT];
    if (n > 0) {
        buf_printf(out, "\\n%s %s", human_count(n, text), noun);
    }
}

static void graph_put_node(struct buf *out, const struct graph *g, size_t i) {
    const struct node *n = &g->nodes[i];
    char text[HUMAN_TEXT];
    buf_printf(out, "  n%zu [shape=%s, label=\"", i, plan_kinds[n->kind].shape);
    graph_put(out, n->label, n->len);
    graph_put_count(out, n->steps > 1 ? n->steps : 0, "steps");
    graph_put_count(out, n->files, "files");
    graph_put_count(out, n->documents, "documents");
    if (n->bytes > 0) {
        buf_printf(out, "\\n%s", human_bytes(n->bytes, text));
    }
    buf_puts(out, "\"];\n");
}

static void graph_put_edges(struct buf *out, const struct graph *g, size_t node, bool fold) {
    for (size_t word = 0; word < g->words; word++) {
        uint64_t bits = g->waits[node * g->words + word];
        for (; bits != 0; bits &= bits - 1) {
            size_t on = word * 64 + (size_t)__builtin_ctzll(bits);
            if (fold || !graph_is_implied(g, node, on)) {
                buf_printf(out, "  n%zu -> n%zu;\n", on, node);
            }
        }
    }
}

void plan_graph(const struct plan *p, struct buf *out) {
    bool fold = p->n_steps > GRAPH_UNFOLDED;
    AUTO_FREE struct node *nodes = must_calloc(p->n_steps + 1, sizeof *nodes);
    AUTO_FREE size_t *of = must_calloc(p->n_steps + 1, sizeof *of);
    struct graph g = {.p = p, .nodes = nodes, .of = of};
    graph_add_nodes(&g, fold);
    g.words = LINKS_WORDS(g.n);
    AUTO_FREE uint64_t *waits = must_calloc(g.n * g.words + 1, sizeof *waits);
    g.waits = waits;
    graph_add_edges(&g);
    buf_puts(out, "digraph plan {\n  rankdir=LR;\n  label=\"");
    graph_put(out, p->name, strlen(p->name));
    buf_printf(out, ", pass %d\";\n", p->pass);
    for (size_t i = 0; i < g.n; i++) {
        graph_put_node(out, &g, i);
    }
    for (size_t i = 0; i < g.n; i++) {
        graph_put_edges(out, &g, i, fold);
    }
    buf_puts(out, "}\n");
}
