// SPDX-License-Identifier: Apache-2.0
#include "schema/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

#define FIELDS_SHOWN 100
#define FIELDS_MESSAGE 1024

bool fields_failed(const struct fields *f) {
    return f->e->code != 0;
}

void fields_fail(struct fields *f, int line, const char *fmt, ...) {
    if (fields_failed(f)) {
        return;
    }
    char message[FIELDS_MESSAGE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    err_set(f->e, ERR_USAGE, "%s:%d: %s", f->file, line, message);
}

bool fields_is_mapping(struct fields *f, const struct ynode *n, const char *what) {
    if (n->type != Y_MAPPING) {
        fields_fail(f, n->line, "%s has to be a mapping (key: value)", what);
    }
    return !fields_failed(f);
}

static void fields_fail_unknown(struct fields *f, const struct ynode *key, const char *what,
                                const char *const *known, size_t n_known) {
    char shown[FIELDS_SHOWN];
    escape_into(shown, sizeof shown, key->text, key->len);
    const char *near = ytree_nearest(key->text, known, n_known);
    if (near != NULL) {
        fields_fail(f, key->line, "unknown key \"%s\" in %s; did you mean \"%s\"?", shown, what,
                    near);
    } else {
        fields_fail(f, key->line, "unknown key \"%s\" in %s", shown, what);
    }
}

static bool fields_is_known(const char *key, const char *const *known, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(key, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool fields_mapping(struct fields *f, const struct ynode *n, const char *what,
                    const char *const *known, size_t n_known) {
    if (!fields_is_mapping(f, n, what)) {
        return false;
    }
    for (size_t i = 0; i < n->n && !fields_failed(f); i++) {
        if (!fields_is_known(n->keys[i]->text, known, n_known)) {
            fields_fail_unknown(f, n->keys[i], what, known, n_known);
        }
    }
    return !fields_failed(f);
}

static struct ynode *fields_get(struct fields *f, const struct ynode *map, const char *key) {
    return fields_failed(f) ? NULL : ytree_get(map, key);
}

const char *fields_text(struct fields *f, const struct ynode *map, const char *key, bool required) {
    const struct ynode *n = fields_get(f, map, key);
    if (n == NULL) {
        if (required) {
            fields_fail(f, map->line, "\"%s\" is missing", key);
        }
        return NULL;
    }
    if (n->type != Y_SCALAR) {
        fields_fail(f, n->line, "\"%s\" has to be a text", key);
        return NULL;
    }
    if (required && n->len == 0) {
        fields_fail(f, n->line, "\"%s\" is empty", key);
        return NULL;
    }
    return arena_strndup(f->arena, n->text, n->len);
}

bool fields_flag(struct fields *f, const struct ynode *map, const char *key) {
    const struct ynode *n = fields_get(f, map, key);
    bool value = false;
    if (n != NULL && ytree_bool(n, &value) != 0) {
        fields_fail(f, n->line, "\"%s\" has to be true or false", key);
    }
    return value;
}

uint64_t fields_number(struct fields *f, const struct ynode *map, const char *key) {
    const struct ynode *n = fields_get(f, map, key);
    uint64_t value = 0;
    if (n != NULL && ytree_uint(n, UINT64_MAX, &value) != 0) {
        fields_fail(f, n->line, "\"%s\" has to be a number from 0", key);
    }
    return value;
}

static void fields_fail_choice(struct fields *f, const struct ynode *value, const char *key,
                               const char *const *names, size_t n) {
    char shown[FIELDS_SHOWN];
    fields_fail(f, value->line, "\"%s\" cannot be \"%s\"; it is one of", key,
                escape_into(shown, sizeof shown, value->text, value->len));
    for (size_t i = 0; i < n; i++) {
        err_append(f->e, "%s %s", i == 0 ? "" : ",", names[i]);
    }
}

int fields_choice(struct fields *f, const struct ynode *map, const char *key,
                  const char *const *names, size_t n, int otherwise) {
    const char *text = fields_text(f, map, key, false);
    if (text == NULL) {
        return otherwise;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, names[i]) == 0) {
            return (int)i;
        }
    }
    fields_fail_choice(f, ytree_get(map, key), key, names, n);
    return otherwise;
}

struct ynode **fields_list(struct fields *f, const struct ynode *map, const char *key, size_t *n) {
    const struct ynode *list = fields_get(f, map, key);
    *n = 0;
    if (list == NULL) {
        return NULL;
    }
    if (list->type != Y_SEQUENCE) {
        fields_fail(f, list->line, "\"%s\" has to be a list", key);
        return NULL;
    }
    *n = list->n;
    return list->items;
}

const char **fields_texts(struct fields *f, const struct ynode *map, const char *key, size_t *n) {
    struct ynode **items = fields_list(f, map, key, n);
    const char **texts = arena_alloc(f->arena, (*n + 1) * sizeof *texts);
    for (size_t i = 0; i < *n; i++) {
        if (items[i]->type != Y_SCALAR || items[i]->len == 0) {
            fields_fail(f, items[i]->line, "\"%s\" has to be a list of texts", key);
            *n = 0;
            return NULL;
        }
        texts[i] = arena_strndup(f->arena, items[i]->text, items[i]->len);
    }
    return texts;
}
