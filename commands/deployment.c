// SPDX-License-Identifier: Apache-2.0
// The manifests follow the template of the design; each element of it is here.
#include "commands/deployment.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "commands/yaml.h"

#define USER_MAX 4294967294UL // the last one that is a user

int deployment_check_name(const char *name, struct err *e) {
    static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char all[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(name);
    if (len > 0 && len <= DEPLOYMENT_NAME_MAX && name[strspn(name, all)] == 0 &&
        strchr(ends, name[0]) != NULL && strchr(ends, name[len - 1]) != NULL)
        return 0;
    return err_set(e, ERR_USAGE,
                   "this cannot be the name of a deployment; take 1 to %d small letters, digits "
                   "and - (not first or last)",
                   DEPLOYMENT_NAME_MAX);
}

static bool take_id(const char **text, unsigned long *id) {
    char *end;
    errno = 0;
    *id = strtoul(*text, &end, 10);
    bool ok = **text >= '0' && **text <= '9' && errno == 0 && *id <= USER_MAX;
    *text = end;
    return ok;
}

int deployment_set_user(struct deployment *d, const char *text, struct err *e) {
    const char *p = text;
    unsigned long uid, gid = 0;
    bool ok = take_id(&p, &uid);
    if (ok && *p == ':') {
        p++;
        ok = take_id(&p, &gid);
    }
    if (!ok || *p != 0)
        return err_set(e, ERR_USAGE, "--run-as takes UID or UID:GID, as numbers");
    d->runs_as_given = true;
    d->uid = (uid_t)uid;
    d->gid = (gid_t)gid;
    return 0;
}

static json_t *labels(const struct deployment *d) {
    return json_pack("{s:s, s:s, s:s, s:s}", "run", d->name, "app", "vision", "chart", d->chart,
                     "release", d->release);
}

static json_t *metadata(const struct deployment *d, const char *ending) {
    json_t *m = json_pack("{s:o}", "name", json_sprintf("%s%s", d->name, ending));
    if (d->namespace != NULL)
        json_object_set_new(m, "namespace", json_string(d->namespace));
    json_object_set_new(m, "labels", labels(d));
    return m;
}

// Base64 without a line end; the alphabet of RFC 4648.
static json_t *base64(const struct config_part *part, struct arena *a) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = arena_alloc(a, (part->len + 2) / 3 * 4 + 1), *to = text;
    const unsigned char *in = (const unsigned char *)part->data;
    for (size_t i = 0; i < part->len; i += 3) {
        size_t left = part->len - i;
        unsigned long v = (unsigned long)in[i] << 16;
        v |= left > 1 ? (unsigned long)in[i + 1] << 8 : 0;
        v |= left > 2 ? (unsigned long)in[i + 2] : 0;
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[v & 63] : '=';
    }
    return json_string(text);
}

static json_t *secret(const struct deployment *d, struct arena *a) {
    json_t *data = json_object();
    for (size_t i = 0; i < d->n_parts; i++)
        json_object_set_new(data, d->parts[i].name, base64(&d->parts[i], a));
    return json_pack("{s:s, s:s, s:o, s:s, s:o}", "apiVersion", "v1", "kind", "Secret", "metadata",
                     metadata(d, "-network"), "type", "Opaque", "data", data);
}

// Kubernetes replaces $(NAME) in arguments, and takes $$ for $.
static json_t *literal(const char *word) {
    AUTO_BUF struct buf b = BUF_INIT(2 * strlen(word) + 1);
    for (const char *p = word; *p != 0; p++) {
        if (*p == '$' && (p[1] == '(' || p[1] == '$' || (p > word && p[-1] == '$')))
            buf_puts(&b, "$");
        buf_put(&b, p, 1);
    }
    return json_string(buf_str(&b));
}

// The words go as positional parameters: no text of a person's is ever part of a script.
static json_t *arguments(const struct deployment *d) {
    json_t *args = json_array();
    json_array_append_new(args, json_string("touch /tmp/healthy && mkdir -p " DEPLOYMENT_DATA
                                            "/logs && touch " DEPLOYMENT_DATA "/logs/migration && "
                                            "exec mvimig \"$@\" >&2"));
    json_array_append_new(args, json_string("mvimig"));
    for (size_t i = 0; i < d->n_words; i++)
        json_array_append_new(args, literal(d->words[i]));
    return args;
}

static json_t *container(const struct deployment *d) {
    json_t *c =
        json_pack("{s:s, s:s, s:s, s:[s, s], s:o, s:[{s:s, s:s}]}", "name", d->name, "image",
                  d->image, "imagePullPolicy", "IfNotPresent", "command", "/bin/sh", "-c", "args",
                  arguments(d), "env", "name", "HOME", "value", "/tmp");
    json_object_set_new(c, "securityContext",
                        json_pack("{s:b, s:b, s:b, s:{s:[s]}}", "allowPrivilegeEscalation", 0,
                                  "privileged", 0, "readOnlyRootFilesystem", 1, "capabilities",
                                  "drop", "ALL"));
    json_object_set_new(c, "volumeMounts",
                        json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:b}, {s:s, s:s}]", "name",
                                  "dlaas-data", "mountPath", DEPLOYMENT_DATA, "subPath", "data",
                                  "name", "network", "mountPath", DEPLOYMENT_NETWORK, "readOnly", 1,
                                  "name", "scratch", "mountPath", "/tmp"));
    json_object_set_new(c, "resources",
                        json_pack("{s:{s:i, s:s}}", "limits", "cpu", 0, "memory", "0Mi"));
    json_object_set_new(c, "readinessProbe",
                        json_pack("{s:{s:[s, s]}, s:i}", "exec", "command", "cat", "/tmp/healthy",
                                  "periodSeconds", 5));
    return c;
}

static json_t *volumes(const struct deployment *d) {
    // 0444 is 292: the user is not known here, and nobody else is in the container. No fsGroup: it
    // would hand the whole data volume to another group.
    return json_pack("[{s:s, s:{s:s}}, {s:s, s:{s:o, s:i, s:b}}, {s:s, s:{}}]", "name",
                     "dlaas-data", "persistentVolumeClaim", "claimName", d->pvc, "name", "network",
                     "secret", "secretName", json_sprintf("%s-network", d->name), "defaultMode",
                     0444, "optional", 0, "name", "scratch", "emptyDir");
}

static json_t *security(const struct deployment *d) {
    json_t *s = json_pack("{s:b}", "runAsNonRoot", !(d->runs_as_given && d->uid == 0));
    if (d->runs_as_given) {
        json_object_set_new(s, "runAsUser", json_integer(d->uid));
        json_object_set_new(s, "runAsGroup", json_integer(d->gid));
    }
    json_object_set_new(s, "seccompProfile", json_pack("{s:s}", "type", "RuntimeDefault"));
    return s;
}

static json_t *affinity(void) {
    return json_pack("{s:{s:{s:[{s:[{s:s, s:s, s:[s, s]}]}]}}}", "nodeAffinity",
                     "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms",
                     "matchExpressions", "key", "kubernetes.io/arch", "operator", "In", "values",
                     "ppc64le", "amd64");
}

static json_t *pod_template(const struct deployment *d) {
    json_t *spec = json_pack("{s:[o], s:o, s:o, s:b, s:o}", "containers", container(d), "volumes",
                             volumes(d), "securityContext", security(d),
                             "automountServiceAccountToken", 0, "affinity", affinity());
    if (d->job)
        json_object_set_new(spec, "restartPolicy", json_string("Never"));
    return json_pack("{s:{s:s, s:o}, s:o}", "metadata", "name", d->name, "labels", labels(d),
                     "spec", spec);
}

static json_t *deployment(const struct deployment *d) {
    // Recreate: two pods of one migration would only wait for each other's lock.
    return json_pack("{s:s, s:s, s:o, s:{s:i, s:{s:s}, s:o, s:{s:{s:s}}}}", "apiVersion", "apps/v1",
                     "kind", "Deployment", "metadata", metadata(d, ""), "spec", "replicas", 1,
                     "strategy", "type", "Recreate", "template", pod_template(d), "selector",
                     "matchLabels", "run", d->name);
}

// A pod that was killed is followed by another; one that ended with a status which the same try
// would meet again (usage, what does not move, conflicts, differences, plan, login) ends the job.
static json_t *job(const struct deployment *d) {
    json_t *ends = json_pack("{s:s, s:{s:s, s:[i, i, i, i, i, i]}}", "action", "FailJob",
                             "onExitCodes", "operator", "In", "values", err_exit_status(ERR_USAGE),
                             err_exit_status(ERR_LEFTOVER), err_exit_status(ERR_CONFLICTS),
                             err_exit_status(ERR_DIFFERS), err_exit_status(ERR_PLAN),
                             err_exit_status(ERR_LOGIN));
    return json_pack("{s:s, s:s, s:o, s:{s:i, s:i, s:i, s:{s:[o]}, s:o}}", "apiVersion", "batch/v1",
                     "kind", "Job", "metadata", metadata(d, ""), "spec", "parallelism", 1,
                     "completions", 1, "backoffLimit", 100, "podFailurePolicy", "rules", ends,
                     "template", pod_template(d));
}

static void put(json_t *manifest, struct buf *out) {
    MUST(manifest != NULL);
    buf_puts(out, "---\n");
    yaml_put(out, manifest);
    json_decref(manifest);
}

void deployment_put(const struct deployment *d, struct arena *a, struct buf *out) {
    put(secret(d, a), out);
    put(d->job ? job(d) : deployment(d), out);
}

#define RIGHTS_API "rbac.authorization.k8s.io"

static json_t *rights_metadata(const char *namespace) {
    return json_pack("{s:s, s:s, s:{s:s}}", "name", "mvimig", "namespace", namespace, "labels",
                     "app", "mvimig");
}

static json_t *rule(const char *resource, const char *verb, const char *other) {
    json_t *r =
        json_pack("{s:[s], s:[s], s:[s]}", "apiGroups", "", "resources", resource, "verbs", verb);
    if (other != NULL)
        json_array_append_new(json_object_get(r, "verbs"), json_string(other));
    return r;
}

void deployment_put_rights(const char *namespace, struct buf *out) {
    put(json_pack("{s:s, s:s, s:o, s:b}", "apiVersion", "v1", "kind", "ServiceAccount", "metadata",
                  rights_metadata(namespace), "automountServiceAccountToken", 0),
        out);
    // A client that speaks WebSockets opens exec and port-forward by a GET, an older one by a POST.
    put(json_pack("{s:s, s:s, s:o, s:[o, o, o, o]}", "apiVersion", RIGHTS_API "/v1", "kind", "Role",
                  "metadata", rights_metadata(namespace), "rules", rule("pods", "get", "list"),
                  rule("pods/exec", "get", "create"), rule("pods/portforward", "get", "create"),
                  rule("secrets", "get", "list")),
        out);
    put(json_pack("{s:s, s:s, s:o, s:{s:s, s:s, s:s}, s:[{s:s, s:s, s:s}]}", "apiVersion",
                  RIGHTS_API "/v1", "kind", "RoleBinding", "metadata", rights_metadata(namespace),
                  "roleRef", "apiGroup", RIGHTS_API, "kind", "Role", "name", "mvimig", "subjects",
                  "kind", "ServiceAccount", "name", "mvimig", "namespace", namespace),
        out);
}
