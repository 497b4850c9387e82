// SPDX-License-Identifier: Apache-2.0
#include "commands/kube.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/stop.h"
#include "site/vision_tools.h"

#define KUBE_OUT_MAX ((size_t)64 << 20)
#define KUBE_TIMEOUT_MS 300000
#define STOP_LOOK_MS 100

int kube_find(struct kube *k, struct arena *a, const char *namespace, struct err *e) {
    static const char *const programs[] = {"kubectl.sh", "kubectl", "oc"};
    *k = (struct kube){.arena = a, .namespace = namespace};
    for (size_t i = 0; k->program == NULL && i < sizeof programs / sizeof *programs; i++)
        k->program = vision_tool(programs[i]);
    return k->program != NULL
               ? 0
               : err_set(e, ERR_USAGE,
                         "there is no kubectl.sh (of the standalone server), kubectl or oc here; "
                         "run it on the source server, or print the manifests with --output-only");
}

const char *kube_helm(void) {
    const char *own = vision_tool("helm.sh");
    return own != NULL ? own : vision_tool("helm");
}

static void arguments(const struct kube *k, const char *const *words,
                      const char *argv[KUBE_WORDS_MAX + 4]) {
    size_t n = 0;
    argv[n++] = k->program;
    if (k->namespace != NULL) {
        argv[n++] = "-n";
        argv[n++] = k->namespace;
    }
    for (size_t i = 0; words[i] != NULL; i++) {
        MUST(i < KUBE_WORDS_MAX);
        argv[n++] = words[i];
    }
    argv[n] = NULL;
}

// Where the login of the person who calls is.
static const char *const *environment(char *env[2]) {
    const char *config = getenv("KUBECONFIG");
    env[0] = config == NULL ? NULL : must_sprintf("KUBECONFIG=%s", config);
    env[1] = NULL;
    return (const char *const *)env;
}

int kube_run(const struct kube *k, const char *const *words, const void *input, size_t len,
             struct buf *out, struct err *e) {
    const char *argv[KUBE_WORDS_MAX + 4];
    char *env[2];
    arguments(k, words, argv);
    struct child_options o = {.argv = argv, .env = environment(env)};
    int rc = child_run(&o, input, len, KUBE_OUT_MAX, KUBE_TIMEOUT_MS, out, e);
    free(env[0]);
    return rc;
}

static int parse(const char *program, struct buf *text, json_t **out, struct err *e) {
    json_error_t why;
    *out = json_loadb(buf_str(text), text->len, 0, &why);
    if (*out == NULL)
        return err_set(e, ERR_DATA, "%s did not answer with JSON (%s)", program, why.text);
    return 0;
}

int kube_json(const struct kube *k, const char *const *words, json_t **out, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(KUBE_OUT_MAX);
    int rc = kube_run(k, words, NULL, 0, &text, e);
    return rc == 0 ? parse(k->program, &text, out, e) : rc;
}

int kube_program_json(const char *const *argv, json_t **out, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(KUBE_OUT_MAX);
    char *env[2];
    struct child_options o = {.argv = argv, .env = environment(env)};
    int rc = child_run(&o, NULL, 0, KUBE_OUT_MAX, KUBE_TIMEOUT_MS, &text, e);
    free(env[0]);
    return rc == 0 ? parse(argv[0], &text, out, e) : rc;
}

// Waits for output, but no longer than until a stop was asked for: a log that is followed may be
// silent for hours. 0 at its end.
static ssize_t read_or_stop(int fd, void *block, size_t len) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!stop_asked()) {
        int ready = poll(&p, 1, STOP_LOOK_MS);
        if (ready > 0)
            return read(fd, block, len);
        if (ready < 0 && errno != EINTR)
            return -1;
    }
    return 0;
}

int kube_show(const struct kube *k, const char *const *words, struct err *e) {
    const char *argv[KUBE_WORDS_MAX + 4];
    char *env[2], block[1 << 16];
    struct child child;
    int status = 0;
    ssize_t n = 0;
    arguments(k, words, argv);
    struct child_options o = {.argv = argv, .env = environment(env), .want_out = true};
    int rc = child_start(&child, &o, e);
    free(env[0]);
    if (rc != 0)
        return rc;
    while ((n = read_or_stop(child.out, block, sizeof block)) > 0) {
        fwrite(block, 1, (size_t)n, stdout);
        fflush(stdout);
    }
    if (!stop_asked() && child_wait(&child, KUBE_TIMEOUT_MS, &status) == 1 && status != 0)
        rc = err_set(e, ERR_FAILED, "%s %s: ended with status %d", k->program, words[0],
                     WIFEXITED(status) ? WEXITSTATUS(status) : 128);
    child_stop(&child, 1000);
    return rc;
}

static const char *text_at(const json_t *object, const char *a, const char *b) {
    const char *text = json_string_value(json_object_get(json_object_get(object, a), b));
    return text != NULL ? text : "";
}

int kube_pod(const struct kube *k, const char *name, const char **pod, bool *running,
             struct err *e) {
    const char *selector = arena_printf(k->arena, "run=%s,app=vision", name);
    json_t *answer = NULL, *item;
    const char *newest = "";
    size_t i;
    *pod = NULL;
    *running = false;
    int rc = kube_json(k, (const char *const[]){"get", "pods", "-l", selector, "-o", "json", NULL},
                       &answer, e);
    if (rc != 0)
        return rc;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        bool runs = strcmp(text_at(item, "status", "phase"), "Running") == 0 &&
                    *text_at(item, "metadata", "deletionTimestamp") == 0;
        const char *made = text_at(item, "metadata", "creationTimestamp");
        if (*pod != NULL && (*running > runs || (*running == runs && strcmp(made, newest) < 0)))
            continue;
        *pod = arena_strdup(k->arena, text_at(item, "metadata", "name"));
        newest = arena_strdup(k->arena, made);
        *running = runs;
    }
    json_decref(answer);
    return *pod != NULL
               ? 0
               : err_set(e, ERR_NOTFOUND,
                         "there is no pod of %s; `mvimig deploy run %s ...` makes one", name, name);
}
