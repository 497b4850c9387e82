// SPDX-License-Identifier: Apache-2.0
// The comment at the top of the plan: what moves, what stays, what does not fit together, and what
// the destination has already, for a person who decides whether to apply it.
#include <string.h>

#include "base/escape.h"
#include "base/human.h"
#include "compiler/internal.h"

#define SHOWN 160
#define EXAMPLES 3 // of each kind of finding
#define SUMMARY_MAX ((size_t)4 << 20)

struct totals {
    uint64_t objects, documents, document_bytes, files, file_bytes;
};

static const char *number(struct compiling *c, uint64_t n) {
    char text[HUMAN_TEXT];
    return arena_strdup(c->scratch, human_count(n, text));
}

static const char *bytes(struct compiling *c, uint64_t n) {
    char text[HUMAN_TEXT];
    return arena_strdup(c->scratch, human_bytes(n, text));
}

static const char *shown(char out[SHOWN], const char *text) {
    return escape_into(out, SHOWN, text, strlen(text));
}

// --- the ends

// True when the scan could tell.
static bool is_told(const char *text) {
    return text != NULL && text[0] != 0;
}

static void put_told(struct buf *out, const char *before, const char *text) {
    char escaped[SHOWN];
    if (is_told(text)) {
        buf_printf(out, "%s%s", before, shown(escaped, text));
    }
}

static void put_end(struct buf *out, const char *word, const struct inv_end *end) {
    if (!is_told(end->server) && !is_told(end->root)) {
        return;
    }
    buf_puts(out, word);
    put_told(out, " ", end->server);
    put_told(out, ", version ", end->version);
    put_told(out, ", MVI ", end->product);
    put_told(out, ", database ", end->database);
    put_told(out, ", files in ", end->root);
    buf_puts(out, "\n");
}

// --- documents

// Objects that have a line in the plan.
static uint64_t count_objects(const struct compiling *c, size_t collection) {
    uint64_t n = 0;
    for (size_t i = 0; i < c->n_sets; i++) {
        n += c->sets[i].collection == collection ? c->sets[i].n : 0;
    }
    return n;
}

// What the dumps of each collection expect.
static struct plan_expect *sum_dumps(struct compiling *c) {
    struct plan_expect *sums = arena_alloc(c->scratch, (c->m->n_collections + 1) * sizeof *sums);
    for (size_t i = 0; i < c->plan->n_steps; i++) {
        const struct plan_step *s = &c->plan->steps[i];
        if (s->kind == KIND_DUMP) {
            struct plan_expect *sum = &sums[model_index(c->m, s->collection)];
            sum->any = true;
            sum->documents += s->expect.documents;
            sum->bytes += s->expect.bytes;
        }
    }
    return sums;
}

static void put_documents(struct compiling *c, struct buf *out, struct totals *t) {
    const struct plan_expect *sums = sum_dumps(c);
    struct table table = {.arena = c->scratch};
    table_row(&table, "Documents", "objects", "documents", "bytes", NULL);
    for (size_t i = 0; i < c->m->n_collections; i++) {
        bool top = c->m->collections[i].level == MODEL_TOP;
        uint64_t objects = count_objects(c, i);
        t->objects += objects;
        if (!sums[i].any) {
            continue;
        }
        t->documents += sums[i].documents;
        t->document_bytes += sums[i].bytes;
        table_row(&table, c->m->collections[i].name, top ? number(c, objects) : "",
                  number(c, sums[i].documents), bytes(c, sums[i].bytes), NULL);
    }
    if (table.n > 1) {
        buf_puts(out, "\n");
        table_put(&table, out);
    }
}

// --- files

struct file_group {
    const char *name; // "datasets", "rest"
    size_t steps;
    struct inv_count count;
};

static void put_files(struct compiling *c, struct buf *out, struct totals *t) {
    struct file_group *groups = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; i < c->plan->n_steps; i++) {
        const struct plan_step *s = &c->plan->steps[i];
        if (s->kind != KIND_FILE_BATCH && s->kind != KIND_TAR_LIST) {
            continue;
        }
        const char *from = s->id + strlen("files/");
        const char *name = arena_strndup(c->scratch, from, strcspn(from, "/"));
        size_t g = 0;
        while (g < n && strcmp(groups[g].name, name) != 0) {
            g++;
        }
        if (g == n) {
            ARENA_PUSH(c->scratch, groups, n, cap, (struct file_group){.name = name});
        }
        groups[g].steps++;
        groups[g].count.files += s->expect.files;
        groups[g].count.bytes += s->expect.bytes;
    }
    struct table table = {.arena = c->scratch};
    table_row(&table, "Files", "steps", "files", "bytes", NULL);
    for (size_t i = 0; i < n; i++) {
        t->files += groups[i].count.files;
        t->file_bytes += groups[i].count.bytes;
        table_row(&table, groups[i].name, number(c, groups[i].steps),
                  number(c, groups[i].count.files), bytes(c, groups[i].count.bytes), NULL);
    }
    if (n > 0) {
        buf_puts(out, "\n");
        table_put(&table, out);
    }
}

static void put_totals(struct compiling *c, struct buf *out, const struct totals *t) {
    struct arena *a = c->scratch;
    buf_printf(out, "\nIn all %s, %s (%s) and %s (%s) in %s.\n", count_of(a, t->objects, "objects"),
               count_of(a, t->documents, "documents"), bytes(c, t->document_bytes),
               count_of(a, t->files, "files"), bytes(c, t->file_bytes),
               count_of(a, c->plan->n_steps, "steps"));
}

// --- indexes

static void put_indexes(struct compiling *c, struct buf *out) {
    bool first = true;
    for (size_t i = 0; i < c->plan->n_steps; i++) {
        const struct plan_step *s = &c->plan->steps[i];
        if (s->kind == KIND_INDEX) {
            char text[SHOWN];
            buf_printf(out, "%s  %s %s\n", first ? "\nIndexes made at the destination:\n" : "",
                       s->collection, shown(text, s->index));
            if (s->comment != NULL) {
                buf_printf(out, "      converted: %s\n", shown(text, s->comment));
            }
            first = false;
        }
    }
}

// --- passes

static void put_base(struct compiling *c, struct buf *out) {
    const struct plan *p = c->plan;
    if (p->n_base == 0 && c->options->delete) {
        buf_puts(out, "\nNothing is deleted: no earlier migration between these ends asked for the "
                      "same scope.\n");
    }
    if (p->n_base == 0) {
        return;
    }
    buf_printf(out, "\nPass %d, compared with what", p->pass);
    for (size_t i = 0; i < p->n_base; i++) {
        buf_printf(out, "%s %s", i > 0 ? "," : "", p->base[i]);
    }
    buf_puts(out, " laid there: what still stands as it was laid is updated");
    buf_puts(out, c->options->delete ? ", and deleted when the source has it no longer" : "");
    buf_puts(out, "; what was changed there is a conflict.\n");
}

// --- what goes along, and what stays

static void put_followed(struct compiling *c, struct buf *out) {
    uint64_t n = 0;
    for (size_t i = 0; i < c->inv->n_objects; i++) {
        n += c->closure.in[i] && c->closure.from[i] != NO_OBJECT;
    }
    if (n > 0) {
        buf_printf(out, "%s outside the scope %s along: what moves refers to %s.\n",
                   count_of(c->scratch, n, "objects"), n == 1 ? "goes" : "go",
                   n == 1 ? "it" : "them");
    }
}

static const char *why_left(const struct compiling *c, size_t collection) {
    const struct model_collection *m = &c->m->collections[collection];
    if (m->level == MODEL_WHOLE && !c->scope->server) {
        return "moves only with --server";
    }
    return m->class == MODEL_ACCOUNTS ? "accounts; --with accounts takes them along"
                                      : "live state; --with transient takes it along";
}

static void put_left_out(struct compiling *c, struct buf *out) {
    struct table table = {.arena = c->scratch};
    table_row(&table, "Left out", "documents", NULL);
    for (size_t i = 0; i < c->m->n_collections; i++) {
        const struct inv_collection *inv = &c->inv->collections[i];
        if (inv->exists && inv->documents > 0 && !takes_collection(c, i)) {
            table_row(
                &table,
                arena_printf(c->scratch, "%s (%s)", c->m->collections[i].name, why_left(c, i)),
                number(c, inv->documents), NULL);
        }
    }
    if (!c->documents) {
        buf_puts(out, "\nDocuments stay: --files-only.\n");
    } else if (table.n > 1) {
        buf_puts(out, "\n");
        table_put(&table, out);
    }
    for (size_t i = 0; i < c->scope->excludes.n; i++) {
        char text[SHOWN];
        buf_printf(out, "%sFiles stay whose path matches %s\n", i == 0 ? "\n" : "",
                   shown(text, c->scope->excludes.items[i]));
    }
}

// --- findings

static void put_example(struct buf *out, const struct inv_finding *f) {
    char text[SHOWN];
    buf_puts(out, "     ");
    if (f->collection[0] != 0) {
        buf_printf(out, " %s", shown(text, f->collection));
    }
    if (f->id[0] != 0 || f->detail[0] != 0) {
        buf_printf(out, " %s", f->id[0] != 0 ? shown(text, f->id) : "\"\"");
    }
    if (f->detail[0] != 0) {
        buf_printf(out, ": %s", shown(text, f->detail));
    }
    buf_puts(out, "\n");
}

static void put_finding(struct compiling *c, struct buf *out, enum inv_finding_kind kind) {
    char count[HUMAN_TEXT];
    size_t left = EXAMPLES;
    buf_printf(out, "  %s  %s\n", human_count(c->inv->finding_counts[kind], count),
               inv_finding_texts[kind]);
    for (size_t i = 0; i < c->inv->n_findings && left > 0; i++) {
        if (c->inv->findings[i].kind == kind) {
            put_example(out, &c->inv->findings[i]);
            left--;
        }
    }
    if (c->inv->finding_counts[kind] > EXAMPLES) {
        buf_puts(out, "      ...\n");
    }
}

static void put_findings(struct compiling *c, struct buf *out) {
    bool first = true;
    for (int k = 0; k < N_FINDING_KINDS; k++) {
        if (c->inv->finding_counts[k] > 0) {
            buf_puts(out, first ? "\nWorth a look (plan --report FILE lists all):\n" : "");
            put_finding(c, out, (enum inv_finding_kind)k);
            first = false;
        }
    }
}

// --- the forecast

static void put_forecast(struct compiling *c, struct buf *out) {
    struct table table = {.arena = c->scratch};
    table_row(&table, "At the destination", "new", "identical", "to mend", "different", "clash",
              NULL);
    for (size_t i = 0; c->inv->forecast != NULL && i < c->m->n_collections; i++) {
        const struct inv_forecast *f = &c->inv->forecast[i];
        if (f->made) {
            table_row(&table, c->m->collections[i].name, number(c, f->fresh),
                      number(c, f->identical), number(c, f->unfixed), number(c, f->different),
                      number(c, f->clash), NULL);
        }
    }
    if (table.n > 1) {
        buf_puts(out, "\n");
        table_put(&table, out);
    }
}

void summary_make(struct compiling *c) {
    AUTO_BUF struct buf out = BUF_INIT(SUMMARY_MAX);
    struct totals t = {0};
    buf_printf(&out, "%s.\n", scope_title(c));
    put_end(&out, "From", &c->inv->source);
    put_end(&out, "To  ", &c->inv->destination);
    put_documents(c, &out, &t);
    put_files(c, &out, &t);
    put_totals(c, &out, &t);
    put_indexes(c, &out);
    put_base(c, &out);
    put_followed(c, &out);
    put_left_out(c, &out);
    put_findings(c, &out);
    put_forecast(c, &out);
    c->plan->comment = arena_strndup(c->arena, buf_str(&out), out.len - 1);
}
