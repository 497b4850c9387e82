// SPDX-License-Identifier: Apache-2.0
// What belongs to whom in a data directory, how much it is, and what does not fit: a tree of our
// own and objects of our own, without a server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "scan/internal.h"

#define KIB 1024
#define IDS_MAX 200

struct world {
    char dir[64];
    struct scan_options o;
    struct scope scope;
    struct model *model;
    struct scan_state s;
    struct buf report; // "KIND COLLECTION ID DETAIL" lines
};

static int record(void *arg, const struct inv_finding *f) {
    buf_printf(arg, "%s %s %s %s\n", inv_finding_names[f->kind], f->collection, f->id, f->detail);
    return 0;
}

static void make_directory(const struct world *w, const char *path) {
    char *full = must_sprintf("%s/%s", w->dir, path);
    for (char *p = full + strlen(w->dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        (void)mkdir(full, 0755);
    }
    assert_true(mkdir(full, 0755) == 0 || access(full, F_OK) == 0);
    free(full);
}

static void make_file(const struct world *w, const char *path, size_t size) {
    char *full = must_sprintf("%s/%s", w->dir, path);
    char *parent = must_strdup(path), *slash = strrchr(parent, '/');
    if (slash) {
        *slash = 0;
        make_directory(w, parent);
    }
    int fd = open(full, O_CREAT | O_WRONLY | O_EXCL, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
    free(parent);
    free(full);
}

static int set_up(void **state) {
    struct world *w = must_calloc(1, sizeof *w);
    struct err e = {0};
    memcpy(w->dir, "/tmp/scan-test-XXXXXX", sizeof "/tmp/scan-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(model_read("built in", NULL, 0, &w->model, &e), 0);
    assert_int_equal(path_open_root(w->dir, &w->o.source_root, &e), 0);
    w->report = (struct buf)BUF_INIT(1 << 24);
    w->o.finding = record;
    w->o.arg = &w->report;
    w->scope.server = true;
    w->s = (struct scan_state){.o = &w->o, .m = w->model, .scope = &w->scope};
    w->s.inv = inventory_new(w->model);
    w->s.arena = w->s.inv->arena;
    w->s.first = must_calloc(w->model->n_collections + 1, sizeof(size_t));
    assert_int_equal(pthread_mutex_init(&w->s.lock, NULL), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    close(w->o.source_root);
    AUTO_CLOSE int parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(path_remove_tree(parent, strrchr(w->dir, '/') + 1), 0);
    inventory_free(w->s.inv);
    model_free(w->model);
    scan_wishes_free(w->s.users);
    free(w->s.first);
    free(w->s.reached);
    buf_free(&w->report);
    free(w);
    return 0;
}

// Objects have to come in the order of collections, then IDs.
static void add_object(struct world *w, const char *collection, const char *owner, const char *id) {
    struct inventory *inv = w->s.inv;
    size_t c = model_index(w->model, collection);
    if (!inv->objects) {
        inv->objects = arena_alloc(inv->arena, IDS_MAX * sizeof *inv->objects);
    }
    struct inv_object *o = &inv->objects[inv->n_objects++];
    *o = (struct inv_object){.collection = c,
                             .id = id,
                             .id_is_string = true,
                             .id_is_safe = path_component_ok(id, strlen(id)),
                             .owner = owner,
                             .owner_is_safe = owner && path_component_ok(owner, strlen(owner))};
    o->files = arena_alloc(inv->arena, 8 * sizeof *o->files);
    for (size_t i = c + 1; i <= w->model->n_collections; i++) {
        w->s.first[i] = inv->n_objects;
    }
}

static void scan_now(struct world *w) {
    struct err e = {0};
    assert_int_equal(scan_select(&w->s, &e), 0);
    int rc = scan_files(&w->s, &e);
    rc = rc ? rc : scan_paths(&w->s, &e);
    if (rc != 0) {
        print_error("%s\n", e.text);
    }
    assert_int_equal(rc, 0);
}

static const struct inv_dir *dir_of(const struct world *w, const char *path) {
    for (size_t i = 0; i < w->s.inv->n_dirs; i++) {
        if (strcmp(w->s.inv->dirs[i].path, path) == 0) {
            return &w->s.inv->dirs[i];
        }
    }
    return NULL;
}

static const struct inv_entry *entry_of(const struct world *w, const char *dir, const char *name) {
    const struct inv_dir *d = dir_of(w, dir);
    for (size_t i = 0; d && i < d->n_entries; i++) {
        if (strcmp(d->entries[i].name, name) == 0) {
            return &d->entries[i];
        }
    }
    return NULL;
}

static void check_rest(const struct world *w, const char *top, uint64_t files, uint64_t bytes) {
    for (size_t i = 0; i < w->s.inv->n_rest; i++) {
        if (strcmp(w->s.inv->rest[i].top, top) == 0) {
            assert_int_equal(w->s.inv->rest[i].count.files, files);
            assert_int_equal(w->s.inv->rest[i].count.bytes, bytes);
            return;
        }
    }
    fail_msg("no rest for %s", top);
}

static bool reported(const struct world *w, const char *line) {
    return strstr(buf_str(&w->report), line) != NULL;
}

static void trees_belong_to_their_objects(void **state) {
    struct world *w = *state;
    make_file(w, "alice/datasets/d1/files/a.jpg", KIB);
    make_file(w, "alice/datasets/d1/files/b.jpg", KIB);
    make_file(w, "alice/datasets/lost/c.jpg", KIB);
    make_file(w, "bob/datasets/d1/x.jpg", KIB); // not where d1's owner has it
    add_object(w, "DataSets", "alice", "d1");
    add_object(w, "DataSets", "alice", "d2");
    scan_now(w);
    const struct inv_object *d1 = &w->s.inv->objects[0];
    assert_int_equal(d1->files[0].files, 4); // itself, files/, and two in it
    assert_int_equal(d1->files[0].bytes, 2 * KIB);
    assert_true(entry_of(w, "alice/datasets", "d1")->documented);
    assert_false(entry_of(w, "alice/datasets", "lost")->documented);
    assert_int_equal(entry_of(w, "alice/datasets", "lost")->count.files, 2);
    assert_false(entry_of(w, "bob/datasets", "d1")->documented);
    assert_string_equal(buf_str(&w->report), "missing-files DataSets d2 alice/datasets\n"
                                             "no-document  alice/datasets/lost \n"
                                             "no-document  bob/datasets/d1 \n");
    assert_int_equal(w->s.inv->n_rest, 0);
}

static void ids_are_no_globs(void **state) {
    struct world *w = *state;
    static const char *const names[] = {"m1.zip", "m1-x.zip", "m10.zip", "m1", "m1_y", "m2"};
    for (size_t i = 0; i < 6; i++) {
        char *path = must_sprintf("u/trained-models/%s", names[i]);
        make_file(w, path, 10);
        free(path);
    }
    make_file(w, "u/trained-models/thumbnails/m1.jpg", 3);
    make_file(w, "u/trained-models/thumbnails/m10.jpg", 3);
    add_object(w, "TrainedModels", "u", "m1");
    add_object(w, "TrainedModels", "u", "m10");
    add_object(w, "TrainedModels", "u", "m1?");
    scan_now(w);
    const struct inv_object *o = w->s.inv->objects;
    assert_int_equal(o[0].files[0].files, 4); // m1.zip m1-x.zip m1 m1_y
    assert_int_equal(o[0].files[1].files, 1);
    assert_int_equal(o[1].files[0].files, 1);
    assert_int_equal(o[1].files[1].bytes, 3);
    assert_int_equal(o[2].files[0].files, 0);
    assert_null(entry_of(w, "u/trained-models", "thumbnails")); // a directory of its own
    assert_string_equal(buf_str(&w->report), "missing-files TrainedModels m1? u/trained-models\n"
                                             "no-document  u/trained-models/m2 \n");
}

static void a_file_may_belong_to_two(void **state) {
    struct world *w = *state;
    make_file(w, "u/trained-models/m-1.zip", 10);
    make_file(w, "u/dnn-scripts/s.zip", 5);
    make_file(w, "u/dnn-scripts/s.tar", 5);
    add_object(w, "DnnScripts", "u", "s");
    add_object(w, "TrainedModels", "u", "m");
    add_object(w, "TrainedModels", "u", "m-1");
    scan_now(w);
    assert_int_equal(w->s.inv->objects[0].files[0].files, 1);
    assert_int_equal(w->s.inv->objects[1].files[0].files, 1);
    assert_int_equal(w->s.inv->objects[2].files[0].files, 1);
    assert_string_equal(buf_str(&w->report), "no-document  u/dnn-scripts/s.tar \n");
}

static void everything_else_is_rest(void **state) {
    struct world *w = *state;
    make_file(w, "alice/datasets/d1/a", KIB);
    make_file(w, "alice/notes.txt", 7);
    make_file(w, "logs/a.log", 8);
    make_file(w, "logs/migrations/t/journal.db", 9000);
    make_file(w, "loose", 9);
    make_directory(w, "empty");
    make_directory(w, "carol/datasets");
    make_directory(w, "dave/trained-models/thumbnails");
    add_object(w, "DataSets", "alice", "d1");
    scan_now(w);
    check_rest(w, ".", 1, 9);
    check_rest(w, "alice", 1, 7);
    check_rest(w, "logs", 1, 8);
    check_rest(w, "empty", 0, 0);
    check_rest(w, "carol", 1, 0); // an empty place is a directory like any other
    assert_null(dir_of(w, "carol/datasets"));
    assert_non_null(entry_of(w, "dave/trained-models", "thumbnails"));
    assert_int_equal(w->report.len, 0);
}

static void links_are_not_followed(void **state) {
    struct world *w = *state;
    char *target = must_sprintf("%s/outside", w->dir);
    make_file(w, "outside/datasets/d1/a", KIB);
    char *alice = must_sprintf("%s/alice", w->dir), *bob = must_sprintf("%s/bob", w->dir);
    char *tree = must_sprintf("%s/bob/datasets/d2", w->dir);
    assert_int_equal(symlink(target, alice), 0);
    make_directory(w, "bob/datasets");
    assert_int_equal(symlink(target, tree), 0);
    add_object(w, "DataSets", "alice", "d1");
    add_object(w, "DataSets", "bob", "d2");
    scan_now(w);
    assert_int_equal(w->s.inv->objects[0].files[0].files, 0);
    assert_int_equal(w->s.inv->objects[1].files[0].files, 1); // the link itself
    assert_int_equal(w->s.inv->objects[1].files[0].bytes, 0);
    assert_true(reported(w, "missing-files DataSets d1 "));
    check_rest(w, ".", 1, 0);
    free(target);
    free(alice);
    free(bob);
    free(tree);
}

static void special_files_are_told(void **state) {
    struct world *w = *state;
    make_file(w, "alice/datasets/d1/a", KIB);
    static const char *const where[] = {"top", "alice/datasets/fifo", "alice/datasets/d1/fifo"};
    for (size_t i = 0; i < 3; i++) {
        char *path = must_sprintf("%s/%s", w->dir, where[i]);
        assert_int_equal(mkfifo(path, 0600), 0);
        free(path);
    }
    add_object(w, "DataSets", "alice", "d1");
    scan_now(w);
    assert_int_equal(w->s.inv->objects[0].files[0].files, 2);
    assert_string_equal(buf_str(&w->report), "special-file  top \n"
                                             "special-file  alice/datasets/fifo \n"
                                             "special-file  alice/datasets/d1/fifo \n");
}

static void unsafe_names_reach_no_file(void **state) {
    struct world *w = *state;
    make_file(w, "alice/datasets/d1/a", KIB);
    make_file(w, "datasets/d1/a", KIB);
    add_object(w, "DataSets", "alice", "..");
    add_object(w, "DataSets", "alice", "d1/a");
    add_object(w, "DataSets", "", "d1");
    add_object(w, "DataSets", "..", "d2");
    add_object(w, "DataSets", NULL, "d3");
    scan_now(w);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(w->s.inv->objects[i].files[0].files, 0);
    }
    assert_string_equal(buf_str(&w->report), "no-document  alice/datasets/d1 \n");
}

static void excludes_leave_out(void **state) {
    struct world *w = *state;
    const char *patterns[] = {"\\.tmp$", "/d2$", "^cache$"};
    w->scope.excludes = (struct scope_list){patterns, 3, 3};
    make_file(w, "alice/datasets/d1/a", KIB);
    make_file(w, "alice/datasets/d1/b.tmp", KIB);
    make_file(w, "alice/datasets/d2/a", KIB);
    make_file(w, "cache/x", KIB);
    add_object(w, "DataSets", "alice", "d1");
    add_object(w, "DataSets", "alice", "d2");
    scan_now(w);
    assert_int_equal(w->s.inv->objects[0].files[0].bytes, KIB);
    assert_int_equal(w->s.inv->objects[1].files[0].files, 0);
    assert_null(entry_of(w, "alice/datasets", "d2"));
    assert_int_equal(w->s.inv->n_rest, 0);
    assert_int_equal(w->report.len, 0); // d2 is there, if excluded
}

static void a_user_takes_its_directory(void **state) {
    struct world *w = *state;
    const char *users[] = {"alice"};
    w->scope = (struct scope){.users = {users, 1, 1}};
    make_file(w, "alice/datasets/d1/a", KIB);
    make_file(w, "alice/datasets/lost/a", KIB);
    make_file(w, "alice/notes", 7);
    make_file(w, "bob/datasets/d2/a", KIB);
    make_file(w, "bob/dnn-scripts/s.zip", 5);
    make_file(w, "logs/x", 7);
    add_object(w, "DataSets", "alice", "d1");
    add_object(w, "DataSets", "bob", "d2");
    add_object(w, "DnnScripts", "bob", "s");
    add_object(w, "TrainedModels", "alice", "m");
    struct inv_ref ref = {
        .collection = model_index(w->model, "DnnScripts"), .id = "s", .follow = true};
    w->s.inv->objects[3].refs = &ref;
    w->s.inv->objects[3].n_refs = 1;
    scan_now(w);
    assert_true(w->s.reached[0] && !w->s.reached[1] && w->s.reached[2] && w->s.reached[3]);
    assert_int_equal(w->s.inv->objects[0].files[0].files, 2);
    assert_int_equal(w->s.inv->objects[2].files[0].files, 1);
    assert_int_equal(w->s.inv->n_rest, 1);
    check_rest(w, "alice", 1, 7);
    assert_string_equal(buf_str(&w->report), "missing-files TrainedModels m alice/trained-models\n"
                                             "no-document  alice/datasets/lost \n");
}

static void paths_of_documents(void **state) {
    struct world *w = *state;
    make_file(w, "pictures/shared.png", 6);
    make_file(w, "u/trained-models/m.zip", 6);
    make_file(w, "u/trained-models/thumbnails/m.png", 6);
    add_object(w, "TrainedModels", "u", "m");
    struct inv_path paths[] = {{.path = "pictures/shared.png"},
                               {.path = "u/trained-models/thumbnails/m.png"},
                               {.path = "pictures"},
                               {.path = "pictures/gone.png"}};
    w->s.inv->objects[0].paths = paths;
    w->s.inv->objects[0].n_paths = 4;
    scan_now(w);
    const struct inv_object *o = w->s.inv->objects;
    assert_int_equal(o->n_paths, 1); // the thumbnail is in its own file set
    assert_string_equal(o->paths[0].path, "pictures/shared.png");
    assert_int_equal(o->paths[0].count.bytes, 6);
    assert_string_equal(buf_str(&w->report), "missing-files TrainedModels m pictures\n"
                                             "missing-files TrainedModels m pictures/gone.png\n");
}

static void findings_come_in_order(void **state) {
    struct world *w = *state;
    static char ids[IDS_MAX][16];
    for (int i = 0; i < IDS_MAX; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "d%03d", i);
        char *dir = must_sprintf("u/datasets/%s", ids[i]);
        char *path = must_sprintf("%s/u/datasets/%s/fifo", w->dir, ids[i]);
        make_directory(w, dir);
        assert_int_equal(mkfifo(path, 0600), 0);
        add_object(w, "DataSets", "u", ids[i]);
        free(dir);
        free(path);
    }
    scan_now(w);
    const char *at = buf_str(&w->report);
    for (int i = 0; i < IDS_MAX; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "special-file  u/datasets/d%03d/fifo \n", i);
        assert_int_equal(strncmp(at, line, strlen(line)), 0);
        at += strlen(line);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(trees_belong_to_their_objects), CASE(ids_are_no_globs),
        CASE(a_file_may_belong_to_two),      CASE(everything_else_is_rest),
        CASE(links_are_not_followed),        CASE(special_files_are_told),
        CASE(unsafe_names_reach_no_file),    CASE(excludes_leave_out),
        CASE(a_user_takes_its_directory),    CASE(paths_of_documents),
        CASE(findings_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
