// SPDX-License-Identifier: Apache-2.0
// Every network configuration of examples/ is read, and is of the kind that its name says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/config.h"

static const struct {
    const char *name;
    enum end_kind source, destination;
    bool has_database;
} examples[] = {
    {"by-ssh.json", END_DIRECT, END_DIRECT, true},
    {"direct.json", END_DIRECT, END_DIRECT, true},
    {"direct.yaml", END_DIRECT, END_DIRECT, true},
    {"files-only.json", END_DIRECT, END_DIRECT, false},
    {"standalone-to-openshift.json", END_STANDALONE, END_CLUSTER, true},
};
#define N (sizeof examples / sizeof *examples)

static void write_secret(const char *folder, const char *name) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("s3cret\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void remove_file(const char *folder, const char *name) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static void copy_example(const char *name, const char *folder) {
    char from[200], to[200], text[4096];
    snprintf(from, sizeof from, "examples/network/%s", name);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    assert_non_null(in);
    assert_non_null(out);
    size_t n = fread(text, 1, sizeof text, in);
    assert_true(n > 0 && n < sizeof text);
    assert_int_equal(fwrite(text, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

// Files of secrets are looked for beside the configuration, so that it is read from a copy.
static void test_examples_are_read(void **state) {
    char folder[] = "/tmp/mvimig-examples-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("SOURCE_PASSWORD", "from-env", 1), 0);
    write_secret(folder, "destination-password");
    write_secret(folder, "destination-token");
    for (size_t i = 0; i < N; i++) {
        AUTO_CONFIG struct config *c = NULL;
        struct err e = {0};
        char path[200];
        copy_example(examples[i].name, folder);
        snprintf(path, sizeof path, "%s/%s", folder, examples[i].name);
        if (config_read(path, &c, &e) != 0)
            fail_msg("%s: %s", examples[i].name, e.text);
        assert_int_equal(c->source.kind, examples[i].source);
        assert_int_equal(c->destination.kind, examples[i].destination);
        assert_int_equal(c->source.mongo_user != NULL, examples[i].has_database);
        remove_file(folder, examples[i].name);
    }
    remove_file(folder, "destination-password");
    remove_file(folder, "destination-token");
    assert_int_equal(rmdir(folder), 0);
}

static void test_none_is_left_out(void **state) {
    size_t found = 0;
    (void)state;
    DIR *d = opendir("examples/network");
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        size_t i = 0;
        while (i < N && strcmp(examples[i].name, entry->d_name) != 0)
            i++;
        if (i == N)
            fail_msg("examples/network/%s is not tested", entry->d_name);
        found++;
    }
    closedir(d);
    assert_int_equal(found, N);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_are_read),
        cmocka_unit_test(test_none_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
