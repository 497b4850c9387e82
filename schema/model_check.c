// SPDX-License-Identifier: Apache-2.0
#include "schema/model_check.h"

#include <string.h>

#include "base/path.h"
#include "schema/pattern.h"

#define OWNER "{owner}"
#define ID "{id}"
#define NOUN_MAX 30
#define COLLECTION_MAX 120

static bool is_one_of(const char *word, const char *chars) {
    return word[0] != 0 && word[strspn(word, chars)] == 0;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

// "{owner}" as a whole component, at most once, and no other brace. At least two components: a
// directory at the top moves as a whole, less what is below it.
static bool under_ok(const char *under, struct arena *a) {
    struct model_files set = {.under = under};
    const char *filled = model_under(&set, "x", a);
    const char *at = strstr(under, OWNER);
    if (at != NULL) {
        char before = at == under ? '/' : at[-1];
        char after = at[strlen(OWNER)];
        if (before != '/' || (after != '/' && after != 0)) {
            return false;
        }
    }
    return path_relative_ok(filled) && strchr(filled, '/') != NULL &&
           strpbrk(filled, "{}*") == NULL;
}

// "{id}", then nothing, "*", or a suffix that cannot be part of another ID.
static bool name_ok(const char *name) {
    const char *rest = name + strlen(ID);
    if (strncmp(name, ID, strlen(ID)) != 0) {
        return false;
    }
    if (rest[0] == 0 || strcmp(rest, "*") == 0) {
        return true;
    }
    return strchr("._-~+", rest[0]) != NULL && strpbrk(rest, "{}*/") == NULL;
}

static const char *last_component(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

void check_files(struct fields *f, const struct ynode *n, const struct model_collection *c,
                 size_t at) {
    const struct model_files *set = &c->files[at];
    if (fields_failed(f)) {
        return;
    }
    if (!under_ok(set->under, f->arena)) {
        fields_fail(f, n->line,
                    "\"under\" has to be a path of two or more components below the data "
                    "directory, {owner} one of them or none");
    } else if (!name_ok(set->name)) {
        fields_fail(f, n->line,
                    "\"name\" has to be {id}, {id}* or {id} with a suffix such as {id}.zip");
    } else if (set->tree && strcmp(set->name, ID) != 0) {
        fields_fail(f, n->line, "with \"tree: true\" the name has to be {id}");
    } else if (strstr(set->under, OWNER) != NULL && c->owner_field == NULL) {
        fields_fail(f, n->line, "{owner} stands in \"under\", but the collection has no \"owner\"");
    }
    for (size_t i = 0; i < at; i++) {
        if (strcmp(last_component(c->files[i].under), last_component(set->under)) == 0) {
            fields_fail(f, n->line, "two file sets of one collection end in the same name");
        }
    }
}

void check_path(struct fields *f, const struct ynode *n, const struct model_path *p) {
    if (!fields_failed(f) && p->n_below == 0) {
        fields_fail(f, n->line, "\"below\" is missing");
    }
    for (size_t i = 0; i < p->n_below && !fields_failed(f); i++) {
        if (p->below[i][strlen(p->below[i]) - 1] != '/') {
            fields_fail(f, n->line, "every prefix of \"below\" has to end in /");
        }
    }
}

static void check_noun(struct fields *f, int line, const struct model *m, size_t at) {
    // Sets and steps of other kinds have these names.
    static const char *const taken[] = {"rest", "loose", "undocumented", "paths", "whole"};
    const char *noun = m->collections[at].noun;
    if (!is_one_of(noun, LOWER DIGITS "-") || strlen(noun) > NOUN_MAX) {
        fields_fail(f, line, "\"noun\" has to be made of a-z, 0-9 and -, at most %d of them",
                    NOUN_MAX);
    }
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (strcmp(noun, taken[i]) == 0) {
            fields_fail(f, line, "the noun \"%s\" is taken by the program", noun);
        }
    }
    for (size_t i = 0; i < at; i++) {
        const char *other = m->collections[i].noun;
        if (other != NULL && strcmp(noun, other) == 0) {
            fields_fail(f, line, "the noun \"%s\" is that of %s already", noun,
                        m->collections[i].name);
        }
    }
}

static void check_level(struct fields *f, int line, const struct model_collection *c) {
    bool second = c->level == MODEL_SECOND, top = c->level == MODEL_TOP;
    if (top != (c->noun != NULL)) {
        fields_fail(f, line,
                    top ? "a collection of level top needs a \"noun\""
                        : "\"noun\" is for collections of level top");
    }
    if (second != (c->parent != NULL) || second != (c->parent_field != NULL)) {
        fields_fail(f, line,
                    second ? "a collection of level second needs \"parent\" and \"parent_field\""
                           : "\"parent\" and \"parent_field\" are for level second");
    }
    if (!second && c->member_file.field != NULL) {
        fields_fail(f, line, "\"member_file\" is for level second");
    }
    if (!top && (c->n_files > 0 || c->n_paths > 0)) {
        fields_fail(f, line, "\"files\" and \"paths\" are for level top");
    }
    if (!top && (c->owner_field != NULL || c->project_field != NULL)) {
        fields_fail(f, line, "\"owner\" and \"project\" are for level top");
    }
    if (!top && c->class != MODEL_ACCOUNTS && c->name_field != NULL) {
        fields_fail(f, line, "\"label\" is for level top and the class accounts");
    }
    if (second && c->n_refs > 0) {
        fields_fail(f, line, "\"refs\" are for levels top and whole");
    }
}

// The one collection whose project is its own _id holds the project groups.
static void check_project(struct fields *f, int line, const struct model *m, size_t at) {
    const struct model_collection *c = &m->collections[at];
    if (c->project_field == NULL || strcmp(c->project_field, "_id") != 0) {
        return;
    }
    for (size_t i = 0; i < at; i++) {
        const char *other = m->collections[i].project_field;
        if (other != NULL && strcmp(other, "_id") == 0) {
            fields_fail(f, line, "\"project: _id\" stands for %s already", m->collections[i].name);
        }
    }
}

void check_collection(struct fields *f, int line, const struct model *m, size_t at) {
    const struct model_collection *c = &m->collections[at];
    if (fields_failed(f)) {
        return;
    }
    if (!is_one_of(c->name, LOWER UPPER DIGITS "_.-") || strlen(c->name) > COLLECTION_MAX ||
        c->name[0] == '.' || strncmp(c->name, "system.", 7) == 0) {
        fields_fail(f, line, "not the name of a collection (letters, digits, _, . and -)");
    }
    if ((int)c->level == -1) {
        fields_fail(f, line, "\"level\" is missing");
    }
    check_level(f, line, c);
    check_project(f, line, m, at);
    if (c->noun != NULL) {
        check_noun(f, line, m, at);
    }
}

static const struct model_collection *check_top(struct fields *f, int line, const struct model *m,
                                                const char *name, const char *what) {
    const struct model_collection *to = model_find(m, name);
    if (to == NULL) {
        fields_fail(f, line, "%s %s is not declared", what, name);
        return NULL;
    }
    if (to->level != MODEL_TOP) {
        fields_fail(f, line, "%s %s is not of level top", what, name);
    }
    return to;
}

void check_links(struct fields *f, int line, const struct model *m, struct model_collection *c) {
    if (c->parent != NULL) {
        const struct model_collection *parent = check_top(f, line, m, c->parent, "the parent");
        c->with_files = c->with_files || (parent != NULL && parent->with_files);
    }
    for (size_t i = 0; i < c->n_refs && !fields_failed(f); i++) {
        check_top(f, line, m, c->refs[i].collection, "the collection referred to,");
        if (c->refs[i].follow && c->level != MODEL_TOP) {
            fields_fail(f, line, "\"follow\" is for references of level top");
        }
    }
}

void check_fixup(struct fields *f, const struct ynode *n, const struct model *m,
                 struct model_fixup *x) {
    if (fields_failed(f)) {
        return;
    }
    x->replacement = x->replacement != NULL ? x->replacement : "";
    if (model_find(m, x->collection) == NULL) {
        fields_fail(f, n->line, "collection %s is not declared", x->collection);
    } else if (strpbrk(x->field, ".$") != NULL || strcmp(x->field, "_id") == 0) {
        fields_fail(f, n->line, "\"field\" has to be a top-level field other than _id");
    } else if (x->before != NULL && !is_one_of(x->before, DIGITS ".")) {
        fields_fail(f, n->line, "\"before\" has to be a version such as 8.4.0");
    }
    AUTO(pattern_cleanup) struct pattern *p = NULL;
    struct err why = {0};
    if (pattern_compile(x->pattern, &p, &why) != 0 ||
        pattern_check_replacement(p, x->replacement, &why) != 0) {
        fields_fail(f, n->line, "%s", why.text);
    }
}

void check_work_folders(struct fields *f, const struct ynode *root, const struct model *m) {
    for (size_t i = 0; i < m->n_work_folders && !fields_failed(f); i++) {
        if (!path_relative_ok(m->work_folders[i])) {
            fields_fail(f, root->line, "\"work_folders\": not a path below the data directory");
        }
    }
}
