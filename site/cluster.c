// SPDX-License-Identifier: Apache-2.0
#include "site/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/must.h"
#include "base/tempdir.h"
#include "site/kubeconfig.h"

#define OUT_MAX ((size_t)64 << 20)
#define TIMEOUT_MS 120000
#define N(array) (sizeof(array) / sizeof *(array))

// What a cluster behind a proxy needs beside what every child gets.
static const char *const proxies[] = {"HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy"};

struct cluster {
    char *label, *project, *url;
    const char *program;
    struct tempdir dir;
    char *env[N(proxies) + 2];
};

static void fill_env(struct cluster *c, const char *kubeconfig) {
    size_t n = 0;
    if (kubeconfig != NULL) {
        c->env[n++] = must_sprintf("KUBECONFIG=%s", kubeconfig);
    }
    for (size_t i = 0; i < N(proxies); i++) {
        const char *value = getenv(proxies[i]);
        if (value != NULL) {
            c->env[n++] = must_sprintf("%s=%s", proxies[i], value);
        }
    }
}

static int log_in(struct cluster *c, const struct cluster_options *o, struct err *e) {
    if (o->url == NULL) {
        fill_env(c, o->kubeconfig != NULL ? o->kubeconfig : getenv("KUBECONFIG"));
        return 0;
    }
    int rc = tempdir_make(&c->dir, "login", e);
    const struct kubeconfig k = {.label = o->label,
                                 .url = o->url,
                                 .token = o->token,
                                 .ca_file = o->ca_file,
                                 .project = o->project,
                                 .insecure = o->insecure};
    if (rc == 0) {
        rc = kubeconfig_write(&k, c->dir.fd, "config", e);
    }
    if (rc == 0) {
        AUTO_FREE char *path = must_sprintf("%s/config", c->dir.path);
        fill_env(c, path);
    }
    return rc;
}

int cluster_open(const struct cluster_options *o, struct cluster **out, struct err *e) {
    const char *program = o->program != NULL         ? o->program
                          : child_in_path("oc")      ? "oc"
                          : child_in_path("kubectl") ? "kubectl"
                                                     : NULL;
    if (program == NULL) {
        return err_set(e, ERR_USAGE,
                       "%s: it is in a cluster, and there is neither oc nor kubectl here; put one "
                       "of them into the PATH",
                       o->label);
    }
    struct cluster *c = must_calloc(1, sizeof *c);
    c->dir = (struct tempdir)TEMPDIR_INIT;
    c->label = must_strdup(o->label);
    c->project = o->project == NULL ? NULL : must_strdup(o->project);
    c->url = must_strdup(o->url != NULL ? o->url : o->kubeconfig != NULL ? o->kubeconfig : program);
    c->program = program;
    int rc = log_in(c, o, e);
    if (rc != 0) {
        cluster_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void cluster_close(struct cluster *c) {
    if (c == NULL) {
        return;
    }
    tempdir_remove(&c->dir);
    for (size_t i = 0; i < N(c->env); i++) {
        free(c->env[i]);
    }
    free(c->label);
    free(c->project);
    free(c->url);
    free(c);
}

const char *cluster_program(const struct cluster *c) {
    return c->program;
}

const char *cluster_project(const struct cluster *c) {
    return c->project != NULL ? c->project : "default";
}

const char *const *cluster_env(const struct cluster *c) {
    return (const char *const *)c->env;
}

void cluster_argv(const struct cluster *c, const char *const *words,
                  const char *argv[CLUSTER_WORDS_MAX + 4]) {
    size_t n = 0;
    argv[n++] = c->program;
    if (c->project != NULL) {
        argv[n++] = "-n";
        argv[n++] = c->project;
    }
    for (size_t i = 0; words[i] != NULL; i++) {
        MUST(i < CLUSTER_WORDS_MAX);
        argv[n++] = words[i];
    }
    argv[n] = NULL;
}

#define FORBIDDEN "orbidden"
#define LACKS_RIGHT                                                                                \
    "the token lacks this right in the project: `mvimig deploy rights` prints what it needs"

// What the programs say on standard error, in their order of meaning: a certificate that is not
// trusted also is a connection that failed.
static const struct symptom {
    const char *text;
    int code;
    const char *mend;
} symptoms[] = {
    {"x509", ERR_USAGE,
     "the cluster's certificate is not trusted: give the CA that signed it as clusterCA "
     "(or, where nobody can stand between, --insecure)"},
    {"Unauthorized", ERR_LOGIN, "the token is refused: take a new one into clusterToken"},
    {"must be logged in", ERR_LOGIN, "the token is refused: take a new one into clusterToken"},
    {"provide credentials", ERR_LOGIN, "the token is refused: take a new one into clusterToken"},
    {FORBIDDEN, ERR_LOGIN, LACKS_RIGHT},
    {"NotFound", ERR_NOTFOUND, "check clusterProject and the name"},
    {"not found", ERR_NOTFOUND, "check clusterProject and the name"},
    {"no such host", ERR_UNREACHABLE, "the name in clusterUrl cannot be resolved: check it"},
    {"refused", ERR_UNREACHABLE, "nothing listens there: check address and port of clusterUrl"},
    {"imeout", ERR_UNREACHABLE, "no answer in time: check clusterUrl, proxy and firewall"},
    {"not ended after", ERR_UNREACHABLE, "no answer in time: check clusterUrl, proxy and firewall"},
    {"nable to connect", ERR_UNREACHABLE, "check clusterUrl, proxy and firewall"},
    {"EOF", ERR_UNREACHABLE, "the connection broke: check clusterUrl and proxy"},
};

bool cluster_refuses(struct err *e) {
    for (size_t i = 0; i < N(symptoms); i++) {
        if (symptoms[i].code == ERR_LOGIN && strstr(e->text, symptoms[i].text) != NULL) {
            e->code = ERR_LOGIN;
            err_append(e, "; %s", symptoms[i].mend);
            return true;
        }
    }
    return false;
}

static int explain(const struct cluster *c, struct err *e) {
    for (size_t i = 0; e->code == ERR_FAILED && i < N(symptoms); i++) {
        if (strstr(e->text, symptoms[i].text) != NULL) {
            e->code = symptoms[i].code;
            err_append(e, "; %s", symptoms[i].mend);
        }
    }
    return err_wrap(e, "%s cluster %s, project %s", c->label, c->url, cluster_project(c));
}

int cluster_json(const struct cluster *c, const char *const *words, json_t **out, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(OUT_MAX);
    const char *argv[CLUSTER_WORDS_MAX + 4];
    json_error_t why;
    cluster_argv(c, words, argv);
    struct child_options o = {.argv = argv, .env = cluster_env(c)};
    int rc = child_run(&o, NULL, 0, OUT_MAX, TIMEOUT_MS, &text, e);
    if (rc != 0) {
        return explain(c, e);
    }
    *out = json_loadb(buf_str(&text), text.len, 0, &why);
    explicit_bzero(text.data, text.len);
    return *out != NULL ? 0
                        : err_set(e, ERR_DATA, "%s: %s did not answer with JSON (%s)", c->label,
                                  c->program, why.text);
}
