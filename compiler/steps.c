// SPDX-License-Identifier: Apache-2.0
#include "compiler/internal.h"

struct plan_step *step_add(struct compiling *c, enum step_kind_id kind, const char *id) {
    struct plan_step s = {.id = id, .kind = kind, .on_conflict = plan_kinds[kind].on_conflict};
    ARENA_PUSH(c->arena, c->plan->steps, c->plan->n_steps, c->plan->cap_steps, s);
    return &c->plan->steps[c->plan->n_steps - 1];
}

void step_needs(struct compiling *c, struct plan_step *s, const char *need) {
    const char **needs = arena_alloc(c->arena, (s->n_needs + 1) * sizeof *needs);
    for (size_t i = 0; i < s->n_needs; i++) {
        needs[i] = s->needs[i];
    }
    needs[s->n_needs++] = need;
    s->needs = needs;
}

enum conflict_policy step_policy(const struct compiling *c, enum conflict_policy otherwise) {
    if (c->scope->on_conflict >= 0) {
        return (enum conflict_policy)c->scope->on_conflict;
    }
    // With a base, what differs and is not as the base left it is somebody's work there.
    return c->plan->n_base > 0 ? CONFLICT_KEEP : otherwise;
}
