// SPDX-License-Identifier: Apache-2.0
#include "schema/config_parts.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/tempfile.h"

#define PART_MAX ((size_t)1 << 20)
#define N(array) (sizeof(array) / sizeof *(array))

enum part_type { TYPE_TEXT, TYPE_SECRET, TYPE_SECRET_FILE, TYPE_PATH, TYPE_LIST };

static const struct part_key {
    const char *name;
    size_t member;
    enum part_type type;
} keys[] = {
#define CONFIG_KEY(name, member, type, meaning)                                                    \
    {name, offsetof(struct end_config, member), TYPE_##type},
#include "schema/config.tbl.h"
#undef CONFIG_KEY
};

struct parts {
    struct arena *arena;
    struct config_part *items;
    size_t n, cap;
    const char *data_dir;
};

// Of the keys of one member the one that is written: a file for a secret where there is such a key,
// else the first.
static bool is_written(size_t k) {
    for (size_t i = 0; i < N(keys); i++) {
        bool better = keys[i].type == TYPE_SECRET_FILE && keys[k].type != TYPE_SECRET_FILE;
        if (i != k && keys[i].member == keys[k].member &&
            (better || (i < k && keys[k].type != TYPE_SECRET_FILE))) {
            return false;
        }
    }
    return true;
}

static const char *add_part(struct parts *p, const struct end_config *end, const char *key,
                            const char *data, size_t len) {
    const char *name = arena_printf(p->arena, "%s-%s", end->label, key);
    struct config_part part = {name, data, len};
    ARENA_PUSH(p->arena, p->items, p->n, p->cap, part);
    return name;
}

static int add_file(struct parts *p, const struct end_config *end, const char *key,
                    const char *path, const char **name, struct err *e) {
    char *text = NULL;
    size_t len = 0;
    int rc = file_read(AT_FDCWD, path, PART_MAX, &text, &len, e);
    if (rc != 0) {
        e->code = ERR_USAGE;
        return err_wrap(e, "%s of %s", key, end->label);
    }
    char *copy = arena_alloc(p->arena, len + 1);
    memcpy(copy, text, len);
    explicit_bzero(text, len);
    free(text);
    *name = add_part(p, end, key, copy, len);
    return 0;
}

static json_t *list_of(char *const *items) {
    json_t *list = json_array();
    for (size_t i = 0; items[i] != NULL; i++) {
        json_array_append_new(list, json_string(items[i]));
    }
    return list;
}

static int put_key(struct parts *p, const struct end_config *end, const struct part_key *key,
                   json_t *to, struct err *e) {
    void *value = *(void *const *)((const char *)end + key->member);
    const char *text = value, *secret;
    int rc = 0;
    if (key->member == offsetof(struct end_config, data_dir) && strcmp(end->label, "source") == 0) {
        // The default stands in the member too; what it is there follows from where that is.
        text = end->kind == END_DIRECT ? p->data_dir : NULL;
    }
    if (text == NULL) {
        return 0;
    }
    switch (key->type) {
    case TYPE_TEXT:
        json_object_set_new(to, key->name, json_string(text));
        break;
    case TYPE_SECRET:
        json_object_set_new(to, key->name, json_string(secret_value(value)));
        break;
    case TYPE_SECRET_FILE:
        secret = arena_strdup(p->arena, secret_value(value));
        secret = add_part(p, end, key->name, secret, strlen(secret));
        json_object_set_new(to, key->name, json_string(secret));
        break;
    case TYPE_PATH:
        rc = add_file(p, end, key->name, value, &text, e);
        json_object_set_new(to, key->name, json_string(text));
        break;
    case TYPE_LIST:
        json_object_set_new(to, key->name, list_of(value));
        break;
    }
    return rc;
}

static int put_end(struct parts *p, const struct end_config *end, json_t *to, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < N(keys); i++) {
        if (is_written(i)) {
            rc = put_key(p, end, &keys[i], to, e);
        }
    }
    return rc;
}

int config_parts(const struct config *c, const char *data_dir, struct arena *a,
                 struct config_part **out, size_t *n, struct err *e) {
    struct parts p = {.arena = a, .data_dir = data_dir};
    struct config_part main = {CONFIG_PARTS_MAIN, "", 0};
    ARENA_PUSH(a, p.items, p.n, p.cap, main);
    json_t *source = json_object(), *destination = json_object();
    int rc = put_end(&p, &c->source, source, e);
    if (rc == 0) {
        rc = put_end(&p, &c->destination, destination, e);
    }
    json_t *all = json_pack("{s:o, s:o}", "source", source, "destination", destination);
    if (rc == 0) {
        AUTO_FREE char *text = json_dumps(all, JSON_INDENT(2));
        MUST(text != NULL);
        p.items[0].data = arena_printf(a, "%s\n", text);
        p.items[0].len = strlen(p.items[0].data);
        explicit_bzero(text, strlen(text));
        *out = p.items;
        *n = p.n;
    }
    json_decref(all);
    return rc;
}
