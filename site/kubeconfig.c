// SPDX-License-Identifier: Apache-2.0
// JSON is YAML, so that no escaping of our own is needed.
#include "site/kubeconfig.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/tempfile.h"

static int put_trust(const struct kubeconfig *k, json_t *cluster, struct err *e) {
    if (k->insecure) {
        json_object_set_new(cluster, "insecure-skip-tls-verify", json_true());
        return 0;
    }
    if (k->ca_file == NULL) {
        return 0;
    }
    AUTO_FREE char *full = realpath(k->ca_file, NULL);
    if (full == NULL || access(full, R_OK) != 0) {
        return err_sys(e, ERR_USAGE, errno, "%s: clusterCA %s cannot be read", k->label,
                       k->ca_file);
    }
    json_object_set_new(cluster, "certificate-authority", json_string(full));
    return 0;
}

static int make(const struct kubeconfig *k, json_t **out, struct err *e) {
    bool plain = strncmp(k->url, "http://", 7) == 0;
    if (plain && !k->insecure) {
        return err_set(e, ERR_USAGE,
                       "%s: clusterUrl begins with http://, and the token would be readable on "
                       "its way; give the https:// address",
                       k->label);
    }
    const char *scheme = plain || strncmp(k->url, "https://", 8) == 0 ? "" : "https://";
    json_t *cluster = json_pack("{s:o}", "server", json_sprintf("%s%s", scheme, k->url));
    int rc = put_trust(k, cluster, e);
    *out = json_pack("{s:s, s:s, s:s, s:[{s:s, s:o}], s:[{s:s, s:{s:s}}], "
                     "s:[{s:s, s:{s:s, s:s, s:s}}]}",
                     "apiVersion", "v1", "kind", "Config", "current-context", "mvimig", "clusters",
                     "name", "mvimig", "cluster", cluster, "users", "name", "mvimig", "user",
                     "token", secret_value(k->token), "contexts", "name", "mvimig", "context",
                     "cluster", "mvimig", "user", "mvimig", "namespace", k->project);
    if (rc == 0 && *out == NULL) {
        return err_set(e, ERR_USAGE,
                       "%s: clusterUrl, clusterProject or token are not text in UTF-8", k->label);
    }
    return rc;
}

int kubeconfig_write(const struct kubeconfig *k, int dirfd, const char *name, struct err *e) {
    json_t *all = NULL;
    int rc = make(k, &all, e);
    if (rc == 0) {
        AUTO_FREE char *text = json_dumps(all, JSON_INDENT(1));
        MUST(text != NULL);
        rc = tempfile_put(dirfd, name, 0600, text, strlen(text), e);
        explicit_bzero(text, strlen(text));
    }
    json_decref(all);
    return rc;
}
