// SPDX-License-Identifier: Apache-2.0
// mvimig deploy: a migration as a Deployment or Job in the source's cluster.
#include "commands/deploy.h"

#include <string.h>

#include "commands/ends.h"

static int fill(struct command_context *c, struct deployment *d, struct err *e) {
    const struct options *o = c->options;
    const char *kind = o->kind != NULL ? o->kind : "deployment";
    d->image = o->image != NULL ? o->image : "localhost/mvimig:" MVIMIG_VERSION;
    d->chart = o->chart;
    d->release = o->release;
    d->pvc = o->pvc;
    d->namespace = o->namespace;
    d->job = strcmp(kind, "job") == 0;
    if (!d->job && strcmp(kind, "deployment") != 0)
        return err_set(e, ERR_USAGE, "--kind is deployment or job");
    if (!d->job && o->then != NULL && strcmp(o->then, "exit") == 0)
        return err_set(e, ERR_USAGE,
                       "--then exit: a deployment would start it again for ever; take --kind job");
    if (!o->server && o->users.n == 0 && o->projects.n == 0)
        return err_set(e, ERR_USAGE, "give a scope: --server, --users or --projects");
    return 0;
}

static void say(struct command_context *c, struct deployment *d, const char *word) {
    ARENA_PUSH(c->arena, d->words, d->n_words, d->cap_words, word);
}

// What stands behind `mvimig` in the container.
static void fill_words(struct command_context *c, struct deployment *d, bool plan_only) {
    say(c, d, "run");
    say(c, d, "-c");
    say(c, d, DEPLOYMENT_NETWORK "/" CONFIG_PARTS_MAIN);
    say(c, d, arena_printf(c->arena, "--name=%s", d->name));
    size_t n;
    const char **given = options_words(c->options, C_DEPLOY | C_RUN, c->arena, &n);
    for (size_t i = 0; i < n; i++)
        say(c, d, given[i]);
    if (plan_only)
        say(c, d, "--plan-only");
    if (d->job && c->options->then == NULL)
        say(c, d, "--then=exit");
}

static int fill_network(struct command_context *c, struct deployment *d, struct err *e) {
    AUTO_ENDS struct ends ends = ENDS_INIT;
    int rc = ends_configure(&ends, c, NULL, e);
    return rc != 0
               ? rc
               : config_parts(ends.config, DEPLOYMENT_DATA, c->arena, &d->parts, &d->n_parts, e);
}

static int create(struct command_context *c, const struct deployment *d, const char *what,
                  const struct buf *manifests, struct err *e) {
    struct kube k;
    int rc = kube_find(&k, c->arena, d->namespace, e);
    // An older cluster does not know all fields, and drops those; that is no reason to refuse.
    if (rc == 0)
        rc = kube_run(&k, (const char *const[]){"apply", "--validate=false", "-f", "-", NULL},
                      buf_str(manifests), manifests->len, NULL, e);
    if (rc == 0)
        out_result(c->out,
                   "%s %s is there, image %s, claim %s\n"
                   "  mvimig deploy logs %s --follow\n"
                   "  mvimig deploy status %s\n"
                   "  mvimig deploy %s %s\n",
                   d->job ? "job" : "deployment", d->name, d->image, d->pvc, d->name, d->name, what,
                   d->name);
    return rc;
}

static int make(struct command_context *c, const char *name, bool plan_only, struct err *e) {
    AUTO_BUF struct buf manifests = BUF_INIT((size_t)32 << 20);
    struct deployment d = {.name = name};
    int rc = fill(c, &d, e);
    if (rc == 0 && plan_only && d.job)
        rc = err_set(e, ERR_USAGE,
                     "a job ends, and its plan could not be fetched; leave --kind "
                     "job for `deploy run`");
    if (rc == 0)
        rc = fill_network(c, &d, e);
    if (rc == 0)
        rc = deploy_collect(c, &d, e);
    if (rc == 0 && c->options->image_file != NULL && !c->options->output_only)
        rc = deploy_load_image(c, &d.image, e);
    if (rc != 0)
        return rc;
    fill_words(c, &d, plan_only);
    deployment_put(&d, c->arena, &manifests);
    if (!c->options->output_only)
        return create(c, &d, plan_only ? "get" : "delete", &manifests, e);
    out_log(c->out, OUT_INFO, NULL,
            "the Secret below holds the credentials of both ends: keep it as you keep those");
    out_raw(c->out, buf_str(&manifests), manifests.len);
    return 0;
}

static int rights(struct command_context *c, struct err *e) {
    if (c->options->namespace == NULL)
        return err_set(e, ERR_USAGE,
                       "rights are those in one namespace; give --namespace, the "
                       "clusterProject of the destination");
    AUTO_BUF struct buf manifests = BUF_INIT(1 << 16);
    deployment_put_rights(c->options->namespace, &manifests);
    out_raw(c->out, buf_str(&manifests), manifests.len);
    return 0;
}

static int run(struct command_context *c, struct err *e) {
    const char *const *words = c->options->words;
    const char *what = words[0], *name = c->options->n_words > 1 ? words[1] : NULL;
    const char *plan = c->options->n_words > 2 ? words[2] : NULL;
    if (strcmp(what, "rights") == 0 && name == NULL)
        return rights(c, e);
    if (name == NULL || (plan != NULL) != (strcmp(what, "apply") == 0))
        return err_set(e, ERR_USAGE, "usage: mvimig deploy %s", command_deploy.synopsis);
    int rc = deployment_check_name(name, e);
    if (rc != 0)
        return rc;
    if (strcmp(what, "plan") == 0 || strcmp(what, "run") == 0)
        return make(c, name, *what == 'p', e);
    if (strcmp(what, "apply") == 0)
        return deploy_apply(c, name, plan, e);
    static const struct {
        const char *word;
        int (*call)(struct command_context *c, const char *name, struct err *e);
    } rows[] = {{"status", deploy_status},
                {"logs", deploy_logs},
                {"get", deploy_get},
                {"delete", deploy_delete}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(what, rows[i].word) == 0)
            return rows[i].call(c, name, e);
    return err_set(e, ERR_USAGE,
                   "deploy does plan, apply, run, status, logs, get, delete and rights");
}

const struct command command_deploy = {
    .name = "deploy",
    .bit = C_DEPLOY,
    .synopsis = "(plan | run | status | logs | get | delete) NAME | apply NAME PLAN | rights",
    .summary = "control a migration as a deployment or job in the source's cluster",
    .min_words = 1,
    .max_words = 3,
    .run = run,
};
