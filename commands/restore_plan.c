// SPDX-License-Identifier: Apache-2.0
#include "commands/restore_plan.h"

#include <string.h>

#include "base/escape.h"
#include "compiler/compile.h"

struct making {
    struct plan *p;
    const struct plan_rules *rules;
    const struct restore_plan_options *o;
};

static bool has(const struct making *k, const char *collection) {
    for (size_t i = 0; i < k->o->n; i++)
        if (strcmp(k->o->segments[i].collection, collection) == 0)
            return true;
    return false;
}

static void add_needs(struct making *k, struct plan_step *s, const char *collection) {
    struct arena *a = k->p->arena;
    s->needs = arena_alloc(a, (k->rules->n_orders + 1) * sizeof *s->needs);
    for (size_t i = 0; i < k->rules->n_orders; i++) {
        const struct plan_order *order = &k->rules->orders[i];
        if (strcmp(order->collection, collection) == 0 && has(k, order->child))
            s->needs[s->n_needs++] = arena_printf(a, "restore/%s/", order->child);
    }
}

static void add_steps(struct making *k) {
    const struct restore_plan_options *o = k->o;
    struct plan *p = k->p;
    p->steps = arena_alloc(p->arena, (2 * o->n + 1) * sizeof *p->steps);
    p->n_steps = p->cap_steps = 2 * o->n;
    for (size_t i = 0; i < o->n; i++) {
        const struct backup_segment *g = &o->segments[i];
        struct plan_step *dump = &p->steps[i], *restore = &p->steps[o->n + i];
        const struct plan_expect expect = {
            .any = true, .documents = g->sum.documents, .bytes = g->sum.bytes};
        *dump = (struct plan_step){
            .id = arena_printf(p->arena, "dump/%s/%04zu", g->collection, g->number),
            .kind = KIND_DUMP,
            .collection = arena_strdup(p->arena, g->collection),
            .backup = arena_strdup(p->arena, g->sum.digest),
            .expect = expect};
        *restore = (struct plan_step){
            .id = arena_printf(p->arena, "restore/%s/%04zu", g->collection, g->number),
            .kind = KIND_RESTORE,
            .from = dump->id,
            .on_conflict = o->on_conflict,
            .expect = expect};
        add_needs(k, restore, g->collection);
    }
}

// A backup does not say of which version of MVI it is: all of them, as when it cannot be asked.
static void add_fixups(struct making *k, const struct model *m) {
    struct plan *p = k->p;
    p->fixups = arena_alloc(p->arena, (m->n_fixups + 1) * sizeof *p->fixups);
    for (size_t i = 0; i < m->n_fixups; i++) {
        const struct model_fixup *f = &m->fixups[i];
        if (has(k, f->collection))
            p->fixups[p->n_fixups++] =
                (struct plan_fixup){f->collection, f->field, f->pattern, f->replacement};
    }
}

int restore_plan_write(struct command_context *c, struct ends *ends, const struct model *m,
                       const struct restore_plan_options *o, struct buf *out, struct err *e) {
    AUTO_PLAN struct plan *p = plan_new();
    struct making k = {.p = p, .rules = compile_rules(m, c->arena), .o = o};
    AUTO(mongo_cleanup) struct mongo *session = NULL;
    char backup[1024], fingerprint[400] = "";
    int rc = ends_session(ends->destination_db, &session, e);
    if (rc == 0)
        rc = mongo_fingerprint(session, m->identity, m->n_identity, fingerprint, sizeof fingerprint,
                               e);
    if (rc != 0)
        return rc;
    escape_into(backup, sizeof backup, o->backup, strlen(o->backup));
    p->name = o->name;
    p->pass = 1;
    p->scope = arena_printf(p->arena, "restore %s", backup);
    p->source.server = arena_printf(p->arena, "backup %s", backup);
    if (o->facts->database[0] != 0 &&
        escape_is_utf8(o->facts->database, strlen(o->facts->database)))
        p->source.database = o->facts->database;
    p->destination.server =
        arena_printf(p->arena, "mongodb at %s", mongo_end_server(ends->destination_db)->host);
    p->destination.database = mongo_end_database(ends->destination_db);
    p->destination.fingerprint = fingerprint[0] != 0 ? fingerprint : NULL;
    add_steps(&k);
    add_fixups(&k, m);
    rc = plan_validate(p, k.rules, NULL, e);
    if (rc == 0)
        plan_emit(p, out);
    return rc;
}
