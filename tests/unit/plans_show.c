// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plans_support.h"

#define HEAD2                                                                                      \
    "mvimig: 1\nname: line3\npass: 2\nsource: {server: db1, database: DLAAS, root: /data}\n"       \
    "destination: {server: db3, database: DLAAS}\n"
#define SETS "sets:\n  a/d/1:\n    - \"x\"  # Bumper\n    - \"y\"\n  a/d/2: [\"z\"]\n"
#define STEPS                                                                                      \
    "steps:\n"                                                                                     \
    "  - {id: files/1, kind: file-batch, under: a, set: a/d/1, expect: {files: 2410, bytes: "      \
    "91000000}}\n"                                                                                 \
    "  - {id: dump/F/1, kind: dump, collection: F, by: d, set: a/d/1}\n"                           \
    "  - {id: restore/F/1, kind: restore, from: dump/F/1, needs: [files/]}\n"                      \
    "  - {id: dump/D/1, kind: dump, collection: D, set: a/d/}\n"                                   \
    "  - {id: restore/D/1, kind: restore, from: dump/D/1, needs: [restore/F/, files/]}\n"

static void draws_the_steps(void **state) {
    (void)state;
    AUTO_PLAN struct plan *p = plan_of(PLAN_HEAD SETS STEPS);
    AUTO_BUF struct buf out = BUF_INIT(EMIT_MAX);
    plan_graph(p, &out);
    assert_string_equal(buf_str(&out),
                        "digraph plan {\n"
                        "  rankdir=LR;\n"
                        "  label=\"line3, pass 1\";\n"
                        "  n0 [shape=folder, label=\"files/1\\n2,410 files\\n91 MB\"];\n"
                        "  n1 [shape=cylinder, label=\"dump/F/1\"];\n"
                        "  n2 [shape=box, label=\"restore/F/1\"];\n"
                        "  n3 [shape=cylinder, label=\"dump/D/1\"];\n"
                        "  n4 [shape=box, label=\"restore/D/1\"];\n"
                        "  n0 -> n2;\n"
                        "  n1 -> n2;\n"
                        "  n2 -> n4;\n" // and not n0 -> n4, which follows
                        "  n3 -> n4;\n"
                        "}\n");
}

static void folds_large_plans(void **state) {
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(EMIT_MAX);
    AUTO_BUF struct buf out = BUF_INIT(EMIT_MAX);
    buf_puts(&text, PLAN_HEAD SETS "steps:\n");
    for (int i = 0; i < 61; i++) {
        buf_printf(&text, "  - {id: \"files/b\\\"\\\\/%d\", kind: file-batch, under: b/%d}\n", i,
                   i);
    }
    buf_puts(&text, "  - {id: dump/F/1, kind: dump, collection: F, by: d, set: a/d/1}\n"
                    "  - {id: restore/F/1, kind: restore, from: dump/F/1, needs: [files/]}\n");
    AUTO_PLAN struct plan *p = plan_of(buf_str(&text));
    plan_graph(p, &out);
    assert_string_equal(buf_str(&out), "digraph plan {\n"
                                       "  rankdir=LR;\n"
                                       "  label=\"line3, pass 1\";\n"
                                       "  n0 [shape=folder, label=\"files/b\\\"\\\\\\\\\\n61 "
                                       "steps\"];\n"
                                       "  n1 [shape=cylinder, label=\"dump/F\"];\n"
                                       "  n2 [shape=box, label=\"restore/F\"];\n"
                                       "  n0 -> n2;\n"
                                       "  n1 -> n2;\n"
                                       "}\n");
}

struct row {
    const char *why, *text, *want;
};

static void tells_differences(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"nothing", PLAN_HEAD SETS STEPS, "both plans do the same\n"},
        {"comments and the order of IDs",
         "# other\n" PLAN_HEAD "sets:\n  a/d/1: [\"y\", \"x\"]\n  a/d/2:\n    - z # c\n" STEPS,
         "both plans do the same\n"},
        {"an object less", PLAN_HEAD "sets:\n  a/d/1: [\"y\"]\n  a/d/2: [\"z\"]\n" STEPS,
         "- a/d: x  # Bumper\n"
         "~ step files/1: objects: 2 -> 1\n"
         "~ step dump/F/1: objects: 2 -> 1\n"
         "~ step restore/F/1: what it restores is dumped differently, or mended by other fixups\n"
         "~ step dump/D/1: objects: 3 -> 2\n"
         "~ step restore/D/1: what it restores is dumped differently, or mended by other "
         "fixups\n"},
        {"an object moved to another set",
         PLAN_HEAD "sets:\n  a/d/1: [\"y\"]\n  a/d/2: [\"z\", \"x\"]\n" STEPS,
         "~ step files/1: objects: 2 -> 1\n"
         "~ step dump/F/1: objects: 2 -> 1\n"
         "~ step restore/F/1: what it restores is dumped differently, or mended by other "
         "fixups\n"},
        {"an object for another",
         PLAN_HEAD "sets:\n  a/d/1: [\"x\", \"w\"]\n  a/d/2: [\"z\"]\n"
                   "steps: []\n",
         "- a/d: y\n+ a/d: w\n- step files/1\n- step dump/F/1\n- step restore/F/1\n"
         "- step dump/D/1\n- step restore/D/1\n"},
        {"the next pass, elsewhere", HEAD2 SETS STEPS,
         "~ pass: 1 -> 2, so that every step is new\n~ destination server: db2 -> db3\n"},
        {"lists of the header",
         PLAN_HEAD "base: [line2]\nexcludes: [\"x\"]\nfixups: [{collection: F, field: a, pattern: "
                   "b, replacement: c}]\n" SETS STEPS,
         "+ base line2\n+ exclude x\n+ fixup F.a: b -> c\n"
         "~ step files/1: other objects, or other excludes\n"
         "~ step restore/F/1: what it restores is dumped differently, or mended by other "
         "fixups\n"},
        {"steps called, pointed and judged otherwise",
         PLAN_HEAD SETS
         "steps:\n"
         "  - {id: files/2, kind: file-batch, under: a, set: a/d/1}\n"
         "  - {id: dump/F/1, kind: dump, collection: F, by: e, set: a/d/1}\n"
         "  - {id: restore/F/1, kind: restore, from: dump/F/1, onConflict: fail}\n"
         "  - {id: dump/D/1, kind: dump, collection: D, set: a/d/}\n"
         "  - {id: restore/D/1, kind: restore, from: dump/D/1, needs: [restore/F/, files/]}\n"
         "  - {id: dump/E/1, kind: dump, collection: E}\n",
         "~ step files/1 is called files/2\n"
         "~ step dump/F/1: by: d -> e\n"
         "~ step restore/F/1: onConflict: keep -> fail\n"
         "~ step restore/F/1: needs: files/ -> (none)\n"
         "+ step dump/E/1\n"},
    };
    AUTO_PLAN struct plan *old = plan_of(PLAN_HEAD SETS STEPS);
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        AUTO_PLAN struct plan *new = plan_of(rows[i].text);
        AUTO_BUF struct buf out = BUF_INIT(EMIT_MAX);
        plan_diff(old, new, &out);
        if (strcmp(buf_str(&out), rows[i].want) != 0) {
            print_error("%s: ", rows[i].why);
        }
        assert_string_equal(buf_str(&out), rows[i].want);
    }
}

// What is printed of a plan cannot act upon a terminal.
static void escapes_names(void **state) {
    (void)state;
    AUTO_PLAN struct plan *old = plan_of(PLAN_HEAD "steps: []\n");
    AUTO_PLAN struct plan *new = plan_of(PLAN_HEAD "sets:\n  \"a\\x1B\": [\"x\\n- y\"]\nsteps:\n"
                                                   "  - {id: \"s\\x1B[2J\", kind: dump, "
                                                   "collection: \"C\\x07\", set: \"a\\x1B\"}\n");
    AUTO_BUF struct buf out = BUF_INIT(EMIT_MAX);
    plan_diff(old, new, &out);
    assert_string_equal(buf_str(&out), "+ a\\x1B: x\\n- y\n+ step s\\x1B[2J\n");
    AUTO_PLAN struct plan *edited =
        plan_of(PLAN_HEAD "sets:\n  \"a\\x1B\": [\"x\\n- y\"]\nsteps:\n"
                          "  - {id: \"s\\x1B[2J\", kind: file-batch, under: \"u\\x07\", except: "
                          "[\"u\\x07/\\x1B\"]}\n");
    plan_diff(new, edited, &out);
    plan_graph(new, &out);
    assert_non_null(strstr(buf_str(&out), "~ step s\\x1B[2J: kind: dump -> file-batch\n"));
    assert_null(strpbrk(buf_str(&out), "\x1b\x07"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_the_steps),
        cmocka_unit_test(folds_large_plans),
        cmocka_unit_test(tells_differences),
        cmocka_unit_test(escapes_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
