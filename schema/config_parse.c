// SPDX-License-Identifier: Apache-2.0
// Text to configuration. Which keys go together is in schema/config_check.c.
#include <stdlib.h>
#include <string.h>

#include "schema/config_private.h"

#define SOURCE_MOUNTPOINT_ENV "MIGMGR_MOUNTPOINT"
#define SOURCE_DATA "/opt/powerai-vision/data"
#define DATABASE "DLAAS"
#define N(array) (sizeof(array) / sizeof *(array))

enum key_type { TYPE_TEXT, TYPE_SECRET, TYPE_SECRET_FILE, TYPE_PATH, TYPE_LIST };

static const struct key {
    const char *name;
    size_t member;
    enum key_type type;
} keys[] = {
#define CONFIG_KEY(name, member, type, meaning)                                                    \
    {name, offsetof(struct end_config, member), TYPE_##type},
#include "schema/config.tbl.h"
#undef CONFIG_KEY
};

static const char *const key_names[] = {
#define CONFIG_KEY(name, member, type, meaning) name,
#include "schema/config.tbl.h"
#undef CONFIG_KEY
};

static const char *const end_names[] = {"source", "destination"};

struct parsing {
    struct fields f;
    struct end_config *end;
};

// JSON's other values, unquoted: as a password they would lose zeros or turn into words.
static const char *other_type(const struct ynode *n) {
    if (n->type != Y_SCALAR) {
        return n->type == Y_MAPPING ? "a mapping" : "a list";
    }
    if (!n->plain) {
        return NULL;
    }
    if (n->len == 0 || strcmp(n->text, "null") == 0 || strcmp(n->text, "~") == 0) {
        return "nothing (null)";
    }
    if (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0) {
        return "true or false";
    }
    return n->text[strspn(n->text, "0123456789+-.eE")] == 0 ? "a number" : NULL;
}

static bool check_value(struct parsing *p, const struct key *k, const struct ynode *n) {
    const char *other = other_type(n);
    if (other != NULL) {
        fields_fail(&p->f, n->line, "%s of %s is %s; it has to be a text in double quotes", k->name,
                    p->end->label, other);
    } else if (n->len == 0) {
        fields_fail(&p->f, n->line, "%s of %s is empty; give it a value or leave it out", k->name,
                    p->end->label);
    } else if (strpbrk(n->text, "\n\r") != NULL) {
        fields_fail(&p->f, n->line, "%s of %s holds a line end", k->name, p->end->label);
    }
    return !fields_failed(&p->f);
}

static bool is_env_name(const char *name, size_t len) {
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return len > 0 && strchr(first, name[0]) != NULL && strspn(name, more) == len;
}

// The value itself, or that of the environment variable that it names as a whole.
static const char *from_environment(struct parsing *p, const struct key *k, const struct ynode *n) {
    if (strncmp(n->text, "${", 2) != 0 || n->text[n->len - 1] != '}') {
        return n->text;
    }
    AUTO_FREE char *name = must_strndup(n->text + 2, n->len - 3);
    if (!is_env_name(name, n->len - 3)) {
        return n->text;
    }
    const char *value = getenv(name);
    if (value == NULL || value[0] == 0) {
        fields_fail(&p->f, n->line, "%s of %s: the environment variable %s is not set", k->name,
                    p->end->label, name);
        return NULL;
    }
    return value;
}

static char *beside_config(const struct parsing *p, const char *path) {
    const char *slash = strrchr(p->f.file, '/');
    if (path[0] == '/' || slash == NULL) {
        return must_strdup(path);
    }
    return must_sprintf("%.*s/%s", (int)(slash - p->f.file), p->f.file, path);
}

static void take_secret_file(struct parsing *p, const struct key *k, const struct ynode *n,
                             const char *value, struct secret **to) {
    struct err why = {0};
    AUTO_FREE char *path = beside_config(p, value);
    if (secret_from_file(path, to, &why) != 0) {
        fields_fail(&p->f, n->line, "%s of %s: %s", k->name, p->end->label, why.text);
    }
}

static void take_list(struct parsing *p, const struct key *k, const struct ynode *n, char ***to) {
    if (n->type != Y_SEQUENCE || n->n == 0) {
        fields_fail(&p->f, n->line, "%s of %s has to be a list of texts", k->name, p->end->label);
        return;
    }
    *to = must_calloc(n->n + 1, sizeof **to);
    for (size_t i = 0; i < n->n && check_value(p, k, n->items[i]); i++) {
        (*to)[i] = must_strdup(n->items[i]->text);
    }
}

static void take_key(struct parsing *p, const struct key *k, const struct ynode *n) {
    void *member = (char *)p->end + k->member;
    if (k->type == TYPE_LIST) {
        take_list(p, k, n, member);
        return;
    }
    const char *value = check_value(p, k, n) ? from_environment(p, k, n) : NULL;
    if (value == NULL) {
        return;
    }
    if (*(void **)member != NULL) {
        fields_fail(&p->f, n->line, "%s of %s says what another key says already; leave one out",
                    k->name, p->end->label);
        return;
    }
    switch (k->type) {
    case TYPE_TEXT:
        *(char **)member = must_strdup(value);
        break;
    case TYPE_PATH:
        *(char **)member = beside_config(p, value);
        break;
    case TYPE_SECRET:
        *(struct secret **)member = secret_new(value, strlen(value));
        break;
    case TYPE_SECRET_FILE:
        take_secret_file(p, k, n, value, member);
        break;
    case TYPE_LIST: // taken above
        break;
    }
}

static void set_defaults(struct end_config *end, bool source) {
    if (end->mongo_database == NULL) {
        end->mongo_database = must_strdup(DATABASE);
    }
    if (source && end->data_dir == NULL) {
        const char *mount = getenv(SOURCE_MOUNTPOINT_ENV);
        end->data_dir = must_strdup(mount != NULL && mount[0] != 0 ? mount : SOURCE_DATA);
    }
}

static void take_end(struct parsing *p, const struct ynode *map, bool source) {
    if (!fields_mapping(&p->f, map, p->end->label, key_names, N(key_names))) {
        return;
    }
    for (size_t i = 0; i < map->n && !fields_failed(&p->f); i++) {
        for (size_t k = 0; k < N(keys); k++) {
            if (strcmp(map->keys[i]->text, keys[k].name) == 0) {
                take_key(p, &keys[k], map->items[i]);
            }
        }
    }
    if (!fields_failed(&p->f)) {
        config_check_end(p->end, &(struct config_given){p->f.file, map}, p->f.e);
    }
    set_defaults(p->end, source);
}

// Secrets stood in the tree as text; the arena would hand them to the next user of the memory.
static void wipe_tree(struct ynode *n) {
    if (n->type == Y_SCALAR) {
        explicit_bzero((void *)n->text, n->len);
    }
    for (size_t i = 0; i < n->n; i++) {
        wipe_tree(n->items[i]);
    }
}

static int take_config(struct fields *f, const struct ynode *root, struct config *c) {
    struct end_config *ends[] = {&c->source, &c->destination};
    if (!fields_mapping(f, root, "the network configuration", end_names, N(end_names))) {
        return f->e->code;
    }
    for (size_t i = 0; i < N(ends) && !fields_failed(f); i++) {
        struct parsing p = {*f, ends[i]};
        const struct ynode *map = ytree_get(root, end_names[i]);
        if (map == NULL) {
            fields_fail(f, root->line, "\"%s\" is missing", end_names[i]);
        } else {
            take_end(&p, map, i == 0);
        }
    }
    if (!fields_failed(f)) {
        config_check_pair(c, &(struct config_given){f->file, ytree_get(root, "destination")}, f->e);
    }
    return f->e->code;
}

static void config_arena_cleanup(struct arena **a) {
    arena_free(*a);
}

int config_parse(const char *name, const char *text, size_t len, struct config **out,
                 struct err *e) {
    AUTO(config_arena_cleanup) struct arena *a = arena_new();
    struct ynode *root = NULL;
    int rc = ytree_read(a, name, text, len, &ytree_config_limits, &root, e);
    if (rc != 0) {
        return rc;
    }
    e->code = 0;
    AUTO_CONFIG struct config *c = must_calloc(1, sizeof *c);
    c->path = must_strdup(name);
    c->source.label = end_names[0];
    c->destination.label = end_names[1];
    rc = take_config(&(struct fields){.file = name, .arena = a, .e = e}, root, c);
    wipe_tree(root);
    if (rc == 0) {
        *out = STEAL(c);
    }
    return rc;
}
