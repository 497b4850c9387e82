// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/escape.h"
#include "compiler/internal.h"

#define SHOWN 200
#define LISTED 20 // names of a list; how many more there are is told
#define TEXT_MAX ((size_t)1 << 20)

static bool is_word(const char *text) {
    static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "._@+-/";
    return text[0] != 0 && strlen(text) < SHOWN && text[strspn(text, chars)] == 0;
}

// As a shell would take it, as long as the text is printable.
static void put_value(struct buf *out, const char *text) {
    char shown[SHOWN];
    if (is_word(text)) {
        buf_puts(out, text);
        return;
    }
    buf_puts(out, "'");
    for (const char *p = escape_into(shown, sizeof shown, text, strlen(text)); *p != 0; p++) {
        if (*p == '\'') {
            buf_puts(out, "'\\''");
        } else {
            buf_put(out, p, 1);
        }
    }
    buf_puts(out, "'");
}

static void put_option(struct buf *out, const char *option) {
    buf_printf(out, "%s%s", out->len > 0 ? " " : "", option);
}

static bool all_words(const struct scope_list *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!is_word(list->items[i])) {
            return false;
        }
    }
    return true;
}

static void put_list(struct buf *out, const char *option, const struct scope_list *list,
                     bool joined) {
    size_t n = list->n < LISTED ? list->n : LISTED;
    joined = joined && all_words(list, n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !joined) {
            put_option(out, option);
        }
        buf_puts(out, i > 0 && joined ? "," : " ");
        put_value(out, list->items[i]);
    }
    if (n < list->n) {
        buf_printf(out, " (and %zu more)", list->n - n);
    }
}

const char *scope_text(struct compiling *c) {
    const struct scope *s = c->scope;
    AUTO_BUF struct buf b = BUF_INIT(TEXT_MAX);
    const struct {
        bool on;
        const char *option;
    } flags[] = {
        {s->files_only, "--files-only"},
        {s->with_accounts && s->with_transient, "--with accounts,transient"},
        {s->with_accounts && !s->with_transient, "--with accounts"},
        {!s->with_accounts && s->with_transient, "--with transient"},
        {s->no_follow, "--no-follow"},
    };
    if (s->server) {
        put_option(&b, "--server");
    }
    put_list(&b, "--users", &s->users, true);
    put_list(&b, "--projects", &s->projects, true);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (flags[i].on) {
            put_option(&b, flags[i].option);
        }
    }
    put_list(&b, "--exclude", &s->excludes, false);
    if (s->on_conflict >= 0) {
        put_option(&b, "--on-conflict ");
        buf_puts(&b, conflict_policy_names[s->on_conflict]);
    }
    return arena_strdup(c->arena, buf_str(&b));
}

// --- in words

static const char *name_of_project(const struct compiling *c, const char *id) {
    size_t groups = projects_collection(c->m);
    for (size_t i = 0; i < c->inv->n_objects; i++) {
        const struct inv_object *o = &c->inv->objects[i];
        if (o->collection == groups && strcmp(o->id, id) == 0) {
            return o->name;
        }
    }
    return NULL;
}

static void put_names(struct compiling *c, struct buf *out, const struct scope_list *list,
                      bool projects) {
    for (size_t i = 0; i < list->n && i < LISTED; i++) {
        const char *id = list->items[i], *name = projects ? name_of_project(c, id) : NULL;
        char shown[SHOWN];
        buf_puts(out, i > 0 ? ", " : " ");
        put_value(out, id);
        if (name != NULL) {
            buf_printf(out, " (%s)", escape_into(shown, sizeof shown, name, strlen(name)));
        }
    }
    if (list->n > LISTED) {
        buf_printf(out, " and %zu more", list->n - LISTED);
    }
}

const char *scope_title(struct compiling *c) {
    const struct scope *s = c->scope;
    AUTO_BUF struct buf b = BUF_INIT(TEXT_MAX);
    if (s->server) {
        buf_puts(&b, "Moves all of the server");
    } else {
        buf_puts(&b, "Moves");
    }
    if (s->users.n > 0) {
        buf_puts(&b, s->users.n == 1 ? " user" : " users");
        put_names(c, &b, &s->users, false);
    }
    if (s->projects.n > 0) {
        buf_puts(&b, s->users.n > 0 ? ";" : "");
        buf_puts(&b, s->projects.n == 1 ? " project group" : " project groups");
        put_names(c, &b, &s->projects, true);
    }
    buf_puts(&b, s->files_only ? ": files only" : "");
    return arena_strdup(c->scratch, buf_str(&b));
}
