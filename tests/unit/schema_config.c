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
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/tempfile.h"
#include "schema/config.h"

#define SOURCE "\"source\": {\"mongoUser\": \"admin\", \"mongoPW\": \"s3cret!\"}"
#define DESTINATION                                                                                \
    "\"destination\": {\"clusterUrl\": \"https://api:6443\", \"clusterToken\": \"sha256~tok\", "   \
    "\"clusterProject\": \"mvi\"}"
#define S(keys) "{\"source\": {" keys "}, " DESTINATION "}"
#define D(keys) "{" SOURCE ", \"destination\": {" keys "}}"

static int parse(const char *text, struct config **c, struct err *e) {
    return config_parse("net.json", text, strlen(text), c, e);
}

// The configuration of a text that has to be good.
static struct config *good(const char *text) {
    struct config *c = NULL;
    struct err e = {0};
    if (parse(text, &c, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return c;
}

// As the predecessor's files are: comments, trailing commas, its own spelling.
static void test_predecessor(void **state) {
    (void)state;
    AUTO_CONFIG struct config *c = good("// where it comes from\n"
                                        "{\n"
                                        "  \"source\": { # the old server\n"
                                        "    \"mongoUser\": \"admin\",\n"
                                        "    \"mongoPw\": \"pass//word\", // its password\n"
                                        "    \"mviUrl\": \"https://old/visual-inspection\",\n"
                                        "  },\n"
                                        "  \"destination\": {\n"
                                        "    \"clusterUrl\": \"https://api.ocp:6443\",\n"
                                        "    \"clusterToken\": \"sha256~abc\",\n"
                                        "    \"clusterProject\": \"mas-mvi\",\n"
                                        "    \"mviUrl\": \"https://new\"\n"
                                        "  },\n"
                                        "}\n");
    assert_int_equal(c->source.kind, END_STANDALONE);
    assert_string_equal(secret_value(c->source.mongo_password), "pass//word");
    assert_string_equal(secret_value(c->source.mongo_user), "admin");
    assert_string_equal(c->source.mongo_database, "DLAAS");
    assert_string_equal(c->source.data_dir, "/opt/powerai-vision/data");
    assert_int_equal(c->destination.kind, END_CLUSTER);
    assert_string_equal(secret_value(c->destination.cluster_token), "sha256~abc");
    assert_string_equal(c->destination.cluster_project, "mas-mvi");
    assert_null(c->destination.data_dir);
    assert_string_equal(c->path, "net.json");
}

static void test_direct_yaml(void **state) {
    (void)state;
    AUTO_CONFIG struct config *c = good("source:\n"
                                        "  mongoUri: mongodb://127.0.0.1:27017\n"
                                        "  dataDir: /mnt/old\n"
                                        "  mongoDatabase: OLD\n"
                                        "destination: {mongoUri: 'mongodb://[::1]:27018/?tls=true',"
                                        " dataDir: /mnt/new, tlsCAFile: ca.pem}\n");
    assert_int_equal(c->source.kind, END_DIRECT);
    assert_string_equal(secret_value(c->source.mongo_uri), "mongodb://127.0.0.1:27017");
    assert_string_equal(c->source.data_dir, "/mnt/old");
    assert_string_equal(c->source.mongo_database, "OLD");
    assert_int_equal(c->destination.kind, END_DIRECT);
    assert_string_equal(c->destination.tls_ca_file, "ca.pem");
    assert_string_equal(c->destination.label, "destination");
}

static void test_kinds(void **state) {
    static const struct {
        const char *text;
        enum end_kind source, destination;
    } cases[] = {
        {D("\"dataDir\": \"/x\""), END_STANDALONE, END_DIRECT},
        {D("\"mongoUri\": \"mongodb+srv://h/\""), END_STANDALONE, END_DIRECT},
        {D("\"mongoUri\": \"mongodb://h\", \"mongoUser\": \"u\", \"mongoPW\": \"p\""),
         END_STANDALONE, END_DIRECT},
        {D("\"kubeconfig\": \"k\", \"clusterProject\": \"p\""), END_STANDALONE, END_CLUSTER},
        {S("\"clusterUrl\": \"https://other\", \"clusterToken\": \"t\", \"clusterProject\": \"q\", "
           "\"dataDir\": \"/data\""),
         END_CLUSTER, END_CLUSTER},
        {S("\"dataDir\": \"/data\""), END_DIRECT, END_CLUSTER},
        {S("\"mongoUser\": \"u\", \"mongoPW\": \"p\", \"dataDir\": \"/data\""), END_STANDALONE,
         END_CLUSTER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_CONFIG struct config *c = good(cases[i].text);
        assert_int_equal(c->source.kind, cases[i].source);
        assert_int_equal(c->destination.kind, cases[i].destination);
    }
}

static const struct {
    const char *text;
    int line;
    const char *says;
} bad[] = {
    // form
    {"", 1, "nothing in it"},
    {"not json", 1, "the network configuration has to be a mapping"},
    {"[]", 1, "has to be a mapping"},
    {"{\"source\": ", 2, ""},
    {"{\n" SOURCE ",\n\"destination\": [1]}", 3, "destination has to be a mapping"},
    {"{\n" SOURCE ",\n\"destination\": \"x\"}", 3, "destination has to be a mapping"},
    {"{" SOURCE "}", 1, "\"destination\" is missing"},
    {"{" DESTINATION "}", 1, "\"source\" is missing"},
    {"{\n" SOURCE ",\n\"destinaton\": {}}", 3, "did you mean \"destination\"?"},
    {"{\n" SOURCE ",\n" SOURCE "}", 3, "key \"source\" stands here a second time, first on line 2"},
    {"a: &x 1\nsource: *x", 1, "anchors"},
    {"a: !!str 1", 1, "tags"},
    {"{}\n---\n{}", 2, "second document"},
    // keys
    {S("\n\"mongoUsr\": \"u\""), 2,
     "unknown key \"mongoUsr\" in source; did you mean \"mongoUser\"?"},
    {S("\n\"MONGOUSER\": \"u\""), 2, "unknown key \"MONGOUSER\" in source"},
    {S("\n\"password\": \"u\""), 2, "unknown key \"password\" in source"},
    {S("\"mongoUser\": \"u\",\n\"mongoUser\": \"v\""), 2, "second time, first on line 1"},
    {S("\"mongoUser\": \"u\", \"mongoPW\": \"a\",\n\"mongoPw\": \"b\""), 2,
     "mongoPw of source says what another key says already"},
    // types
    {S("\"mongoUser\": \"u\",\n\"mongoPW\": 12345"), 2, "mongoPW of source is a number"},
    {S("\"mongoUser\": \"u\",\n\"mongoPW\": 1e5"), 2, "mongoPW of source is a number"},
    {S("\"mongoUser\": true,\n\"mongoPW\": \"x\""), 1, "mongoUser of source is true or false"},
    {S("\"mongoUser\": null"), 1, "mongoUser of source is nothing (null)"},
    {S("\"mongoUser\": \"\""), 1, "mongoUser of source is empty"},
    {S("\"mongoUser\": [\"u\"]"), 1, "mongoUser of source is a list"},
    {S("\"mongoUser\": {\"u\": 1}"), 1, "mongoUser of source is a mapping"},
    {S("\"mongoUser\": \"a\\nb\""), 1, "mongoUser of source holds a line end"},
    {"source:\n  mongoUser: u\n  mongoPW:\n", 3, "mongoPW of source is nothing (null)"},
    {"source:\n  mongoUser: u\n  mongoPW: 0123\n", 3, "mongoPW of source is a number"},
    // what goes together
    {S("\"mviUrl\": \"https://x\""), 1, "it does not say how to reach MongoDB"},
    {S(""), 1, "it does not say how to reach MongoDB"},
    {D("\"mviUrl\": \"https://x\""), 1, "it does not say where it is"},
    {S("\"mongoUser\": \"u\""), 1, "mongoUser alone is not enough; add mongoPW"},
    {S("\"mongoPW\": \"p\""), 1, "mongoPW alone is not enough; add mongoUser"},
    {D("\"mongoUser\": \"u\", \"mongoPW\": \"p\""), 1,
     "a standalone server can only be the source"},
    {D("\"clusterUrl\": \"https://x\""), 1, "clusterUrl alone is not enough; add clusterToken"},
    {D("\"clusterUrl\": \"https://x\", \"clusterToken\": \"t\""), 1, "add clusterProject"},
    {D("\"clusterToken\": \"t\""), 1, "add the clusterUrl it belongs to"},
    {D("\"clusterProject\": \"t\""), 1, "clusterProject alone is not enough; add clusterUrl"},
    {D("\"mongoUri\": \"mongodb://h\", \"filesPod\": \"p\""), 1, "filesPod alone is not enough"},
    {D("\"clusterUrl\": \"https://x\", \"clusterToken\": \"t\", \"clusterProject\": \"p\",\n"
       "\"mongoUri\": \"mongodb://h\""),
     2, "clusterUrl and mongoUri: both say where MongoDB is"},
    {D("\"clusterUrl\": \"https://x\", \"clusterToken\": \"t\", \"clusterProject\": \"p\",\n"
       "\"dataDir\": \"/x\", \"filesCommand\": [\"ssh\"]"),
     2, "both say where the files are"},
    {D("\"mongoUri\": \"mongodb://h\", \"mongoPod\": \"p\""), 1, "mongoPod alone is not enough"},
    {D("\"mongoUri\": \"mongodb://h\", \"mongoSecret\": \"p\""), 1, "give mongoUser and mongoPW"},
    {D("\"mongoUri\": \"mongodb://h\", \"clusterCA\": \"p\""), 1, "add the clusterUrl"},
    {D("\"dataDir\": \"/x\", \"sshTunnel\": \"u@h\""), 1, "add mongoUri, as seen from there"},
    {D("\"mongoUri\": \"mongodb://h\", \"sshTunnel\": \"-oProxyCommand=x\""), 1, "USER@HOST"},
    {D("\"clusterUrl\": \"https://x\", \"clusterToken\": \"t\", \"clusterProject\": \"p\",\n"
       "\"sshTunnel\": \"u@h\""),
     2, "both say how MongoDB is reached"},
    {D("\"clusterUrl\": \"https://x\", \"kubeconfig\": \"k\", \"clusterToken\": \"t\", "
       "\"clusterProject\": \"p\""),
     1, "both are a login to the cluster"},
    {D("\"mongoUri\": \"mongodb://u:p@h\",\n\"mongoUser\": \"u\", \"mongoPW\": \"p\""), 2,
     "mongoUri holds a user already"},
    {D("\"mongoUri\": \"mongodb://h\", \"mongoService\": \"s\""), 1, "both say where MongoDB is"},
    {D("\"dataDir\": \"/x\", \"tlsCertificateKeyFile\": \"f\""), 1,
     "tlsCertificateKeyFile alone is not enough"},
    {D("\"mongoUri\": \"mongodb://h\", \"filesCommand\": [\"ssh\", \"h\"]"), 1,
     "filesCommand alone is not enough; add dataDir"},
    {D("\"dataDir\": \"/d\", \"filesCommand\": \"ssh h\""), 1, "has to be a list of texts"},
    {D("\"dataDir\": \"/d\", \"filesCommand\": []"), 1, "has to be a list of texts"},
    {S("\"mongoUser\": \"u\", \"mongoPW\": \"p\", \"filesCommand\": [\"ssh\"], \"dataDir\": "
       "\"/d\""),
     1, "have to be mounted here"},
    // values
    {D("\"mongoUri\": \"h:27017\""), 1, "mongoUri does not begin with mongodb://"},
    {D("\"mongoUri\": \"mongodb://u:${PW}@h\""), 1, "${...} may only be the whole value"},
    {D("\"dataDir\": \"data\""), 1, "dataDir has to begin with /"},
    {D("\"dataDir\": \"/x\", \"mviUrl\": \"new.example\""), 1,
     "mviUrl does not begin with https://"},
    {D("\"mongoUri\": \"mongodb://h\", \"mongoDatabase\": \"a/b\""), 1, "no name of a database"},
    {D("\"clusterUrl\": \"https://a, https://b\", \"clusterToken\": \"t\", "
       "\"clusterProject\": \"p\""),
     1, "clusterUrl has to be one address"},
    {D("\"mongoUri\": \"${MVIMIG_NOT_SET}\""), 1, "environment variable MVIMIG_NOT_SET is not set"},
    {D("\"mongoUriFile\": \"/nowhere/uri\""), 1, "mongoUriFile of destination: /nowhere/uri:"},
    {D("\"mongoUriFile\": \"/\""), 1, "not a regular file"},
    // one server as both ends
    {S("\"clusterUrl\": \"https://api:6443\", \"clusterToken\": \"t\", \"clusterProject\": "
       "\"mvi\""),
     1, "it is the same as the source (clusterUrl)"},
    {"{\"source\": {\"mongoUri\": \"mongodb://h\"}, \"destination\": {\"mongoUri\": "
     "\"mongodb://h\"}}",
     1, "it is the same as the source (mongoUri)"},
    {"{\"source\": {\"dataDir\": \"/d\"}, \"destination\": {\"dataDir\": \"/d\"}}", 1,
     "it is the same as the source (dataDir)"},
    {"{\"source\": {\"mongoUser\": \"u\", \"mongoPW\": \"p\", \"mviUrl\": \"https://m\"}, "
     "\"destination\": {\"mongoUri\": \"mongodb://h\", \"mviUrl\": \"https://m\"}}",
     1, "it is the same as the source (mviUrl)"},
};

static void test_bad(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct config *c = NULL;
        struct err e = {0};
        char where[32];
        snprintf(where, sizeof where, "net.json:%d: ", bad[i].line);
        int rc = parse(bad[i].text, &c, &e);
        if (rc != ERR_USAGE || strncmp(e.text, where, strlen(where)) != 0 ||
            strstr(e.text, bad[i].says) == NULL) {
            fail_msg("case %zu: %s\n  expected %s%s\n  got %d %s", i, bad[i].text, where,
                     bad[i].says, rc, e.text);
        }
        assert_null(c);
        // No value of a secret, whatever is wrong.
        assert_null(strstr(e.text, "s3cret!"));
        assert_null(strstr(e.text, "sha256~tok"));
        assert_null(strstr(e.text, "12345"));
    }
}

static void test_environment(void **state) {
    (void)state;
    setenv("MVIMIG_TEST_PW", "from the environment", 1);
    setenv("MIGMGR_MOUNTPOINT", "/mounted/data", 1);
    AUTO_CONFIG struct config *c = good(S("\"mongoUser\": \"$admin\", "
                                          "\"mongoPW\": \"${MVIMIG_TEST_PW}\""));
    assert_string_equal(secret_value(c->source.mongo_password), "from the environment");
    assert_string_equal(secret_value(c->source.mongo_user), "$admin");
    assert_string_equal(c->source.data_dir, "/mounted/data");
    unsetenv("MVIMIG_TEST_PW");
    unsetenv("MIGMGR_MOUNTPOINT");
    // What only looks like a reference is a password.
    AUTO_CONFIG struct config *d = good(S("\"mongoUser\": \"u\", \"mongoPW\": \"x${Y}\""));
    assert_string_equal(secret_value(d->source.mongo_password), "x${Y}");
    AUTO_CONFIG struct config *f = good(S("\"mongoUser\": \"u\", \"mongoPW\": \"${a b}\""));
    assert_string_equal(secret_value(f->source.mongo_password), "${a b}");
}

static void put(const char *dir, const char *name, const char *text) {
    AUTO_FREE char *path = must_sprintf("%s/%s", dir, name);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

// Secrets in files, beside the configuration.
static void test_files(void **state) {
    (void)state;
    char dir[] = "/tmp/mvimig-config-XXXXXX";
    struct err e = {0};
    assert_non_null(mkdtemp(dir));
    put(dir, "pw", "file password\n");
    put(dir, "token", "file-token");
    put(dir, "net.json",
        "{\"source\": {\"mongoUser\": \"u\", \"mongoPWFile\": \"pw\"}, \"destination\": "
        "{\"clusterUrl\": \"https://x\", \"clusterTokenFile\": \"token\", "
        "\"clusterProject\": \"p\"}}");
    AUTO_FREE char *path = must_sprintf("%s/net.json", dir);
    AUTO_CONFIG struct config *c = NULL;
    if (config_read(path, &c, &e) != 0) {
        fail_msg("%s", e.text);
    }
    assert_string_equal(secret_value(c->source.mongo_password), "file password");
    assert_string_equal(secret_value(c->destination.cluster_token), "file-token");
    static const char *const names[] = {"pw", "token", "net.json"};
    for (size_t i = 0; i < 3; i++) {
        AUTO_FREE char *file = must_sprintf("%s/%s", dir, names[i]);
        assert_int_equal(unlink(file), 0);
    }
    assert_int_equal(rmdir(dir), 0);
    AUTO_CONFIG struct config *none = NULL;
    assert_int_equal(config_read(path, &none, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "net.json"));
}

static void test_redact(void **state) {
    (void)state;
    AUTO_CONFIG struct config *c = good(
        "{\"source\": {\"mongoUri\": \"mongodb://admin:p%40ss%2Fw0rd@h:1/db?x=1\"}, " DESTINATION
        "}");
    struct redact *r = redact_new();
    struct buf out = BUF_INIT(4096);
    config_redact(c, r);
    redact_apply(r, "admin p%40ss%2Fw0rd p@ss/w0rd sha256~tok end", &out);
    assert_string_equal(buf_str(&out), "admin [secret] [secret] [secret] end");
    buf_free(&out);
    redact_free(r);
}

// Every key has its meaning in the table, and is read.
static void test_keys(void **state) {
    (void)state;
    size_t n = 0;
    for (; config_keys[n].name != NULL; n++) {
        // The one whose value is a list of texts gets a list in it.
        bool list = strcmp(config_keys[n].name, "filesCommand") == 0;
        AUTO_FREE char *text =
            must_sprintf(S("\"%s\": [%s]"), config_keys[n].name, list ? "[\"x\"]" : "\"x\"");
        struct config *c = NULL;
        struct err e = {0};
        assert_int_equal(parse(text, &c, &e), ERR_USAGE);
        assert_non_null(strstr(e.text, "is a list"));
        assert_true(strlen(config_keys[n].meaning) > 5);
    }
    assert_true(n >= 18);
}

// docs/config.md has the table's rows, word by word.
static void test_documented(void **state) {
    (void)state;
    char *text = NULL;
    size_t len = 0;
    struct err e = {0};
    assert_int_equal(file_read(AT_FDCWD, "docs/config.md", 1 << 20, &text, &len, &e), 0);
    for (size_t i = 0; config_keys[i].name != NULL; i++) {
        AUTO_FREE char *row =
            must_sprintf("| `%s` | %s |\n", config_keys[i].name, config_keys[i].meaning);
        if (strstr(text, row) == NULL) {
            fail_msg("docs/config.md lacks: %s", row);
        }
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predecessor), cmocka_unit_test(test_direct_yaml),
        cmocka_unit_test(test_kinds),       cmocka_unit_test(test_bad),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_files),
        cmocka_unit_test(test_redact),      cmocka_unit_test(test_documented),
        cmocka_unit_test(test_keys),
    };
    unsetenv("MIGMGR_MOUNTPOINT");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
