// SPDX-License-Identifier: Apache-2.0
// mvimig show: a plan for people, as a graph, as a difference, as JSON.
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "commands/command.h"
#include "commands/ends.h"
#include "commands/plan_file.h"
#include "commands/show_explain.h"
#include "commands/show_json.h"

struct stage {
    const char *name; // "dump", "files", "restore"
    uint64_t steps, objects, files, documents, bytes;
};

struct stages {
    struct stage *items;
    size_t n, cap;
};

// A stage is the first part of a step's ID.
static struct stage *stage_of(struct stages *all, const char *id, struct arena *a) {
    size_t len = strcspn(id, "/");
    for (size_t i = 0; i < all->n; i++)
        if (strlen(all->items[i].name) == len && memcmp(all->items[i].name, id, len) == 0)
            return &all->items[i];
    ARENA_PUSH(a, all->items, all->n, all->cap, (struct stage){.name = arena_strndup(a, id, len)});
    return &all->items[all->n - 1];
}

static void count_stages(const struct plan *p, struct stages *all, struct arena *a) {
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct plan_step *s = &p->steps[i];
        struct stage *st = stage_of(all, s->id, a);
        st->steps++;
        st->files += s->expect.files;
        st->documents += s->expect.documents;
        st->bytes += s->expect.bytes;
        for (size_t j = 0; j < s->n_sets; j++)
            st->objects += s->sets[j]->n;
    }
}

static void show_table(struct out *o, const struct plan *p, const struct stages *all) {
    AUTO_BUF struct buf b = BUF_INIT(64 << 20);
    char n1[HUMAN_TEXT], n2[HUMAN_TEXT], n3[HUMAN_TEXT], n4[HUMAN_TEXT];
    if (p->comment != NULL)
        buf_printf(&b, "%s\n\n", p->comment);
    buf_printf(&b, "%-10s %8s %10s %12s %12s\n", "stage", "steps", "files", "documents", "bytes");
    for (size_t i = 0; i < all->n; i++) {
        const struct stage *s = &all->items[i];
        buf_printf(&b, "%-10s %8s %10s %12s %12s\n", s->name, human_count(s->steps, n1),
                   s->files > 0 ? human_count(s->files, n2) : "-",
                   s->documents > 0 ? human_count(s->documents, n3) : "-",
                   s->bytes > 0 ? human_bytes(s->bytes, n4) : "-");
    }
    buf_printf(&b, "\nPlan %s, pass %d: %s -> %s\n%zu steps, %zu sets\nDigest sha256:%s\n", p->name,
               p->pass, p->source.server, p->destination.server, p->n_steps, p->n_sets, p->digest);
    out_result_text(o, buf_str(&b));
}

static int show_difference(struct command_context *c, const struct model *m, const struct plan *p,
                           struct err *e) {
    AUTO_PLAN struct plan *other = NULL;
    AUTO_BUF struct buf b = BUF_INIT(64 << 20);
    int rc = plan_file_read(c, m, c->options->diff, &other, e);
    if (rc != 0)
        return rc;
    plan_diff(p, other, &b);
    out_result_text(c->out, buf_str(&b));
    return 0;
}

static int run(struct command_context *c, struct err *e) {
    AUTO_MODEL struct model *m = NULL;
    AUTO_PLAN struct plan *p = NULL;
    int rc = read_schema(c, &m, e);
    if (rc == 0)
        rc = plan_file_read(c, m, c->options->words[0], &p, e);
    if (rc != 0)
        return rc;
    if (c->options->diff != NULL)
        return show_difference(c, m, p, e);
    if (c->options->explain != NULL)
        return show_explain(c, p, c->options->explain, e);
    if (c->options->graph) {
        AUTO_BUF struct buf dot = BUF_INIT(64 << 20);
        plan_graph(p, &dot);
        out_dot(c->out, buf_str(&dot));
        return 0;
    }
    if (c->options->json) {
        show_json(c->out, p);
        return 0;
    }
    struct stages all = {0};
    count_stages(p, &all, c->arena);
    show_table(c->out, p, &all);
    return 0;
}

const struct command command_show = {
    .name = "show",
    .bit = C_SHOW,
    .synopsis = "PLAN [--graph | --diff OTHER | --explain STEP | --json]",
    .summary = "show a plan: what it moves, as a table, a graph, a difference or JSON",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
