// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plans_support.h"

#include "base/escape.h"
#include "base/path.h"
#include "base/utf8.h"
#include "plans/scalar.h"

// As the plan is written, so it is read and written again.
static const char golden[] =
    "# Migration line3: 1 user\n"
    "#\n"
    "#   datasets  2\n"
    "mvimig: 1\n"
    "name: line3\n"
    "pass: 2\n"
    "base: [line2, \"3\"]\n"
    "scope: \"--users alice,bob\"\n"
    "source: {server: \"mongodb at db1:27017\", database: DLAAS, root: /opt/powerai-vision/data, "
    "fingerprint: \"DataSets=1f\"}\n"
    "destination: {server: \"mongodb at db2:27017\", database: DLAAS, fingerprint: \"\"}\n"
    "fixups:\n"
    "  - {collection: TrainedModels, field: thumbnail_path, pattern: \"^uploads/\", replacement: "
    "/opt/powerai-vision/data/}\n"
    "  - {collection: DataSets, field: path, pattern: '^C:\\\\(\"x\")', replacement: \"\"}\n"
    "excludes:\n"
    "  - \"\\\\.tmp$\"\n"
    "sets:\n"
    "  alice/datasets/0001:  # 2 datasets, 2,410 files, 91 MB\n"
    "    - \"1f0c\"  # Bumper scratches\n"
    "    - \"9ab2\"\n"
    "  alice/datasets/0002: []\n"
    "  \"bob: {x}/models/0001\":\n"
    "    - \"m1\"  # <<: *all\n"
    "steps:\n"
    "  - {id: files/alice/datasets/0001, kind: file-batch, under: alice/datasets, set: "
    "alice/datasets/0001, onConflict: replace, expect: {files: 2410, bytes: 91000000}}\n"
    "  - {id: files/alice, kind: file-batch, under: alice, except: [alice/datasets, "
    "\"alice/trained models\"], onConflict: keep}  # everything else of alice\n"
    "  - {id: files/bob, kind: tar-list, under: \"bob: {x}/trained-models\", set: \"bob: "
    "{x}/models/0001\", name: \"{id}*\", onConflict: fail, expect: {}}\n"
    "  - {id: dump/DataSetFiles/0001, kind: dump, collection: DataSetFiles, by: dataset_id, set: "
    "alice/datasets/0001, expect: {documents: 2400}}\n"
    "  - {id: dump/InferenceOps/0001, kind: dump, collection: InferenceOps, to_id: '\"8000\"'}\n"
    "  - {id: dump/InferenceOps/0002, kind: dump, collection: InferenceOps, from_id: "
    "'\"8000\"'}\n"
    "  - {id: dump/DataSetTags/0000, kind: dump, collection: DataSetTags, by: dataset_id, set: "
    "alice/datasets/, orphansOf: DataSets, to_id: '{\"$oid\":\"5f\"}'}\n"
    "  - {id: dump/DataSetTags/0001, kind: dump, collection: DataSetTags, by: dataset_id, set: "
    "alice/datasets/, orphansOf: DataSets, from_id: '{\"$oid\":\"5f\"}'}\n"
    "  - {id: restore/DataSetFiles/0001, kind: restore, from: dump/DataSetFiles/0001, needs: "
    "[files/, dump/InferenceOps/0001], onConflict: keep}\n";

static void writes_the_canonical_text(void **state) {
    (void)state;
    AUTO_PLAN struct plan *p = plan_of(golden);
    AUTO_BUF struct buf out = BUF_INIT(EMIT_MAX);
    plan_emit(p, &out);
    assert_string_equal(buf_str(&out), golden);
}

struct scalar_row {
    const char *text;
    const char *want;
};

static void writes_scalars(void **state) {
    (void)state;
    static const struct scalar_row rows[] = {
        {"alice/datasets", "alice/datasets"},    // a word
        {".", "."},                              // the root
        {"/opt/data", "/opt/data"},              // absolute
        {"", "\"\""},                            // nothing would be null
        {"..", "\"..\""},                        // only one dot is a word
        {"-rf", "\"-rf\""},                      // looks like a list
        {"0777", "\"0777\""},                    // looks like a number
        {"1e3", "\"1e3\""},                      //
        {"NO", "\"NO\""},                        // looks like a truth value
        {"y", "\"y\""},                          //
        {"null", "\"null\""},                    //
        {"nullable", "nullable"},                // no special word
        {"a b", "\"a b\""},                      //
        {"a: b", "\"a: b\""},                    //
        {"a #b", "\"a #b\""},                    //
        {"[a]", "\"[a]\""},                      //
        {"it's", "\"it's\""},                    //
        {"\"8000\"", "'\"8000\"'"},              // a bound
        {"C:\\x", "'C:\\x'"},                    // backslashes stay single in 'single'
        {"'\"", "\"'\\\"\""},                    // both quotes
        {"a\nb", "\"a\\nb\""},                   //
        {"a\r\tb", "\"a\\x0D\\tb\""},            //
        {"\x1b[2J\x7f", "\"\\x1B[2J\\x7F\""},    // what a terminal acts upon
        {"a\"\n", "\"a\\\"\\n\""},               // needs an escape: not 'single'
        {"\xC2\x85", "\"\\x85\""},               // NEL
        {"\xE2\x80\xA8", "\"\\u2028\""},         // line separator
        {"\xE2\x80\xAE", "\"\\u202E\""},         // right-to-left override
        {"\xEF\xBB\xBF", "\"\\uFEFF\""},         // byte order mark
        {"\xC2\xA0", "\"\\xA0\""},               // no-break space
        {"m\xC3\xBCller", "\"m\xC3\xBCller\""},  // a letter
        {"mu\xCC\x88ller", "\"mu\\u0308ller\""}, // a combining mark
        {"\xC3\x97", "\"\\xD7\""},               // a sign among the letters
        {"\xE6\xA4\x9C\xE6\x9F\xBB", "\"\xE6\xA4\x9C\xE6\x9F\xBB\""}, // ideographs
        {"\xD7\x90", "\"\\u05D0\""},             // Hebrew turns the order round
        {"\xF0\x9F\x98\x80", "\"\\U0001F600\""}, // beyond the first plane
        {"\xF4\x8F\xBF\xBF", "\"\\U0010FFFF\""}, // the last one
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);
        scalar_put(&out, rows[i].text);
        assert_string_equal(buf_str(&out), rows[i].want);
    }
}

static void writes_comments(void **state) {
    (void)state;
    static const struct scalar_row rows[] = {
        {"Bumper scratches", "Bumper scratches"},
        {"a\nmvimig: 2", "a\\nmvimig: 2"}, // never a new line
        {"a\xC2\x85"
         "b",
         "a\\x85"
         "b"}, // NEL
        {"a\xE2\x80\xA8"
         "b\xE2\x80\xA9",
         "a\\u2028b\\u2029"},
        {"a\rb", "a\\x0D"
                 "b"},                                              //
        {"C:\\x", "C:\\x"},                                         // a backslash stays one
        {"\xFF\xC3", "\\xFF\\xC3"},                                 // not UTF-8
        {"  a  ", "a"},                                             // blanks at the ends
        {"0123456789012345678901234", "01234567890123456..."},      // cut
        {"012345678901234567\xE2\x80\xAE", "01234567890123456..."}, // not within an escape
        {"01234567890123456789", "01234567890123456789"},           // just fits
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);
        scalar_put_comment(&out, rows[i].text, strlen(rows[i].text), 20);
        assert_string_equal(buf_str(&out), rows[i].want);
        AUTO_BUF struct buf again = BUF_INIT(1000);
        scalar_put_comment(&again, buf_str(&out), out.len, 20);
        assert_string_equal(buf_str(&again), rows[i].want);
    }
}

// Texts that hurt: YAML's own marks, and characters that end a comment or a line.
static void random_piece(uint64_t *seed, struct buf *out, bool bytes) {
    static const char *const pieces[] = {"\n",
                                         "\r\n",
                                         "\t",
                                         "\"",
                                         "'",
                                         "\\",
                                         "# ",
                                         " #",
                                         ": ",
                                         "- ",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         "&a",
                                         "*a",
                                         "!!str",
                                         "<<: ",
                                         "? ",
                                         "|",
                                         ">",
                                         "%TAG",
                                         "---",
                                         "...",
                                         "~",
                                         "null",
                                         "\\n",
                                         "\\u2028",
                                         "a",
                                         " ",
                                         "..",
                                         "/",
                                         "mvimig: 1\n",
                                         "\"\n",
                                         "{id}*",
                                         "\xC2\x85",
                                         "\xE2\x80\xA8",
                                         "\xE2\x80\xA9",
                                         "\xE2\x80\xAE",
                                         "\xEF\xBB\xBF",
                                         "\x1b",
                                         "\x7f"};
    size_t pick = random_below(seed, N_ROWS(pieces) + 20);
    if (pick < N_ROWS(pieces)) {
        buf_puts(out, pieces[pick]);
        return;
    }
    if (bytes && pick % 4 == 0) {
        unsigned char byte = (unsigned char)(1 + random_below(seed, 255));
        buf_put(out, &byte, 1);
        return;
    }
    static const uint32_t planes[] = {0x80, 0x800, 0x10000, 0x110000};
    char text[4];
    uint32_t c = 1 + (uint32_t)random_below(seed, planes[pick % 4] - 1);
    buf_put(out, text, utf8_encode(c, text));
}

static const char *random_text(uint64_t *seed, struct arena *a, size_t pieces, bool bytes) {
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    for (size_t n = random_below(seed, pieces + 1); n > 0; n--) {
        random_piece(seed, &out, bytes);
    }
    return arena_strndup(a, buf_str(&out), out.len);
}

// Random, but a relative path: as owners, directories and labels have to be.
static const char *random_path(uint64_t *seed, struct arena *a) {
    for (;;) {
        const char *path = random_text(seed, a, 12, false);
        if (path_relative_ok(path) && strlen(path) < PLAN_LABEL_MAX - 20) {
            return path;
        }
    }
}

static void random_set(uint64_t *seed, struct plan *p, size_t number, bool files) {
    struct arena *a = p->arena;
    struct plan_set s = {.name = arena_printf(a, "%s/%zu", random_path(seed, a), number),
                         .comment = random_text(seed, a, 8, true)};
    s.cap = s.n = random_below(seed, 5);
    s.ids = arena_alloc(a, s.n * sizeof *s.ids);
    s.id_comments = arena_alloc(a, s.n * sizeof *s.id_comments);
    for (size_t i = 0; i < s.n; i++) {
        const char *text = random_text(seed, a, files ? 8 : 40, false);
        // The number keeps IDs apart; a file's ID has no slash.
        char *id = arena_printf(a, "%s%zu.%zu", text, number, i);
        for (char *c = id; files && *c != 0; c++) {
            *c = *c == '/' ? '.' : *c;
        }
        s.ids[i] = id;
        s.id_comments[i] = random_below(seed, 3) > 0 ? random_text(seed, a, 30, true) : NULL;
    }
    ARENA_PUSH(a, p->sets, p->n_sets, p->cap_sets, s);
}

static void random_steps(uint64_t *seed, struct plan *p) {
    struct arena *a = p->arena;
    for (size_t i = 0; i < p->n_sets; i++) {
        struct plan_step files = {.id = arena_printf(a, "f%zu/%s", i, random_path(seed, a)),
                                  .kind = KIND_FILE_BATCH,
                                  .under = random_path(seed, a),
                                  .set = p->sets[i].name,
                                  .comment = random_text(seed, a, 9, true)};
        struct plan_step dump = {.id = arena_printf(a, "d%zu/%s", i, random_path(seed, a)),
                                 .kind = KIND_DUMP,
                                 .collection = arena_printf(a, "C%zu", i),
                                 .set = p->sets[i].name};
        struct plan_step restore = {.id = arena_printf(a, "r%zu/%s", i, random_path(seed, a)),
                                    .kind = KIND_RESTORE,
                                    .from = dump.id,
                                    .on_conflict = (enum conflict_policy)random_below(seed, 3)};
        if (i % 2 == 0) {
            restore.needs = arena_alloc(a, sizeof *restore.needs);
            restore.needs[restore.n_needs++] = files.id;
            ARENA_PUSH(a, p->steps, p->n_steps, p->cap_steps, files);
        }
        ARENA_PUSH(a, p->steps, p->n_steps, p->cap_steps, dump);
        ARENA_PUSH(a, p->steps, p->n_steps, p->cap_steps, restore);
    }
}

static struct plan *random_plan(uint64_t *seed) {
    struct plan *p = plan_new();
    struct arena *a = p->arena;
    p->name = "line3";
    p->pass = 1;
    p->scope = random_text(seed, a, 9, false);
    p->source = (struct plan_end){random_text(seed, a, 9, false), "DLAAS",
                                  random_text(seed, a, 9, false), NULL};
    p->comment = random_text(seed, a, 30, true);
    p->fixups = arena_alloc(a, sizeof *p->fixups);
    p->fixups[p->n_fixups++] = (struct plan_fixup){"DataSets", random_text(seed, a, 5, false), "^x",
                                                   random_text(seed, a, 9, false)};
    for (size_t i = random_below(seed, 5); i > 0; i--) {
        random_set(seed, p, i, true);
    }
    random_steps(seed, p);
    return p;
}

static void assert_same_text(const char *a, const char *b) {
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL) {
        assert_string_equal(a, b);
    }
}

static void assert_same_plan(const struct plan *a, const struct plan *b) {
    assert_string_equal(a->name, b->name);
    assert_same_text(a->scope, b->scope);
    assert_same_text(a->source.server, b->source.server);
    assert_same_text(a->source.root, b->source.root);
    assert_same_text(a->fixups[0].replacement, b->fixups[0].replacement);
    assert_int_equal(a->n_sets, b->n_sets);
    for (size_t i = 0; i < a->n_sets; i++) {
        assert_string_equal(a->sets[i].name, b->sets[i].name);
        assert_int_equal(a->sets[i].n, b->sets[i].n);
        for (size_t j = 0; j < a->sets[i].n; j++) {
            assert_string_equal(a->sets[i].ids[j], b->sets[i].ids[j]);
        }
    }
    assert_int_equal(a->n_steps, b->n_steps);
    for (size_t i = 0; i < a->n_steps; i++) {
        assert_string_equal(a->steps[i].id, b->steps[i].id);
        assert_same_text(a->steps[i].under, b->steps[i].under);
        assert_same_text(a->steps[i].from, b->steps[i].from);
        assert_int_equal(a->steps[i].n_deps, b->steps[i].n_deps);
        assert_string_equal(a->steps[i].hash_text, b->steps[i].hash_text);
    }
}

// Any name, ID, path or comment: the same plan comes back, and the same bytes go out again.
static void keeps_any_text(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 3000; round++) {
        uint64_t seed = round;
        AUTO_PLAN struct plan *p = random_plan(&seed);
        struct err e = {0};
        AUTO_BUF struct buf first = BUF_INIT(EMIT_MAX);
        AUTO_BUF struct buf second = BUF_INIT(EMIT_MAX);
        if (plan_validate(p, NULL, NULL, &e) != 0) {
            print_error("seed %d: %s\n", (int)round, e.text);
            fail();
        }
        plan_emit(p, &first);
        AUTO_PLAN struct plan *again = plan_of(buf_str(&first));
        assert_same_plan(p, again);
        plan_emit(again, &second);
        assert_string_equal(buf_str(&first), buf_str(&second));
    }
}

// A key that is longer than YAML's simple keys may be.
static void keeps_long_names(void **state) {
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    buf_puts(&text, PLAN_HEAD "sets:\n  ? \"");
    for (int i = 0; i < 400; i++) {
        buf_puts(&text, i % 60 == 59 ? "/" : "\\x01");
    }
    buf_puts(&text, "\\x02\"  # long\n  :\n    - \"a\"\nsteps: []\n");
    AUTO_PLAN struct plan *p = plan_of(buf_str(&text));
    assert_int_equal(strlen(p->sets[0].name), 401);
    assert_string_equal(p->sets[0].comment, "long");
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    plan_emit(p, &out);
    assert_non_null(strstr(buf_str(&out), "\\x02\"  # long\n  :\n    - \"a\"\n"));
    AUTO_PLAN struct plan *again = plan_of(buf_str(&out));
    assert_string_equal(p->sets[0].name, again->sets[0].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_canonical_text), cmocka_unit_test(writes_scalars),
        cmocka_unit_test(writes_comments),           cmocka_unit_test(keeps_any_text),
        cmocka_unit_test(keeps_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
