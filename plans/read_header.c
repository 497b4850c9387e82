// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "plans/read.h"
#include "plans/report.h"

#define N_ITEMS(array) (sizeof(array) / sizeof *(array))

// A key of the header and the place its text goes to.
struct field {
    const char *key;
    const char **to;
};

// Reads the texts of a mapping; what is not there stays NULL.
static void read_fields(struct reader *r, const char *where, const struct ynode *map,
                        const struct field *fields, size_t n) {
    const char *known[8];
    MUST(n <= N_ITEMS(known));
    for (size_t i = 0; i < n; i++) {
        known[i] = fields[i].key;
        const struct ynode *node = ytree_get(map, fields[i].key);
        if (node != NULL) {
            *fields[i].to = read_text(r, where, fields[i].key, node, PLAN_TEXT_MAX);
        }
    }
    read_keys(r, where, map, known, n);
}

static void read_end(struct reader *r, const struct ynode *root, const char *key,
                     struct plan_end *end) {
    const struct ynode *node = ytree_get(root, key);
    if (node == NULL) {
        problems_add(r->problems, root->line, "", "key \"%s\" is missing", key);
        return;
    }
    if (node->type != Y_MAPPING) {
        problems_add(r->problems, node->line, key,
                     "has to be a mapping: {server: ..., database: ...}");
        return;
    }
    const struct field fields[] = {{"server", &end->server},
                                   {"database", &end->database},
                                   {"root", &end->root},
                                   {"fingerprint", &end->fingerprint}};
    read_fields(r, key, node, fields, N_ITEMS(fields));
}

static void read_fixup(struct reader *r, const struct ynode *node, struct plan_fixup *f) {
    if (node->type != Y_MAPPING) {
        problems_add(r->problems, node->line, "fixups",
                     "has to be a mapping: {collection: ..., field: ..., pattern: ..., "
                     "replacement: ...}");
        return;
    }
    const struct field fields[] = {{"collection", &f->collection},
                                   {"field", &f->field},
                                   {"pattern", &f->pattern},
                                   {"replacement", &f->replacement}};
    read_fields(r, "fixups", node, fields, N_ITEMS(fields));
    for (size_t i = 0; i < N_ITEMS(fields); i++) {
        if (ytree_get(node, fields[i].key) == NULL) {
            problems_add(r->problems, node->line, "fixups", "key \"%s\" is missing", fields[i].key);
        }
    }
}

static void read_fixups(struct reader *r, const struct ynode *node) {
    if (node->type != Y_SEQUENCE) {
        problems_add(r->problems, node->line, "", "fixups has to be a list");
        return;
    }
    struct plan *p = r->p;
    p->fixups = arena_alloc(p->arena, node->n * sizeof *p->fixups);
    for (size_t i = 0; i < node->n; i++) {
        struct plan_fixup f = {0};
        read_fixup(r, node->items[i], &f);
        if (f.collection != NULL && f.field != NULL && f.pattern != NULL && f.replacement != NULL) {
            p->fixups[p->n_fixups++] = f;
        }
    }
}

static void read_pass(struct reader *r, const struct ynode *root) {
    const struct ynode *node = ytree_get(root, "pass");
    uint64_t pass;
    r->p->pass = 1;
    if (node == NULL) {
        problems_add(r->problems, root->line, "", "key \"pass\" is missing");
    } else if (ytree_uint(node, PLAN_PASS_MAX, &pass) != 0 || pass == 0) {
        problems_add(r->problems, node->line, "", "pass has to be a number from 1 to %d",
                     PLAN_PASS_MAX);
    } else {
        r->p->pass = (int)pass;
    }
}

static void read_name(struct reader *r, const struct ynode *root) {
    const struct ynode *node = ytree_get(root, "name");
    if (node == NULL) {
        problems_add(r->problems, root->line, "", "key \"name\" is missing");
    } else {
        r->p->name = read_text(r, "", "name", node, PLAN_TEXT_MAX);
    }
}

void read_header(struct reader *r, const struct ynode *root) {
    static const char *const known[] = {"mvimig",   "name",   "pass",        "base",
                                        "scope",    "source", "destination", "fixups",
                                        "excludes", "sets",   "steps"};
    struct plan *p = r->p;
    const struct ynode *node;
    read_keys(r, "", root, known, N_ITEMS(known));
    read_name(r, root);
    read_pass(r, root);
    if ((node = ytree_get(root, "base")) != NULL) {
        p->base = read_list(r, "", "base", node, &p->n_base);
    }
    if ((node = ytree_get(root, "scope")) != NULL) {
        p->scope = read_text(r, "", "scope", node, PLAN_TEXT_MAX);
    }
    read_end(r, root, "source", &p->source);
    read_end(r, root, "destination", &p->destination);
    if ((node = ytree_get(root, "fixups")) != NULL) {
        read_fixups(r, node);
    }
    if ((node = ytree_get(root, "excludes")) != NULL) {
        p->excludes = read_list(r, "", "excludes", node, &p->n_excludes);
    }
}
