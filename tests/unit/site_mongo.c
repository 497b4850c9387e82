// SPDX-License-Identifier: Apache-2.0
// What can be said of a MongoDB end without a server: URIs, their secrets, and who is not there.
// The rest is in tests/e2e/test_documents.py.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "site/mongo.h"

#define SECRET "hunter2"

static int open_end(const char *uri, const char *user, const char *password, const char *ca,
                    struct err *e) {
    struct secret *u = secret_new(uri, strlen(uri));
    struct secret *name = user ? secret_new(user, strlen(user)) : NULL;
    struct secret *word = password ? secret_new(password, strlen(password)) : NULL;
    struct mongo_options o = {.label = "source",
                              .uri = u,
                              .user = name,
                              .password = word,
                              .database = "DLAAS",
                              .tls_ca_file = ca,
                              .select_timeout_ms = 300};
    struct mongo_end *end = NULL;
    int rc = mongo_end_open(&o, &end, e);
    mongo_end_close(end);
    secret_free(u);
    secret_free(name);
    secret_free(word);
    return rc;
}

static void refuses_uris_and_tells_no_secret(void **state) {
    (void)state;
    static const char *const uris[] = {
        "",
        "host",
        "http://host",
        "mongodb://",
        "mongodb:///DLAAS",
        "mongodb://host:notaport",
        "mongodb://host/?authMechanism=NONSENSE",
        "mongodb://host/?directConnection=true&loadBalanced=true",
        "mongodb://mvi:a@" SECRET "@host/",  // a bare @ in the password
        "mongodb://mvi:12/" SECRET "@host/", // a bare slash: "12" would be a port
        "mongodb://mvi:12?" SECRET "@host/", // a bare question mark
        "mongodb://mvi:" SECRET ":x@host/",  // a bare colon
        "mongodb://mvi:" SECRET "%zz@host/", // not an escape
    };
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        struct err e = {0};
        if (open_end(uris[i], NULL, NULL, NULL, &e) != ERR_USAGE) {
            fail_msg("%s: %s: %s", uris[i], err_name(e.code), e.text);
        }
        assert_null(strstr(e.text, SECRET));
        assert_non_null(strstr(e.text, "mongoUri"));
    }
}

static void names_files_it_cannot_read(void **state) {
    (void)state;
    struct err e = {0};
    assert_int_equal(open_end("mongodb://127.0.0.1:1/", NULL, NULL, "/no/such/ca.pem", &e),
                     ERR_USAGE);
    assert_non_null(strstr(e.text, "/no/such/ca.pem"));
}

static void says_who_cannot_be_reached(void **state) {
    (void)state;
    static const struct {
        const char *uri, *user, *says;
    } cases[] = {
        {"mongodb://127.0.0.1:1/", NULL, "connection refused"},
        {"mongodb://mvi:" SECRET "@127.0.0.1:1/", NULL, "connection refused"},
        {"mongodb://127.0.0.1:1/", "mvi", "connection refused"},
        {"mongodb://127.0.0.1:1,127.0.0.1:2/?replicaSet=rs", NULL, "127.0.0.1:1,127.0.0.1:2/DLAAS"},
        {"mongodb://no-such-host.invalid/", NULL, "cannot be resolved"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        assert_int_equal(open_end(cases[i].uri, cases[i].user, SECRET, NULL, &e), ERR_UNREACHABLE);
        if (!strstr(e.text, cases[i].says)) {
            fail_msg("%s: %s", cases[i].uri, e.text);
        }
        assert_int_equal(strncmp(e.text, "source mongodb at ", 18), 0);
        assert_null(strstr(e.text, SECRET));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_uris_and_tells_no_secret),
        cmocka_unit_test(names_files_it_cannot_read),
        cmocka_unit_test(says_who_cannot_be_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
