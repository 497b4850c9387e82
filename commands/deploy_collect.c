// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/child.h"
#include "commands/deploy.h"

#define LOAD_TIMEOUT_MS 1800000
#define STANDALONE_PVC "vision-data-pvc"

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

// Its charts were called ibm-powerai-vision, ibm-visual-insights, ibm-visual-inspection.
static bool is_vision(const char *chart) {
    return strcasestr(chart, "vision") != NULL || strcasestr(chart, "powerai") != NULL ||
           strcasestr(chart, "visual-ins") != NULL;
}

// One release as helm 3 shows it (name, chart) or helm 2 (Name, Chart).
static void take_release(struct command_context *c, const json_t *item, const char **chart,
                         const char **release) {
    bool old = json_object_get(item, "Name") != NULL;
    *chart = arena_strdup(c->arena, text_of(item, old ? "Chart" : "chart"));
    *release = arena_strdup(c->arena, text_of(item, old ? "Name" : "name"));
}

// The only release, or the only one whose chart is MVI's.
static int pick_release(struct command_context *c, const json_t *answer, struct deployment *d,
                        struct err *e) {
    const json_t *list = json_is_object(answer) ? json_object_get(answer, "Releases") : answer;
    const char *chart = NULL, *release = NULL;
    size_t i, found = 0;
    json_t *item;
    json_array_foreach(list, i, item) {
        const char *a, *b;
        take_release(c, item, &a, &b);
        if (*a == 0 || *b == 0 || (json_array_size(list) > 1 && !is_vision(a)))
            continue;
        chart = a;
        release = b;
        found++;
    }
    if (found != 1)
        return err_set(e, ERR_USAGE,
                       "helm lists %zu releases that could be MVI's; say which with --chart and "
                       "--release",
                       found);
    d->chart = d->chart != NULL ? d->chart : chart;
    d->release = d->release != NULL ? d->release : release;
    return 0;
}

static int collect_release(struct command_context *c, struct deployment *d, struct err *e) {
    const char *helm = kube_helm();
    json_t *answer = NULL;
    if (d->chart != NULL && d->release != NULL)
        return 0;
    if (helm == NULL)
        return err_set(e, ERR_USAGE, "there is no helm here to ask; give --chart and --release");
    const char *argv[] = {helm, "list", "-o", "json", NULL, NULL, NULL};
    if (d->namespace != NULL) {
        argv[4] = "--namespace";
        argv[5] = d->namespace;
    }
    int rc = kube_program_json(argv, &answer, e);
    if (rc != 0)
        return err_append(e, "; or give --chart and --release");
    rc = pick_release(c, answer, d, e);
    json_decref(answer);
    return rc;
}

// The only claim, or the one with the standalone server's name, or the only one that looks like it.
static int pick_claim(struct command_context *c, const json_t *items, struct deployment *d,
                      struct err *e) {
    AUTO_BUF struct buf names = BUF_INIT(1 << 16);
    const char *like = NULL;
    size_t i, n_like = 0;
    json_t *item;
    json_array_foreach(items, i, item) {
        const char *name = text_of(json_object_get(item, "metadata"), "name");
        buf_printf(&names, "%s%.253s", i > 0 ? ", " : "", name);
        if (strcmp(name, STANDALONE_PVC) == 0 || json_array_size(items) == 1) {
            d->pvc = arena_strdup(c->arena, name);
            return 0;
        }
        if (is_vision(name) && strstr(name, "data") != NULL && strstr(name, "mongo") == NULL) {
            like = name;
            n_like++;
        }
    }
    if (n_like == 1) {
        d->pvc = arena_strdup(c->arena, like);
        return 0;
    }
    return err_set(e, ERR_USAGE, "which claim holds MVI's data? give --pvc; there are: %s",
                   names.len > 0 ? buf_str(&names) : "none");
}

static int collect_claim(struct command_context *c, struct deployment *d, const struct kube *k,
                         struct err *e) {
    json_t *answer = NULL;
    int rc = kube_json(k, (const char *const[]){"get", "pvc", "-o", "json", NULL}, &answer, e);
    if (rc != 0)
        return err_append(e, "; or give --pvc");
    json_t *items = json_object_get(answer, "items");
    if (json_array_size(items) > 1000)
        rc = err_set(e, ERR_LIMIT, "there are more than 1000 claims; give --pvc");
    rc = rc != 0 ? rc : pick_claim(c, items, d, e);
    json_decref(answer);
    return rc;
}

static const json_t *at(const json_t *object, const char *a, const char *b, const char *key) {
    return json_object_get(json_object_get(json_object_get(object, a), b), key);
}

// A standalone server's volume is a folder of that server: when it is this machine, who owns it is
// who may read it. Anything else leaves the image's user, which is no error.
static void collect_user(struct deployment *d, const struct kube *k) {
    struct err ignored = {0};
    json_t *claim = NULL, *volume = NULL;
    struct stat st;
    if (kube_json(k, (const char *const[]){"get", "pvc", d->pvc, "-o", "json", NULL}, &claim,
                  &ignored) != 0)
        return;
    const char *name = text_of(json_object_get(claim, "spec"), "volumeName");
    if (*name != 0 && kube_json(k, (const char *const[]){"get", "pv", name, "-o", "json", NULL},
                                &volume, &ignored) == 0) {
        const char *path = json_string_value(at(volume, "spec", "hostPath", "path"));
        path = path != NULL ? path : json_string_value(at(volume, "spec", "local", "path"));
        const char *data = path == NULL ? NULL : arena_printf(k->arena, "%s/data", path);
        if (data != NULL && stat(data, &st) == 0) {
            d->runs_as_given = true;
            d->uid = st.st_uid;
            d->gid = st.st_gid;
        }
        json_decref(volume);
    }
    json_decref(claim);
}

int deploy_collect(struct command_context *c, struct deployment *d, struct err *e) {
    const struct options *o = c->options;
    struct kube k;
    int rc = 0;
    if (o->run_as != NULL)
        rc = deployment_set_user(d, o->run_as, e);
    bool complete = d->chart != NULL && d->release != NULL && d->pvc != NULL;
    // With all names at hand nobody is asked for the sake of printing.
    if (rc != 0 || (complete && (o->output_only || d->runs_as_given)))
        return rc;
    rc = kube_find(&k, c->arena, d->namespace, e);
    if (rc == 0)
        rc = collect_release(c, d, e);
    if (rc == 0 && d->pvc == NULL)
        rc = collect_claim(c, d, &k, e);
    if (rc == 0 && !d->runs_as_given)
        collect_user(d, &k);
    return rc;
}

// docker: "Loaded image: NAME"; podman: "Loaded image(s): NAME" or "Loaded image: NAME".
static const char *loaded_name(struct command_context *c, const struct buf *text) {
    const char *line = strstr(buf_str(text), "Loaded image");
    const char *name = line == NULL ? NULL : strstr(line, ": ");
    if (name == NULL)
        return NULL;
    name += 2;
    return arena_strndup(c->arena, name, strcspn(name, ",\r\n "));
}

// Where docker and podman find their server or their storage, when that is not the usual place.
static const char *const *engine_environment(struct arena *a) {
    static const char *const names[] = {
        "DOCKER_HOST",      "DOCKER_CONTEXT",          "DOCKER_CONFIG",
        "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",       "CONTAINER_HOST",
        "CONTAINERS_CONF",  "CONTAINERS_STORAGE_CONF", "XDG_RUNTIME_DIR"};
    const size_t n = sizeof names / sizeof *names;
    const char **env = arena_alloc(a, (n + 1) * sizeof *env);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL)
            env[k++] = arena_printf(a, "%s=%s", names[i], value);
    }
    env[k] = NULL;
    return env;
}

int deploy_load_image(struct command_context *c, const char **image, struct err *e) {
    static const char *const engines[] = {"docker", "podman"};
    const char *const *env = engine_environment(c->arena);
    AUTO_BUF struct buf text = BUF_INIT(1 << 16);
    int rc = ERR_NOTFOUND;
    for (size_t i = 0; rc == ERR_NOTFOUND && i < 2; i++) {
        const char *const argv[] = {engines[i], "load", "-i", c->options->image_file, NULL};
        rc = child_run(&(struct child_options){.argv = argv, .env = env}, NULL, 0, 1 << 16,
                       LOAD_TIMEOUT_MS, &text, e);
    }
    if (rc == ERR_NOTFOUND)
        return err_set(e, ERR_USAGE,
                       "--image-file needs docker or podman here; load %s into the cluster by its "
                       "own means and give --image",
                       c->options->image_file);
    if (rc != 0)
        return err_wrap(e, "--image-file %s", c->options->image_file);
    *image = loaded_name(c, &text);
    return *image != NULL ? 0
                          : err_set(e, ERR_DATA, "%s was loaded, but has no name; give --image",
                                    c->options->image_file);
}
