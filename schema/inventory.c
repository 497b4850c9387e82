// SPDX-License-Identifier: Apache-2.0
#include "schema/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "schema/scope.h"

const char *const inv_finding_names[N_FINDING_KINDS] = {
#define FINDING(name, text, meaning) text,
#include "schema/findings.tbl.h"
#undef FINDING
};

const char *const inv_finding_texts[N_FINDING_KINDS] = {
#define FINDING(name, text, meaning) meaning,
#include "schema/findings.tbl.h"
#undef FINDING
};

const char *const conflict_policy_names[3] = {"keep", "replace", "fail"};

static const struct inv_end no_end = {"", "", "", "", "", ""};

struct inventory *inventory_new(const struct model *m) {
    struct arena *a = arena_new();
    struct inventory *inv = arena_alloc(a, sizeof *inv);
    inv->arena = a;
    inv->model = m;
    inv->source = no_end;
    inv->destination = no_end;
    inv->collections = arena_alloc(a, (m->n_collections + 1) * sizeof *inv->collections);
    return inv;
}

void inventory_free(struct inventory *inv) {
    if (inv != NULL) {
        arena_free(inv->arena);
    }
}

void inventory_cleanup(struct inventory **inv) {
    inventory_free(*inv);
    *inv = NULL;
}

static const char *inventory_text(struct inventory *inv, const char *s) {
    return s == NULL || s[0] == 0 ? "" : arena_strdup(inv->arena, s);
}

void inventory_add_finding(struct inventory *inv, enum inv_finding_kind kind,
                           const char *collection, const char *id, const char *detail) {
    MUST(kind < N_FINDING_KINDS);
    if (inv->finding_counts[kind]++ >= INV_FINDINGS_KEPT) {
        return;
    }
    struct inv_finding f = {kind, inventory_text(inv, collection), inventory_text(inv, id),
                            inventory_text(inv, detail)};
    ARENA_PUSH(inv->arena, inv->findings, inv->n_findings, inv->cap_findings, f);
}

static int object_order(const void *x, const void *y) {
    const struct inv_object *a = x, *b = y;
    if (a->collection != b->collection) {
        return a->collection < b->collection ? -1 : 1;
    }
    int rc = strcmp(a->id, b->id);
    return rc != 0 ? rc : (int)b->id_is_string - (int)a->id_is_string;
}

static int entry_order(const void *x, const void *y) {
    const struct inv_entry *a = x, *b = y;
    return strcmp(a->name, b->name);
}

static int dir_order(const void *x, const void *y) {
    const struct inv_dir *a = x, *b = y;
    return strcmp(a->path, b->path);
}

static int rest_order(const void *x, const void *y) {
    const struct inv_rest *a = x, *b = y;
    return strcmp(a->top, b->top);
}

static void inventory_order(void *items, size_t n, size_t size,
                            int (*order)(const void *, const void *)) {
    if (n > 1) {
        qsort(items, n, size, order);
    }
}

void inventory_sort(struct inventory *inv) {
    inventory_order(inv->objects, inv->n_objects, sizeof *inv->objects, object_order);
    inventory_order(inv->dirs, inv->n_dirs, sizeof *inv->dirs, dir_order);
    for (size_t i = 0; i < inv->n_dirs; i++) {
        inventory_order(inv->dirs[i].entries, inv->dirs[i].n_entries, sizeof *inv->dirs[i].entries,
                        entry_order);
    }
    inventory_order(inv->rest, inv->n_rest, sizeof *inv->rest, rest_order);
}
