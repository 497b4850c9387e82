// SPDX-License-Identifier: Apache-2.0
#include "commands/taken_out.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/strtab.h"
#include "commands/migration_dir.h"

#define NAMED_MAX 5
#define SHOWN_MAX 120

// Sets are cut anew when a plan is made again: an object is known by what the sets have in common
// ("datasets/alice/0001" without its number) and its ID.
static const char *object_key(struct arena *a, const struct plan_set *s, const char *id) {
    const char *slash = strrchr(s->name, '/');
    int len = slash != NULL ? (int)(slash - s->name) : (int)strlen(s->name);
    return arena_printf(a, "%.*s %s", len, s->name, id);
}

static struct strtab *objects_of(struct arena *a, const struct plan *p) {
    struct strtab *t = strtab_new();
    for (size_t i = 0; i < p->n_sets; i++) {
        for (size_t k = 0; k < p->sets[i].n; k++) {
            const char *key = object_key(a, &p->sets[i], p->sets[i].ids[k]);
            bool added;
            strtab_slot(t, key, strlen(key), &added);
        }
    }
    return t;
}

static size_t list_gone(struct arena *a, const struct plan *before, const struct strtab *now,
                        struct buf *names) {
    size_t n = 0;
    for (size_t i = 0; i < before->n_sets; i++) {
        for (size_t k = 0; k < before->sets[i].n; k++) {
            const char *key = object_key(a, &before->sets[i], before->sets[i].ids[k]);
            if (strtab_has(now, key, strlen(key)))
                continue;
            char shown[SHOWN_MAX - 2];
            escape_into(shown, sizeof shown, key, strlen(key));
            if (n++ < NAMED_MAX)
                buf_printf(names, "%s%s", n > 1 ? ", " : "", shown);
        }
    }
    return n;
}

int taken_out_tell(struct execution *x, struct err *e) {
    AUTO_PLAN struct plan *before = NULL;
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_BUF struct buf names = BUF_INIT(NAMED_MAX * SHOWN_MAX);
    struct err ignored = {0};
    const char *path = arena_printf(a, "%s/%s", x->workdir, WORKDIR_PLAN);
    if (plan_read_file(path, &before, &ignored) != 0 ||
        strcmp(before->digest, x->plan->digest) == 0)
        return 0;
    AUTO_STRTAB struct strtab *now = objects_of(a, x->plan);
    size_t n = list_gone(a, before, now, &names);
    if (n == 0)
        return 0;
    out_log(x->c->out, OUT_INFO, NULL,
            "%zu object%s taken out of the plan since it was last applied; what of %s has moved "
            "stays at the destination: %s%s",
            n, n == 1 ? " was" : "s were", n == 1 ? "it" : "them", buf_str(&names),
            n > NAMED_MAX ? ", ..." : "");
    return journal_event(x->journal, "taken-out", NULL, buf_str(&names), e);
}
