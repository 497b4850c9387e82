// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "schema/model.h"

static struct model *builtin(void) {
    struct model *m = NULL;
    struct err e = {0};
    if (model_read(NULL, NULL, 0, &m, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return m;
}

// The 24 collections with their levels and classes.
static void test_builtin(void **state) {
    static const struct {
        const char *name;
        enum model_level level;
        enum model_class class;
    } facts[] = {
        {"ProjectGroups", MODEL_TOP, MODEL_WORK},
        {"DataSets", MODEL_TOP, MODEL_WORK},
        {"DnnScripts", MODEL_TOP, MODEL_WORK},
        {"UserDNNs", MODEL_TOP, MODEL_WORK},
        {"DLTasks", MODEL_TOP, MODEL_WORK},
        {"TrainedModels", MODEL_TOP, MODEL_WORK},
        {"BGTasks", MODEL_TOP, MODEL_WORK},
        {"DataSetCategories", MODEL_SECOND, MODEL_WORK},
        {"DataSetFiles", MODEL_SECOND, MODEL_WORK},
        {"DataSetFileLabels", MODEL_SECOND, MODEL_WORK},
        {"DataSetFileUserKeys", MODEL_SECOND, MODEL_WORK},
        {"DataSetTags", MODEL_SECOND, MODEL_WORK},
        {"DataSetActiontags", MODEL_SECOND, MODEL_WORK},
        {"DataSetFileActionLabels", MODEL_SECOND, MODEL_WORK},
        {"DataSetFileObjectLabels", MODEL_SECOND, MODEL_WORK},
        {"WebAPIs", MODEL_WHOLE, MODEL_WORK},
        {"InferenceOps", MODEL_WHOLE, MODEL_WORK},
        {"InferenceDetails", MODEL_WHOLE, MODEL_WORK},
        {"DeployableBinaries", MODEL_WHOLE, MODEL_WORK},
        {"RegisteredApps", MODEL_WHOLE, MODEL_WORK},
        {"SysUsers", MODEL_WHOLE, MODEL_ACCOUNTS},
        {"Tokens", MODEL_WHOLE, MODEL_TRANSIENT},
        {"UploadOperations", MODEL_WHOLE, MODEL_TRANSIENT},
        {"DockerHostPorts", MODEL_WHOLE, MODEL_TRANSIENT},
    };
    (void)state;
    AUTO_MODEL struct model *m = builtin();
    assert_int_equal(m->n_collections, 24);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const struct model_collection *c = model_find(m, facts[i].name);
        assert_non_null(c);
        assert_int_equal(c->level, facts[i].level);
        assert_int_equal(c->class, facts[i].class);
        assert_true(&m->collections[model_index(m, facts[i].name)] == c);
        if (c->level == MODEL_SECOND) {
            assert_string_equal(c->parent, "DataSets");
            assert_string_equal(c->parent_field, "dataset_id");
            assert_true(c->with_files);
        } else if (c->level == MODEL_TOP) {
            assert_string_equal(c->owner_field, "owner");
            assert_non_null(c->project_field);
        }
    }
    assert_null(model_find(m, "ServiceInfo"));
    assert_int_equal(model_index(m, "datasets"), (size_t)-1);
    assert_string_equal(m->identity[0], "ServiceInfo");
    assert_int_equal(m->n_fixups, 1);
    assert_int_equal(m->n_work_folders, 2);
}

static bool follows(const struct model_collection *c, const char *field, const char *to) {
    for (size_t i = 0; i < c->n_refs; i++) {
        if (strcmp(c->refs[i].field, field) == 0) {
            assert_string_equal(c->refs[i].collection, to);
            return c->refs[i].follow;
        }
    }
    fail_msg("%s has no reference %s", c->name, field);
    return false;
}

static void test_references(void **state) {
    (void)state;
    AUTO_MODEL struct model *m = builtin();
    static const char *const names[] = {"DLTasks", "TrainedModels"};
    for (size_t i = 0; i < 2; i++) {
        const struct model_collection *c = model_find(m, names[i]);
        assert_true(follows(c, "dnnscript_id", "DnnScripts"));
        assert_true(follows(c, "userdnn_id", "UserDNNs"));
        assert_false(follows(c, "dataset_id", "DataSets"));
        assert_false(follows(c, "project_group_id", "ProjectGroups"));
    }
    assert_false(follows(model_find(m, "WebAPIs"), "dnnscript_id", "DnnScripts"));
    assert_string_equal(model_find(m, "DataSetFiles")->member_file.field, "_id");
    assert_true(model_find(m, "WebAPIs")->with_files);
    assert_false(model_find(m, "ProjectGroups")->with_files);
}

static void test_files(void **state) {
    static const struct {
        const char *collection;
        size_t set;
        const char *under, *id, *name;
        bool matches;
    } cases[] = {
        {"DataSets", 0, "alice/datasets", "d1", "d1", true},
        {"DataSets", 0, "alice/datasets", "d1", "d10", false},
        {"TrainedModels", 0, "alice/trained-models", "m1", "m1", true},
        {"TrainedModels", 0, "alice/trained-models", "m1", "m1.zip", true},
        {"TrainedModels", 0, "alice/trained-models", "m1", "m1_meta.json", true},
        {"TrainedModels", 0, "alice/trained-models", "m1", "m1-x", true},
        {"TrainedModels", 0, "alice/trained-models", "m1", "m10.zip", false},
        {"TrainedModels", 0, "alice/trained-models", "m1", "m1a", false},
        {"TrainedModels", 0, "alice/trained-models", "m1", "xm1.zip", false},
        {"TrainedModels", 0, "alice/trained-models", "m*", "m1.zip", false},
        {"TrainedModels", 0, "alice/trained-models", "m1", "m1\xC3\xA9", false},
        {"TrainedModels", 1, "alice/trained-models/thumbnails", "m1", "m1.jpg", true},
        {"DnnScripts", 0, "alice/dnn-scripts", "s1", "s1.zip", true},
        {"DnnScripts", 0, "alice/dnn-scripts", "s1", "s1.zip.bak", false},
        {"DnnScripts", 0, "alice/dnn-scripts", "s1", "s1", false},
    };
    (void)state;
    AUTO_MODEL struct model *m = builtin();
    AUTO_ARENA struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct model_files *f = &model_find(m, cases[i].collection)->files[cases[i].set];
        assert_string_equal(model_under(f, "alice", a), cases[i].under);
        assert_null(model_under(f, NULL, a));
        if (model_name_matches(f, cases[i].id, cases[i].name) != cases[i].matches) {
            fail_msg("%s and %s", cases[i].id, cases[i].name);
        }
    }
}

static void test_paths(void **state) {
    static const struct {
        const char *value, *path;
    } cases[] = {
        {"uploads/alice/trained-models/thumbnails/m1.jpg",
         "alice/trained-models/thumbnails/m1.jpg"},
        {"/opt/powerai-vision/data/bob/x.jpg", "bob/x.jpg"},
        {"/etc/passwd", NULL},
        {"uploads/../../etc/passwd", NULL},
        {"uploads//x", NULL},
        {"uploads/", NULL},
        {"", NULL},
    };
    (void)state;
    AUTO_MODEL struct model *m = builtin();
    const struct model_path *p = &model_find(m, "TrainedModels")->paths[0];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = model_path_relative(p, cases[i].value);
        if (cases[i].path == NULL) {
            assert_null(path);
        } else {
            assert_string_equal(path, cases[i].path);
        }
    }
}

#define HEAD "mvimig-schema: 1\nname: x\nversion: \"1\"\n"
#define C(text) HEAD "collections:\n" text
#define TOP "  T: {level: top, noun: ts, owner: o}\n"

static const struct {
    const char *text, *says;
} bad[] = {
    {"", "nothing in it"},
    {"[]", "has to be a mapping"},
    {"name: x\nversion: 1\ncollections: {}\n", "\"mvimig-schema: 1\" is missing"},
    {"mvimig-schema: 2\n", "not a schema of this program"},
    {HEAD, "\"collections\" is missing"},
    {HEAD "colections: {}\n", "did you mean \"collections\"?"},
    {"mvimig-schema: 1\nversion: 1\ncollections: {}\n", "\"name\" is missing"},
    {C("  T: {level: top}\n"), "needs a \"noun\""},
    {C("  T: {noun: ts}\n"), "\"level\" is missing"},
    {C("  T: {level: topp, noun: ts}\n"), "it is one of top, second, whole"},
    {C("  T: {level: whole, class: acounts}\n"), "it is one of work, accounts, transient"},
    {C("  T: {level: whole, noun: ts}\n"), "\"noun\" is for collections of level top"},
    {C("  T: {level: top, noun: Ts}\n"), "\"noun\" has to be made of"},
    {C("  T: {level: top, noun: rest}\n"), "taken by the program"},
    {C(TOP "  U: {level: top, noun: ts}\n"), "is that of T already"},
    {C("  \"a/b\": {level: whole}\n"), "not the name of a collection"},
    {C("  system.users: {level: whole}\n"), "not the name of a collection"},
    {C("  T: [1]\n"), "collection T has to be a mapping"},
    {C("  T: {level: top, noun: ts, ownr: o}\n"), "did you mean \"owner\"?"},
    {C("  S: {level: second}\n"), "needs \"parent\" and \"parent_field\""},
    {C("  S: {level: second, parent: T, parent_field: t}\n"), "the parent T is not declared"},
    {C("  W: {level: whole}\n  S: {level: second, parent: W, parent_field: t}\n"),
     "the parent W is not of level top"},
    {C("  S: {level: second, parent: S, parent_field: t}\n"), "the parent S is not of level top"},
    {C("  W: {level: whole, parent: T, parent_field: t}\n"), "are for level second"},
    {C("  W: {level: whole, member_file: _id}\n"), "\"member_file\" is for level second"},
    {C("  W: {level: whole, files: [{under: a/b, name: \"{id}\"}]}\n"), "are for level top"},
    {C(TOP "  W: {level: whole, refs: [{field: t, to: X}]}\n"), "X is not declared"},
    {C(TOP "  W: {level: whole, refs: [{field: t, to: W}]}\n"), "W is not of level top"},
    {C(TOP "  W: {level: whole, refs: [{field: t, to: T, follow: true}]}\n"),
     "\"follow\" is for references of level top"},
    {C(TOP "  W: {level: whole, refs: [{field: t, to: T, follow: yes}]}\n"), "true or false"},
    {C(TOP "  W: {level: whole, refs: [{to: T}]}\n"), "\"field\" is missing"},
    {C(TOP "  W: {level: whole, refs: {field: t}}\n"), "\"refs\" has to be a list"},
    {C("  W: {level: whole, project: _id}\n"), "are for level top"},
    {C("  W: {level: whole, owner: o}\n"), "\"owner\" and \"project\" are for level top"},
    {C(TOP "  S: {level: second, parent: T, parent_field: t, project: p}\n"),
     "\"owner\" and \"project\" are for level top"},
    {C("  W: {level: whole, label: n}\n"), "is for level top and the class accounts"},
    {C("  W: {level: whole, class: transient, label: n}\n"), "top and the class accounts"},
    {C("  T: {level: top, noun: ts, project: _id}\n  U: {level: top, noun: us, project: _id}\n"),
     "stands for T already"},
#define FILES(files) C("  T: {level: top, noun: ts, owner: o, files: [" files "]}\n")
    {FILES("{under: a/b}"), "\"name\" is missing"},
    {FILES("{under: ../b, name: \"{id}\"}"), "\"under\" has to be a path"},
    {FILES("{under: /a/b, name: \"{id}\"}"), "\"under\" has to be a path"},
    {FILES("{under: a, name: \"{id}\"}"), "two or more components"},
    {FILES("{under: \"x{owner}/b\", name: \"{id}\"}"), "\"under\" has to be a path"},
    {FILES("{under: \"{owner}/{owner}\", name: \"{id}\"}"), "\"under\" has to be a path"},
    {FILES("{under: \"{user}/b\", name: \"{id}\"}"), "\"under\" has to be a path"},
    {FILES("{under: a/b, name: \"*\"}"), "\"name\" has to be {id}"},
    {FILES("{under: a/b, name: \"{id}/x\"}"), "\"name\" has to be {id}"},
    {FILES("{under: a/b, name: \"{id}x\"}"), "\"name\" has to be {id}"},
    {FILES("{under: a/b, name: \"{id}.*\"}"), "\"name\" has to be {id}"},
    {FILES("{under: a/b, name: \"{id}*\", tree: true}"), "the name has to be {id}"},
    {FILES("{under: a/b, name: \"{id}\"}, {under: c/b, name: \"{id}\"}"), "end in the same name"},
    {C("  T: {level: top, noun: ts, files: [{under: \"{owner}/b\", name: \"{id}\"}]}\n"),
     "the collection has no \"owner\""},
#undef FILES
    {C("  T: {level: top, noun: ts, paths: [{field: p}]}\n"), "\"below\" is missing"},
    {C("  T: {level: top, noun: ts, paths: [{field: p, below: [x]}]}\n"), "has to end in /"},
    {C(TOP) "fixups: [{collection: X, field: f, pattern: a}]\n", "collection X is not declared"},
    {C(TOP) "fixups: [{collection: T, field: a.b, pattern: a}]\n", "top-level field"},
    {C(TOP) "fixups: [{collection: T, field: _id, pattern: a}]\n", "other than _id"},
    {C(TOP) "fixups: [{collection: T, field: f, pattern: \"(\"}]\n", "missing closing parenthesis"},
    {C(TOP) "fixups: [{collection: T, field: f, pattern: a, replacement: $1}]\n", "replacement"},
    {C(TOP) "fixups: [{collection: T, field: f, pattern: a, before: new}]\n", "\"before\" has to"},
    {C(TOP) "work_folders: [../x]\n", "\"work_folders\": not a path"},
    {C(TOP TOP), "stands here a second time"},
};

static void test_bad(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct model *m = NULL;
        struct err e = {0};
        int rc = model_read("s.yaml", bad[i].text, strlen(bad[i].text), &m, &e);
        if (rc != ERR_USAGE || strncmp(e.text, "s.yaml:", 7) != 0 ||
            strstr(e.text, bad[i].says) == NULL) {
            fail_msg("case %zu: %s\nexpected %s, got %d %s", i, bad[i].text, bad[i].says, rc,
                     e.text);
        }
        assert_null(m);
    }
}

// A schema of somebody else: no owner in a path, a fix-up for old versions.
static void test_other(void **state) {
    static const char text[] = C("  T: {level: top, noun: ts, files: [{under: all/things, name: "
                                 "\"{id}.tar\"}]}\n") "fixups: [{collection: T, field: f, pattern: "
                                                      "a, before: 8.4.0}]\n";
    (void)state;
    struct err e = {0};
    AUTO_MODEL struct model *m = NULL;
    AUTO_ARENA struct arena *a = arena_new();
    assert_int_equal(model_read("s.yaml", text, strlen(text), &m, &e), 0);
    assert_string_equal(model_under(&m->collections[0].files[0], NULL, a), "all/things");
    assert_true(model_name_matches(&m->collections[0].files[0], "t", "t.tar"));
    assert_string_equal(m->fixups[0].replacement, "");
    assert_string_equal(m->fixups[0].before, "8.4.0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin), cmocka_unit_test(test_references),
        cmocka_unit_test(test_files),   cmocka_unit_test(test_paths),
        cmocka_unit_test(test_bad),     cmocka_unit_test(test_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
