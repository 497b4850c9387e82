// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "plans/params.h"
#include "plans/read.h"
#include "plans/report.h"

#define N_ITEMS(array) (sizeof(array) / sizeof *(array))

static void read_set_ids(struct reader *r, const char *where, const struct ynode *node,
                         struct plan_set *s) {
    struct arena *a = r->p->arena;
    s->ids = arena_alloc(a, node->n * sizeof *s->ids);
    s->id_comments = arena_alloc(a, node->n * sizeof *s->id_comments);
    int *lines = arena_alloc(a, node->n * sizeof *lines);
    s->id_lines = lines;
    s->cap = node->n;
    for (size_t i = 0; i < node->n; i++) {
        const struct ynode *item = node->items[i];
        const char *id = read_text(r, where, "an ID", item, PLAN_TEXT_MAX);
        if (id != NULL) {
            lines[s->n] = item->line;
            s->id_comments[s->n] = read_comment(r, item, i > 0 ? node->items[i - 1] : NULL);
            s->ids[s->n++] = id;
        }
    }
}

// A set whose every line was taken out is an empty one.
static void read_set(struct reader *r, const struct ynode *key, const struct ynode *node,
                     struct plan_set *s) {
    const char *where = report_where_set(r->problems->arena, key->text);
    s->name = arena_strndup(r->p->arena, key->text, key->len);
    s->line = key->line;
    s->comment = read_comment(r, key, NULL);
    if (node->type == Y_SEQUENCE) {
        read_set_ids(r, where, node, s);
    } else if (!read_is_null(node)) {
        problems_add(r->problems, node->line, where,
                     "has to be a list of IDs, one a line: - \"ID\"");
    }
}

void read_sets(struct reader *r, const struct ynode *node) {
    if (node->type != Y_MAPPING) {
        problems_add(r->problems, node->line, "", "sets has to be a mapping: NAME: [ID, ...]");
        return;
    }
    struct plan *p = r->p;
    p->sets = arena_alloc(p->arena, node->n * sizeof *p->sets);
    p->cap_sets = p->n_sets = node->n;
    for (size_t i = 0; i < node->n; i++) {
        read_set(r, node->keys[i], node->items[i], &p->sets[i]);
    }
}

static const char *known_kinds(struct arena *a) {
    const char *list = "";
    for (size_t i = 0; i < N_STEP_KINDS; i++) {
        list = arena_printf(a, "%s%s%s", list, i > 0 ? ", " : "", plan_kinds[i].name);
    }
    return list;
}

// N_STEP_KINDS marks a step whose kind was reported here.
static void read_kind(struct reader *r, const char *where, const struct ynode *map,
                      struct plan_step *s) {
    struct arena *a = r->problems->arena;
    const struct ynode *node = ytree_get(map, "kind");
    s->kind = N_STEP_KINDS;
    if (node == NULL) {
        problems_add(r->problems, map->line, where, "key \"kind\" is missing; it is one of %s",
                     known_kinds(a));
        return;
    }
    const char *text = read_text(r, where, "kind", node, PLAN_TEXT_MAX);
    const struct plan_kind *kind = text != NULL ? plan_kind_find(text) : NULL;
    if (kind != NULL) {
        s->kind = kind->id;
    } else if (text != NULL) {
        problems_add(r->problems, node->line, where, "unknown kind %s; it is one of %s",
                     report_quote(a, text), known_kinds(a));
    }
}

static void read_conflict(struct reader *r, const char *where, const struct ynode *map,
                          struct plan_step *s) {
    const struct ynode *node = ytree_get(map, "onConflict");
    if (s->kind == N_STEP_KINDS) {
        return;
    }
    s->on_conflict = plan_kinds[s->kind].on_conflict;
    if (node == NULL) {
        return;
    }
    if (!(plan_kinds[s->kind].params & P_CONFLICT)) {
        problems_add(r->problems, node->line, where, "a %s has no onConflict",
                     plan_kinds[s->kind].name);
        return;
    }
    const char *text = read_text(r, where, "onConflict", node, PLAN_TEXT_MAX);
    int policy = text != NULL ? plan_conflict_find(text) : -1;
    if (policy >= 0) {
        s->on_conflict = (enum conflict_policy)policy;
    } else if (text != NULL) {
        problems_add(r->problems, node->line, where, "onConflict is keep, replace or fail, not %s",
                     report_quote(r->problems->arena, text));
    }
}

static void read_expect(struct reader *r, const char *where, const struct ynode *node,
                        struct plan_expect *to) {
    static const char *const known[] = {"files", "documents", "bytes"};
    uint64_t *const counts[] = {&to->files, &to->documents, &to->bytes};
    if (node->type != Y_MAPPING) {
        problems_add(r->problems, node->line, where,
                     "expect has to be a mapping: {files: 12, bytes: 3456}");
        return;
    }
    to->any = true;
    read_keys(r, where, node, known, N_ITEMS(known));
    for (size_t i = 0; i < N_ITEMS(known); i++) {
        const struct ynode *n = ytree_get(node, known[i]);
        if (n != NULL && ytree_uint(n, INT64_MAX, counts[i]) != 0) {
            problems_add(r->problems, n->line, where,
                         "expect: %s has to be a number from 0 to %" PRId64, known[i], INT64_MAX);
        }
    }
}

static void read_step_keys(struct reader *r, const char *where, const struct ynode *map) {
    const char *known[N_PLAN_PARAMS + 6] = {"id",     "kind",       "needs",
                                            "except", "onConflict", "expect"};
    for (size_t i = 0; i < N_PLAN_PARAMS; i++) {
        known[6 + i] = plan_params[i].key;
    }
    read_keys(r, where, map, known, N_ITEMS(known));
}

static void read_params(struct reader *r, const char *where, const struct ynode *map,
                        struct plan_step *s) {
    const struct ynode *node;
    for (size_t i = 0; i < N_PLAN_PARAMS; i++) {
        node = ytree_get(map, plan_params[i].key);
        if (node != NULL) {
            *plan_param_slot(s, &plan_params[i]) =
                read_text(r, where, plan_params[i].key, node, PLAN_TEXT_MAX);
        }
    }
    if ((node = ytree_get(map, "except")) != NULL) {
        s->except = read_list(r, where, "except", node, &s->n_except);
    }
    if ((node = ytree_get(map, "needs")) != NULL) {
        s->needs = read_list(r, where, "needs", node, &s->n_needs);
    }
    if ((node = ytree_get(map, "expect")) != NULL) {
        read_expect(r, where, node, &s->expect);
    }
}

// A step without an ID has no name to be reported or needed by, and is left out.
static bool read_step(struct reader *r, size_t number, const struct ynode *map,
                      struct plan_step *s) {
    struct arena *a = r->problems->arena;
    const char *where = arena_printf(a, "step number %zu", number);
    if (map->type != Y_MAPPING) {
        problems_add(r->problems, map->line, where, "has to be a mapping: {id: ..., kind: ...}");
        return false;
    }
    const struct ynode *id = ytree_get(map, "id");
    if (id == NULL) {
        problems_add(r->problems, map->line, where, "key \"id\" is missing");
        return false;
    }
    s->id = read_text(r, where, "id", id, PLAN_TEXT_MAX);
    if (s->id == NULL) {
        return false;
    }
    where = report_where_step(a, s->id);
    s->line = map->line;
    s->comment = read_comment(r, map, NULL);
    s->from_index = (size_t)-1;
    read_step_keys(r, where, map);
    read_kind(r, where, map, s);
    read_params(r, where, map, s);
    read_conflict(r, where, map, s);
    return true;
}

void read_steps(struct reader *r, const struct ynode *node) {
    struct plan *p = r->p;
    if (node->type != Y_SEQUENCE) {
        problems_add(r->problems, node->line, "",
                     "steps has to be a list; `steps: []` if there are none");
        return;
    }
    if (node->n > PLAN_STEPS_MAX) {
        problems_add(r->problems, node->line, "", "%zu steps; a plan has at most %d", node->n,
                     PLAN_STEPS_MAX);
        return;
    }
    p->steps = arena_alloc(p->arena, node->n * sizeof *p->steps);
    p->cap_steps = node->n;
    for (size_t i = 0; i < node->n; i++) {
        struct plan_step s = {0};
        if (read_step(r, i + 1, node->items[i], &s)) {
            p->steps[p->n_steps++] = s;
        }
    }
}
