// SPDX-License-Identifier: Apache-2.0
// Names and patterns to owners and project IDs.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/ytree.h"
#include "compiler/internal.h"
#include "schema/pattern.h"

#define SHOWN 200
#define SOME 5           // names that an error lists
#define NEAREST_MAX 2000 // edit distance is slow

// Something that can be asked for.
struct candidate {
    const char *id;   // an owner, or a project's ID
    const char *name; // of a project; NULL when it has none
    bool exact;       // only when it is asked for by this very name
};
struct candidates {
    const char *option; // "--users", for messages
    const char *what;   // "user", "project group"
    struct candidate *items;
    size_t n, cap;
    struct strtab *known; // IDs
    struct arena *arena;
};

static void candidates_add(struct candidates *all, const char *id, const char *name) {
    bool added;
    uintptr_t *slot = strtab_slot(all->known, id, strlen(id), &added);
    if (added) {
        *slot = all->n;
        ARENA_PUSH(all->arena, all->items, all->n, all->cap,
                   (struct candidate){.id = id, .name = name});
    } else if (name != NULL) {
        MUST(all->items != NULL && *slot < all->n);
        all->items[*slot].name = name;
    }
}

static void find_owners(const struct inventory *inv, struct candidates *all) {
    for (size_t i = 0; i < inv->n_objects; i++) {
        if (inv->objects[i].owner != NULL) {
            candidates_add(all, inv->objects[i].owner, NULL);
        }
    }
    for (size_t i = 0; i < inv->n_dirs; i++) {
        if (inv->dirs[i].owner != NULL && inv->dirs[i].owner[0] != 0) {
            candidates_add(all, inv->dirs[i].owner, NULL);
        }
    }
    // Any directory at the top may be that of somebody who has nothing else: a person knows.
    for (size_t i = 0; i < inv->n_rest; i++) {
        size_t n = all->n;
        if (strcmp(inv->rest[i].top, ".") == 0) {
            continue;
        }
        candidates_add(all, inv->rest[i].top, NULL);
        if (all->n > n) {
            all->items[n].exact = true;
        }
    }
}

static void find_projects(const struct inventory *inv, struct candidates *all) {
    size_t groups = projects_collection(inv->model);
    for (size_t i = 0; i < inv->n_objects; i++) {
        const struct inv_object *o = &inv->objects[i];
        if (o->collection == groups && o->id_is_string) {
            candidates_add(all, o->id, o->name);
        } else if (o->collection != groups && o->project != NULL) {
            candidates_add(all, o->project, NULL);
        }
    }
}

static const char *shown(char out[SHOWN], const char *text) {
    return escape_into(out, SHOWN, text, strlen(text));
}

// Who finds nothing wants to know what there is.
static int append_some(const struct candidates *all, struct err *e) {
    if (all->n == 0) {
        return err_append(e, "; it has no %s at all", all->what);
    }
    for (size_t i = 0; i < all->n && i < SOME; i++) {
        const struct candidate *c = &all->items[i];
        char text[SHOWN];
        err_append(e, "%s\"%s\"", i == 0 ? "; it has " : ", ",
                   shown(text, c->name != NULL ? c->name : c->id));
    }
    return all->n > SOME ? err_append(e, " and %zu more", all->n - SOME) : e->code;
}

static int fail_unknown(const struct candidates *all, const char *text, struct err *e) {
    char quoted[SHOWN], near_shown[SHOWN];
    err_set(e, ERR_USAGE, "%s: the source has no %s \"%s\"", all->option, all->what,
            shown(quoted, text));
    if (all->n == 0 || all->n > NEAREST_MAX) {
        return append_some(all, e);
    }
    const char **known = arena_alloc(all->arena, 2 * all->n * sizeof *known);
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        known[n++] = all->items[i].id;
        if (all->items[i].name != NULL) {
            known[n++] = all->items[i].name;
        }
    }
    const char *near = ytree_nearest(text, known, n);
    return near != NULL ? err_append(e, "; did you mean \"%s\"?", shown(near_shown, near))
                        : append_some(all, e);
}

static int fail_ambiguous(const struct candidates *all, const char *text, size_t n,
                          const struct candidate *one, const struct candidate *other,
                          struct err *e) {
    char quoted[SHOWN], a[SHOWN], b[SHOWN];
    return err_set(e, ERR_USAGE, "%s: \"%s\" is the name of %zu %ss (%s, %s%s); give the ID",
                   all->option, shown(quoted, text), n, all->what, shown(a, one->id),
                   shown(b, other->id), n > 2 ? ", ..." : "");
}

// By ID, else by name. 1: *found; 0: there is none; negative: several have this name.
static int find_one(const struct candidates *all, const char *text, const char **found,
                    struct err *e) {
    const struct candidate *hits[2] = {NULL, NULL};
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct candidate *c = &all->items[i];
        if (strcmp(c->id, text) == 0) {
            *found = c->id;
            return 1;
        }
        if (c->name != NULL && strcmp(c->name, text) == 0) {
            hits[n > 0] = c;
            n++;
        }
    }
    if (n > 1) {
        return fail_ambiguous(all, text, n, hits[0], hits[1], e);
    }
    *found = n == 1 ? hits[0]->id : NULL;
    return n == 1;
}

static void take(struct candidates *all, struct scope_list *to, const char *id) {
    if (!scope_has(to, id)) {
        ARENA_PUSH(all->arena, to->items, to->n, to->cap, id);
    }
}

static int resolve_pattern(struct candidates *all, const char *text, size_t len,
                           struct scope_list *to, struct err *e) {
    AUTO(pattern_cleanup) struct pattern *p = NULL;
    int rc = pattern_compile(arena_strndup(all->arena, text + 1, len - 2), &p, e);
    size_t hits = 0;
    for (size_t i = 0; rc == 0 && i < all->n; i++) {
        const struct candidate *c = &all->items[i];
        int hit = c->exact ? 0 : pattern_match(p, c->id, strlen(c->id), e);
        if (hit == 0 && c->name != NULL) {
            hit = pattern_match(p, c->name, strlen(c->name), e);
        }
        if (hit < 0) {
            rc = e->code = ERR_USAGE;
        } else if (hit > 0) {
            hits++;
            take(all, to, c->id);
        }
    }
    if (rc != 0) {
        return err_wrap(e, "%s", all->option);
    }
    char quoted[SHOWN];
    if (hits > 0) {
        return 0;
    }
    err_set(e, ERR_USAGE, "%s: no %s of the source matches %s", all->option, all->what,
            shown(quoted, text));
    return append_some(all, e);
}

static int resolve_name(struct candidates *all, const char *text, struct scope_list *to,
                        struct err *e) {
    const char *id = NULL;
    if (text[0] == 0) {
        return err_set(e, ERR_USAGE, "%s: an empty name; take the extra comma out", all->option);
    }
    int rc = find_one(all, text, &id, e);
    if (rc == 0) {
        return fail_unknown(all, text, e);
    }
    if (rc > 0) {
        take(all, to, id);
    }
    return rc < 0 ? rc : 0;
}

static const char *trimmed(struct arena *a, const char *text, size_t len) {
    while (len > 0 && isspace((unsigned char)text[0])) {
        text++, len--;
    }
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    return arena_strndup(a, text, len);
}

static bool is_pattern(const char *text, size_t len) {
    return len > 2 && text[0] == '/' && text[len - 1] == '/';
}

static int resolve_list(struct candidates *all, const char *text, struct scope_list *to,
                        struct err *e) {
    int rc = 0;
    for (const char *at = text; rc == 0 && at != NULL;) {
        const char *comma = strchr(at, ',');
        const char *part = trimmed(all->arena, at, comma ? (size_t)(comma - at) : strlen(at));
        if (is_pattern(part, strlen(part))) {
            return err_set(e, ERR_USAGE, "%s: a pattern stands alone; repeat %s for more",
                           all->option, all->option);
        }
        rc = resolve_name(all, part, to, e);
        at = comma ? comma + 1 : NULL;
    }
    return rc;
}

// A value that is there as it was written is not split at its commas.
static int resolve_value(struct candidates *all, const char *text, struct scope_list *to,
                         struct err *e) {
    const char *id = NULL;
    if (is_pattern(text, strlen(text))) {
        return resolve_pattern(all, text, strlen(text), to, e);
    }
    int rc = find_one(all, text, &id, e);
    if (rc > 0) {
        take(all, to, id);
        return 0;
    }
    return rc < 0 ? rc : resolve_list(all, text, to, e);
}

static int text_order(const void *x, const void *y) {
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static int resolve(struct candidates *all, const struct scope_list *asked, struct scope_list *to,
                   struct err *e) {
    *to = (struct scope_list){0};
    for (size_t i = 0; i < asked->n; i++) {
        int rc = resolve_value(all, asked->items[i], to, e);
        if (rc != 0) {
            return rc;
        }
    }
    if (to->n > 1) {
        qsort(to->items, to->n, sizeof *to->items, text_order);
    }
    return 0;
}

static int check_asked(const struct scope *asked, struct err *e) {
    bool some = asked->users.n > 0 || asked->projects.n > 0;
    if (asked->server && some) {
        return err_set(e, ERR_USAGE, "--server takes everything; leave out --users and --projects");
    }
    if (!asked->server && !some) {
        return err_set(e, ERR_USAGE,
                       "nothing says what to move: give --server, --users A,B or "
                       "--projects P,Q");
    }
    for (size_t i = 0; i < asked->excludes.n; i++) {
        AUTO(pattern_cleanup) struct pattern *p = NULL;
        int rc = pattern_compile(asked->excludes.items[i], &p, e);
        if (rc != 0) {
            return err_wrap(e, "--exclude");
        }
    }
    return 0;
}

int scope_resolve(const struct inventory *inv, const struct scope *asked, struct scope *resolved,
                  struct arena *a, struct err *e) {
    AUTO_STRTAB struct strtab *owners = strtab_new();
    AUTO_STRTAB struct strtab *groups = strtab_new();
    struct candidates users = {"--users", "user", .known = owners, .arena = a};
    struct candidates projects = {"--projects", "project group", .known = groups, .arena = a};
    int rc = check_asked(asked, e);
    if (rc != 0) {
        return rc;
    }
    *resolved = *asked;
    find_owners(inv, &users);
    find_projects(inv, &projects);
    rc = resolve(&users, &asked->users, &resolved->users, e);
    return rc != 0 ? rc : resolve(&projects, &asked->projects, &resolved->projects, e);
}

bool scope_has(const struct scope_list *list, const char *item) {
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], item) == 0) {
            return true;
        }
    }
    return false;
}
