// SPDX-License-Identifier: Apache-2.0
#include "commands/scope_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "plans/params.h"

static int set_with(struct scope *s, const struct scope_list *with, struct err *e) {
    for (size_t i = 0; i < with->n; i++) {
        char *list = must_strdup(with->items[i]), *save = NULL;
        for (char *w = strtok_r(list, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
            if (strcmp(w, "accounts") == 0)
                s->with_accounts = true;
            else if (strcmp(w, "transient") == 0)
                s->with_transient = true;
            else
                err_set(e, ERR_USAGE, "--with takes accounts and transient");
        }
        free(list);
    }
    return e->code;
}

int scope_from_options(const struct options *o, struct scope *s, struct err *e) {
    s->server = o->server;
    s->users = o->users;
    s->projects = o->projects;
    s->excludes = o->excludes;
    s->files_only = o->files_only;
    s->no_follow = o->no_follow;
    s->on_conflict = -1;
    if (o->server && (o->users.n > 0 || o->projects.n > 0))
        return err_set(e, ERR_USAGE, "--server takes everything; leave out --users and --projects");
    if (!o->server && o->users.n == 0 && o->projects.n == 0)
        return err_set(e, ERR_USAGE,
                       "nothing says what to move: give --server, --users A,B or --projects P,Q");
    if (o->on_conflict != NULL)
        s->on_conflict = plan_conflict_find(o->on_conflict);
    if (o->on_conflict != NULL && s->on_conflict < 0)
        return err_set(e, ERR_USAGE, "--on-conflict takes keep, replace or fail");
    if (o->delete &&o->files_only)
        return err_set(e, ERR_USAGE,
                       "--delete and --files-only do not go together: documents go before the "
                       "files that they name");
    if (o->create_indexes && o->files_only)
        return err_set(e, ERR_USAGE,
                       "--create-indexes and --files-only do not go together: without documents "
                       "no index is made");
    const char *max = o->max_delete;
    if (max != NULL &&
        (!o->delete || max[0] == 0 || strlen(max) > 18 || strspn(max, "0123456789") != strlen(max)))
        return err_set(e, ERR_USAGE, "--max-delete takes a number, and goes with --delete");
    return set_with(s, &o->with, e);
}
