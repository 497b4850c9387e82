// SPDX-License-Identifier: Apache-2.0
#include "plans/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/tempfile.h"
#include "plans/check.h"
#include "plans/report.h"

#define READ_VERSION 1

bool read_is_null(const struct ynode *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        if (node->type == Y_SCALAR && node->plain && strcmp(node->text, nulls[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *read_text(struct reader *r, const char *where, const char *what,
                      const struct ynode *node, size_t max) {
    if (node->type != Y_SCALAR) {
        problems_add(r->problems, node->line, where, "%s has to be one text, not a %s", what,
                     node->type == Y_SEQUENCE ? "list" : "mapping");
    } else if (read_is_null(node)) {
        problems_add(r->problems, node->line, where,
                     "%s is %s; if that is its text, put it in quotes: \"%s\"", what,
                     node->len > 0 ? "null" : "empty", node->text);
    } else if (node->len > max) {
        problems_add(r->problems, node->line, where, "%s is longer than %zu bytes", what, max);
    } else {
        return arena_strndup(r->p->arena, node->text, node->len);
    }
    return NULL;
}

const char **read_list(struct reader *r, const char *where, const char *what,
                       const struct ynode *node, size_t *n) {
    *n = 0;
    if (node->type != Y_SEQUENCE) {
        problems_add(r->problems, node->line, where, "%s has to be a list: [a, b]", what);
        return NULL;
    }
    const char **items = arena_alloc(r->p->arena, node->n * sizeof *items);
    for (size_t i = 0; i < node->n; i++) {
        const char *text = read_text(r, where, what, node->items[i], PLAN_TEXT_MAX);
        if (text != NULL) {
            items[(*n)++] = text;
        }
    }
    return items;
}

static bool read_is_known(const char *key, const char *const *known, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(key, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

void read_keys(struct reader *r, const char *where, const struct ynode *map,
               const char *const *known, size_t n) {
    for (size_t i = 0; i < map->n; i++) {
        const struct ynode *key = map->keys[i];
        if (read_is_known(key->text, known, n)) {
            continue;
        }
        const char *near = ytree_nearest(key->text, known, n);
        problems_add(r->problems, key->line, where, "unknown key %s%s%s%s",
                     report_quote(r->problems->arena, key->text),
                     near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                     near != NULL ? "\"?" : "");
    }
}

const char *read_comment(struct reader *r, const struct ynode *node, const struct ynode *before) {
    if (before != NULL && before->line == node->line) {
        return NULL;
    }
    return lines_comment(r->lines, node->line, r->p->arena);
}

// A plan of another version is told so, and nothing else about it. Returns true when it can be
// read.
static bool read_version(struct reader *r, const struct ynode *root) {
    const struct ynode *node = root->type == Y_MAPPING ? ytree_get(root, "mvimig") : NULL;
    uint64_t version;
    if (node == NULL) {
        problems_add(r->problems, root->line, "",
                     "not a plan: it has to be a mapping with the key `mvimig: %d`", READ_VERSION);
        return false;
    }
    if (ytree_uint(node, UINT64_MAX, &version) != 0) {
        problems_add(r->problems, node->line, "", "mvimig has to be the number %d", READ_VERSION);
        return false;
    }
    if (version != READ_VERSION) {
        problems_add(r->problems, node->line, "",
                     "a plan of format %llu; this program reads format %d: use the mvimig that "
                     "wrote it, or plan again",
                     (unsigned long long)version, READ_VERSION);
        return false;
    }
    return true;
}

static void read_root(struct reader *r, const struct ynode *root) {
    read_header(r, root);
    size_t before = report_count(r->problems);
    const struct ynode *sets = ytree_get(root, "sets");
    const struct ynode *steps = ytree_get(root, "steps");
    if (sets != NULL && !read_is_null(sets)) {
        read_sets(r, sets);
    }
    if (steps == NULL) {
        problems_add(r->problems, root->line, "",
                     "key \"steps\" is missing; the file may be cut short");
    } else {
        read_steps(r, steps);
    }
    r->sound = report_count(r->problems) == before;
}

// The tree's own error, "NAME:LINE: TEXT", as a problem among the others.
static void read_tree_failed(struct reader *r, const struct err *failure) {
    const char *text = failure->text;
    int line = 0;
    const char *colon = strstr(text, "-:");
    if (colon == text) {
        char *end;
        line = (int)strtol(text + 2, &end, 10);
        text = strncmp(end, ": ", 2) == 0 ? end + 2 : end;
    }
    problems_add(r->problems, line, "", "%s", text);
}

static void read_plan(struct reader *r, const char *text, size_t len) {
    AUTO_ARENA struct arena *a = arena_new();
    struct ynode *root;
    struct err failure = {0};
    if (ytree_read(a, "-", text, len, &ytree_plan_limits, &root, &failure) != 0) {
        read_tree_failed(r, &failure);
        return;
    }
    r->lines = lines_new(a, text, len);
    r->p->comment = lines_top(r->lines, r->p->arena);
    if (read_version(r, root)) {
        read_root(r, root);
        r->readable = true;
    }
    r->lines = NULL;
}

int plan_read(const char *name, const char *text, size_t len, struct plan **out,
              struct problems *problems, struct err *e) {
    AUTO_PLAN struct plan *p = plan_new();
    struct problems own = {.arena = p->arena};
    struct reader r = {.p = p, .problems = problems != NULL ? problems : &own};
    uint8_t digest[HASH_SIZE];
    p->file = arena_strdup(p->arena, name);
    hash_bytes(text, len, digest);
    hash_hex(digest, p->digest);
    read_plan(&r, text, len);
    if (r.readable) {
        check_plan(p, NULL, r.sound, r.problems);
    }
    int rc = report_finish(name, r.problems, e);
    *out = rc == 0 ? STEAL(p) : NULL;
    return rc;
}

int plan_read_file(const char *path, struct plan **out, struct err *e) {
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    *out = NULL;
    int rc = file_read(AT_FDCWD, path, ytree_plan_limits.bytes, &text, &len, e);
    if (rc == ERR_NOTFOUND) {
        return err_set(e, ERR_USAGE, "%s: there is no such plan; `mvimig plan -o FILE` writes one",
                       path);
    }
    struct stat st;
    if (rc == ERR_IO && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return err_set(e, ERR_USAGE, "%s: a directory; give the plan's file in it", path);
    }
    if (rc == ERR_LIMIT) {
        return err_set(e, ERR_PLAN, "%s: larger than any plan may be (64 MiB)", path);
    }
    if (rc != 0) {
        e->code = ERR_USAGE;
        return ERR_USAGE;
    }
    return plan_read(path, text, len, out, NULL, e);
}
