// SPDX-License-Identifier: Apache-2.0
// The login to a cluster: where the token stands, and what an answer of oc or kubectl comes to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "base/path.h"
#include "base/tempdir.h"
#include "base/tempfile.h"
#include "site/cluster_find.h"
#include "site/kubeconfig.h"

#define TOKEN "sha256~canary-4471"

static struct tempdir place = TEMPDIR_INIT; // holds an oc and is TMPDIR of what is tested

// An oc that writes down its arguments, environment and login, and then does `script`.
static void make_oc(const char *script) {
    struct err e = {0};
    AUTO_FREE char *text = must_sprintf("#!/bin/sh\n"
                                        "printf '%%s\\n' \"$@\" >'%s/argv'\n"
                                        "tr '\\0' '\\n' </proc/self/environ >'%s/env'\n"
                                        "cat \"$KUBECONFIG\" >'%s/login'\n"
                                        "ls -l \"$KUBECONFIG\" >'%s/mode'\n%s\n",
                                        place.path, place.path, place.path, place.path, script);
    assert_int_equal(tempfile_put(place.fd, "oc", 0700, text, strlen(text), &e), 0);
}

static char *noted(const char *name) {
    char *text = NULL;
    size_t len;
    struct err e = {0};
    assert_int_equal(file_read(place.fd, name, 1 << 16, &text, &len, &e), 0);
    return text;
}

static int setup(void **state) {
    (void)state;
    struct err e = {0};
    unsetenv("TMPDIR");
    if (tempdir_make(&place, "test-cluster", &e) != 0) {
        return -1;
    }
    AUTO_FREE char *path = must_sprintf("%s:/usr/bin:/bin", place.path);
    setenv("PATH", path, 1);
    setenv("TMPDIR", place.path, 1);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tempdir_remove(&place);
    return 0;
}

static size_t logins(void) {
    size_t n = 0;
    DIR *dir = opendir(place.path);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        n += strncmp(d->d_name, "mvimig-login-", 13) == 0;
    }
    closedir(dir);
    return n;
}

static struct cluster *opened(struct secret *token, const char *ca, bool insecure) {
    struct cluster *c = NULL;
    struct err e = {0};
    struct cluster_options o = {.label = "destination",
                                .url = "api.ocp.example.com:6443",
                                .token = token,
                                .ca_file = ca,
                                .insecure = insecure,
                                .project = "mas \"x\""};
    assert_int_equal(cluster_open(&o, &c, &e), 0);
    return c;
}

static void the_token_stands_in_one_private_file(void **state) {
    (void)state;
    struct secret *token = secret_new(TOKEN, strlen(TOKEN));
    struct err e = {0};
    json_t *out = NULL;
    make_oc("echo '{\"items\": []}'");
    struct cluster *c = opened(token, NULL, false);
    assert_int_equal(logins(), 1);
    const char *words[] = {"get", "pods", "-o", "json", NULL};
    assert_int_equal(cluster_json(c, words, &out, &e), 0);
    assert_true(json_is_array(json_object_get(out, "items")));
    json_decref(out);
    AUTO_FREE char *argv = noted("argv"), *env = noted("env"), *login = noted("login"),
                   *mode = noted("mode");
    assert_string_equal(argv, "-n\nmas \"x\"\nget\npods\n-o\njson\n");
    assert_null(strstr(env, TOKEN));
    assert_non_null(strstr(env, "KUBECONFIG="));
    assert_non_null(strstr(login, TOKEN));
    assert_non_null(strstr(login, "\"server\": \"https://api.ocp.example.com:6443\""));
    assert_null(strstr(login, "insecure"));
    assert_memory_equal(mode, "-rw-------", 10);
    cluster_close(c);
    assert_int_equal(logins(), 0);
    secret_free(token);
}

static void trust_is_what_was_asked_for(void **state) {
    (void)state;
    struct secret *token = secret_new(TOKEN, strlen(TOKEN));
    struct cluster *c = NULL;
    struct err e = {0};
    json_t *out = NULL;
    const char *words[] = {"get", "pods", NULL};
    make_oc("echo '{}'");
    AUTO_FREE char *ca = must_sprintf("%s/oc", place.path);
    for (int insecure = 0; insecure < 2; insecure++) {
        c = opened(token, ca, insecure);
        assert_int_equal(cluster_json(c, words, &out, &e), 0);
        json_decref(out);
        cluster_close(c);
        AUTO_FREE char *login = noted("login");
        assert_int_equal(strstr(login, "\"insecure-skip-tls-verify\": true") != NULL, insecure);
        assert_int_equal(strstr(login, "\"certificate-authority\": \"/") != NULL, !insecure);
    }
    struct cluster_options bad = {.label = "destination", .token = token, .project = "p"};
    bad.url = "https://x";
    bad.ca_file = "/nowhere/ca.pem";
    assert_int_equal(cluster_open(&bad, &c, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "clusterCA /nowhere/ca.pem cannot be read"));
    bad.url = "http://x";
    bad.ca_file = NULL;
    assert_int_equal(cluster_open(&bad, &c, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "readable on its way"));
    assert_int_equal(logins(), 0);
    secret_free(token);
}

static void answers(void **state) {
    (void)state;
    static const struct {
        const char *script;
        int code;
        const char *told;
    } rows[] = {
        {"echo 'error: You must be logged in to the server (Unauthorized)' >&2; exit 1", ERR_LOGIN,
         "take a new one into clusterToken"},
        {"echo 'Error from server (Forbidden): secrets is forbidden' >&2; exit 1", ERR_LOGIN,
         "mvimig deploy rights"},
        {"echo 'Error from server (NotFound): secrets \"x\" not found' >&2; exit 1", ERR_NOTFOUND,
         "clusterProject"},
        {"echo 'Unable to connect to the server: dial tcp: lookup api: no such host' >&2; exit 1",
         ERR_UNREACHABLE, "cannot be resolved"},
        {"echo 'The connection to the server api was refused' >&2; exit 1", ERR_UNREACHABLE,
         "nothing listens"},
        {"echo 'Unable to connect to the server: x509: certificate signed by unknown authority' "
         ">&2; exit 1",
         ERR_USAGE, "clusterCA"},
        {"echo 'Unable to connect to the server: net/http: TLS handshake timeout' >&2; exit 1",
         ERR_UNREACHABLE, "no answer in time"},
        {"echo 'something else' >&2; exit 1", ERR_FAILED, "something else"},
        {"echo 'no JSON'", ERR_DATA, "did not answer with JSON"},
    };
    struct secret *token = secret_new(TOKEN, strlen(TOKEN));
    struct cluster *c = opened(token, NULL, false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        json_t *out = NULL;
        const char *words[] = {"get", "pods", NULL};
        make_oc(rows[i].script);
        assert_int_equal(cluster_json(c, words, &out, &e), rows[i].code);
        assert_non_null(strstr(e.text, rows[i].told));
        assert_null(strstr(e.text, TOKEN));
    }
    cluster_close(c);
    secret_free(token);
}

static void logins_of_secrets(void **state) {
    (void)state;
    static const struct {
        const char *user, *password; // as they stand in the secret; NULL: not there
        const char *got;             // the password; NULL: refused
    } rows[] = {
        {"YWRtaW4=", "c2VjcmV0", "secret"},
        {"YWRtaW4=", "c2VjcmV0Cg==", "secret"}, // encoded with its line end
        {"YWRtaW4=", "cw==", "s"},
        {"YWRtaW4", "c3M", "ss"}, // not padded
        {"YWRtaW4=", "w6TCow==", "\xc3\xa4\xc2\xa3"},
        {"YWRtaW4=", "", NULL},
        {"YWRtaW4=", "c2Vj cmV0", NULL},
        {"YWRtaW4=", "c2VjcmV0A", NULL},
        {"YWRtaW4=", "cwBz", NULL}, // a zero byte
        {"YWRtaW4=", "=", NULL},
        {NULL, "c2VjcmV0", NULL},
        {"YWRtaW4=", NULL, NULL},
    };
    struct secret *token = secret_new(TOKEN, strlen(TOKEN));
    struct cluster *c = opened(token, NULL, false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        struct secret *user = NULL, *password = NULL;
        json_t *data = json_object();
        if (rows[i].user != NULL)
            json_object_set_new(data, "mongodb-admin-username", json_string(rows[i].user));
        if (rows[i].password != NULL)
            json_object_set_new(data, "mongodb-admin-password", json_string(rows[i].password));
        json_t *all =
            json_pack("{s:{s:s}, s:o}", "metadata", "name", "vision-secrets", "data", data);
        AUTO_FREE char *text = json_dumps(all, 0);
        AUTO_FREE char *script = must_sprintf("cat <<'END'\n%s\nEND", text);
        json_decref(all);
        make_oc(script);
        int rc = cluster_find_login(c, NULL, &user, &password, &e);
        assert_int_equal(rc, rows[i].got != NULL ? 0 : ERR_NOTFOUND);
        if (rc == 0) {
            assert_string_equal(secret_value(user), "admin");
            assert_string_equal(secret_value(password), rows[i].got);
        } else {
            assert_non_null(strstr(e.text, "mongoSecret"));
        }
        secret_free(user);
        secret_free(password);
    }
    cluster_close(c);
    secret_free(token);
}

static const char pods[] =
    "{\"items\": ["
    "{\"metadata\": {\"name\": \"i-taskanaly-c\"}, \"status\": {\"phase\": \"Running\"}},"
    "{\"metadata\": {\"name\": \"i-taskanaly-b\"}, \"status\": {\"phase\": \"Running\", "
    "\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}, \"spec\": {\"containers\": ["
    "{\"name\": \"side\", \"volumeMounts\": [{\"mountPath\": \"/opt/powerai\"}]},"
    "{\"name\": \"main\", \"volumeMounts\": [{\"mountPath\": \"/opt/powerai-vision/\"}]}]}},"
    "{\"metadata\": {\"name\": \"i-taskanaly-a\", \"deletionTimestamp\": \"x\"}, \"status\": "
    "{\"phase\": \"Running\"}},"
    "{\"metadata\": {\"name\": \"i-late-1\"}, \"status\": {\"phase\": \"Pending\"}},"
    "{\"metadata\": 7}, 5, null]}";

static void pods_by_name(void **state) {
    (void)state;
    static const struct {
        const char *given;
        unsigned nth;
        int code;
        const char *name, *container; // or what is told
    } rows[] = {
        {NULL, 0, 0, "i-taskanaly-b", "main"}, // the one that is ready; not on its way out
        {NULL, 1, 0, "i-taskanaly-c", NULL},
        {NULL, 2, 0, "i-taskanaly-b", "main"},
        {"taskanaly-c", 0, 0, "i-taskanaly-c", NULL},
        {"i-late", 0, ERR_RETRY, "does not run (Pending)", NULL},
        {"nowhere", 0, ERR_NOTFOUND, "there are: i-taskanaly-c, i-taskanaly-b", NULL},
    };
    struct secret *token = secret_new(TOKEN, strlen(TOKEN));
    struct cluster *c = opened(token, NULL, false);
    AUTO_FREE char *script = must_sprintf("cat <<'END'\n%s\nEND", pods);
    make_oc(script);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO_ARENA struct arena *a = arena_new();
        struct err e = {0};
        struct cluster_pod pod;
        struct cluster_wanted w = {.what = "the pod",
                                   .key = "filesPod",
                                   .given = rows[i].given,
                                   .pattern = CLUSTER_FILES_PATTERN,
                                   .nth = rows[i].nth,
                                   .mount = "/opt/powerai-vision/data"};
        assert_int_equal(cluster_find_pod(c, a, &w, &pod, &e), rows[i].code);
        if (rows[i].code != 0) {
            assert_non_null(strstr(e.text, rows[i].name));
            continue;
        }
        assert_string_equal(pod.name, rows[i].name);
        assert_int_equal(pod.container != NULL, rows[i].container != NULL);
        assert_int_equal(pod.mounted, rows[i].container != NULL);
        if (pod.container != NULL)
            assert_string_equal(pod.container, rows[i].container);
    }
    cluster_close(c);
    secret_free(token);
}

static void what_a_killed_run_left_is_removed(void **state) {
    (void)state;
    struct err e = {0};
    struct tempdir mine = TEMPDIR_INIT, next = TEMPDIR_INIT;
    assert_int_equal(mkdirat(place.fd, "mvimig-login-abc123", 0700), 0);
    int fd = openat(place.fd, "mvimig-login-abc123/config", O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(tempdir_make(&mine, "login", &e), 0);
    assert_int_equal(logins(), 1);
    assert_int_equal(tempdir_make(&next, "login", &e), 0); // leaves what is in use alone
    assert_int_equal(logins(), 2);
    tempdir_remove(&mine);
    tempdir_remove(&next);
    assert_int_equal(logins(), 0);
}

static void without_a_program(void **state) {
    (void)state;
    struct cluster *c = NULL;
    struct err e = {0};
    struct cluster_options o = {.label = "destination", .kubeconfig = "k", .project = "p"};
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(cluster_open(&o, &c, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "neither oc nor kubectl"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_stands_in_one_private_file),
        cmocka_unit_test(trust_is_what_was_asked_for),
        cmocka_unit_test(answers),
        cmocka_unit_test(logins_of_secrets),
        cmocka_unit_test(pods_by_name),
        cmocka_unit_test(what_a_killed_run_left_is_removed),
        cmocka_unit_test(without_a_program),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
