// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>

#include "scan/internal.h"
#include "schema/pattern.h"

// One thing that was asked for: a pattern, or a name, which is taken whole when there is one like
// it, and otherwise split at commas.
struct wish {
    struct pattern *pattern; // NULL: a name
    const char *text;
    bool whole;
};
struct scan_wishes {
    size_t n;
    struct wish items[];
};

void scan_wishes_free(struct scan_wishes *w) {
    for (size_t i = 0; w && i < w->n; i++) {
        pattern_free(w->items[i].pattern);
    }
    free(w);
}

static void wishes_cleanup(struct scan_wishes **w) {
    scan_wishes_free(*w);
}

static int wishes_new(const struct scope_list *list, const char *option, struct arena *a,
                      struct scan_wishes **out, struct err *e) {
    AUTO(wishes_cleanup)
    struct scan_wishes *w = must_calloc(1, sizeof *w + list->n * sizeof w->items[0]);
    for (size_t i = 0; i < list->n; i++, w->n++) {
        const char *text = list->items[i];
        size_t len = strlen(text);
        w->items[i].text = text;
        if (len > 2 && text[0] == '/' && text[len - 1] == '/') {
            char *inner = arena_strndup(a, text + 1, len - 2);
            int rc = pattern_compile(inner, &w->items[i].pattern, e);
            if (rc < 0) {
                return err_wrap(e, "%s", option);
            }
        }
    }
    *out = STEAL(w);
    return 0;
}

// A name that is there as it was written is not split.
static void wishes_see(struct scan_wishes *w, const char *name) {
    for (size_t i = 0; w && name && i < w->n; i++) {
        if (!w->items[i].pattern && strcmp(w->items[i].text, name) == 0) {
            w->items[i].whole = true;
        }
    }
}

static bool part_is(const char *part, size_t len, const char *name) {
    while (len > 0 && isspace((unsigned char)*part)) {
        part++, len--;
    }
    while (len > 0 && isspace((unsigned char)part[len - 1])) {
        len--;
    }
    return strlen(name) == len && memcmp(part, name, len) == 0;
}

static bool wish_is(const struct wish *w, const char *name) {
    if (w->pattern) {
        struct err ignored = {0}; // a pattern that runs away matches nothing; the compiler says so
        return pattern_match(w->pattern, name, strlen(name), &ignored) == 1;
    }
    if (w->whole) {
        return strcmp(w->text, name) == 0;
    }
    for (const char *part = w->text; part;) {
        const char *comma = strchr(part, ',');
        if (part_is(part, comma ? (size_t)(comma - part) : strlen(part), name)) {
            return true;
        }
        part = comma ? comma + 1 : NULL;
    }
    return false;
}

static bool wishes_have(const struct scan_wishes *w, const char *name) {
    for (size_t i = 0; w && name && i < w->n; i++) {
        if (wish_is(&w->items[i], name)) {
            return true;
        }
    }
    return false;
}

bool scan_owner_reached(const struct scan_state *s, const char *owner) {
    return s->scope->server || wishes_have(s->users, owner);
}

static bool is_project(const struct scan_state *s, const struct inv_object *o) {
    const char *field = s->m->collections[o->collection].project_field;
    return field && strcmp(field, "_id") == 0;
}

static void reach_users(struct scan_state *s) {
    for (size_t i = 0; i < s->inv->n_objects; i++) {
        wishes_see(s->users, s->inv->objects[i].owner);
    }
    for (size_t i = 0; i < s->inv->n_objects; i++) {
        s->reached[i] = s->reached[i] || wishes_have(s->users, s->inv->objects[i].owner);
    }
}

static int reach_projects(struct scan_state *s, struct err *e) {
    AUTO(wishes_cleanup) struct scan_wishes *w = NULL;
    AUTO_STRTAB struct strtab *ids = strtab_new();
    int rc = wishes_new(&s->scope->projects, "--projects", s->arena, &w, e);
    for (size_t i = 0; rc == 0 && i < s->inv->n_objects; i++) {
        const struct inv_object *o = &s->inv->objects[i];
        wishes_see(w, o->project);
        wishes_see(w, is_project(s, o) ? o->name : NULL);
    }
    for (size_t i = 0; rc == 0 && i < s->inv->n_objects; i++) {
        const struct inv_object *o = &s->inv->objects[i];
        bool added;
        if (o->project &&
            (wishes_have(w, o->project) || (is_project(s, o) && wishes_have(w, o->name)))) {
            strtab_slot(ids, o->project, strlen(o->project), &added);
        }
    }
    for (size_t i = 0; rc == 0 && i < s->inv->n_objects; i++) {
        const char *project = s->inv->objects[i].project;
        s->reached[i] = s->reached[i] || (project && strtab_has(ids, project, strlen(project)));
    }
    return rc;
}

// What is followed may refer to more: a stack of objects whose references are still to be seen.
static void reach_followed(struct scan_state *s) {
    AUTO_FREE size_t *stack = must_calloc(s->inv->n_objects + 1, sizeof *stack);
    size_t depth = 0;
    for (size_t i = 0; i < s->inv->n_objects; i++) {
        if (s->reached[i]) {
            stack[depth++] = i;
        }
    }
    while (depth > 0) {
        const struct inv_object *o = &s->inv->objects[stack[--depth]];
        for (size_t r = 0; r < o->n_refs; r++) {
            size_t to = o->refs[r].follow
                            ? scan_find_object(s, o->refs[r].collection, o->refs[r].id)
                            : (size_t)-1;
            if (to != (size_t)-1 && !s->reached[to]) {
                s->reached[to] = true;
                stack[depth++] = to;
            }
        }
    }
}

int scan_select(struct scan_state *s, struct err *e) {
    s->reached = must_calloc(s->inv->n_objects + 1, sizeof *s->reached);
    if (s->scope->server) {
        memset(s->reached, true, s->inv->n_objects);
        return 0;
    }
    int rc = wishes_new(&s->scope->users, "--users", s->arena, &s->users, e);
    rc = rc ? rc : reach_projects(s, e);
    if (rc == 0) {
        reach_users(s);
        if (!s->scope->no_follow) {
            reach_followed(s);
        }
    }
    return rc;
}
