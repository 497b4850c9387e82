// SPDX-License-Identifier: Apache-2.0
// One end's cluster, spoken to by oc or kubectl (whichever is there; the subset that both share)
// with a login of its own.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

struct cluster_options {
    const char *label; // "source", "destination"
    // Either these, made into a private kubeconfig (site/kubeconfig.h) ...
    const char *url, *ca_file;
    const struct secret *token;
    bool insecure;
    // ... or a kubeconfig that is there.
    const char *kubeconfig;
    const char *project; // NULL: the login's own
    // ... or this program with a login of its own (kubectl.sh of a standalone server).
    const char *program;
};

struct cluster;
// Finds the program and writes the login; asks nothing yet. ERR_USAGE names what to install.
int cluster_open(const struct cluster_options *o, struct cluster **out, struct err *e);
void cluster_close(struct cluster *c); // removes the login

const char *cluster_program(const struct cluster *c);
const char *cluster_project(const struct cluster *c); // "default" when it is the login's own
// NULL-terminated, for struct child_options: KUBECONFIG and the proxies.
const char *const *cluster_env(const struct cluster *c);

#define CLUSTER_WORDS_MAX 24
// Fills argv with the program, "-n", the project and `words` (ended by NULL).
void cluster_argv(const struct cluster *c, const char *const *words,
                  const char *argv[CLUSTER_WORDS_MAX + 4]);
// Runs it and takes its output as JSON; the caller drops it. ERR_LOGIN when the token or its rights
// are refused, ERR_UNREACHABLE when the cluster is not reached, ERR_NOTFOUND when there is no such
// object, ERR_USAGE when its certificate is not trusted; the texts hold the mend. Output over
// 64 MiB and two minutes are errors.
int cluster_json(const struct cluster *c, const char *const *words, json_t **out, struct err *e);
// When the text of an error says that the token or one of its rights is refused: makes it an
// ERR_LOGIN with the mend and returns true. For what was told to others than cluster_json(): an
// exec, a port-forward. Trying again would not help.
bool cluster_refuses(struct err *e);
