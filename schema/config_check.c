// SPDX-License-Identifier: Apache-2.0
// Which keys of an end go together, and what kind of end they make.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "schema/config_private.h"

#define DATABASE_MAX 63

// The line of the first of these keys that was given, else that of the end.
static int line_of(const struct config_given *g, const char *key) {
    const struct ynode *n = ytree_get(g->map, key);
    return n != NULL ? n->line : g->map->line;
}

static bool given(const struct config_given *g, const char *key) {
    return ytree_get(g->map, key) != NULL;
}

__attribute__((format(printf, 5, 6))) static int check_fail(const struct end_config *end,
                                                            const struct config_given *g,
                                                            const char *key, struct err *e,
                                                            const char *fmt, ...) {
    char what[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(e, ERR_USAGE, "%s:%d: %s: %s", g->file, line_of(g, key), end->label, what);
}

const char *config_uri_userinfo(const char *uri, size_t *len) {
    const char *from = strstr(uri, "://");
    if (from == NULL) {
        return NULL;
    }
    from += 3;
    // An unescaped "@" or "/" in a password is wrong, but must not leak what is behind it.
    const char *end = from + strcspn(from, "?");
    const char *at = memrchr(from, '@', (size_t)(end - from));
    *len = at == NULL ? 0 : (size_t)(at - from);
    return at == NULL ? NULL : from;
}

// Two keys that answer one question, and what to do.
static const struct clash {
    const char *a, *b, *mend;
} clashes[] = {
    {"clusterUrl", "mongoUri", "both say where MongoDB is; leave one out"},
    {"clusterUrl", "mongoUriFile", "both say where MongoDB is; leave one out"},
    {"mongoUri", "mongoService", "both say where MongoDB is; leave one out"},
    {"mongoUriFile", "mongoService", "both say where MongoDB is; leave one out"},
    {"kubeconfig", "clusterToken", "both are a login to the cluster; leave one out"},
    {"kubeconfig", "clusterTokenFile", "both are a login to the cluster; leave one out"},
    {"clusterUrl", "filesCommand", "both say where the files are; leave one out"},
    {"clusterUrl", "sshTunnel", "both say how MongoDB is reached; leave one out"},
    {"kubeconfig", "sshTunnel", "both say how MongoDB is reached; leave one out"},
};

// A key that means nothing without another one.
static const struct need {
    const char *key;
    const char *with[5]; // one of these
    const char *mend;
} needs[] = {
    {"clusterToken", {"clusterUrl"}, "add the clusterUrl it belongs to"},
    {"clusterTokenFile", {"clusterUrl"}, "add the clusterUrl it belongs to"},
    {"clusterCA", {"clusterUrl"}, "add the clusterUrl it belongs to"},
    {"clusterUrl", {"clusterToken", "clusterTokenFile", "kubeconfig"}, "add clusterToken"},
    {"clusterUrl", {"clusterProject"}, "add clusterProject, the project of the MVI instance"},
    {"clusterProject", {"clusterUrl", "kubeconfig"}, "add clusterUrl"},
    {"filesPod", {"clusterUrl", "kubeconfig"}, "add clusterUrl, or take dataDir instead"},
    {"mongoPod", {"clusterUrl", "kubeconfig"}, "add clusterUrl, or take mongoUri instead"},
    {"mongoSecret", {"clusterUrl", "kubeconfig"}, "give mongoUser and mongoPW instead"},
    {"sshTunnel", {"mongoUri", "mongoUriFile", "mongoUser"}, "add mongoUri, as seen from there"},
    {"filesCommand", {"dataDir"}, "add dataDir, the data directory as it is named there"},
    {"mongoUser", {"mongoPW", "mongoPw", "mongoPWFile"}, "add mongoPW"},
    {"mongoPW", {"mongoUser"}, "add mongoUser"},
    {"mongoPw", {"mongoUser"}, "add mongoUser"},
    {"mongoPWFile", {"mongoUser"}, "add mongoUser"},
    {"tlsCertificateKeyFile",
     {"mongoUri", "mongoUriFile", "mongoUser", "clusterUrl", "kubeconfig"},
     "add mongoUri"},
};

static int check_tables(const struct end_config *end, const struct config_given *g, struct err *e) {
    for (size_t i = 0; i < sizeof clashes / sizeof *clashes; i++) {
        const struct clash *c = &clashes[i];
        if (given(g, c->a) && given(g, c->b)) {
            return check_fail(end, g, c->b, e, "%s and %s: %s", c->a, c->b, c->mend);
        }
    }
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const struct need *n = &needs[i];
        bool found = !given(g, n->key);
        for (size_t w = 0; w < 5 && n->with[w] != NULL; w++) {
            found = found || given(g, n->with[w]);
        }
        if (!found) {
            return check_fail(end, g, n->key, e, "%s alone is not enough; %s", n->key, n->mend);
        }
    }
    return 0;
}

static bool is_source(const struct end_config *end) {
    return strcmp(end->label, "source") == 0;
}

static int check_kind(struct end_config *end, const struct config_given *g, struct err *e) {
    if (end->cluster_url != NULL || (end->kubeconfig != NULL && end->cluster_project != NULL)) {
        end->kind = END_CLUSTER;
    } else if (end->mongo_uri != NULL) {
        end->kind = END_DIRECT;
    } else if (end->mongo_user != NULL) {
        end->kind = END_STANDALONE;
    } else if (end->data_dir != NULL) {
        end->kind = END_DIRECT;
    } else if (is_source(end)) {
        return check_fail(end, g, "", e,
                          "it does not say how to reach MongoDB; give mongoUser and "
                          "mongoPW (standalone), clusterUrl (OpenShift) or mongoUri");
    } else {
        return check_fail(end, g, "", e,
                          "it does not say where it is; give clusterUrl, "
                          "clusterToken and clusterProject, or mongoUri and dataDir");
    }
    if (end->kind == END_STANDALONE && !is_source(end)) {
        return check_fail(end, g, "mongoUser", e,
                          "a standalone server can only be the source; give "
                          "clusterUrl, or mongoUri and dataDir");
    }
    return 0;
}

static bool begins_with(const char *text, const char *a, const char *b) {
    return strncmp(text, a, strlen(a)) == 0 || strncmp(text, b, strlen(b)) == 0;
}

static int check_uri(const struct end_config *end, const struct config_given *g, struct err *e) {
    size_t len;
    const char *uri = secret_value(end->mongo_uri);
    const char *key = given(g, "mongoUri") ? "mongoUri" : "mongoUriFile";
    if (!begins_with(uri, "mongodb://", "mongodb+srv://")) {
        return check_fail(end, g, key, e, "%s does not begin with mongodb://", key);
    }
    if (strstr(uri, "${") != NULL) {
        return check_fail(end, g, key, e,
                          "${...} may only be the whole value of %s; give mongoUser "
                          "and mongoPW beside it instead",
                          key);
    }
    if (config_uri_userinfo(uri, &len) != NULL && end->mongo_user != NULL) {
        return check_fail(end, g, "mongoUser", e,
                          "%s holds a user already; leave mongoUser and its "
                          "password out",
                          key);
    }
    return 0;
}

static bool database_ok(const char *name) {
    return strpbrk(name, "/\\. \"$*<>:|?") == NULL && strlen(name) <= DATABASE_MAX;
}

static int check_values(const struct end_config *end, const struct config_given *g, struct err *e) {
    if (end->data_dir != NULL && end->data_dir[0] != '/') {
        return check_fail(end, g, "dataDir", e, "dataDir has to begin with /");
    }
    if (end->files_command != NULL && is_source(end)) {
        return check_fail(end, g, "filesCommand", e,
                          "the files of the source have to be mounted here; leave filesCommand "
                          "out");
    }
    if (end->mvi_url != NULL && !begins_with(end->mvi_url, "https://", "http://")) {
        return check_fail(end, g, "mviUrl", e, "mviUrl does not begin with https://");
    }
    if (end->cluster_url != NULL && end->cluster_url[strcspn(end->cluster_url, " \t,;")] != 0) {
        return check_fail(end, g, "clusterUrl", e, "clusterUrl has to be one address");
    }
    if (end->ssh_tunnel != NULL && (end->ssh_tunnel[0] == '-' || strpbrk(end->ssh_tunnel, " \t"))) {
        return check_fail(end, g, "sshTunnel", e, "sshTunnel has to be USER@HOST");
    }
    if (end->mongo_database != NULL && !database_ok(end->mongo_database)) {
        return check_fail(end, g, "mongoDatabase", e, "mongoDatabase is no name of a database");
    }
    return end->mongo_uri != NULL ? check_uri(end, g, e) : 0;
}

int config_check_end(struct end_config *end, const struct config_given *g, struct err *e) {
    int rc = check_tables(end, g, e);
    rc = rc != 0 ? rc : check_kind(end, g, e);
    return rc != 0 ? rc : check_values(end, g, e);
}

static bool same(const char *a, const char *b) {
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

// One address means two servers where it is looked up on two machines: "127.0.0.1" behind a tunnel.
static bool from_one_place(const struct end_config *a, const struct end_config *b) {
    return (a->ssh_tunnel == NULL && b->ssh_tunnel == NULL) || same(a->ssh_tunnel, b->ssh_tunnel);
}

int config_check_pair(const struct config *c, const struct config_given *destination,
                      struct err *e) {
    const struct end_config *s = &c->source, *d = &c->destination;
    const char *key = NULL;
    if (same(s->cluster_url, d->cluster_url) && same(s->cluster_project, d->cluster_project)) {
        key = "clusterUrl";
    } else if (same(s->mvi_url, d->mvi_url)) {
        key = "mviUrl";
    } else if (same(secret_value(s->mongo_uri), secret_value(d->mongo_uri)) &&
               same(s->mongo_database, d->mongo_database) && from_one_place(s, d)) {
        key = given(destination, "mongoUri") ? "mongoUri" : "mongoUriFile";
    } else if (same(s->data_dir, d->data_dir) && d->files_command == NULL &&
               d->kind != END_CLUSTER) {
        key = "dataDir";
    }
    if (key == NULL) {
        return 0;
    }
    return check_fail(d, destination, key, e,
                      "it is the same as the source (%s); a migration goes "
                      "from one server to another",
                      key);
}
