// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/tempfile.h"

static void from_files(void **state) {
    (void)state;
    static char longest[4096], too_long[4098];
    memset(longest, 'a', sizeof longest);
    memset(too_long, 'a', sizeof too_long - 1);
    const struct {
        const char *text;
        size_t len;
        const char *value; // NULL: refused
    } rows[] = {
        {"hunter2", 7, "hunter2"},
        {"hunter2\n", 8, "hunter2"},      // as editors leave it
        {"hunter2\r\n", 9, "hunter2"},    //
        {" hunter2 \n", 10, " hunter2 "}, // spaces may belong to it
        {"", 0, NULL},                    // empty
        {"\n", 1, NULL},                  // as good as empty
        {"a\nb\n", 4, NULL},              // two lines
        {"a\n\n", 3, NULL},               //
        {"a\0b", 3, NULL},                // no text
        {too_long, 4097, NULL},           //
    };
    char dir[] = "/tmp/mvimig-test-XXXXXX";
    char path[64], link[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/secret", dir);
    snprintf(link, sizeof link, "%s/link", dir);
    assert_int_equal(symlink("secret", link), 0); // as Kubernetes mounts them
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(fd_write_all(fd, rows[i].text, rows[i].len), 0);
        close(fd);
        struct secret *s = NULL;
        struct err e = {0};
        int rc = secret_from_file(link, &s, &e);
        assert_int_equal(rc, rows[i].value != NULL ? 0 : ERR_USAGE);
        if (rows[i].value != NULL) {
            assert_string_equal(secret_value(s), rows[i].value);
        } else {
            assert_null(s);
            assert_null(strstr(e.text, "hunter"));
        }
        secret_free(s);
    }
    struct secret *s = NULL;
    struct err e = {0};
    assert_int_equal(secret_from_file(dir, &s, &e), ERR_USAGE); // no file
    unlink(path);
    assert_int_equal(secret_from_file(path, &s, &e), ERR_USAGE); // not there
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(secret_from_file(path, &s, &e), ERR_USAGE); // would block
    assert_null(s);
    assert_null(secret_value(NULL));
    secret_free(NULL);
    unlink(path);
    unlink(link);
    rmdir(dir);
}

struct row {
    const char *text, *want;
};

static void check(const struct redact *r, const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);
        redact_apply(r, rows[i].text, &out);
        assert_string_equal(buf_str(&out), rows[i].want);
    }
}

static void add(struct redact *r, const char *value) {
    struct secret *s = secret_new(value, strlen(value));
    redact_add(r, s);
    secret_free(s);
}

static void secrets_are_blanked(void **state) {
    (void)state;
    // The Base64 rows are `printf ... | base64`, of the value behind 0, 1, 2 other bytes.
    static const struct row rows[] = {
        {"nothing here", "nothing here"},
        {"", ""},
        {"p@ss w/rd", "[secret]"},                                     // alone
        {"xp@ss w/rdp@ss w/rdx", "x[secret][secret]x"},                // twice, in the middle
        {"p@ss w/r", "p@ss w/r"},                                      // not all of it
        {"mongodb://u:p%40ss%20w%2Frd@h/", "mongodb://u:[secret]@h/"}, // URL
        {"p%40ss%20w%2frd", "[secret]"},                               // in lower case
        {"q=p%40ss+w%2Frd&x", "q=[secret]&x"},                         // as a form
        {"b64 cEBzcyB3L3Jk.", "b64 [secret]."},                        // Base64
        {"Basic dTpwQHNzIHcvcmQ=", "Basic dTp[secret]"},               // of "u:p@ss w/rd" less "u:"
        {"Basic dXNlcjpwQHNzIHcvcmQ= x", "Basic dXNlcjp[secret] x"},   // behind "user:"
        {"cEBzcyB3L3JkIGFuZCBtb3Jl", "[secret]GFuZCBtb3Jl"},           // with more behind it
        {"tiny abc", "tiny abc"},                                      // too short to be searched
        {"outer-inner-outer inner-x", "[secret] [secret]"},            // the longest match goes
        {"say \"a\\\"b\\\\c\"", "say \"[secret]\""},                   // as JSON has it
        {"raw a\"b\\c", "raw [secret]"},                               //
        {"escaped a\"b\\\\c", "escaped [secret]"},                     // as base/escape.h has it
    };
    struct redact *r = redact_new();
    add(r, "p@ss w/rd");
    add(r, "abc");
    add(r, "inner-x");
    add(r, "outer-inner-outer");
    add(r, "a\"b\\c");
    add(r, "p@ss w/rd"); // known already
    redact_add(r, NULL);
    check(r, rows, sizeof rows / sizeof rows[0]);
    redact_free(r);
    redact_free(NULL);
    r = redact_new(); // knows nothing
    check(r, rows, 2);
    redact_free(r);
}

static void base64_in_both_alphabets(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"x ++//++//++// y", "x [secret] y"}, // of the bytes fb ef ff ...
        {"x --__--__--__ y", "x [secret] y"}, // as in a token
    };
    struct redact *r = redact_new();
    add(r, "\xFB\xEF\xFF\xFB\xEF\xFF\xFB\xEF\xFF");
    check(r, rows, 2);
    redact_free(r);
}

static void process_is_hardened(void **state) {
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit core;
        secret_harden_process();
        bool ok = getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 &&
                  prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
                  prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_files),
        cmocka_unit_test(secrets_are_blanked),
        cmocka_unit_test(base64_in_both_alphabets),
        cmocka_unit_test(process_is_hardened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
