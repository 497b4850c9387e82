// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plans_support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tempfile.h"

#define PLAN PLAN_HEAD "steps: []\n"

struct place {
    char dir[64];
    char path[128];
};

static int make_place(void **state) {
    struct place *p = must_calloc(1, sizeof *p);
    snprintf(p->dir, sizeof p->dir, "/tmp/plans_file.XXXXXX");
    if (mkdtemp(p->dir) == NULL) {
        return -1;
    }
    snprintf(p->path, sizeof p->path, "%s/plan.yaml", p->dir);
    *state = p;
    return 0;
}

static int remove_place(void **state) {
    struct place *p = *state;
    unlink(p->path);
    rmdir(p->path);
    int rc = rmdir(p->dir);
    free(p);
    return rc;
}

static void put_file(const struct place *p, const char *text, size_t len, off_t size) {
    AUTO_CLOSE int fd = open(p->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, len), 0);
    assert_int_equal(ftruncate(fd, size), 0);
}

static void assert_file_refused(const struct place *place, int code, const char *want) {
    struct plan *p = NULL;
    struct err e = {0};
    assert_int_equal(plan_read_file(place->path, &p, &e), code);
    assert_int_equal(e.code, code);
    assert_null(p);
    if (strncmp(e.text, place->path, strlen(place->path)) != 0 || strstr(e.text, want) == NULL) {
        print_error("%s\n", e.text);
        fail();
    }
}

static void reads_files(void **state) {
    struct place *place = *state;
    struct plan *p = NULL;
    struct err e = {0};
    put_file(place, PLAN, strlen(PLAN), (off_t)strlen(PLAN));
    assert_int_equal(plan_read_file(place->path, &p, &e), 0);
    assert_string_equal(p->name, "line3");
    plan_free(p);
}

static void tells_what_is_missing(void **state) {
    assert_file_refused(*state, ERR_USAGE, "there is no such plan; `mvimig plan -o FILE` writes");
}

static void tells_a_directory(void **state) {
    struct place *place = *state;
    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_file_refused(place, ERR_USAGE, "a directory; give the plan's file in it");
}

static void tells_what_cannot_be_read(void **state) {
    struct place *place = *state;
    if (geteuid() == 0) {
        skip(); // root reads everything
    }
    put_file(place, PLAN, strlen(PLAN), (off_t)strlen(PLAN));
    assert_int_equal(chmod(place->path, 0), 0);
    assert_file_refused(place, ERR_USAGE, "Permission denied");
}

static void refuses_large_files(void **state) {
    struct place *place = *state;
    put_file(place, PLAN, strlen(PLAN), (off_t)70 << 20);
    assert_file_refused(place, ERR_PLAN, "larger than any plan may be (64 MiB)");
}

static void refuses_an_empty_file(void **state) {
    struct place *place = *state;
    put_file(place, "", 0, 0);
    assert_file_refused(place, ERR_PLAN, "plan.yaml:1: nothing in it");
}

// A plan cut anywhere is refused, or is a smaller plan: it never crashes, and never names a step
// that the whole one does not have.
static void survives_any_cut(void **state) {
    (void)state;
    static const char text[] =
        PLAN_HEAD "sets:\n  a: [\"x\"]\nsteps:\n  - {id: d, kind: dump, collection: D, set: a}\n"
                  "  - {id: r, kind: restore, from: d}  # last\n";
    AUTO_PLAN struct plan *whole = plan_of(text);
    for (size_t len = 0; len < sizeof text; len++) {
        struct plan *p = NULL;
        struct err e = {0};
        AUTO_FREE char *cut = must_strndup(text, len);
        if (plan_read("p", cut, len, &p, NULL, &e) == 0) {
            for (size_t i = 0; i < p->n_steps; i++) {
                assert_memory_equal(p->steps[i].hash, whole->steps[i].hash, HASH_SIZE);
            }
        }
        plan_free(p);
    }
}

// The example of the manual is a plan, written as plan_emit writes it.
static void reads_the_manual(void **state) {
    (void)state;
    AUTO_FREE char *manual = NULL;
    size_t len;
    struct err e = {0};
    assert_int_equal(file_read(AT_FDCWD, "docs/plan-format.md", (size_t)1 << 20, &manual, &len, &e),
                     0);
    static const char open_mark[] = "<!-- example -->\n```yaml\n";
    char *begin = strstr(manual, open_mark);
    char *end = strstr(manual, "```\n<!-- /example -->");
    assert_non_null(begin);
    assert_non_null(end);
    *end = 0;
    begin += sizeof open_mark - 1;
    AUTO_PLAN struct plan *p = plan_of(begin);
    AUTO_BUF struct buf out = BUF_INIT(EMIT_MAX);
    plan_emit(p, &out);
    assert_string_equal(buf_str(&out), begin);
    assert_int_equal(p->n_steps, 13);
    // What the manual says of its sets and of needs.
    assert_int_equal(step_of(p, "dump/DataSetFiles/0001")->sets[0]->n, 2);
    size_t deps[13];
    assert_int_equal(plan_deps(p, plan_find_step(p, "restore/DataSetFiles/0001"), deps), 4);
}

// Comments are found by line, whatever ends the lines.
static void keeps_comments(void **state) {
    (void)state;
    AUTO_PLAN struct plan *p = plan_of(
        "# top\n#\n#  two\n" PLAN_HEAD "# one\r# two\r\n"
        "sets:\n  \"s # 1\":  # of the set\n    - \"x # y\"   #no blank\n    - 'it''s # z'\n"
        "    - it's#one # last\n  t: [a, b] # of both\nsteps:\n"
        "  # a line of its own\n  - {id: d, kind: dump, collection: D, set: \"s # 1\"} # step\n");
    assert_string_equal(p->comment, "top\n\n two");
    assert_string_equal(p->sets[0].comment, "of the set");
    assert_string_equal(p->sets[0].id_comments[0], "no blank");
    assert_null(p->sets[0].id_comments[1]);
    assert_string_equal(p->sets[0].id_comments[2], "last");
    assert_string_equal(p->sets[1].comment, "of both");
    assert_string_equal(p->steps[0].comment, "step");
}

// What the fuzzer begins with is accepted, so that it gets past the reader.
static void reads_the_corpus(void **state) {
    (void)state;
    static const char *const files[] = {"tests/fuzz/plan_corpus/example.yaml",
                                        "tests/fuzz/plan_corpus/odd.yaml"};
    for (size_t i = 0; i < N_ROWS(files); i++) {
        struct plan *p = NULL;
        struct err e = {0};
        AUTO_BUF struct buf out = BUF_INIT(EMIT_MAX);
        if (plan_read_file(files[i], &p, &e) != 0) {
            fail_msg("%s", e.text);
        }
        plan_emit(p, &out);
        plan_free(plan_of(buf_str(&out)));
        plan_free(p);
    }
}

// Every key and kind is in the manual.
static void names_every_key(void **state) {
    (void)state;
    static const char *const keys[] = {
#define STEPPARAM(key, flag, member) key,
#include "plans/params.tbl.h"
#undef STEPPARAM
#define STEPKIND(id, variable, text, ...) text,
#include "plans/kinds.tbl.h"
#undef STEPKIND
    };
    AUTO_FREE char *manual = NULL;
    size_t len;
    struct err e = {0};
    assert_int_equal(file_read(AT_FDCWD, "docs/plan-format.md", (size_t)1 << 20, &manual, &len, &e),
                     0);
    for (size_t i = 0; i < N_ROWS(keys); i++) {
        AUTO_FREE char *word = must_sprintf("`%s`", keys[i]);
        if (strstr(manual, word) == NULL) {
            print_error("docs/plan-format.md does not say what %s is\n", word);
            fail();
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_files, make_place, remove_place),
        cmocka_unit_test_setup_teardown(tells_what_is_missing, make_place, remove_place),
        cmocka_unit_test_setup_teardown(tells_a_directory, make_place, remove_place),
        cmocka_unit_test_setup_teardown(tells_what_cannot_be_read, make_place, remove_place),
        cmocka_unit_test_setup_teardown(refuses_large_files, make_place, remove_place),
        cmocka_unit_test_setup_teardown(refuses_an_empty_file, make_place, remove_place),
        cmocka_unit_test(survives_any_cut),
        cmocka_unit_test(reads_the_manual),
        cmocka_unit_test(keeps_comments),
        cmocka_unit_test(reads_the_corpus),
        cmocka_unit_test(names_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
