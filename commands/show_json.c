// SPDX-License-Identifier: Apache-2.0
#include "commands/show_json.h"

#include <jansson.h>

#include "plans/params.h"

static json_t *text(const char *s) {
    json_t *j = s != NULL ? json_string(s) : json_null();
    MUST(j != NULL);
    return j;
}

static json_t *list(const char *const *items, size_t n) {
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, text(items[i]));
    return all;
}

static json_t *end_of(const struct plan_end *end) {
    json_t *j = json_object();
    json_object_set_new(j, "server", text(end->server));
    json_object_set_new(j, "database", text(end->database));
    json_object_set_new(j, "root", text(end->root));
    json_object_set_new(j, "fingerprint", text(end->fingerprint));
    return j;
}

static json_t *fixups_of(const struct plan *p) {
    json_t *all = json_array();
    for (size_t i = 0; i < p->n_fixups; i++) {
        const struct plan_fixup *f = &p->fixups[i];
        json_t *j = json_object();
        json_object_set_new(j, "collection", text(f->collection));
        json_object_set_new(j, "field", text(f->field));
        json_object_set_new(j, "pattern", text(f->pattern));
        json_object_set_new(j, "replacement", text(f->replacement));
        json_array_append_new(all, j);
    }
    return all;
}

static json_t *step_of(const struct plan_step *s) {
    json_t *j = json_object();
    json_object_set_new(j, "id", text(s->id));
    json_object_set_new(j, "kind", text(plan_kinds[s->kind].name));
    json_object_set_new(j, "hash", text(s->hash_text));
    for (size_t i = 0; i < N_PLAN_PARAMS; i++) {
        const char *value = plan_param_value(s, &plan_params[i]);
        if (value != NULL)
            json_object_set_new(j, plan_params[i].key, text(value));
    }
    if (s->n_except > 0)
        json_object_set_new(j, "except", list(s->except, s->n_except));
    json_object_set_new(j, "needs", list(s->needs, s->n_needs));
    if ((plan_kinds[s->kind].params & P_CONFLICT) != 0)
        json_object_set_new(j, "onConflict", text(conflict_policy_names[s->on_conflict]));
    if (s->expect.any)
        json_object_set_new(j, "expect",
                            json_pack("{sI sI sI}", "files", (json_int_t)s->expect.files,
                                      "documents", (json_int_t)s->expect.documents, "bytes",
                                      (json_int_t)s->expect.bytes));
    return j;
}

void show_json(struct out *o, const struct plan *p) {
    json_t *all = json_object(), *sets = json_object(), *steps = json_array();
    for (size_t i = 0; i < p->n_sets; i++)
        json_object_set_new(sets, p->sets[i].name, list(p->sets[i].ids, p->sets[i].n));
    for (size_t i = 0; i < p->n_steps; i++)
        json_array_append_new(steps, step_of(&p->steps[i]));
    json_object_set_new(all, "mvimig", json_integer(1));
    json_object_set_new(all, "name", text(p->name));
    json_object_set_new(all, "pass", json_integer(p->pass));
    json_object_set_new(all, "base", list(p->base, p->n_base));
    json_object_set_new(all, "scope", text(p->scope));
    json_object_set_new(all, "digest", text(p->digest));
    json_object_set_new(all, "source", end_of(&p->source));
    json_object_set_new(all, "destination", end_of(&p->destination));
    json_object_set_new(all, "fixups", fixups_of(p));
    json_object_set_new(all, "excludes", list(p->excludes, p->n_excludes));
    json_object_set_new(all, "sets", sets);
    json_object_set_new(all, "steps", steps);
    out_json(o, all, false);
}
