// SPDX-License-Identifier: Apache-2.0
// kubectl, oc and helm as `deploy` uses them on the machine where a person runs it: with that
// person's login, or those of the standalone server (site/vision_tools.h). Nothing secret is ever
// an argument; manifests go through standard input.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct kube {
    struct arena *arena;
    const char *program;   // kubectl.sh of the standalone server, else kubectl, else oc
    const char *namespace; // NULL: the login's own
};

#define KUBE_WORDS_MAX 32

// Finds the program. ERR_USAGE names what to install.
int kube_find(struct kube *k, struct arena *a, const char *namespace, struct err *e);
// helm.sh of the standalone server, else helm; NULL when there is none.
const char *kube_helm(void);

// Runs it with these words (ended by NULL) and `input` on its standard input. Output over 64 MiB
// and 5 minutes are errors.
int kube_run(const struct kube *k, const char *const *words, const void *input, size_t len,
             struct buf *out, struct err *e);
// The same with its output as JSON; the caller drops it.
int kube_json(const struct kube *k, const char *const *words, json_t **out, struct err *e);
// Any program with JSON as its output.
int kube_program_json(const char *const *argv, json_t **out, struct err *e);
// Runs it with its output on our standard output until it ends.
int kube_show(const struct kube *k, const char *const *words, struct err *e);

// The pod of a deployment or job of this name that runs and is not on its way out; else the newest
// (*running is false then). ERR_NOTFOUND when there is none.
int kube_pod(const struct kube *k, const char *name, const char **pod, bool *running,
             struct err *e);
