// SPDX-License-Identifier: Apache-2.0
#include "site/reach.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/tempdir.h"
#include "site/file_end_exec.h"
#include "site/reach_private.h"

bool reach_is_needed(const struct end_config *end) {
    return end->kind != END_DIRECT || end->ssh_tunnel != NULL;
}

static int open_cluster(struct reach *r, struct err *e) {
    const struct end_config *end = r->end;
    const struct cluster_options o = {.label = end->label,
                                      .url = end->cluster_url,
                                      .ca_file = end->cluster_ca,
                                      .token = end->cluster_token,
                                      .insecure = r->insecure,
                                      .kubeconfig = end->kubeconfig,
                                      .project = end->cluster_project};
    return cluster_open(&o, &r->cluster, e);
}

int reach_open(const struct reach_options *o, struct reach **out, struct err *e) {
    struct reach *r = must_calloc(1, sizeof *r);
    r->end = o->end;
    r->insecure = o->insecure;
    r->say = o->say;
    r->say_arg = o->arg;
    r->arena = arena_new();
    r->dir = (struct tempdir)TEMPDIR_INIT;
    int rc = o->end->kind == END_CLUSTER ? open_cluster(r, e) : 0;
    if (rc != 0) {
        reach_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

void reach_close(struct reach *r) {
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->n_tunnels; i++) {
        tunnel_close(r->tunnels[i].tunnel);
    }
    cluster_close(r->cluster);
    tempdir_remove(&r->dir);
    secret_free(r->uri);
    secret_free(r->user);
    secret_free(r->password);
    arena_free(r->arena);
    free(r);
}

struct cluster *reach_cluster(struct reach *r) {
    return r->cluster;
}

// --- files

int reach_find_files(struct reach *r, struct arena *a, struct cluster_pod *pod, struct err *e) {
    const struct end_config *end = r->end;
    const struct cluster_wanted w = {.what = "the pod with the files",
                                     .key = "filesPod",
                                     .given = end->files_pod,
                                     .pattern = CLUSTER_FILES_PATTERN,
                                     .mount = end->data_dir != NULL ? end->data_dir : REACH_DATA};
    return cluster_find_pod(r->cluster, a, &w, pod, e);
}

const char *const *reach_prefix(struct reach *r, struct arena *a, const struct cluster_pod *pod) {
    const char *with[] = {"exec", "-i", pod->name, "-c", pod->container, "--", NULL};
    const char *without[] = {"exec", "-i", pod->name, "--", NULL};
    const char **argv = arena_alloc(a, (CLUSTER_WORDS_MAX + 4) * sizeof *argv);
    cluster_argv(r->cluster, pod->container != NULL ? with : without, argv);
    return argv;
}

// For struct file_end_exec.
static int find_prefix(void *arg, struct arena *a, const char *const **prefix, struct err *e) {
    struct reach *r = arg;
    struct cluster_pod pod;
    int rc = reach_find_files(r, a, &pod, e);
    if (rc != 0) {
        // The pod may be on its way: the stream is tried again.
        if (rc == ERR_NOTFOUND && r->files_found) {
            e->code = ERR_RETRY;
        }
        return e->code;
    }
    *prefix = reach_prefix(r, a, &pod);
    r->files_found = true;
    return 0;
}

int reach_files(struct reach *r, enum file_receiver receiver, struct file_end **out,
                struct err *e) {
    MUST(r->cluster != NULL);
    const char *const *prefix = NULL;
    int rc = find_prefix(r, r->arena, &prefix, e);
    if (rc != 0) {
        return rc == ERR_RETRY ? e->code = ERR_UNREACHABLE : rc;
    }
    const char *root = r->end->data_dir != NULL ? r->end->data_dir : REACH_DATA;
    const struct file_end_exec o = {.label = r->end->label,
                                    .prefix = prefix,
                                    .env = cluster_env(r->cluster),
                                    .root = root,
                                    .find = find_prefix,
                                    .find_arg = r,
                                    .receiver = receiver,
                                    .refuses = cluster_refuses};
    return file_end_exec_open(&o, out, e);
}
