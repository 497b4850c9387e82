// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plans_support.h"

// PLAN_HEAD has five lines: what follows it begins on line 6.
#define SETS "sets:\n  a/d/1: [\"x\", \"y\"]\n  a/d/2: [\"z\"]\n" // 3 lines
#define FILES "  - {id: files/1, kind: file-batch, under: a/d, set: a/d/1}\n"
#define DUMP "  - {id: dump/F/1, kind: dump, collection: F, by: dataset_id, set: a/d/1}\n"
#define RESTORE "  - {id: restore/F/1, kind: restore, from: dump/F/1, needs: [files/]}\n"
#define STEPS FILES DUMP RESTORE
#define ONE(rest) PLAN_HEAD SETS "steps:\n  - {id: s, " rest "}\n" // the step is on line 10
#define RANGE(id, bounds) "  - {id: " id ", kind: dump, collection: R" bounds "}\n"

struct row {
    const char *text;
    const char *want; // stands in the error
};

static void assert_refused(const char *text, size_t len, const char *want) {
    AUTO_ARENA struct arena *a = arena_new();
    struct problems problems = {.arena = a};
    struct plan *p = NULL;
    struct err e = {0};
    int rc = plan_read("p", text, len, &p, &problems, &e);
    if (rc != ERR_PLAN || strstr(e.text, want) == NULL) {
        print_error("%s\n  gave %d: %s\n  want %s\n", text, rc, e.text, want);
        fail();
    }
    assert_null(p);
    assert_true(problems.n > 0);
}

static void assert_rows(const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        assert_refused(rows[i].text, strlen(rows[i].text), rows[i].want);
    }
}

static void refuses_what_is_no_plan(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"", "p:1: nothing in it"},   // empty
        {"[]", "p:1: not a plan"},    // no mapping
        {"hello", "p:1: not a plan"}, // a text
        {"name: x\n", "p:1: not a plan: it has to be a mapping with the key `mvimig: 1`"},
        {"\nmvimig: 2\nfoo: 1\n", "p:2: a plan of format 2; this program reads format 1"},
        {"mvimig: \"1\"\n", "p:1: mvimig has to be the number 1"}, // a text, no number
        {"mvimig: 01\n", "p:1: mvimig has to be the number 1"},
        {PLAN_HEAD "---\nsteps: []\n", "p:6: a second document begins"},
        {PLAN_HEAD "name: x\nsteps: []\n", "p:6: key \"name\" stands here a second time"},
        {"mvimig: 1\nx: &a [1]\n", "p:2: anchors (&) are not accepted"},
        {"mvimig: 1\nx: *a\n", "p:2: aliases (*) are not accepted"},
        {"mvimig: 1\n<<: {a: b}\n", "p:2: merge keys (<<) are not accepted"},
        {"mvimig: 1\nx: !!str a\n", "p:2: tags (!) are not accepted"},
        {"mvimig: 1\nname: \"a\\0b\"\n", "p:2: a zero byte"},
        {"mvimig: 1\nname: \xFF\n", "p:2: "}, // not UTF-8
        {"mvimig: 1 # a\xE2\x80\xA8name: b\n", "p:1: a line separator has to be"},
        {"mvimig: 1\nname: \"a\n", "p:3: "}, // a quote that never ends
        {"mvimig: 1\n\tname: a\n", "p:2: "}, // a tab for blanks
        {PLAN_HEAD SETS, "key \"steps\" is missing; the file may be cut short"},
        {PLAN_HEAD SETS "steps:\n", "p:9: steps has to be a list; `steps: []` if there are none"},
    };
    assert_rows(rows, N_ROWS(rows));
}

static void refuses_bad_headers(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"mvimig: 1\nsteps: []\n", "p:1: key \"name\" is missing"},
        {"mvimig: 1\nsteps: []\n", "p:1: key \"pass\" is missing"},
        {"mvimig: 1\nsteps: []\n", "p:1: key \"source\" is missing"},
        {"mvimig: 1\nsteps: []\n", "p:1: key \"destination\" is missing"},
        {PLAN_HEAD "step: []\nsteps: []\n", "p:6: unknown key \"step\"; did you mean \"steps\"?"},
        {PLAN_HEAD "comment: x\nsteps: []\n", "p:6: unknown key \"comment\""},
        {"mvimig: 1\nname: [a]\nsteps: []\n", "p:2: name has to be one text, not a list"},
        {"mvimig: 1\nname: {a: b}\nsteps: []\n", "p:2: name has to be one text, not a mapping"},
        {"mvimig: 1\nname:\nsteps: []\n", "p:2: name is empty"},
        {"mvimig: 1\nname: null\nsteps: []\n",
         "p:2: name is null; if that is its text, put it in quotes: \"null\""},
        {"mvimig: 1\nname: ../x\nsteps: []\n", "name \"../x\": a name begins with a letter"},
        {"mvimig: 1\nname: \"\"\nsteps: []\n", "name \"\": a name begins with a letter"},
        {"mvimig: 1\npass: 0\nsteps: []\n", "p:2: pass has to be a number from 1 to 1000000"},
        {"mvimig: 1\npass: -1\nsteps: []\n", "p:2: pass has to be a number"},
        {"mvimig: 1\npass: 0777\nsteps: []\n", "p:2: pass has to be a number"},
        {"mvimig: 1\npass: 1e3\nsteps: []\n", "p:2: pass has to be a number"},
        {"mvimig: 1\npass: \"1\"\nsteps: []\n", "p:2: pass has to be a number"},
        {"mvimig: 1\npass: 99999999999999999999999\nsteps: []\n", "p:2: pass has to be a number"},
        {"mvimig: 1\nsource: db1\nsteps: []\n", "p:2: source: has to be a mapping"},
        {"mvimig: 1\nsource: {servr: a}\nsteps: []\n",
         "p:2: source: unknown key \"servr\"; did you mean \"server\"?"},
        {PLAN_HEAD "base: line1\nsteps: []\n", "p:6: base has to be a list"},
        {PLAN_HEAD "base: [a/b]\nsteps: []\n", "base \"a/b\": a name begins"},
        {PLAN_HEAD "excludes: [\"(\"]\nsteps: []\n", "excludes: "}, // no pattern
        {PLAN_HEAD "fixups: [{field: a}]\nsteps: []\n", "p:6: fixups: key \"pattern\" is missing"},
        {PLAN_HEAD "fixups: [a]\nsteps: []\n", "p:6: fixups: has to be a mapping"},
        {PLAN_HEAD "fixups: {a: b}\nsteps: []\n", "p:6: fixups has to be a list"},
    };
    assert_rows(rows, N_ROWS(rows));
}

static void refuses_bad_sets(void **state) {
    (void)state;
    static const struct row rows[] = {
        {PLAN_HEAD "sets: [a]\nsteps: []\n", "p:6: sets has to be a mapping"},
        {PLAN_HEAD "sets:\n  a: b\nsteps: []\n", "p:7: set a: has to be a list of IDs"},
        {PLAN_HEAD "sets:\n  a:\n    - x\n    - [y]\nsteps: []\n",
         "p:9: set a: an ID has to be one text, not a list"},
        {PLAN_HEAD "sets:\n  a:\n    - x\n    -\nsteps: []\n", "p:9: set a: an ID is empty"},
        {PLAN_HEAD "sets:\n  a:\n    - x\n    - y: z\nsteps: []\n",
         "p:9: set a: an ID has to be one text, not a mapping"}, // a name made of YAML
        {PLAN_HEAD "sets:\n  a:\n    - x\n    - y\n    - \"x\"\nsteps: []\n",
         "p:10: set a: \"x\" stands here a second time, first on line 8"},
        {PLAN_HEAD "sets:\n  a: []\n  a: []\nsteps: []\n", "p:8: key \"a\" stands here"},
        {PLAN_HEAD "sets:\n  a/: []\nsteps: []\n", "p:7: set a/: the name has to be words"},
        {PLAN_HEAD "sets:\n  ../a: []\nsteps: []\n", "p:7: set ../a: the name has to be words"},
        {PLAN_HEAD "sets:\n  \"\": []\nsteps: []\n", "p:7: set : the name is empty"},
    };
    assert_rows(rows, N_ROWS(rows));
}

static void refuses_bad_steps(void **state) {
    (void)state;
    static const struct row rows[] = {
        {PLAN_HEAD "steps: {a: b}\n", "p:6: steps has to be a list"},
        {PLAN_HEAD "steps: [a]\n", "p:6: step number 1: has to be a mapping"},
        {PLAN_HEAD "steps:\n  - {kind: dump}\n", "p:7: step number 1: key \"id\" is missing"},
        {PLAN_HEAD "steps:\n  - {id: [a]}\n", "p:7: step number 1: id has to be one text"},
        {PLAN_HEAD "steps:\n  - {id: s}\n", "p:7: step s: key \"kind\" is missing; it is one of"},
        {ONE("kind: dmup, collection: F"), "p:10: step s: unknown kind \"dmup\"; it is one of "
                                           "file-batch, tar-list, dump, delete, restore"},
        {ONE("kind: dump, colection: F"),
         "p:10: step s: unknown key \"colection\"; did you mean \"collection\"?"},
        {ONE("kind: dump"), "p:10: step s: a dump needs collection"},
        {ONE("kind: restore"), "p:10: step s: a restore needs from"},
        {ONE("kind: file-batch"), "p:10: step s: a file-batch needs under"},
        {ONE("kind: tar-list, under: a"), "p:10: step s: a tar-list needs set"},
        {ONE("kind: tar-list, under: a, set: a/d/1"), "p:10: step s: a tar-list needs name"},
        {ONE("kind: dump, collection: F, under: a"),
         "p:10: step s: a dump has no under; it can have collection, by, set, orphansOf, from_id"},
        {ONE("kind: tar-list, under: a, set: a/d/1, name: \"{id}*\", except: [a/x]"),
         "p:10: step s: a tar-list has no except"},
        {ONE("kind: dump, collection: F, onConflict: keep"), "step s: a dump has no onConflict"},
        {ONE("kind: file-batch, under: a, onConflict: merge"),
         "p:10: step s: onConflict is keep, replace or fail, not \"merge\""},
        {ONE("kind: file-batch, under: a, expect: 5"), "p:10: step s: expect has to be a mapping"},
        {ONE("kind: file-batch, under: a, expect: {file: 5}"), "unknown key \"file\"; did you"},
        {ONE("kind: file-batch, under: a, expect: {files: 9223372036854775808}"),
         "expect: files has to be a number from 0 to 9223372036854775807"},
        {ONE("kind: file-batch, under: a, expect: {files: -5}"), "expect: files has to be a"},
        {PLAN_HEAD SETS "steps:\n" FILES FILES, "p:11: step files/1: a step of this id stands on "
                                                "line 10 already"},
        {PLAN_HEAD "steps:\n  - {id: a/, kind: file-batch, under: a}\n",
         "p:7: step a/: the id has to be words joined by single slashes"},
        {PLAN_HEAD "steps:\n  - {id: ../../x, kind: file-batch, under: a}\n", "p:7: step ../../x"},
        {ONE("kind: restore, from: dump/G/1"), "p:10: step s: from: there is no step \"dump/G/1\""},
        {PLAN_HEAD SETS "steps:\n" FILES "  - {id: r, kind: restore, from: files/1}\n",
         "p:11: step r: from: \"files/1\" is a file-batch; only a dump can be restored"},
        {PLAN_HEAD SETS "steps:\n" DUMP "  - {id: r, kind: restore, from: dump/F/2}\n",
         "there is no step \"dump/F/2\"; did you mean \"dump/F/1\"?"},
        {ONE("kind: dump, collection: F, set: a/d/3"),
         "p:10: step s: there is no set \"a/d/3\"; did you mean \"a/d/"},
        {ONE("kind: dump, collection: F, set: b/"), "p:10: step s: no set is below \"b/\""},
        {ONE("kind: dump, collection: F, by: x"), "p:10: step s: by needs set"},
        {ONE("kind: dump, collection: F, set: a/d/1, orphansOf: D"), "orphansOf needs set and by"},
        {ONE("kind: dump, collection: \"../F\""), "\"../F\" is no name of a collection"},
        {ONE("kind: dump, collection: \"$cmd\""), "\"$cmd\" is no name of a collection"},
        {ONE("kind: dump, collection: system.users"), "is no name of a collection"},
    };
    assert_rows(rows, N_ROWS(rows));
}

static void refuses_paths_outside(void **state) {
    (void)state;
    static const struct row rows[] = {
        {ONE("kind: file-batch, under: \"..\""), "p:10: step s: under: \"..\" is no path below"},
        {ONE("kind: file-batch, under: a/../../b"), "under: \"a/../../b\" is no path below"},
        {ONE("kind: file-batch, under: /etc"), "under: \"/etc\" is absolute"},
        {ONE("kind: file-batch, under: \"\""), "under: \"\" is empty"},
        {ONE("kind: file-batch, under: a//b"), "under: \"a//b\" is no path below"},
        {ONE("kind: file-batch, under: a/"), "under: \"a/\" is no path below"},
        {ONE("kind: file-batch, under: ./a"), "under: \"./a\" is no path below"},
        {ONE("kind: file-batch, under: ."), NULL}, // the root itself may move
        {ONE("kind: file-batch, under: a, except: [../b]"), "except: \"../b\" is no path below"},
        {ONE("kind: file-batch, under: a, except: [b/c]"), "except: \"b/c\" is not below \"a\""},
        {ONE("kind: file-batch, under: a, except: [a]"), "except: \"a\" is not below \"a\""},
        {ONE("kind: file-batch, under: a, set: a/d/1, except: [a/c]"), "do not go together"},
        {ONE("kind: tar-list, under: a, set: a/d/1, name: \"*\""), "name: \"*\" has to be"},
        {ONE("kind: tar-list, under: a, set: a/d/1, name: \"{id}/x\""), "name: \"{id}/x\" has"},
        {ONE("kind: tar-list, under: a, set: a/d/1, name: \"{id}*.zip\""), "name: "},
        {PLAN_HEAD "sets:\n  s: [\"../x\"]\nsteps:\n  - {id: f, kind: file-batch, under: a, "
                   "set: s}\n",
         "p:9: step f: ID \"../x\" of set \"s\" is no file name"},
        {PLAN_HEAD "sets:\n  s: [\"\"]\nsteps:\n  - {id: f, kind: file-batch, under: a, set: s}\n",
         "ID \"\" of set \"s\" is no file name"},
        {PLAN_HEAD "sets:\n  s: [\"../x\"]\nsteps:\n  - {id: f, kind: dump, collection: D, "
                   "set: s}\n",
         NULL}, // its document may move all the same
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        if (rows[i].want == NULL) {
            plan_free(plan_of(rows[i].text));
        } else {
            assert_refused(rows[i].text, strlen(rows[i].text), rows[i].want);
        }
    }
}

static void refuses_bad_needs(void **state) {
    (void)state;
    static const struct row rows[] = {
        {PLAN_HEAD SETS "steps:\n" DUMP RESTORE,
         "p:11: step restore/F/1: needs \"files/\": no step is below it"},
        {PLAN_HEAD SETS "steps:\n" FILES "  - {id: a, kind: file-batch, under: b, needs: [file/1]}"
                        "\n",
         "p:11: step a: needs \"file/1\": there is no such step; did you mean \"files/1\"?"},
        {ONE("kind: file-batch, under: a, needs: [s]"), "p:10: step s: needs itself"},
        {PLAN_HEAD "steps:\n  - {id: f/s, kind: file-batch, under: a, needs: [f/]}\n",
         "p:7: step f/s: needs \"f/\": no other step is below it"},
        {ONE("kind: file-batch, under: a, needs: files/"), "p:10: step s: needs has to be a list"},
        {ONE("kind: file-batch, under: a, needs: [[x]]"), "step s: needs has to be one text"},
        {PLAN_HEAD "steps:\n"
                   "  - {id: a, kind: file-batch, under: a, needs: [b]}\n"
                   "  - {id: b, kind: file-batch, under: b, needs: [c]}\n"
                   "  - {id: c, kind: file-batch, under: c, needs: [a]}\n",
         "p:7: step a: waits for itself, so that it could never start: \"a\" -> \"b\" -> \"c\" -> "
         "\"a\"; take one of these needs out"},
        {PLAN_HEAD "steps:\n" // through prefixes
                   "  - {id: f/1, kind: file-batch, under: a, needs: [g/]}\n"
                   "  - {id: g/1, kind: file-batch, under: b}\n"
                   "  - {id: g/2, kind: file-batch, under: c, needs: [f/]}\n",
         "\"f/1\" -> \"g/2\" -> \"f/1\""},
        {PLAN_HEAD "steps:\n" // two steps that need their own prefix
                   "  - {id: f/1, kind: file-batch, under: a, needs: [f/]}\n"
                   "  - {id: f/2, kind: file-batch, under: b, needs: [f/]}\n",
         "\"f/1\" -> \"f/2\" -> \"f/1\""},
        {PLAN_HEAD SETS "steps:\n" // a restore waits for its dump without saying so
                        "  - {id: d, kind: dump, collection: F, set: a/d/1, needs: [r]}\n"
                        "  - {id: r, kind: restore, from: d}\n",
         "\"d\" -> \"r\" -> \"d\""},
    };
    assert_rows(rows, N_ROWS(rows));
}

static void refuses_bad_ranges(void **state) {
    (void)state;
    static const struct row rows[] = {
        {PLAN_HEAD "steps:\n" RANGE("1", ", to_id: '\"m\"'") RANGE("2", ", from_id: '\"n\"'"),
         "p:8: step 2: a gap between the ranges of \"R\": \"1\" ends at"},
        {PLAN_HEAD "steps:\n" RANGE("1", ", to_id: '\"n\"'") RANGE("2", ", from_id: '\"m\"'"),
         "p:8: step 2: an overlap between the ranges"},
        {PLAN_HEAD "steps:\n" RANGE("1", ", from_id: '\"b\"'"),
         "p:7: step 1: a gap: no range of \"R\" begins at the open end"},
        {PLAN_HEAD "steps:\n" RANGE("1", ", to_id: '\"b\"'"),
         "p:7: step 1: a gap: no range of \"R\" goes to the open end"},
        {PLAN_HEAD "steps:\n" RANGE("1", "") RANGE("2", ", from_id: '\"m\"'"),
         "p:8: step 2: an overlap between the ranges of \"R\": \"1\" ends at the open end"},
        {PLAN_HEAD "steps:\n" RANGE("1", ", to_id: '\"m\"'") RANGE("2", ", to_id: '\"m\"'")
             RANGE("3", ", from_id: '\"m\"'"),
         "p:8: step 2: an overlap"},
        {ONE("kind: dump, collection: R, from_id: '\"n\"', to_id: '\"m\"'"),
         "p:10: step s: the range from"},
        {ONE("kind: dump, collection: R, from_id: '\"m\"', to_id: '\"m\"'"), "is empty; from_id"},
        {ONE("kind: dump, collection: R, from_id: abc"), "from_id: \"abc\" is no bound"},
        {ONE("kind: dump, collection: R, to_id: '\"abc'"), "to_id: '\"abc' is no bound"},
        {ONE("kind: dump, collection: R, to_id: \"hex:123\""), "to_id: \"hex:123\" is no bound"},
        {PLAN_HEAD "steps:\n" // no strings: as they stand in the file
         RANGE("1", ", to_id: \"hex:10\"") RANGE("2", ", from_id: \"hex:11\""),
         "p:8: step 2: a gap or overlap"},
        {PLAN_HEAD "steps:\n" RANGE("2", ", from_id: \"hex:10\"") RANGE("1", ", to_id: \"hex:10\""),
         "p:8: step 1: an overlap"},
        {PLAN_HEAD "steps:\n" RANGE("1", ", to_id: \"hex:10\"")
             RANGE("2", ", from_id: \"hex:10\", to_id: \"hex:11\"")
                 RANGE("3", ", from_id: \"hex:11\", to_id: \"hex:10\"")
                     RANGE("4", ", from_id: \"hex:10\""),
         "p:9: step 3: an overlap: a range of \"R\" ends at \"hex:10\" already"},
        {PLAN_HEAD SETS "steps:\n" RANGE("1", "") RANGE("2", ", set: a/d/1"),
         "p:11: step 2: dumps by set a part of what \"1\" dumps whole"},
    };
    assert_rows(rows, N_ROWS(rows));
}

static void refuses_to_write_twice(void **state) {
    (void)state;
    static const struct row rows[] = {
        {PLAN_HEAD SETS "steps:\n" STEPS
                        "  - {id: again, kind: file-batch, under: a/d, set: a/d/1}\n",
         "p:13: step again: does the very same as step \"files/1\""},
        {PLAN_HEAD SETS "steps:\n" STEPS
                        "  - {id: again, kind: restore, from: dump/F/1, onConflict: fail}\n",
         "p:13: step again: restores the same dump as step \"restore/F/1\""},
        {PLAN_HEAD "sets:\n  a: [\"x\"]\n  b: [\"x\", \"y\"]\nsteps:\n"
                   "  - {id: 1, kind: file-batch, under: d, set: a}\n"
                   "  - {id: 2, kind: file-batch, under: d, set: b}\n",
         "p:11: step 2: moves \"x\", which step \"1\" moves already"},
        {PLAN_HEAD "sets:\n  a: [\"x\"]\n  b: [\"x\", \"y\"]\nsteps:\n"
                   "  - {id: 1, kind: dump, collection: D, set: a}\n"
                   "  - {id: 2, kind: dump, collection: D, by: _id, set: b}\n",
         "p:11: step 2: moves \"x\", which step \"1\" moves already"},
        {PLAN_HEAD "steps:\n"
                   "  - {id: 1, kind: file-batch, under: .}\n"
                   "  - {id: 2, kind: file-batch, under: a/b}\n",
         "p:7: step 1: moves all of \".\", also what step \"2\" moves; add except: [\"a/b\"]"},
        {PLAN_HEAD SETS "steps:\n" FILES "  - {id: 2, kind: file-batch, under: a}\n",
         "p:11: step 2: moves all of \"a\", also what step \"files/1\" moves"},
        {PLAN_HEAD SETS "steps:\n" FILES
                        "  - {id: 2, kind: file-batch, under: a, except: [a/d/x]}\n",
         "p:11: step 2: moves all of \"a\", also what step \"files/1\" moves"},
        {PLAN_HEAD "steps:\n"
                   "  - {id: 1, kind: file-batch, under: a}\n"
                   "  - {id: 2, kind: file-batch, under: a, except: [a/b]}\n",
         "p:7: step 1: moves all of \"a\", also what step \"2\" moves"},
    };
    assert_rows(rows, N_ROWS(rows));
}

// What looks like the rows above and is fine.
static void accepts(void **state) {
    (void)state;
    static const char *const rows[] = {
        PLAN_HEAD "steps: []\n",        // nothing to do
        PLAN_HEAD "sets:\nsteps: []\n", // every set taken out
        PLAN_HEAD "sets:\n  a:\nsteps:\n  - {id: d, kind: dump, collection: D, set: a}\n",
        PLAN_HEAD SETS "steps:\n" STEPS,                                //
        PLAN_HEAD "sets:\n  a: [0777, no, 1e3, \"null\"]\nsteps: []\n", // texts as they are written
        PLAN_HEAD "steps:\n" RANGE("2", ", from_id: '\"m\"'") RANGE("1", ", to_id: '\"m\"'"),
        PLAN_HEAD "steps:\n" RANGE("1", ", to_id: '\"\\u006d\"'") RANGE("2", ", from_id: '\"m\"'"),
        PLAN_HEAD "steps:\n" RANGE("1", ", to_id: '{\"$oid\":\"5f\"}'")
            RANGE("2", ", from_id: '{\"$oid\":\"5f\"}', to_id: '\"a\"'")
                RANGE("3", ", from_id: '\"a\"'"),
        // Ranges that pick from different sets each go from end to end.
        PLAN_HEAD SETS "steps:\n" RANGE("1", ", set: a/d/1, by: x, to_id: '\"m\"'")
            RANGE("2", ", set: a/d/1, by: x, from_id: '\"m\"'")
                RANGE("3", ", set: a/d/2, by: x, orphansOf: D"),
        PLAN_HEAD SETS "steps:\n" FILES "  - {id: 2, kind: file-batch, under: a, except: [a/d]}\n",
        PLAN_HEAD SETS "steps:\n" FILES
                       "  - {id: 2, kind: file-batch, under: ., except: [a/d/x, a/d/y]}\n",
        // One ID, but other objects: another directory, another collection, another field.
        PLAN_HEAD SETS "steps:\n" STEPS "  - {id: 2, kind: file-batch, under: b, set: a/d/1}\n"
                       "  - {id: 3, kind: dump, collection: G, set: a/d/1}\n"
                       "  - {id: 4, kind: dump, collection: F, set: a/d/1}\n",
        // The last of a prefix may wait for all others below it.
        PLAN_HEAD "steps:\n"
                  "  - {id: f/1, kind: file-batch, under: a}\n"
                  "  - {id: f/2, kind: file-batch, under: b, needs: [f/]}\n",
        "\xEF\xBB\xBF" PLAN_HEAD "steps: []\n", // a byte order mark
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        plan_free(plan_of(rows[i]));
    }
}

static void reads_windows_lines(void **state) {
    (void)state;
    AUTO_PLAN struct plan *p = plan_of("# top\r\nmvimig: 1\r\nname: a\r\npass: 1\r\nsource: {}\r\n"
                                       "destination: {}\r\nsets:\r\n  s:\r\n    - \"x\"  # c\r\n"
                                       "steps: []\r\n");
    assert_string_equal(p->comment, "top");
    assert_string_equal(p->sets[0].ids[0], "x");
    assert_string_equal(p->sets[0].id_comments[0], "c");
}

// All problems at once; ten of them in the error, the rest in the list.
static void tells_all_problems(void **state) {
    (void)state;
    AUTO_ARENA struct arena *a = arena_new();
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    struct problems problems = {.arena = a};
    struct plan *p = NULL;
    struct err e = {0};
    buf_puts(&text, PLAN_HEAD "colour: red\nsteps:\n");
    for (int i = 0; i < 300; i++) {
        buf_printf(&text, "  - {id: s/%d, kind: dump, under: a}\n", i);
    }
    assert_int_equal(plan_read("p", buf_str(&text), text.len, &p, &problems, &e), ERR_PLAN);
    assert_int_equal(problems.n, 200);
    assert_int_equal(problems.more, 401); // two a step, and the key
    assert_non_null(strstr(e.text, "p:6: unknown key \"colour\"\np:8: step s/0: a dump needs "
                                   "collection\np:8: step s/0: a dump has no under; "));
    assert_null(strstr(e.text, "step s/5"));
    assert_non_null(strstr(e.text, "p: and 591 more"));
}

// A chain of aliases that would be gigabytes when written out.
static void refuses_an_alias_bomb(void **state) {
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    buf_puts(&text, "mvimig: 1\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++) {
            buf_printf(&text, "%s*a%d", j > 0 ? ", " : "", i - 1);
        }
        buf_puts(&text, "]\n");
    }
    assert_refused(buf_str(&text), text.len, "p:2: anchors (&) are not accepted");
}

// libyaml needs hours for this; it is counted before.
static void refuses_deep_nesting(void **state) {
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(8 << 20);
    buf_puts(&text, "mvimig: 1\nx: ");
    for (int i = 0; i < 1000000; i++) {
        buf_puts(&text, "[");
    }
    assert_refused(buf_str(&text), text.len, "p:2: nested deeper than 32 levels");
}

static void refuses_binary(void **state) {
    (void)state;
    static const char zero[] = PLAN_HEAD "steps: []\n\0name: x\n";
    static const char utf16[] = "\xFF\xFEm\0v\0i\0m\0i\0g\0:\0 \0001\0";
    assert_refused(zero, sizeof zero - 1, "p:7: ");
    assert_refused(utf16, sizeof utf16 - 1, "p:1: ");
}

// A dataset's name that tries to be plan text stays a comment.
static void keeps_names_out_of_the_plan(void **state) {
    (void)state;
    static const char *const names[] = {
        "x\nsteps: []",
        "x\r\nsteps: []",
        "x\xC2\x85steps: []",
        "x\xE2\x80\xA8steps: []",
        "x\xE2\x80\xA9steps: []",
        "x\n    - \"stolen\"",
        "\"]\n",
        "\\\n",
        "\x0Bsteps: []",
    };
    for (size_t i = 0; i < N_ROWS(names); i++) {
        AUTO_PLAN struct plan *p = plan_of(PLAN_HEAD "sets:\n  s: [\"x\"]\nsteps: []\n");
        AUTO_BUF struct buf out = BUF_INIT(1 << 20);
        p->sets[0].id_comments[0] = names[i];
        p->sets[0].comment = names[i];
        p->comment = names[i];
        plan_emit(p, &out);
        AUTO_PLAN struct plan *again = plan_of(buf_str(&out));
        assert_int_equal(again->n_sets, 1);
        assert_int_equal(again->sets[0].n, 1);
        assert_string_equal(again->sets[0].ids[0], "x");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_plan),
        cmocka_unit_test(refuses_bad_headers),
        cmocka_unit_test(refuses_bad_sets),
        cmocka_unit_test(refuses_bad_steps),
        cmocka_unit_test(refuses_paths_outside),
        cmocka_unit_test(refuses_bad_needs),
        cmocka_unit_test(refuses_bad_ranges),
        cmocka_unit_test(refuses_to_write_twice),
        cmocka_unit_test(accepts),
        cmocka_unit_test(reads_windows_lines),
        cmocka_unit_test(tells_all_problems),
        cmocka_unit_test(refuses_an_alias_bomb),
        cmocka_unit_test(refuses_deep_nesting),
        cmocka_unit_test(refuses_binary),
        cmocka_unit_test(keeps_names_out_of_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
