// SPDX-License-Identifier: Apache-2.0
#include "schema/model.h"

#include <string.h>

#include "base/path.h"

#define OWNER "{owner}"
#define ID "{id}"

void model_free(struct model *m) {
    if (m != NULL) {
        arena_free(m->arena);
    }
}

void model_cleanup(struct model **m) {
    model_free(*m);
    *m = NULL;
}

size_t model_index(const struct model *m, const char *name) {
    for (size_t i = 0; i < m->n_collections; i++) {
        if (strcmp(m->collections[i].name, name) == 0) {
            return i;
        }
    }
    return (size_t)-1;
}

const struct model_collection *model_find(const struct model *m, const char *name) {
    size_t i = model_index(m, name);
    return i == (size_t)-1 ? NULL : &m->collections[i];
}

char *model_under(const struct model_files *f, const char *owner, struct arena *a) {
    const char *at = strstr(f->under, OWNER);
    if (at == NULL) {
        return arena_strdup(a, f->under);
    }
    if (owner == NULL) {
        return NULL;
    }
    return arena_printf(a, "%.*s%s%s", (int)(at - f->under), f->under, owner, at + strlen(OWNER));
}

// ASCII letters and digits, and every byte of a longer character.
static bool model_is_word(char c) {
    unsigned char u = (unsigned char)c;
    return (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') || u >= 0x80;
}

bool model_name_matches(const struct model_files *f, const char *id, const char *name) {
    const char *suffix = f->name + strlen(ID);
    size_t len = strlen(id);
    if (strncmp(name, id, len) != 0) {
        return false;
    }
    if (strcmp(suffix, "*") == 0) {
        return !model_is_word(name[len]);
    }
    return strcmp(name + len, suffix) == 0;
}

const char *model_path_relative(const struct model_path *p, const char *value) {
    for (size_t i = 0; i < p->n_below; i++) {
        size_t len = strlen(p->below[i]);
        if (strncmp(value, p->below[i], len) == 0) {
            return path_relative_ok(value + len) ? value + len : NULL;
        }
    }
    return NULL;
}
