// SPDX-License-Identifier: Apache-2.0
#include "compiler/compile.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/internal.h"

// True when version a is lower than b, number by number.
static bool version_below(const char *a, const char *b) {
    while (*a != 0 || *b != 0) {
        char *a_end, *b_end;
        unsigned long x = strtoul(a, &a_end, 10), y = strtoul(b, &b_end, 10);
        if (x != y) {
            return x < y;
        }
        // What is no number ends a version: "8.4.0-rc1" is 8.4.0.
        a = *a_end == '.' ? a_end + 1 : "";
        b = *b_end == '.' ? b_end + 1 : "";
    }
    return false;
}

static bool has_restore(const struct compiling *c, const char *collection) {
    for (size_t i = 0; i < c->plan->n_steps; i++) {
        const struct plan_step *s = &c->plan->steps[i];
        if (s->kind == KIND_DUMP && strcmp(s->collection, collection) == 0) {
            return true;
        }
    }
    return false;
}

static void put_fixups(struct compiling *c) {
    struct plan *p = c->plan;
    const char *product = c->inv->source.product;
    p->fixups = arena_alloc(p->arena, (c->m->n_fixups + 1) * sizeof *p->fixups);
    for (size_t i = 0; i < c->m->n_fixups; i++) {
        const struct model_fixup *f = &c->m->fixups[i];
        bool known = product != NULL && product[0] != 0;
        if (has_restore(c, f->collection) &&
            (f->before == NULL || !known || version_below(product, f->before))) {
            p->fixups[p->n_fixups++] =
                (struct plan_fixup){f->collection, f->field, f->pattern, f->replacement};
        }
    }
}

static struct plan_end end_of(struct compiling *c, const struct inv_end *end) {
    const char *texts[] = {end->server, end->database, end->root, end->fingerprint};
    for (size_t i = 0; i < 4; i++) {
        texts[i] = texts[i] == NULL || texts[i][0] == 0 ? NULL : plan_text(c->arena, texts[i]);
    }
    return (struct plan_end){texts[0], texts[1], texts[2], texts[3]};
}

static void put_header(struct compiling *c, const struct compile_options *o) {
    struct plan *p = c->plan;
    p->name = arena_strdup(p->arena, o->name);
    p->pass = o->pass;
    p->scope = scope_text(c);
    if (o->create_indexes) {
        p->scope = arena_printf(p->arena, "%s --create-indexes", p->scope);
    }
    if (o->delete) {
        p->scope = arena_printf(p->arena, "%s --delete", p->scope);
    }
    p->base = arena_alloc(p->arena, (o->n_base + 1) * sizeof *p->base);
    for (size_t i = 0; i < o->n_base; i++) {
        if (base_fits(c, &o->base[i], p->scope)) {
            p->base[p->n_base++] = arena_strdup(p->arena, o->base[i].name);
        }
    }
    p->source = end_of(c, &c->inv->source);
    p->destination = end_of(c, &c->inv->destination);
    p->excludes = c->scope->excludes.items;
    p->n_excludes = c->scope->excludes.n;
}

int compile(const struct scope *resolved, struct inventory *inv, const struct compile_options *o,
            struct plan **out, struct err *e) {
    AUTO_ARENA struct arena *scratch = arena_new();
    AUTO_PLAN struct plan *p = plan_new();
    struct compiling c = {.options = o,
                          .scope = resolved,
                          .inv = inv,
                          .m = inv->model,
                          .plan = p,
                          .arena = p->arena,
                          .scratch = scratch,
                          .documents = !resolved->files_only};
    c.rules = compile_rules(c.m, scratch);
    put_header(&c, o);
    closure_make(&c);
    sets_make(&c);
    steps_dump_make(&c);
    steps_files_make(&c);
    steps_delete_documents_make(&c);
    steps_restore_make(&c);
    steps_index_make(&c);
    steps_delete_files_make(&c);
    put_fixups(&c);
    summary_make(&c);
    int rc = plan_validate(p, c.rules, NULL, e);
    if (rc != 0) {
        return err_wrap(e, "the plan that was made is not valid, which is a fault of mvimig");
    }
    *out = STEAL(p);
    return 0;
}
