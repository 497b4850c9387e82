// SPDX-License-Identifier: Apache-2.0
// Every tests/golden/NAME.scope is compiled with its inventory and compared with NAME.plan.yaml.
// UPDATE_GOLDEN=1 writes the plans anew; read the difference before it is committed.
//
// A scope file: inventory* and schema (names before .inventory.yaml and .schema.yaml), server,
// users, projects, excludes, files_only, with, no_follow, on_conflict, name, pass, base; error: a
// part of the expected text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tempfile.h"
#include "compiler/compile.h"
#include "schema/fields.h"

#define FOLDER "tests/golden"
#define FILE_MAX ((size_t)1 << 20)
#define CASES_MAX 200

struct golden {
    struct arena *arena;
    struct model *model;
    struct inventory *inventory;
    struct scope scope;
    struct compile_options options;
    const char *error;
};

static char *read_file(const char *name, size_t *len) {
    char *text = NULL, *path = must_sprintf(FOLDER "/%s", name);
    struct err e = {0};
    if (file_read(AT_FDCWD, path, FILE_MAX, &text, len, &e) != 0) {
        print_error("%s\n", e.text);
    }
    free(path);
    return text;
}

static struct scope_list list_of(struct fields *f, const struct ynode *root, const char *key) {
    size_t n = 0;
    struct ynode **items = fields_list(f, root, key, &n);
    struct scope_list list = {arena_alloc(f->arena, (n + 1) * sizeof(char *)), n, n};
    for (size_t i = 0; i < n; i++) {
        list.items[i] = items[i]->text;
    }
    return list;
}

static bool listed(const struct scope_list *list, const char *word) {
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static void read_scope(struct golden *g, struct fields *f, const struct ynode *root) {
    static const char *const keys[] = {
        "inventory", "schema",     "server",     "users",          "projects", "excludes",
        "with",      "files_only", "no_follow",  "on_conflict",    "name",     "pass",
        "base",      "delete",     "max_delete", "create_indexes", "error"};
    assert_true(fields_mapping(f, root, "the scope", keys, sizeof keys / sizeof *keys));
    struct scope_list with = list_of(f, root, "with"), base = list_of(f, root, "base");
    g->scope = (struct scope){
        .server = fields_flag(f, root, "server"),
        .users = list_of(f, root, "users"),
        .projects = list_of(f, root, "projects"),
        .excludes = list_of(f, root, "excludes"),
        .files_only = fields_flag(f, root, "files_only"),
        .with_accounts = listed(&with, "accounts"),
        .with_transient = listed(&with, "transient"),
        .no_follow = fields_flag(f, root, "no_follow"),
        .on_conflict = fields_choice(f, root, "on_conflict", conflict_policy_names, 3, -1),
    };
    const char *name = fields_text(f, root, "name", false);
    uint64_t pass = fields_number(f, root, "pass");
    struct compile_base *bases = arena_alloc(f->arena, (base.n + 1) * sizeof *bases);
    for (size_t i = 0; i < base.n; i++) { // NAME, or NAME: and the scope it asked for
        char *colon = strchr(base.items[i], ':');
        bases[i].name = base.items[i];
        bases[i].scope = colon != NULL ? colon + 1 + strspn(colon + 1, " ") : NULL;
        if (colon != NULL) {
            *colon = 0;
        }
    }
    g->options = (struct compile_options){.name = name != NULL ? name : "golden",
                                          .pass = pass > 0 ? (int)pass : 1,
                                          .base = bases,
                                          .delete = fields_flag(f, root, "delete"),
                                          .create_indexes = fields_flag(f, root, "create_indexes"),
                                          .max_delete = fields_text(f, root, "max_delete", false),
                                          .n_base = base.n};
    g->error = fields_text(f, root, "error", false);
}

// The schema that a scope names, else that of MVI: the file that is built in.
static struct model *read_schema(const char *schema, struct err *e) {
    struct model *m = NULL;
    size_t len = 0;
    AUTO_FREE char *name = schema != NULL ? must_sprintf("%s.schema.yaml", schema)
                                          : must_strdup("../../schema/mvi.yaml");
    AUTO_FREE char *text = read_file(name, &len);
    assert_non_null(text);
    if (model_read(name, text, len, &m, e) != 0) {
        fail_msg("%s", e->text);
    }
    return m;
}

static void load(struct golden *g, const char *file) {
    size_t len = 0;
    struct err e = {0};
    struct ynode *root = NULL;
    *g = (struct golden){.arena = arena_new()};
    char *text = read_file(file, &len);
    assert_non_null(text);
    assert_int_equal(ytree_read(g->arena, file, text, len, &ytree_plan_limits, &root, &e), 0);
    free(text);
    struct fields f = {file, g->arena, &e};
    read_scope(g, &f, root);
    char *name = must_sprintf("%s.inventory.yaml", fields_text(&f, root, "inventory", true));
    assert_string_equal(e.text, "");
    g->model = read_schema(fields_text(&f, root, "schema", false), &e);
    text = read_file(name, &len);
    assert_non_null(text);
    if (inventory_read(g->model, name, text, len, &g->inventory, &e) != 0) {
        fail_msg("%s", e.text);
    }
    free(text);
    free(name);
}

static void unload(struct golden *g) {
    inventory_free(g->inventory);
    model_free(g->model);
    arena_free(g->arena);
}

// 0 and the plan's text, or the error.
static int make(struct golden *g, struct buf *out, struct err *e) {
    struct scope resolved;
    AUTO_PLAN struct plan *p = NULL;
    int rc = scope_resolve(g->inventory, &g->scope, &resolved, g->arena, e);
    if (rc == 0) {
        rc = compile(&resolved, g->inventory, &g->options, &p, e);
    }
    if (rc == 0) {
        plan_emit(p, out);
    }
    return rc;
}

// What was written can be read, is valid by the schema's rules, and is written again the same.
static void check_readable(struct golden *g, const char *name, const struct buf *text) {
    AUTO_PLAN struct plan *p = NULL;
    struct buf again = BUF_INIT(FILE_MAX);
    struct err e = {0};
    if (plan_read(name, buf_str(text), text->len, &p, NULL, &e) != 0 ||
        plan_validate(p, compile_rules(g->model, g->arena), NULL, &e) != 0) {
        fail_msg("%s", e.text);
    }
    plan_emit(p, &again);
    assert_string_equal(buf_str(&again), buf_str(text));
    buf_free(&again);
}

static void compare(const char *name, const struct buf *text) {
    AUTO_FREE char *file = must_sprintf("%s.plan.yaml", name);
    if (getenv("UPDATE_GOLDEN") != NULL) {
        struct err e = {0};
        AUTO_CLOSE int folder = open(FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(tempfile_put(folder, file, 0644, buf_str(text), text->len, &e), 0);
        return;
    }
    size_t len = 0;
    AUTO_FREE char *expected = read_file(file, &len);
    assert_non_null(expected);
    if (len != text->len || memcmp(expected, buf_str(text), len) != 0) {
        size_t at = 0;
        while (expected[at] != 0 && expected[at] == buf_str(text)[at]) {
            at++;
        }
        while (at > 0 && expected[at - 1] != '\n') {
            at--;
        }
        fail_msg("%s differs.\n  expected %.400s\n  made     %.400s", file, expected + at,
                 buf_str(text) + at);
    }
}

static void test_golden(void **state) {
    const char *name = *state;
    struct golden g;
    struct err e = {0};
    struct buf text = BUF_INIT(FILE_MAX);
    AUTO_FREE char *file = must_sprintf("%s.scope", name);
    load(&g, file);
    int rc = make(&g, &text, &e);
    if (g.error != NULL) {
        assert_int_equal(rc, ERR_USAGE);
        if (strstr(e.text, g.error) == NULL) {
            fail_msg("expected \"%s\" in: %s", g.error, e.text);
        }
    } else {
        if (rc != 0) {
            fail_msg("%s", e.text);
        }
        check_readable(&g, name, &text);
        compare(name, &text);
    }
    buf_free(&text);
    unload(&g);
}

// Same bytes a second time, in another locale, time zone and folder.
static void test_same_bytes(void **state) {
    static const char *const locales[] = {"de_DE.UTF-8", "tr_TR.UTF-8", "C.UTF-8", "C"};
    struct golden g;
    struct err e = {0};
    struct buf first = BUF_INIT(FILE_MAX), again = BUF_INIT(FILE_MAX);
    (void)state;
    load(&g, "user-bob.scope");
    assert_int_equal(make(&g, &first, &e), 0);
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++) {
        (void)setlocale(LC_ALL, locales[i]); // where it is not installed: the same once more
        setenv("TZ", i % 2 == 0 ? "Asia/Tokyo" : "UTC", 1);
        assert_int_equal(chdir("/"), 0);
        buf_clear(&again);
        assert_int_equal(make(&g, &again, &e), 0);
        assert_string_equal(buf_str(&again), buf_str(&first));
    }
    assert_int_equal(fchdir(here), 0);
    close(here);
    buf_free(&first);
    buf_free(&again);
    unload(&g);
}

// A name that is none is an error of the caller's, not a plan.
static void test_bad_name(void **state) {
    struct golden g;
    struct err e = {0};
    struct buf text = BUF_INIT(FILE_MAX);
    (void)state;
    load(&g, "user.scope");
    g.options.name = "../x";
    assert_int_equal(make(&g, &text, &e), ERR_PLAN);
    assert_non_null(strstr(e.text, "name"));
    unload(&g);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

static size_t find_cases(struct CMUnitTest *tests) {
    DIR *d = opendir(FOLDER);
    size_t n = 0;
    for (struct dirent *t = d != NULL ? readdir(d) : NULL; t != NULL; t = readdir(d)) {
        size_t len = strlen(t->d_name);
        if (len > 6 && strcmp(t->d_name + len - 6, ".scope") == 0 && n < CASES_MAX) {
            char *name = must_strndup(t->d_name, len - 6);
            tests[n++] = (struct CMUnitTest){name, test_golden, NULL, NULL, name};
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    qsort(tests, n, sizeof *tests, by_name);
    return n;
}

int main(void) {
    struct CMUnitTest tests[CASES_MAX + 2];
    size_t n = find_cases(tests);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_same_bytes);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_bad_name);
    int failed = n < 10 ? 1 : _cmocka_run_group_tests("golden", tests, n, NULL, NULL);
    for (size_t i = 0; i + 2 < n; i++) {
        free(tests[i].initial_state);
    }
    return failed;
}
