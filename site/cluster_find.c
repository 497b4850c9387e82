// SPDX-License-Identifier: Apache-2.0
#include "site/cluster_find.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/must.h"

#define SECRET_KNOWN "vision-secrets"
#define SECRET_PATTERN "credentials-internal-visualinspection"
#define KEY_USER "mongodb-admin-username"
#define KEY_PASSWORD "mongodb-admin-password"
#define NAMES_SHOWN 20
#define VALUE_MAX 4096

static const json_t *at(const json_t *object, const char *a, const char *b) {
    return json_object_get(json_object_get(object, a), b);
}

static const char *text_at(const json_t *object, const char *a, const char *b) {
    const char *text = json_string_value(at(object, a, b));
    return text != NULL ? text : "";
}

static const char *name_of(const json_t *item) {
    return text_at(item, "metadata", "name");
}

// "a, b, c", for a message.
static const char *names(struct arena *a, const json_t *items) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) {
        char shown[256];
        if (i == NAMES_SHOWN) {
            buf_puts(&b, ", ...");
            break;
        }
        buf_printf(&b, "%s%s", i > 0 ? ", " : "",
                   escape_into(shown, sizeof shown, name_of(item), strlen(name_of(item))));
    }
    return arena_strdup(a, b.len > 0 ? buf_str(&b) : "none");
}

// --- pods

static bool is_ready(const json_t *pod) {
    size_t i;
    json_t *condition;
    json_array_foreach(at(pod, "status", "conditions"), i, condition) {
        const char *type = json_string_value(json_object_get(condition, "type"));
        const char *status = json_string_value(json_object_get(condition, "status"));
        if (type != NULL && status != NULL && strcmp(type, "Ready") == 0) {
            return strcmp(status, "True") == 0;
        }
    }
    return false;
}

// How much it is what is wanted; 0: it does not run.
static int rank(const json_t *pod) {
    bool runs = strcmp(text_at(pod, "status", "phase"), "Running") == 0 &&
                *text_at(pod, "metadata", "deletionTimestamp") == 0;
    return !runs ? 0 : is_ready(pod) ? 2 : 1;
}

static bool is_wanted(const struct cluster_wanted *w, const json_t *pod) {
    return strstr(name_of(pod), w->given != NULL ? w->given : w->pattern) != NULL;
}

static bool below(const char *path, const char *mount) {
    size_t len = strlen(mount);
    while (len > 1 && mount[len - 1] == '/') {
        len--;
    }
    return strncmp(path, mount, len) == 0 && (path[len] == 0 || path[len] == '/' || len == 1);
}

static bool mounts(const json_t *container, const char *path) {
    size_t i;
    json_t *m;
    json_array_foreach(json_object_get(container, "volumeMounts"), i, m) {
        const char *mount = json_string_value(json_object_get(m, "mountPath"));
        if (mount != NULL && *mount != 0 && below(path, mount)) {
            return true;
        }
    }
    return false;
}

static void take_pod(struct arena *a, const struct cluster_wanted *w, const json_t *pod,
                     struct cluster_pod *out) {
    size_t i;
    json_t *container;
    const char *scc =
        json_string_value(json_object_get(at(pod, "metadata", "annotations"), "openshift.io/scc"));
    *out = (struct cluster_pod){.name = arena_strdup(a, name_of(pod)),
                                .scc = scc != NULL ? arena_strdup(a, scc) : NULL};
    json_array_foreach(at(pod, "spec", "containers"), i, container) {
        const char *name = json_string_value(json_object_get(container, "name"));
        bool mounted = w->mount != NULL && mounts(container, w->mount);
        if (name != NULL && (i == 0 || (mounted && !out->mounted))) {
            out->container = arena_strdup(a, name);
            out->mounted = mounted;
        }
    }
}

static int by_rank(const void *a, const void *b) {
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    int more = rank(y) - rank(x);
    return more != 0 ? more : strcmp(name_of(x), name_of(y));
}

static int pick_pod(struct arena *a, const struct cluster *c, const struct cluster_wanted *w,
                    const json_t *items, struct cluster_pod *out, struct err *e) {
    const json_t **found = arena_alloc(a, (json_array_size(items) + 1) * sizeof *found);
    const json_t *stands = NULL;
    size_t i, n = 0;
    json_t *pod;
    json_array_foreach(items, i, pod) {
        if (is_wanted(w, pod)) {
            stands = pod;
            found[n] = pod;
            n += rank(pod) > 0;
        }
    }
    if (n > 0) {
        qsort(found, n, sizeof *found, by_rank);
        take_pod(a, w, found[w->nth % n], out);
        return 0;
    }
    if (stands != NULL) {
        return err_set(e, ERR_RETRY, "%s (%s) does not run (%s); look at it with `%s describe`",
                       w->what, name_of(stands), text_at(stands, "status", "phase"),
                       cluster_program(c));
    }
    return err_set(e, ERR_NOTFOUND,
                   "project %s has no pod whose name holds \"%s\" (%s); name it with %s; there "
                   "are: %s",
                   cluster_project(c), w->given != NULL ? w->given : w->pattern, w->what, w->key,
                   names(a, items));
}

int cluster_find_pod(const struct cluster *c, struct arena *a, const struct cluster_wanted *w,
                     struct cluster_pod *out, struct err *e) {
    json_t *answer = NULL;
    const char *words[] = {"get", "pods", "-o", "json", NULL};
    int rc = cluster_json(c, words, &answer, e);
    if (rc == 0) {
        rc = pick_pod(a, c, w, json_object_get(answer, "items"), out, e);
    }
    json_decref(answer);
    return rc;
}

// --- the secret

static int digit_of(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c == 0 ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

// Base64 of RFC 4648, one line; a line end that somebody has encoded with it is cut. NULL when it
// is none, or too long, or empty.
static struct secret *decode(const char *text) {
    char out[VALUE_MAX];
    size_t n = 0;
    unsigned long bits = 0;
    size_t digits = 0;
    for (; text != NULL && digit_of(*text) >= 0 && n + 1 < sizeof out; text++, digits++) {
        bits = (bits << 6 | (unsigned long)digit_of(*text)) & 0xffffff;
        if (digits % 4 != 0) {
            out[n++] = (char)(bits >> (6 - digits % 4 * 2) & 0xff);
        }
    }
    bool whole = text != NULL && text[strspn(text, "=")] == 0 && digits % 4 != 1;
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r')) {
        n--;
    }
    struct secret *s = whole && n > 0 && memchr(out, 0, n) == NULL ? secret_new(out, n) : NULL;
    explicit_bzero(out, sizeof out);
    return s;
}

static int take_login(const struct cluster *c, const json_t *item, struct secret **user,
                      struct secret **password, struct err *e) {
    *user = decode(json_string_value(at(item, "data", KEY_USER)));
    *password = decode(json_string_value(at(item, "data", KEY_PASSWORD)));
    if (*user != NULL && *password != NULL) {
        return 0;
    }
    secret_free(STEAL(*user));
    secret_free(STEAL(*password));
    return err_set(e, ERR_NOTFOUND,
                   "secret %s of project %s has no " KEY_USER " and " KEY_PASSWORD
                   "; name another with mongoSecret, or give mongoUser and mongoPW",
                   name_of(item), cluster_project(c));
}

static int list_login(const struct cluster *c, struct secret **user, struct secret **password,
                      struct err *e) {
    AUTO_ARENA struct arena *a = arena_new();
    const char *words[] = {"get", "secrets", "-o", "json", NULL};
    json_t *answer = NULL, *item;
    size_t i;
    int rc = cluster_json(c, words, &answer, e);
    if (rc != 0) {
        return rc;
    }
    const json_t *items = json_object_get(answer, "items"), *found = NULL;
    json_array_foreach(items, i, item) {
        if (strstr(name_of(item), SECRET_PATTERN) != NULL &&
            (found == NULL || strcmp(name_of(item), name_of(found)) < 0)) {
            found = item;
        }
    }
    rc = found != NULL
             ? take_login(c, found, user, password, e)
             : err_set(e, ERR_NOTFOUND,
                       "project %s has neither a secret " SECRET_KNOWN
                       " nor one whose name holds " SECRET_PATTERN
                       "; name it with mongoSecret, or give mongoUser and mongoPW; there are: %s",
                       cluster_project(c), names(a, items));
    json_decref(answer);
    return rc;
}

int cluster_find_login(const struct cluster *c, const char *given, struct secret **user,
                       struct secret **password, struct err *e) {
    const char *words[] = {"get", "secret", given != NULL ? given : SECRET_KNOWN,
                           "-o",  "json",   NULL};
    json_t *answer = NULL;
    int rc = cluster_json(c, words, &answer, e);
    if (rc == ERR_NOTFOUND && given == NULL) {
        *e = (struct err){0};
        return list_login(c, user, password, e);
    }
    if (rc == ERR_NOTFOUND) {
        return err_append(e, "; mongoSecret names it");
    }
    if (rc == 0) {
        rc = take_login(c, answer, user, password, e);
    }
    json_decref(answer);
    return rc;
}
