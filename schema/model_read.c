// SPDX-License-Identifier: Apache-2.0
// Text to model. What a well-formed text may still have wrong is in schema/model_check.c.
#include <string.h>

#include "base/ytree.h"
#include "schema/fields.h"
#include "schema/model.h"
#include "schema/model_check.h"

#define FORMAT 1
#define N(array) (sizeof(array) / sizeof *(array))

// Made of schema/mvi.yaml by cmake/Embed.cmake.
extern const char schema_mvi_yaml[];
extern const size_t schema_mvi_yaml_len;

static const char *const top_keys[] = {"mvimig-schema", "name",        "version", "identity",
                                       "work_folders",  "collections", "fixups"};
static const char *const collection_keys[] = {
    "noun",         "level", "class",           "owner",       "project", "label", "parent",
    "parent_field", "files", "files_elsewhere", "member_file", "refs",    "paths"};
static const char *const files_keys[] = {"under", "name", "tree", "required"};
static const char *const ref_keys[] = {"field", "to", "follow"};
static const char *const path_keys[] = {"field", "below"};
static const char *const fixup_keys[] = {"collection", "field", "pattern", "replacement", "before"};
static const char *const level_names[] = {"top", "second", "whole"};
static const char *const class_names[] = {"work", "accounts", "transient"};

static void read_files(struct fields *f, const struct ynode *map, struct model_collection *c) {
    struct ynode **items = fields_list(f, map, "files", &c->n_files);
    c->files = arena_alloc(f->arena, (c->n_files + 1) * sizeof *c->files);
    for (size_t i = 0; i < c->n_files; i++) {
        if (!fields_mapping(f, items[i], "an entry of files", files_keys, N(files_keys))) {
            return;
        }
        c->files[i] = (struct model_files){
            .under = fields_text(f, items[i], "under", true),
            .name = fields_text(f, items[i], "name", true),
            .tree = fields_flag(f, items[i], "tree"),
            .required = fields_flag(f, items[i], "required"),
        };
        check_files(f, items[i], c, i);
    }
}

static void read_refs(struct fields *f, const struct ynode *map, struct model_collection *c) {
    struct ynode **items = fields_list(f, map, "refs", &c->n_refs);
    c->refs = arena_alloc(f->arena, (c->n_refs + 1) * sizeof *c->refs);
    for (size_t i = 0; i < c->n_refs; i++) {
        if (!fields_mapping(f, items[i], "an entry of refs", ref_keys, N(ref_keys))) {
            return;
        }
        c->refs[i] = (struct model_ref){
            .field = fields_text(f, items[i], "field", true),
            .collection = fields_text(f, items[i], "to", true),
            .follow = fields_flag(f, items[i], "follow"),
        };
    }
}

static void read_paths(struct fields *f, const struct ynode *map, struct model_collection *c) {
    struct ynode **items = fields_list(f, map, "paths", &c->n_paths);
    c->paths = arena_alloc(f->arena, (c->n_paths + 1) * sizeof *c->paths);
    for (size_t i = 0; i < c->n_paths; i++) {
        struct model_path *p = &c->paths[i];
        if (!fields_mapping(f, items[i], "an entry of paths", path_keys, N(path_keys))) {
            return;
        }
        p->field = fields_text(f, items[i], "field", true);
        p->below = fields_texts(f, items[i], "below", &p->n_below);
        check_path(f, items[i], p);
    }
}

static void read_collection(struct fields *f, const char *name, const struct ynode *map,
                            struct model_collection *c) {
    const char *what = arena_printf(f->arena, "collection %s", name);
    c->name = arena_strdup(f->arena, name);
    if (!fields_mapping(f, map, what, collection_keys, N(collection_keys))) {
        return;
    }
    c->noun = fields_text(f, map, "noun", false);
    c->level = (enum model_level)fields_choice(f, map, "level", level_names, N(level_names), -1);
    c->class =
        (enum model_class)fields_choice(f, map, "class", class_names, N(class_names), MODEL_WORK);
    c->owner_field = fields_text(f, map, "owner", false);
    c->project_field = fields_text(f, map, "project", false);
    c->name_field = fields_text(f, map, "label", false);
    c->parent = fields_text(f, map, "parent", false);
    c->parent_field = fields_text(f, map, "parent_field", false);
    c->member_file.field = fields_text(f, map, "member_file", false);
    c->with_files = fields_flag(f, map, "files_elsewhere");
    read_files(f, map, c);
    read_refs(f, map, c);
    read_paths(f, map, c);
    c->with_files = c->with_files || c->n_files > 0 || c->n_paths > 0;
}

static void read_collections(struct fields *f, const struct ynode *root, struct model *m) {
    const struct ynode *map = ytree_get(root, "collections");
    if (fields_failed(f) || map == NULL || !fields_is_mapping(f, map, "\"collections\"")) {
        fields_fail(f, root->line, "\"collections\" is missing");
        return;
    }
    m->n_collections = map->n;
    m->collections = arena_alloc(f->arena, (map->n + 1) * sizeof *m->collections);
    for (size_t i = 0; i < map->n && !fields_failed(f); i++) {
        read_collection(f, map->keys[i]->text, map->items[i], &m->collections[i]);
        check_collection(f, map->keys[i]->line, m, i);
    }
    for (size_t i = 0; i < map->n && !fields_failed(f); i++) {
        check_links(f, map->keys[i]->line, m, &m->collections[i]);
    }
}

static void read_fixups(struct fields *f, const struct ynode *root, struct model *m) {
    struct ynode **items = fields_list(f, root, "fixups", &m->n_fixups);
    m->fixups = arena_alloc(f->arena, (m->n_fixups + 1) * sizeof *m->fixups);
    for (size_t i = 0; i < m->n_fixups; i++) {
        if (!fields_mapping(f, items[i], "an entry of fixups", fixup_keys, N(fixup_keys))) {
            return;
        }
        m->fixups[i] = (struct model_fixup){
            .collection = fields_text(f, items[i], "collection", true),
            .field = fields_text(f, items[i], "field", true),
            .pattern = fields_text(f, items[i], "pattern", true),
            .replacement = fields_text(f, items[i], "replacement", false),
            .before = fields_text(f, items[i], "before", false),
        };
        check_fixup(f, items[i], m, &m->fixups[i]);
    }
}

static void read_model(struct fields *f, const struct ynode *root, struct model *m) {
    if (!fields_mapping(f, root, "the schema", top_keys, N(top_keys))) {
        return;
    }
    if (fields_number(f, root, "mvimig-schema") != FORMAT) {
        fields_fail(f, root->line, "not a schema of this program: \"mvimig-schema: %d\" is missing",
                    FORMAT);
    }
    m->name = fields_text(f, root, "name", true);
    m->version = fields_text(f, root, "version", true);
    m->identity = fields_texts(f, root, "identity", &m->n_identity);
    m->work_folders = fields_texts(f, root, "work_folders", &m->n_work_folders);
    check_work_folders(f, root, m);
    read_collections(f, root, m);
    read_fixups(f, root, m);
}

int model_read(const char *name, const char *text, size_t len, struct model **out, struct err *e) {
    if (text == NULL) {
        name = "built-in schema";
        text = schema_mvi_yaml;
        len = schema_mvi_yaml_len;
    }
    struct ytree_limits limits = ytree_config_limits;
    limits.json_comments = false;
    struct arena *a = arena_new();
    AUTO_MODEL struct model *m = arena_alloc(a, sizeof *m);
    m->arena = a;
    struct ynode *root = NULL;
    int rc = ytree_read(a, name, text, len, &limits, &root, e);
    if (rc != 0) {
        return rc;
    }
    e->code = 0;
    read_model(&(struct fields){.file = name, .arena = a, .e = e}, root, m);
    if (e->code == 0) {
        *out = STEAL(m);
    }
    return e->code;
}
