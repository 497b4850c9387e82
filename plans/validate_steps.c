// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/path.h"
#include "base/strtab.h"
#include "base/ytree.h"
#include "plans/check.h"
#include "plans/index.h"
#include "plans/params.h"
#include "plans/range.h"
#include "plans/report.h"

// The nearest known word is looked for among so many; edit distance is slow.
#define CHECK_NEAREST_MAX 2000

// What a step's `set` names, shared by all steps that write it alike.
struct set_ref {
    const struct plan_set **sets;
    size_t n;
    const char *unsafe; // its first ID that is no file name, NULL when all are
    const struct plan_set *unsafe_in;
    size_t longest;
};

struct set_refs {
    struct strtab *known; // position in items, by the text of `set`
    struct set_ref *items;
    size_t n, cap;
};

struct step_check {
    struct check *c;
    struct plan_step *s;
    struct set_refs *refs;
};

static const char *did_you_mean(struct check *c, const char *word, const struct index_of *of,
                                size_t n) {
    struct arena *a = c->problems->arena;
    if (n > CHECK_NEAREST_MAX) {
        return "";
    }
    const char **known = arena_alloc(c->scratch, n * sizeof *known);
    for (size_t i = 0; i < n; i++) {
        known[i] = of->text(c->p, i);
    }
    const char *near = ytree_nearest(word, known, n);
    return near != NULL ? arena_printf(a, "; did you mean %s?", report_quote(a, near)) : "";
}

static const char *param_names(struct arena *a, const struct plan_kind *kind) {
    const char *list = "";
    for (size_t i = 0; i < N_PLAN_PARAMS; i++) {
        if (kind->params & plan_params[i].flag) {
            list = arena_printf(a, "%s%s%s", list, list[0] != 0 ? ", " : "", plan_params[i].key);
        }
    }
    const char *except = kind->params & P_EXCEPT ? ", except" : "";
    return arena_printf(a, "%s%s%s", list, except, kind->params & P_CONFLICT ? ", onConflict" : "");
}

static void check_params(struct check *c, const struct plan_step *s) {
    const struct plan_kind *kind = &plan_kinds[s->kind];
    for (size_t i = 0; i < N_PLAN_PARAMS; i++) {
        const struct plan_param *param = &plan_params[i];
        bool has = plan_param_value(s, param) != NULL;
        if (has && !(kind->params & param->flag)) {
            REPORT_STEP(c->problems, s, "a %s has no %s; it can have %s", kind->name, param->key,
                        param_names(c->problems->arena, kind));
        } else if (!has && (kind->required & param->flag)) {
            REPORT_STEP(c->problems, s, "a %s needs %s", kind->name, param->key);
        }
    }
    if (s->n_except > 0 && !(kind->params & P_EXCEPT)) {
        REPORT_STEP(c->problems, s, "a %s has no except; it can have %s", kind->name,
                    param_names(c->problems->arena, kind));
    }
}

static void ref_measure(struct set_ref *ref) {
    for (size_t i = 0; i < ref->n; i++) {
        const struct plan_set *set = ref->sets[i];
        for (size_t j = 0; j < set->n; j++) {
            size_t len = strlen(set->ids[j]);
            ref->longest = len > ref->longest ? len : ref->longest;
            if (ref->unsafe == NULL && !path_component_ok(set->ids[j], len)) {
                ref->unsafe = set->ids[j];
                ref->unsafe_in = set;
            }
        }
    }
}

static void ref_make(struct check *c, const char *text, struct set_ref *ref) {
    struct plan *p = c->p;
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '/') {
        struct index_span span = index_prefix(p, &index_sets, text);
        ref->n = span.hi - span.lo;
        ref->sets = arena_alloc(p->arena, ref->n * sizeof *ref->sets);
        for (size_t i = 0; i < ref->n; i++) {
            ref->sets[i] = &p->sets[p->sets_by_name.order[span.lo + i]];
        }
    } else {
        size_t i = index_find(p, &index_sets, text);
        ref->n = i != (size_t)-1;
        ref->sets = arena_alloc(p->arena, sizeof *ref->sets);
        ref->sets[0] = ref->n > 0 ? &p->sets[i] : NULL;
    }
    ref_measure(ref);
}

static const struct set_ref *check_set_of(struct step_check *x) {
    struct check *c = x->c;
    struct plan_step *s = x->s;
    struct set_refs *refs = x->refs;
    bool added;
    uintptr_t *slot = strtab_slot(refs->known, s->set, strlen(s->set), &added);
    if (added) {
        *slot = refs->n;
        ARENA_PUSH(c->scratch, refs->items, refs->n, refs->cap, (struct set_ref){0});
        ref_make(c, s->set, &refs->items[*slot]);
    }
    MUST(*slot < refs->n && refs->items != NULL);
    const struct set_ref *ref = &refs->items[*slot];
    s->sets = ref->sets;
    s->n_sets = ref->n;
    if (ref->n == 0) {
        size_t len = strlen(s->set);
        bool prefix = len > 0 && s->set[len - 1] == '/';
        REPORT_STEP(c->problems, s, "%s %s%s", prefix ? "no set is below" : "there is no set",
                    report_quote(c->problems->arena, s->set),
                    did_you_mean(c, s->set, &index_sets, c->p->n_sets));
    }
    return ref;
}

static bool check_path(struct check *c, const struct plan_step *s, const char *key,
                       const char *path) {
    const char *fault = strcmp(path, ".") == 0 ? NULL : check_path_fault(path);
    if (fault != NULL) {
        REPORT_STEP(c->problems, s, "%s: %s %s", key, report_quote(c->problems->arena, path),
                    fault);
    }
    return fault == NULL;
}

static bool path_is_below(const char *path, const char *dir) {
    size_t len = strlen(dir);
    return strcmp(dir, ".") == 0 ? strcmp(path, ".") != 0
                                 : strncmp(path, dir, len) == 0 && path[len] == '/';
}

static void check_except(struct check *c, const struct plan_step *s) {
    for (size_t i = 0; i < s->n_except; i++) {
        if (check_path(c, s, "except", s->except[i]) && s->under != NULL &&
            !path_is_below(s->except[i], s->under)) {
            REPORT_STEP(c->problems, s, "except: %s is not below %s",
                        report_quote(c->problems->arena, s->except[i]),
                        report_quote(c->problems->arena, s->under));
        }
    }
    if (s->n_except > 0 && s->set != NULL) {
        REPORT_STEP(c->problems, s,
                    "set and except do not go together: a set names what moves, except what of "
                    "all the rest does not");
    }
}

// "{id}", and behind it nothing, "*" or the rest of a file name.
static bool check_template_ok(const char *name) {
    static const char id[] = "{id}";
    if (strncmp(name, id, sizeof id - 1) != 0) {
        return false;
    }
    const char *rest = name + sizeof id - 1;
    return strcmp(rest, "*") == 0 || strpbrk(rest, "*{}/") == NULL;
}

static void check_file_step(struct step_check *x, const struct set_ref *ref) {
    struct check *c = x->c;
    const struct plan_step *s = x->s;
    struct arena *a = c->problems->arena;
    if (s->under != NULL) {
        check_path(c, s, "under", s->under);
    }
    check_except(c, s);
    if (s->name != NULL && !check_template_ok(s->name)) {
        REPORT_STEP(c->problems, s, "name: %s has to be \"{id}*\", or \"{id}\" and a suffix",
                    report_quote(a, s->name));
    }
    if (ref != NULL && ref->unsafe != NULL) {
        REPORT_STEP(c->problems, s,
                    "ID %s of set %s is no file name, so its files cannot move; take it out of "
                    "the set, or put it into one that only dumps use",
                    report_quote(a, ref->unsafe), report_quote(a, ref->unsafe_in->name));
    }
    size_t suffix = s->name != NULL ? strlen(s->name) : 0;
    if (ref != NULL && s->under != NULL &&
        strlen(s->under) + 1 + ref->longest + suffix > PATH_REL_MAX) {
        REPORT_STEP(c->problems, s, "under and the longest ID together are longer than %d bytes",
                    PATH_REL_MAX);
    }
}

static void check_collection(struct check *c, const struct plan_step *s, const char *key,
                             const char *name) {
    if (name != NULL && (!path_component_ok(name, strlen(name)) || strchr(name, '$') != NULL ||
                         strncmp(name, "system.", 7) == 0)) {
        REPORT_STEP(c->problems, s,
                    "%s: %s is no name of a collection: no \"/\" or \"$\", not \"system.\"", key,
                    report_quote(c->problems->arena, name));
    }
}

static void check_bounds(struct check *c, const struct plan_step *s) {
    struct arena *a = c->problems->arena;
    const char *from = NULL, *to = NULL;
    bool ok = true;
    const char *const bounds[] = {s->from_id, s->to_id};
    for (size_t i = 0; i < 2; i++) {
        if (bounds[i] != NULL && !range_bound_ok(bounds[i])) {
            ok = false;
            REPORT_STEP(c->problems, s,
                        "%s: %s is no bound: write extended JSON (a string as '\"text\"') or "
                        "hex:...",
                        i == 0 ? "from_id" : "to_id", report_quote(a, bounds[i]));
        }
    }
    bool strings = range_is_string(s->from_id, c->scratch, &from) &&
                   range_is_string(s->to_id, c->scratch, &to);
    bool backwards =
        strings ? strcmp(from, to) >= 0
                : s->from_id != NULL && s->to_id != NULL && strcmp(s->from_id, s->to_id) == 0;
    if (ok && backwards) {
        REPORT_STEP(c->problems, s, "the range from %s to %s is empty; from_id has to be lower",
                    report_quote(a, s->from_id), report_quote(a, s->to_id));
    }
}

static void check_backup(struct check *c, const struct plan_step *s) {
    uint8_t ignored[HASH_SIZE];
    if (s->backup == NULL) {
        return;
    }
    if (hash_unhex(s->backup, ignored) != 0) {
        REPORT_STEP(c->problems, s, "backup: %s is no SHA-256",
                    report_quote(c->problems->arena, s->backup));
    }
    if (s->set != NULL || s->by != NULL || s->from_id != NULL || s->to_id != NULL) {
        REPORT_STEP(c->problems, s,
                    "backup: what is in a backup is taken whole; take set, by, "
                    "from_id and to_id out");
    }
}

static void check_dump(struct check *c, const struct plan_step *s) {
    check_backup(c, s);
    check_collection(c, s, "collection", s->collection);
    check_collection(c, s, "orphansOf", s->orphans_of);
    if (s->by != NULL && (s->by[0] == 0 || s->by[0] == '$')) {
        REPORT_STEP(c->problems, s, "by: %s is no name of a field",
                    report_quote(c->problems->arena, s->by));
    }
    if (s->by != NULL && s->set == NULL) {
        REPORT_STEP(c->problems, s,
                    "by needs set: the IDs that field is looked up for; without both the whole "
                    "range is dumped");
    }
    if (s->orphans_of != NULL && (s->set == NULL || s->by == NULL)) {
        REPORT_STEP(c->problems, s, "orphansOf needs set and by");
    }
    check_bounds(c, s);
}

static void check_restore(struct check *c, struct plan_step *s) {
    struct arena *a = c->problems->arena;
    s->from_index = (size_t)-1;
    if (s->from == NULL) {
        return;
    }
    size_t i = index_find(c->p, &index_steps, s->from);
    if (i == (size_t)-1) {
        REPORT_STEP(c->problems, s, "from: there is no step %s%s", report_quote(a, s->from),
                    did_you_mean(c, s->from, &index_steps, c->p->n_steps));
    } else if (c->p->steps[i].kind == N_STEP_KINDS) {
        return; // reported where it stands
    } else if (c->p->steps[i].kind != KIND_DUMP) {
        REPORT_STEP(c->problems, s, "from: %s is a %s; only a dump can be restored",
                    report_quote(a, s->from), plan_kinds[c->p->steps[i].kind].name);
    } else {
        s->from_index = i;
    }
}

static void check_delete(struct check *c, const struct plan_step *s) {
    if (c->p->n_base == 0) {
        REPORT_STEP(c->problems, s,
                    "the plan names no base: what earlier passes have laid is not known, and "
                    "nothing else is ever deleted; take the step out");
    }
    if (s->max != NULL &&
        (strspn(s->max, "0123456789") != strlen(s->max) || strlen(s->max) > 18 || s->max[0] == 0)) {
        REPORT_STEP(c->problems, s, "max: %s is not a number",
                    report_quote(c->problems->arena, s->max));
    }
    check_collection(c, s, "collection", s->collection);
}

static void check_index(struct check *c, const struct plan_step *s) {
    size_t len = s->index != NULL ? strlen(s->index) : 0;
    if (s->index != NULL && (len < 2 || s->index[0] != '{' || s->index[len - 1] != '}')) {
        REPORT_STEP(c->problems, s, "index: %s is no extended JSON of an index's specification",
                    report_quote(c->problems->arena, s->index));
    }
    check_collection(c, s, "collection", s->collection);
}

static void check_step(struct step_check *x) {
    struct check *c = x->c;
    struct plan_step *s = x->s;
    const struct set_ref *ref = NULL;
    s->from_index = (size_t)-1;
    s->n_sets = 0;
    if (s->kind == N_STEP_KINDS) {
        return;
    }
    check_params(c, s);
    if (s->set != NULL) {
        ref = check_set_of(x);
    }
    if (plan_is_file_step(s)) {
        check_file_step(x, ref);
    } else if (s->kind == KIND_DUMP) {
        check_dump(c, s);
    } else if (s->kind == KIND_DELETE) {
        check_delete(c, s);
    } else if (s->kind == KIND_INDEX) {
        check_index(c, s);
    } else if (s->kind == KIND_RESTORE) {
        check_restore(c, s);
    }
}

void check_steps(struct check *c) {
    AUTO_STRTAB struct strtab *known = strtab_new();
    struct set_refs refs = {.known = known};
    for (size_t i = 0; i < c->p->n_steps; i++) {
        struct step_check x = {.c = c, .s = &c->p->steps[i], .refs = &refs};
        check_step(&x);
    }
}
