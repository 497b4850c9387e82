// SPDX-License-Identifier: Apache-2.0
// The text form of an inventory. All keys may be left out but those marked *.
//
//   mvimig-inventory*: 1
//   source, destination: {server, database, root, fingerprint, version, product}
//   collections:
//     NAME: {documents, bytes, ranges: [{from, to, documents, bytes}]}    # there: it exists
//   objects:
//     NAME:                                                               # of level top
//       - id*: ID                        # or json: its extended JSON, when it is no string
//         owner, project, name: TEXT
//         files: [[files, bytes], ...]                  # one pair for each file set
//         children: {COLLECTION: documents}
//         refs: [[COLLECTION, ID], ...]
//         paths: [{path*, files, bytes}]
//   dirs:
//     PATH: {owner, entries: [{name*, dir, documented, files, bytes}]}
//   rest:
//     TOP: {files, bytes}
//   findings: [{kind*, collection, id, detail}]
//   indexes: [{collection*, name, spec*, was}]
//   forecast:
//     NAME: {fresh, identical, unfixed, different, clash}
#include <string.h>

#include "base/path.h"
#include "base/ytree.h"
#include "schema/fields.h"
#include "schema/inventory.h"

#define FORMAT 1
#define N(array) (sizeof(array) / sizeof *(array))

struct reading {
    struct fields f;
    const struct model *model;
    struct inventory *inv;
    size_t cap_objects;
};

static const char *const top_keys[] = {"mvimig-inventory", "source",  "destination", "collections",
                                       "objects",          "dirs",    "rest",        "findings",
                                       "indexes",          "forecast"};
static const char *const end_keys[] = {"server",      "database", "root",
                                       "fingerprint", "version",  "product"};
static const char *const collection_keys[] = {"documents", "bytes", "ranges"};
static const char *const range_keys[] = {"from", "to", "documents", "bytes"};
static const char *const object_keys[] = {"id",    "json",     "owner", "project", "name",
                                          "files", "children", "refs",  "paths"};
static const char *const path_keys[] = {"path", "files", "bytes"};
static const char *const dir_keys[] = {"owner", "entries"};
static const char *const entry_keys[] = {"name", "dir", "documented", "files", "bytes"};
static const char *const count_keys[] = {"files", "bytes"};
static const char *const finding_keys[] = {"kind", "collection", "id", "detail"};
static const char *const index_keys[] = {"collection", "name", "spec", "was"};
static const char *const forecast_keys[] = {"fresh", "identical", "unfixed", "different", "clash"};

// The mapping under `key`; NULL when it is missing or something is wrong.
static const struct ynode *section(struct reading *r, const struct ynode *root, const char *key) {
    const struct ynode *n = fields_failed(&r->f) ? NULL : ytree_get(root, key);
    return n != NULL && fields_is_mapping(&r->f, n, key) ? n : NULL;
}

static size_t find_collection(struct reading *r, const char *name, int line) {
    size_t i = model_index(r->model, name);
    if (i == (size_t)-1) {
        fields_fail(&r->f, line, "collection %s is not declared by the schema", name);
        return 0;
    }
    return i;
}

static struct inv_count read_count(struct reading *r, const struct ynode *map) {
    return (struct inv_count){fields_number(&r->f, map, "files"),
                              fields_number(&r->f, map, "bytes")};
}

static const char *text_or_empty(struct reading *r, const struct ynode *map, const char *key) {
    const char *text = fields_text(&r->f, map, key, false);
    return text != NULL ? text : "";
}

static void read_end(struct reading *r, const struct ynode *root, const char *key,
                     struct inv_end *end) {
    const struct ynode *n = fields_failed(&r->f) ? NULL : ytree_get(root, key);
    if (n == NULL || !fields_mapping(&r->f, n, key, end_keys, N(end_keys))) {
        return;
    }
    end->server = text_or_empty(r, n, "server");
    end->database = text_or_empty(r, n, "database");
    end->root = text_or_empty(r, n, "root");
    end->fingerprint = text_or_empty(r, n, "fingerprint");
    end->version = text_or_empty(r, n, "version");
    end->product = text_or_empty(r, n, "product");
}

static void read_ranges(struct reading *r, const struct ynode *map, struct inv_collection *c) {
    struct ynode **items = fields_list(&r->f, map, "ranges", &c->n_ranges);
    c->ranges = arena_alloc(r->inv->arena, (c->n_ranges + 1) * sizeof *c->ranges);
    for (size_t i = 0; i < c->n_ranges; i++) {
        if (!fields_mapping(&r->f, items[i], "a range", range_keys, N(range_keys))) {
            return;
        }
        c->ranges[i] = (struct inv_range){
            .from_id = fields_text(&r->f, items[i], "from", false),
            .to_id = fields_text(&r->f, items[i], "to", false),
            .documents = fields_number(&r->f, items[i], "documents"),
            .bytes = fields_number(&r->f, items[i], "bytes"),
        };
    }
}

static void read_collections(struct reading *r, const struct ynode *root) {
    const struct ynode *map = section(r, root, "collections");
    for (size_t i = 0; map != NULL && i < map->n; i++) {
        const struct ynode *n = map->items[i];
        struct inv_collection *c =
            &r->inv->collections[find_collection(r, map->keys[i]->text, map->keys[i]->line)];
        if (!fields_mapping(&r->f, n, "a collection", collection_keys, N(collection_keys))) {
            return;
        }
        c->exists = true;
        c->documents = fields_number(&r->f, n, "documents");
        c->bytes = fields_number(&r->f, n, "bytes");
        read_ranges(r, n, c);
    }
}

static uint64_t number_at(struct reading *r, const struct ynode *pair, size_t at) {
    uint64_t value = 0;
    if (pair->type != Y_SEQUENCE || pair->n != 2 ||
        ytree_uint(pair->items[at], UINT64_MAX, &value) != 0) {
        fields_fail(&r->f, pair->line, "it has to be a pair of numbers: [files, bytes]");
    }
    return value;
}

static void read_files(struct reading *r, const struct ynode *map, struct inv_object *o) {
    const struct model_collection *c = &r->model->collections[o->collection];
    size_t n = 0;
    struct ynode **items = fields_list(&r->f, map, "files", &n);
    o->files = arena_alloc(r->inv->arena, (c->n_files + 1) * sizeof *o->files);
    if (n > c->n_files) {
        fields_fail(&r->f, map->line, "more pairs in \"files\" than %s has file sets", c->name);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        o->files[i].files = number_at(r, items[i], 0);
        o->files[i].bytes = number_at(r, items[i], 1);
    }
}

static void read_children(struct reading *r, const struct ynode *map, struct inv_object *o) {
    const struct ynode *n = section(r, map, "children");
    if (n == NULL) {
        return;
    }
    o->children = arena_alloc(r->inv->arena, (r->model->n_collections + 1) * sizeof *o->children);
    for (size_t i = 0; i < n->n; i++) {
        size_t c = find_collection(r, n->keys[i]->text, n->keys[i]->line);
        o->children[c] = fields_number(&r->f, n, n->keys[i]->text);
    }
}

static bool follows(const struct model_collection *from, const char *to) {
    for (size_t i = 0; i < from->n_refs; i++) {
        if (from->refs[i].follow && strcmp(from->refs[i].collection, to) == 0) {
            return true;
        }
    }
    return false;
}

static void read_refs(struct reading *r, const struct ynode *map, struct inv_object *o) {
    struct ynode **items = fields_list(&r->f, map, "refs", &o->n_refs);
    o->refs = arena_alloc(r->inv->arena, (o->n_refs + 1) * sizeof *o->refs);
    for (size_t i = 0; i < o->n_refs && !fields_failed(&r->f); i++) {
        const struct ynode *pair = items[i];
        if (pair->type != Y_SEQUENCE || pair->n != 2 || pair->items[0]->type != Y_SCALAR ||
            pair->items[1]->type != Y_SCALAR) {
            fields_fail(&r->f, pair->line, "a reference has to be a pair: [COLLECTION, ID]");
            return;
        }
        size_t to = find_collection(r, pair->items[0]->text, pair->line);
        o->refs[i] = (struct inv_ref){
            .collection = to,
            .id = arena_strdup(r->inv->arena, pair->items[1]->text),
            .follow =
                follows(&r->model->collections[o->collection], r->model->collections[to].name),
        };
    }
}

static void read_paths(struct reading *r, const struct ynode *map, struct inv_object *o) {
    struct ynode **items = fields_list(&r->f, map, "paths", &o->n_paths);
    o->paths = arena_alloc(r->inv->arena, (o->n_paths + 1) * sizeof *o->paths);
    for (size_t i = 0; i < o->n_paths; i++) {
        if (!fields_mapping(&r->f, items[i], "a path", path_keys, N(path_keys))) {
            return;
        }
        o->paths[i].path = fields_text(&r->f, items[i], "path", true);
        o->paths[i].count = read_count(r, items[i]);
    }
}

static void read_object(struct reading *r, size_t collection, const struct ynode *n) {
    if (!fields_mapping(&r->f, n, "an object", object_keys, N(object_keys))) {
        return;
    }
    const char *json = fields_text(&r->f, n, "json", false);
    struct inv_object o = {
        .collection = collection,
        .id = json != NULL ? json : fields_text(&r->f, n, "id", false),
        .id_is_string = json == NULL,
        .owner = fields_text(&r->f, n, "owner", false),
        .project = fields_text(&r->f, n, "project", false),
        .name = fields_text(&r->f, n, "name", false),
    };
    if (o.id == NULL) {
        fields_fail(&r->f, n->line, "an object needs an \"id\" or \"json\"");
        return;
    }
    o.id_is_safe = o.id_is_string && path_component_ok(o.id, strlen(o.id));
    o.owner_is_safe = o.owner != NULL && path_component_ok(o.owner, strlen(o.owner));
    read_files(r, n, &o);
    read_children(r, n, &o);
    read_refs(r, n, &o);
    read_paths(r, n, &o);
    ARENA_PUSH(r->inv->arena, r->inv->objects, r->inv->n_objects, r->cap_objects, o);
}

static void read_objects(struct reading *r, const struct ynode *root) {
    const struct ynode *map = section(r, root, "objects");
    for (size_t i = 0; map != NULL && i < map->n; i++) {
        size_t c = find_collection(r, map->keys[i]->text, map->keys[i]->line);
        size_t n = 0;
        struct ynode **items = fields_list(&r->f, map, map->keys[i]->text, &n);
        if (r->model->collections[c].level != MODEL_TOP) {
            fields_fail(&r->f, map->keys[i]->line, "%s has no objects: it is not of level top",
                        map->keys[i]->text);
        }
        for (size_t j = 0; j < n && !fields_failed(&r->f); j++) {
            read_object(r, c, items[j]);
        }
    }
}

static void read_entries(struct reading *r, const struct ynode *map, struct inv_dir *d) {
    struct ynode **items = fields_list(&r->f, map, "entries", &d->n_entries);
    d->entries = arena_alloc(r->inv->arena, (d->n_entries + 1) * sizeof *d->entries);
    for (size_t i = 0; i < d->n_entries; i++) {
        if (!fields_mapping(&r->f, items[i], "an entry", entry_keys, N(entry_keys))) {
            return;
        }
        d->entries[i] = (struct inv_entry){
            .name = fields_text(&r->f, items[i], "name", true),
            .is_dir = fields_flag(&r->f, items[i], "dir"),
            .documented = fields_flag(&r->f, items[i], "documented"),
            .count = read_count(r, items[i]),
        };
    }
}

static void read_dirs(struct reading *r, const struct ynode *root) {
    const struct ynode *map = section(r, root, "dirs");
    if (map == NULL) {
        return;
    }
    r->inv->dirs = arena_alloc(r->inv->arena, (map->n + 1) * sizeof *r->inv->dirs);
    for (size_t i = 0; i < map->n; i++) {
        if (!fields_mapping(&r->f, map->items[i], "a directory", dir_keys, N(dir_keys))) {
            return;
        }
        struct inv_dir *d = &r->inv->dirs[r->inv->n_dirs++];
        d->path = arena_strdup(r->inv->arena, map->keys[i]->text);
        d->owner = fields_text(&r->f, map->items[i], "owner", false);
        read_entries(r, map->items[i], d);
    }
}

static void read_rest(struct reading *r, const struct ynode *root) {
    const struct ynode *map = section(r, root, "rest");
    if (map == NULL) {
        return;
    }
    r->inv->rest = arena_alloc(r->inv->arena, (map->n + 1) * sizeof *r->inv->rest);
    for (size_t i = 0; i < map->n; i++) {
        if (!fields_mapping(&r->f, map->items[i], "an entry of rest", count_keys, N(count_keys))) {
            return;
        }
        r->inv->rest[r->inv->n_rest++] = (struct inv_rest){
            arena_strdup(r->inv->arena, map->keys[i]->text), read_count(r, map->items[i])};
    }
}

static void read_findings(struct reading *r, const struct ynode *root) {
    size_t n = 0;
    struct ynode **items = fields_list(&r->f, root, "findings", &n);
    for (size_t i = 0; i < n; i++) {
        if (!fields_mapping(&r->f, items[i], "a finding", finding_keys, N(finding_keys))) {
            return;
        }
        int kind = fields_choice(&r->f, items[i], "kind", inv_finding_names, N_FINDING_KINDS, -1);
        if (kind < 0) {
            fields_fail(&r->f, items[i]->line, "\"kind\" is missing");
            return;
        }
        inventory_add_finding(r->inv, (enum inv_finding_kind)kind,
                              fields_text(&r->f, items[i], "collection", false),
                              fields_text(&r->f, items[i], "id", false),
                              fields_text(&r->f, items[i], "detail", false));
    }
}

static void read_indexes(struct reading *r, const struct ynode *root) {
    size_t n = 0;
    struct inventory *inv = r->inv;
    struct ynode **items = fields_list(&r->f, root, "indexes", &n);
    for (size_t i = 0; i < n && !fields_failed(&r->f); i++) {
        if (!fields_mapping(&r->f, items[i], "an index", index_keys, N(index_keys))) {
            return;
        }
        const char *collection = fields_text(&r->f, items[i], "collection", true);
        struct inv_index x = {.name = text_or_empty(r, items[i], "name"),
                              .spec = fields_text(&r->f, items[i], "spec", true),
                              .was = fields_text(&r->f, items[i], "was", false)};
        if (collection != NULL) {
            x.collection = find_collection(r, collection, items[i]->line);
            ARENA_PUSH(inv->arena, inv->indexes, inv->n_indexes, inv->cap_indexes, x);
        }
    }
}

static void read_forecast(struct reading *r, const struct ynode *root) {
    const struct ynode *map = section(r, root, "forecast");
    if (map == NULL) {
        return;
    }
    r->inv->forecast =
        arena_alloc(r->inv->arena, (r->model->n_collections + 1) * sizeof *r->inv->forecast);
    for (size_t i = 0; i < map->n; i++) {
        const struct ynode *n = map->items[i];
        size_t c = find_collection(r, map->keys[i]->text, map->keys[i]->line);
        if (!fields_mapping(&r->f, n, "a forecast", forecast_keys, N(forecast_keys))) {
            return;
        }
        r->inv->forecast[c] = (struct inv_forecast){
            .made = true,
            .fresh = fields_number(&r->f, n, "fresh"),
            .identical = fields_number(&r->f, n, "identical"),
            .unfixed = fields_number(&r->f, n, "unfixed"),
            .different = fields_number(&r->f, n, "different"),
            .clash = fields_number(&r->f, n, "clash"),
        };
    }
}

static void read_inventory(struct reading *r, const struct ynode *root) {
    if (!fields_mapping(&r->f, root, "the inventory", top_keys, N(top_keys))) {
        return;
    }
    if (fields_number(&r->f, root, "mvimig-inventory") != FORMAT) {
        fields_fail(&r->f, root->line, "not an inventory: \"mvimig-inventory: %d\" is missing",
                    FORMAT);
    }
    read_end(r, root, "source", &r->inv->source);
    read_end(r, root, "destination", &r->inv->destination);
    read_collections(r, root);
    read_objects(r, root);
    read_dirs(r, root);
    read_rest(r, root);
    read_findings(r, root);
    read_indexes(r, root);
    read_forecast(r, root);
}

int inventory_read(const struct model *m, const char *name, const char *text, size_t len,
                   struct inventory **out, struct err *e) {
    AUTO_INVENTORY struct inventory *inv = inventory_new(m);
    struct ynode *root = NULL;
    int rc = ytree_read(inv->arena, name, text, len, &ytree_plan_limits, &root, e);
    if (rc != 0) {
        return rc;
    }
    e->code = 0;
    struct reading r = {.f = {name, inv->arena, e}, .model = m, .inv = inv};
    read_inventory(&r, root);
    if (e->code == 0) {
        inventory_sort(inv);
        *out = STEAL(inv);
    }
    return e->code;
}
