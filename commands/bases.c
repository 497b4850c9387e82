// SPDX-License-Identifier: Apache-2.0
#include "commands/bases.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/migration_dir.h"
#include "plans/plan.h"

struct bases {
    struct compile_base *items;
    size_t n, cap;
};

static bool same_text(const char *a, const char *b) {
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool same_end(const struct plan_end *was, const struct inv_end *is) {
    bool unknown = was->fingerprint == NULL || was->fingerprint[0] == 0;
    return unknown ? same_text(was->server, is->server) && same_text(was->database, is->database)
                   : same_text(was->fingerprint, is->fingerprint);
}

// Only what was begun has laid anything.
static bool was_applied(struct command_context *c, const char *dir) {
    return access(arena_printf(c->arena, "%s/" WORKDIR_JOURNAL, dir), F_OK) == 0 &&
           access(arena_printf(c->arena, "%s/" WORKDIR_PLAN, dir), F_OK) == 0;
}

static void consider(struct command_context *c, const char *parent, const char *name,
                     const struct inventory *inv, struct bases *b) {
    const char *dir = arena_printf(c->arena, "%s/%s", parent, name);
    AUTO_PLAN struct plan *p = NULL;
    struct err why = {0};
    if (!plan_name_ok(name) || !was_applied(c, dir))
        return;
    if (plan_read_file(arena_printf(c->arena, "%s/" WORKDIR_PLAN, dir), &p, &why) != 0) {
        out_log(c->out, OUT_WARNING, NULL, "%s is no base: %s", dir, why.text);
        return;
    }
    if (!same_end(&p->source, &inv->source) || !same_end(&p->destination, &inv->destination))
        return;
    struct compile_base base = {.name = arena_strdup(c->arena, name),
                                .scope =
                                    p->scope != NULL ? arena_strdup(c->arena, p->scope) : NULL};
    ARENA_PUSH(c->arena, b->items, b->n, b->cap, base);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct compile_base *)a)->name, ((const struct compile_base *)b)->name);
}

int bases_find(struct command_context *c, const char *workdir, const struct inventory *inv,
               struct compile_options *o, struct err *e) {
    struct bases b = {0};
    const char *slash = strrchr(workdir, '/');
    const char *parent = slash == NULL ? "."
                         : slash == workdir
                             ? "/"
                             : arena_strndup(c->arena, workdir, (size_t)(slash - workdir));
    DIR *dir = opendir(parent);
    if (dir == NULL && errno != ENOENT)
        return err_sys(e, ERR_JOURNAL, errno, "%s cannot be read to find earlier migrations",
                       parent);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;)
        consider(c, parent, d->d_name, inv, &b);
    if (dir != NULL)
        closedir(dir);
    if (b.n > 0)
        qsort(b.items, b.n, sizeof *b.items, by_name);
    o->base = b.items;
    o->n_base = b.n;
    return 0;
}
