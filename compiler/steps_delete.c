// SPDX-License-Identifier: Apache-2.0
// What the base has laid and the source has no longer (--delete): a step for each collection that
// the scope takes, whether the source still has it or not, and one for files. Objects go before
// what belongs to them, so that nobody sees one without its content; documents go before what moves
// is restored, whose unique keys they may hold, and before the files that they name.
#include <string.h>

#include "compiler/internal.h"

#define DOCUMENTS "delete/documents/"

// Options behind the scope itself, in the order of scope_text.
static size_t scope_length(const char *text) {
    static const char *const flags[] = {" --files-only", " --with",        " --no-follow",
                                        " --exclude",    " --on-conflict", " --create-indexes",
                                        " --delete"};
    size_t len = strlen(text);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        const char *at = strstr(text, flags[i]);
        len = at != NULL && (size_t)(at - text) < len ? (size_t)(at - text) : len;
    }
    return len;
}

bool base_fits(const struct compiling *c, const struct compile_base *base, const char *scope) {
    if (!c->options->delete || c->scope->server) {
        return true;
    }
    size_t len = scope_length(scope);
    return base->scope != NULL && scope_length(base->scope) == len &&
           memcmp(base->scope, scope, len) == 0;
}

static void needs_of(struct compiling *c, struct plan_step *s, const char *collection) {
    if (c->plan->steps[0].kind == KIND_DUMP) {
        step_needs(c, s, "dump/");
    }
    for (size_t i = 0; i < c->rules->n_orders; i++) {
        const struct plan_order *o = &c->rules->orders[i];
        size_t above = model_index(c->m, o->collection);
        if (strcmp(o->child, collection) == 0 && takes_collection(c, above)) {
            step_needs(c, s, arena_printf(c->arena, DOCUMENTS "%s", o->collection));
        }
    }
}

void steps_delete_documents_make(struct compiling *c) {
    size_t first = c->plan->n_steps;
    if (!c->options->delete || c->plan->n_base == 0 || !c->documents) {
        return;
    }
    for (size_t i = 0; i < c->m->n_collections; i++) {
        if (takes_collection(c, i)) {
            const char *name = c->m->collections[i].name;
            struct plan_step *s =
                step_add(c, KIND_DELETE, arena_printf(c->arena, DOCUMENTS "%s", name));
            s->collection = name;
            s->max = c->options->max_delete;
        }
    }
    for (size_t i = first; i < c->plan->n_steps; i++) {
        needs_of(c, &c->plan->steps[i], c->plan->steps[i].collection);
    }
}

static bool has_kind(const struct compiling *c, enum step_kind_id kind) {
    for (size_t i = 0; i < c->plan->n_steps; i++) {
        if (c->plan->steps[i].kind == kind) {
            return true;
        }
    }
    return false;
}

void steps_delete_files_make(struct compiling *c) {
    if (!c->options->delete || c->plan->n_base == 0) {
        return;
    }
    bool documents = has_kind(c, KIND_DELETE);
    struct plan_step *s = step_add(c, KIND_DELETE, "delete/files");
    s->max = c->options->max_delete;
    if (has_kind(c, KIND_FILE_BATCH) || has_kind(c, KIND_TAR_LIST)) {
        step_needs(c, s, "files/");
    }
    if (documents) {
        step_needs(c, s, DOCUMENTS);
    }
    if (has_kind(c, KIND_RESTORE)) {
        step_needs(c, s, "restore/");
    }
}
