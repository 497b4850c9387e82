// SPDX-License-Identifier: Apache-2.0
// What deploy asks the pod of a migration. The exit status of exec proves nothing (a cut stream
// ends with 0, a remote that ends early hangs the client), so whatever carries content carries its
// SHA-256 too, and the remote reads all of its input before it does anything else.
#include <string.h>

#include "base/hash.h"
#include "commands/deploy.h"
#include "commands/ends.h"
#include "commands/plan_file.h"

#define PLAN_MAX ((size_t)64 << 20)

static const char *work_dir(struct command_context *c, const char *name) {
    return arena_printf(c->arena, DEPLOYMENT_WORK "/%s", name);
}

static int running_pod(struct command_context *c, struct kube *k, const char *name,
                       const char **pod, struct err *e) {
    bool running = false;
    int rc = kube_find(k, c->arena, c->options->namespace, e);
    if (rc == 0)
        rc = kube_pod(k, name, pod, &running, e);
    if (rc == 0 && !running)
        return err_set(e, ERR_UNREACHABLE,
                       "pod %s does not run; `mvimig deploy logs %s` and `%s describe pod %s` say "
                       "why",
                       *pod, name, k->program, *pod);
    return rc;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

// One line for each container: what it does, and how often it was started again.
static int show_pod(struct command_context *c, const struct kube *k, const char *pod,
                    struct err *e) {
    json_t *answer = NULL, *item;
    size_t i;
    int rc = kube_json(k, (const char *const[]){"get", "pod", pod, "-o", "json", NULL}, &answer, e);
    if (rc != 0)
        return rc;
    const json_t *status = json_object_get(answer, "status");
    json_array_foreach(json_object_get(status, "containerStatuses"), i, item) {
        const char *state = "unknown", *why = "";
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(item, "state"), key, value) {
            state = key;
            why = text_of(value, "reason");
        }
        out_result(c->out, "pod %s: %s%s%s%s, started again %d time(s)\n", pod, state,
                   *why != 0 ? " (" : "", why, *why != 0 ? ")" : "",
                   (int)json_integer_value(json_object_get(item, "restartCount")));
    }
    if (json_array_size(json_object_get(status, "containerStatuses")) == 0)
        out_result(c->out, "pod %s: %s\n", pod, text_of(status, "phase"));
    json_decref(answer);
    return 0;
}

int deploy_status(struct command_context *c, const char *name, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(PLAN_MAX);
    struct err why = {0};
    struct kube k;
    const char *pod = NULL;
    bool running = false;
    int rc = kube_find(&k, c->arena, c->options->namespace, e);
    if (rc == 0)
        rc = kube_pod(&k, name, &pod, &running, e);
    if (rc == 0 && !c->options->json)
        rc = show_pod(c, &k, pod, e);
    if (rc != 0)
        return rc;
    if (!running)
        return err_set(e, ERR_UNREACHABLE,
                       "pod %s does not run, so it cannot be asked; `mvimig deploy logs %s` shows "
                       "what it said",
                       pod, name);
    const char *words[] = {"exec",
                           pod,
                           "--",
                           "mvimig",
                           "status",
                           work_dir(c, name),
                           c->options->json ? "--json" : NULL,
                           NULL};
    if (kube_run(&k, words, NULL, 0, &text, &why) != 0 && text.len == 0) {
        out_log(c->out, OUT_INFO, NULL, "no step was begun yet (%s)", why.text);
        return 0;
    }
    if (c->options->json)
        out_raw(c->out, buf_str(&text), text.len);
    else
        out_result_text(c->out, buf_str(&text));
    return 0;
}

int deploy_logs(struct command_context *c, const char *name, struct err *e) {
    struct kube k;
    const char *pod = NULL;
    bool running;
    int rc = kube_find(&k, c->arena, c->options->namespace, e);
    if (rc == 0)
        rc = kube_pod(&k, name, &pod, &running, e);
    if (rc != 0)
        return rc;
    return kube_show(&k, (const char *const[]){"logs", pod, c->options->follow ? "-f" : NULL, NULL},
                     e);
}

static void hex_of(const void *data, size_t len, char hex[HASH_HEX]) {
    uint8_t sum[HASH_SIZE];
    hash_bytes(data, len, sum);
    hash_hex(sum, hex);
}

// What the pod sent: 64 digits, the rest of that line, the plan.
static int check_plan(const struct buf *sent, const char **plan, size_t *len, struct err *e) {
    const char *text = buf_str(sent), *line = memchr(text, '\n', sent->len);
    char hex[HASH_HEX];
    if (line == NULL || line - text < HASH_HEX - 1)
        return err_set(e, ERR_DATA, "the plan did not arrive; try again");
    *plan = line + 1;
    *len = sent->len - (size_t)(line + 1 - text);
    hex_of(*plan, *len, hex);
    if (strncmp(hex, text, HASH_HEX - 1) != 0)
        return err_set(e, ERR_DATA, "the plan arrived altered or cut; try again");
    return 0;
}

int deploy_get(struct command_context *c, const char *name, struct err *e) {
    static const char script[] = "sha256sum <\"$1\" && cat \"$1\"";
    AUTO_BUF struct buf sent = BUF_INIT(PLAN_MAX);
    struct kube k;
    const char *pod = NULL, *plan = NULL;
    size_t len = 0;
    int rc = running_pod(c, &k, name, &pod, e);
    const char *path = arena_printf(c->arena, "%s/plan.yaml", work_dir(c, name));
    if (rc == 0)
        rc = kube_run(
            &k, (const char *const[]){"exec", pod, "--", "sh", "-c", script, "sh", path, NULL},
            NULL, 0, &sent, e);
    if (rc != 0)
        return err_append(e, "; is there a plan yet? `mvimig deploy logs %s` says", name);
    rc = check_plan(&sent, &plan, &len, e);
    if (rc != 0)
        return err_wrap(e, "pod %s", pod);
    if (c->options->output == NULL)
        out_raw(c->out, plan, len);
    else
        rc = plan_file_write(c->options->output, plan, len, e);
    return rc;
}

// Sends the plan into the work directory, where the pod finds it when it starts again.
static int send_plan(struct command_context *c, const struct kube *k, const char *pod,
                     const char *dir, const struct buf *plan, struct err *e) {
    static const char script[] =
        "umask 077; f=\"$1/.plan.sent\"; { mkdir -p \"$1\" && cat >\"$f\"; } || cat >/dev/null; "
        "set -- \"$1\" \"$2\" $(sha256sum <\"$f\"); "
        "[ \"$2\" = \"$3\" ] && sync \"$f\" && mv -f \"$f\" \"$1/plan.yaml\" && sync \"$1\" && "
        "echo \"kept $2\"";
    AUTO_BUF struct buf said = BUF_INIT(1 << 16);
    char hex[HASH_HEX];
    hex_of(buf_str(plan), plan->len, hex);
    const char *kept = arena_printf(c->arena, "kept %s", hex);
    int rc = kube_run(
        k, (const char *const[]){"exec", "-i", pod, "--", "sh", "-c", script, "sh", dir, hex, NULL},
        buf_str(plan), plan->len, &said, e);
    if (strstr(buf_str(&said), kept) != NULL)
        return 0;
    if (rc == 0)
        err_set(e, ERR_DATA, "the plan did not arrive whole; try again");
    return err_wrap(e, "pod %s", pod);
}

// The arguments of the deployment with this digest in the place of an earlier one, and no longer
// just planning.
static json_t *new_arguments(const json_t *deployment, const char *digest, bool *changed) {
    const json_t *container = json_array_get(
        json_object_get(
            json_object_get(json_object_get(json_object_get(deployment, "spec"), "template"),
                            "spec"),
            "containers"),
        0);
    json_t *old = json_object_get(container, "args"), *args = json_array(), *item;
    size_t i;
    *changed = true;
    json_array_foreach(old, i, item) {
        const char *word = json_string_value(item);
        if (word == NULL || strcmp(word, "--plan-only") == 0 ||
            strncmp(word, "--digest=", 9) == 0) {
            *changed = *changed && (word == NULL || strcmp(word, digest) != 0);
            continue;
        }
        json_array_append(args, item);
    }
    json_array_append_new(args, json_string(digest));
    if (json_array_size(old) == 0) {
        json_decref(args);
        return NULL;
    }
    return args;
}

static int patch_arguments(struct command_context *c, const struct kube *k, const char *name,
                           const char *digest, struct err *e) {
    json_t *deployment = NULL;
    bool changed = true;
    const char *resource = arena_printf(c->arena, "deployment/%s", name);
    int rc =
        kube_json(k, (const char *const[]){"get", resource, "-o", "json", NULL}, &deployment, e);
    if (rc != 0)
        return err_append(e, "; `deploy apply` needs a deployment, a job takes no other plan");
    json_t *args = new_arguments(deployment, digest, &changed);
    json_decref(deployment);
    if (args == NULL)
        return err_set(e, ERR_DATA, "%s is not one that `mvimig deploy` made", resource);
    json_t *patch = json_pack("{s:{s:{s:{s:[{s:s, s:o}]}}}}", "spec", "template", "spec",
                              "containers", "name", name, "args", args);
    AUTO_FREE char *text = json_dumps(patch, JSON_COMPACT);
    MUST(text != NULL);
    json_decref(patch);
    if (!changed) {
        out_log(c->out, OUT_INFO, NULL, "the pod does this plan already");
        return 0;
    }
    return kube_run(k, (const char *const[]){"patch", resource, "-p", text, NULL}, NULL, 0, NULL,
                    e);
}

int deploy_apply(struct command_context *c, const char *name, const char *path, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(PLAN_MAX);
    struct model *m = NULL;
    struct plan *p = NULL;
    struct kube k;
    const char *pod = NULL, *digest = NULL;
    int rc = read_schema(c, &m, e);
    if (rc == 0)
        rc = plan_file_read(c, m, path, &p, e);
    model_free(m);
    if (rc != 0)
        return rc;
    rc = plan_file_check_digest(p, c->options->digest, e);
    if (rc == 0 && strcmp(p->name, name) != 0)
        rc = err_set(e, ERR_PLAN, "%s is a plan of the migration %s, not of %s", path, p->name,
                     name);
    plan_emit(p, &text);
    digest = arena_printf(c->arena, "--digest=sha256:%s", p->digest);
    plan_free(p);
    if (rc == 0)
        rc = running_pod(c, &k, name, &pod, e);
    if (rc == 0)
        rc = send_plan(c, &k, pod, work_dir(c, name), &text, e);
    if (rc == 0)
        rc = patch_arguments(c, &k, name, digest, e);
    if (rc == 0)
        out_result(c->out, "%s was sent (%s); the pod starts again and does it\n", path,
                   digest + strlen("--digest="));
    return rc;
}

int deploy_delete(struct command_context *c, const char *name, struct err *e) {
    struct kube k;
    int rc = kube_find(&k, c->arena, c->options->namespace, e);
    if (rc != 0)
        return rc;
    const char *words[] = {"delete",
                           arena_printf(c->arena, "deployment/%s", name),
                           arena_printf(c->arena, "job/%s", name),
                           arena_printf(c->arena, "secret/%s-network", name),
                           "--ignore-not-found",
                           NULL};
    rc = kube_run(&k, words, NULL, 0, NULL, e);
    if (rc == 0)
        out_result(c->out,
                   "%s is deleted; plan, journal and dumps stay on the volume, in " DEPLOYMENT_WORK
                   "/%s\n",
                   name, name);
    return rc;
}
