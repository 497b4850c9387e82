// SPDX-License-Identifier: Apache-2.0
// From a server to its plan without a server: tests/golden/recorded/site.records is played to the
// scan by the functions of site/mongo.h below, which stand in the place of those that ask MongoDB
// and give of each document only what a projection asks for. tests/golden/recorded/CASE.golden
// holds all that was asked, as canonical extended JSON, and the plan that came of it: a name of a
// field or collection that is another in the schema is another question and another plan.
// UPDATE_GOLDEN=1 writes them anew; read the difference before it is committed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/tempfile.h"
#include "compiler/compile.h"
#include "scan/scan.h"
#include "site/bson_frame.h"

#define FOLDER "tests/golden/recorded"
#define TEXT_MAX ((size_t)1 << 20)
#define RECORDS_MAX 500
#define ASKED_MAX 1000

struct mongo_end {
    const char *label;
};
struct mongo {
    struct mongo_end *end;
};
struct record {
    const char *end, *collection;
    bson_t *doc;
};

static struct {
    struct arena *arena;
    struct record records[RECORDS_MAX];
    size_t n;
    char dir[64];
    int root;
    pthread_mutex_t lock; // around what was asked: files are looked at by several threads
    char *asked[ASKED_MAX];
    size_t n_asked;
} site = {.lock = PTHREAD_MUTEX_INITIALIZER};

// --- what the scan asks

static void note(char *line) {
    pthread_mutex_lock(&site.lock);
    assert_true(site.n_asked < ASKED_MAX);
    site.asked[site.n_asked++] = line;
    pthread_mutex_unlock(&site.lock);
}

static void put_part(struct buf *out, const char *name, const bson_t *b) {
    if (b != NULL) {
        char *text = bson_as_canonical_extended_json(b, NULL);
        buf_printf(out, " %s %s", name, text);
        bson_free(text);
    }
}

static bool is_at(const struct record *r, const struct mongo *m, const char *collection) {
    return strcmp(r->end, m->end->label) == 0 && strcmp(r->collection, collection) == 0;
}

int mongo_session(struct mongo_end *end, struct mongo **out, struct err *e) {
    (void)e;
    *out = must_calloc(1, sizeof **out);
    (*out)->end = end;
    return 0;
}

void mongo_be_patient(struct mongo *m) {
    (void)m;
}

void mongo_free(struct mongo *m) {
    free(m);
}

const struct mongo_server *mongo_end_server(const struct mongo_end *end) {
    static const struct mongo_server old = {.host = "old:27017", .version = "4.2.6"};
    static const struct mongo_server new = {.host = "new:27017", .version = "6.0.5"};
    return strcmp(end->label, "source") == 0 ? &old : &new;
}

const char *mongo_end_database(const struct mongo_end *end) {
    (void)end;
    return "DLAAS";
}

int mongo_fingerprint(struct mongo *m, const char *const *identity, size_t n, char *out,
                      size_t size, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(TEXT_MAX);
    (void)e;
    buf_printf(&line, "%s recognised by", m->end->label);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&line, " %s", identity[i]);
    }
    note(must_strdup(buf_str(&line)));
    (void)snprintf(out, size, "%s=%s", n > 0 ? identity[0] : "", m->end->label);
    return 0;
}

int mongo_collections(struct mongo *m, int (*each)(void *arg, const char *name), void *arg,
                      struct err *e) {
    (void)e;
    for (size_t i = 0; i < site.n; i++) {
        const struct record *r = &site.records[i];
        bool first = is_at(r, m, r->collection) &&
                     (i == 0 || strcmp(site.records[i - 1].collection, r->collection) != 0);
        int rc = first ? each(arg, r->collection) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int mongo_collection_info(struct mongo *m, const char *collection,
                          struct mongo_collection_info *out, struct err *e) {
    (void)e;
    *out = (struct mongo_collection_info){.average = 100};
    note(must_sprintf("%s size of %s", m->end->label, collection));
    for (size_t i = 0; i < site.n; i++) {
        out->documents += is_at(&site.records[i], m, collection);
    }
    out->exists = out->documents > 0;
    out->bytes = out->documents * out->average;
    return 0;
}

int mongo_indexes(struct mongo *m, const char *collection,
                  int (*each)(void *arg, const bson_t *spec), void *arg, struct err *e) {
    (void)m, (void)collection, (void)each, (void)arg, (void)e;
    return 0;
}

int mongo_index_on(struct mongo *m, const char *collection, const char *field, bool *there,
                   bson_t *hint, struct err *e) {
    (void)e;
    note(must_sprintf("%s index of %s on %s", m->end->label, collection, field));
    *there = true;
    bson_init(hint);
    bson_append_int32(hint, field, -1, 1);
    return 0;
}

static bool filter_takes(const bson_t *filter, const bson_t *doc) {
    bson_iter_t it, found;
    if (filter == NULL || !bson_iter_init(&it, filter)) {
        return true;
    }
    while (bson_iter_next(&it)) {
        if (!bson_iter_init_find(&found, doc, bson_iter_key(&it)) || !bson_iter_value(&it) ||
            bson_iter_type(&it) != bson_iter_type(&found) ||
            (BSON_ITER_HOLDS_UTF8(&it) &&
             strcmp(bson_iter_utf8(&it, NULL), bson_iter_utf8(&found, NULL)) != 0)) {
            return false;
        }
    }
    return true;
}

// What a server would give: the fields asked for in the document's order, the _id unless refused.
static void project(const bson_t *fields, const bson_t *doc, bson_t *out) {
    bson_iter_t it, asked;
    bson_init(out);
    assert_true(bson_iter_init(&it, doc));
    while (bson_iter_next(&it)) {
        const char *key = bson_iter_key(&it);
        bool named = bson_iter_init_find(&asked, fields, key);
        if (named ? bson_iter_as_int64(&asked) != 0 : strcmp(key, "_id") == 0) {
            bson_append_iter(out, key, -1, &it);
        }
    }
}

static int give(const struct mongo_query *q, const bson_t *doc,
                int (*each)(void *arg, const uint8_t *doc, size_t len, struct err *e), void *arg,
                struct err *e) {
    bson_t part;
    assert_non_null(q->projection); // nobody needs more than some fields
    project(q->projection, doc, &part);
    int rc = each(arg, bson_get_data(&part), part.len, e);
    bson_destroy(&part);
    return rc;
}

int mongo_find(struct mongo *m, const struct mongo_query *q,
               int (*each)(void *arg, const uint8_t *doc, size_t len, struct err *e), void *arg,
               struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(TEXT_MAX);
    buf_printf(&line, "%s find %s", m->end->label, q->collection);
    put_part(&line, "filter", q->filter);
    put_part(&line, "projection", q->projection);
    put_part(&line, "sort", q->sort);
    put_part(&line, "hint", q->hint);
    note(must_strdup(buf_str(&line)));
    assert_null(q->min); // one page holds all of it
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < site.n; i++) {
        if (is_at(&site.records[i], m, q->collection) &&
            filter_takes(q->filter, site.records[i].doc)) {
            rc = give(q, site.records[i].doc, each, arg, e);
        }
    }
    return rc;
}

int mongo_find_one(struct mongo *m, const char *collection, const bson_t *filter, struct buf *out,
                   struct err *e) {
    (void)m, (void)collection, (void)filter, (void)out;
    return err_set(e, ERR_FAILED, "nobody asks for one document without a forecast");
}

// --- the site

static void make_file(const char *path, long size) {
    AUTO_FREE char *full = must_sprintf("%s/%s", site.dir, path);
    for (char *p = full + strlen(site.dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        assert_true(mkdir(full, 0755) == 0 || access(full, F_OK) == 0);
    }
    AUTO_CLOSE int fd = open(full, O_CREAT | O_WRONLY | O_EXCL, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
}

// END COLLECTION DOCUMENT, or file PATH SIZE
static void read_record(char *line) {
    char *rest = line;
    const char *what = strsep(&rest, " "), *name = strsep(&rest, " ");
    assert_non_null(rest);
    if (strcmp(what, "file") == 0) {
        make_file(name, strtol(rest, NULL, 10));
        return;
    }
    bson_error_t error;
    bson_t *doc = bson_new_from_json((const uint8_t *)rest, -1, &error);
    if (doc == NULL) {
        fail_msg("%s: %s", rest, error.message);
    }
    assert_true(site.n < RECORDS_MAX);
    site.records[site.n++] =
        (struct record){arena_strdup(site.arena, what), arena_strdup(site.arena, name), doc};
}

static int set_up(void **state) {
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    struct err e = {0};
    (void)state;
    site.arena = arena_new();
    memcpy(site.dir, "/tmp/recorded-XXXXXX", sizeof "/tmp/recorded-XXXXXX");
    assert_non_null(mkdtemp(site.dir));
    assert_int_equal(path_open_root(site.dir, &site.root, &e), 0);
    assert_int_equal(file_read(AT_FDCWD, FOLDER "/site.records", TEXT_MAX, &text, &len, &e), 0);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        if (line[0] != 0 && line[0] != '#') {
            read_record(line);
        }
    }
    return 0;
}

static void forget_asked(void) {
    while (site.n_asked > 0) {
        free(site.asked[--site.n_asked]);
    }
}

static int tear_down(void **state) {
    (void)state;
    close(site.root);
    AUTO_CLOSE int parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(path_remove_tree(parent, strrchr(site.dir, '/') + 1), 0);
    for (size_t i = 0; i < site.n; i++) {
        bson_destroy(site.records[i].doc);
    }
    forget_asked();
    arena_free(site.arena);
    return 0;
}

// --- cases

static int text_order(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_asked(struct buf *out) {
    qsort(site.asked, site.n_asked, sizeof *site.asked, text_order);
    for (size_t i = 0; i < site.n_asked; i++) {
        buf_printf(out, "%s\n", site.asked[i]);
    }
}

static void put_plan(const struct model *m, const struct scope *scope, struct buf *out) {
    struct mongo_end source = {"source"}, destination = {"destination"};
    AUTO_INVENTORY struct inventory *inv = NULL;
    AUTO_PLAN struct plan *plan = NULL;
    AUTO_ARENA struct arena *a = arena_new();
    struct scope resolved;
    struct err e = {0};
    const struct scan_options o = {.model = m,
                                   .scope = scope,
                                   .source = &source,
                                   .destination = &destination,
                                   .source_root = site.root,
                                   .source_dir = "/opt/powerai-vision/data",
                                   .destination_dir = "/data"};
    const struct compile_options options = {.name = "recorded", .pass = 1};
    int rc = scan(&o, &inv, &e);
    rc = rc ? rc : scope_resolve(inv, scope, &resolved, a, &e);
    rc = rc ? rc : compile(&resolved, inv, &options, &plan, &e);
    if (rc != 0) {
        fail_msg("%s", e.text);
    }
    put_asked(out);
    buf_puts(out, "\n");
    plan_emit(plan, out);
}

static void compare(const char *name, const struct buf *text) {
    AUTO_FREE char *file = must_sprintf(FOLDER "/%s.golden", name);
    AUTO_FREE char *expected = NULL;
    size_t len = 0;
    struct err e = {0};
    if (getenv("UPDATE_GOLDEN") != NULL) {
        AUTO_CLOSE int folder = open(FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(
            tempfile_put(folder, strrchr(file, '/') + 1, 0644, buf_str(text), text->len, &e), 0);
        return;
    }
    if (file_read(AT_FDCWD, file, TEXT_MAX, &expected, &len, &e) != 0) {
        fail_msg("%s", e.text);
    }
    size_t at = 0;
    while (at < len && expected[at] == buf_str(text)[at]) {
        at++;
    }
    if (len == text->len && at == len) {
        return;
    }
    while (at > 0 && expected[at - 1] != '\n') {
        at--;
    }
    fail_msg("%s differs.\n  expected %.400s\n  made     %.400s", file, expected + at,
             buf_str(text) + at);
}

struct recorded {
    const char *name;
    const char *users, *projects, *exclude; // one text each, as after the option; NULL: none
    struct scope scope;                     // the rest
};

static void test_recorded(void **state) {
    const struct recorded *c = *state;
    AUTO_MODEL struct model *m = NULL;
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
    struct err e = {0};
    const char *users = c->users, *projects = c->projects, *exclude = c->exclude;
    struct scope scope = c->scope;
    scope.users = (struct scope_list){&users, users != NULL, 0};
    scope.projects = (struct scope_list){&projects, projects != NULL, 0};
    scope.excludes = (struct scope_list){&exclude, exclude != NULL, 0};
    scope.on_conflict = -1;
    forget_asked();
    AUTO_FREE char *schema = NULL; // the file that is built in
    size_t len = 0;
    assert_int_equal(file_read(AT_FDCWD, "schema/mvi.yaml", TEXT_MAX, &schema, &len, &e), 0);
    if (model_read("schema/mvi.yaml", schema, len, &m, &e) != 0) {
        fail_msg("%s", e.text);
    }
    put_plan(m, &scope, &text);
    compare(c->name, &text);
}

int main(void) {
    static struct recorded cases[] = {
        {.name = "server", .scope.server = true},
        {.name = "server-with-all",
         .scope = {.server = true, .with_accounts = true, .with_transient = true}},
        {.name = "server-files-only", .scope = {.server = true, .files_only = true}},
        {.name = "user", .users = "alice"},
        {.name = "user-no-follow", .users = "alice", .scope.no_follow = true},
        {.name = "user-files-only", .users = "alice", .scope.files_only = true},
        {.name = "user-exclude", .users = "alice", .exclude = "\\.zip$"},
        {.name = "user-of-a-directory", .users = "carol"},
        {.name = "users-by-pattern", .users = "/^(carol|dana)$/"}, // carol has no such directory
        {.name = "users", .users = "alice, bob"},
        {.name = "project", .projects = "Line 3"},
        {.name = "project-no-follow", .projects = "p-line", .scope.no_follow = true},
        {.name = "projects", .projects = "/^p-/"},
        {.name = "user-and-project", .users = "bob", .projects = "p-line"},
    };
    enum { N = sizeof cases / sizeof *cases };
    struct CMUnitTest tests[N];
    for (size_t i = 0; i < N; i++) {
        tests[i] = (struct CMUnitTest){cases[i].name, test_recorded, NULL, NULL, &cases[i]};
    }
    return _cmocka_run_group_tests("recorded", tests, N, set_up, tear_down);
}
