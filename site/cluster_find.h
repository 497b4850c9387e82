// SPDX-License-Identifier: Apache-2.0
// MVI's pods and its secret in a project, by what their names hold: they are another after each
// restart of a pod, and begin with the instance's name.
#pragma once

#include "base/arena.h"
#include "base/secret.h"
#include "site/cluster.h"

#define CLUSTER_FILES_PATTERN "taskanaly"
#define CLUSTER_MONGO_PATTERN "-mongodb"

struct cluster_wanted {
    const char *what;    // "the pod with the files", for messages
    const char *key;     // of the configuration that names it: "filesPod"
    const char *given;   // its value: a name, or a part of one; NULL: none
    const char *pattern; // else a part of the name
    unsigned nth;        // of several the how many-th, from 0, over and over
    const char *mount;   // the container that has this folder mounted is wanted; NULL: any
};
struct cluster_pod {
    const char *name;
    const char *container; // NULL: the pod's first
    bool mounted;          // it has the folder that was asked for
    const char *scc;       // OpenShift's constraint that let it in; NULL: none is told
};
// The pod that runs and is ready (else: only runs); of several by their names, see nth.
// ERR_NOTFOUND names those that are there; ERR_RETRY when there is one that does not run.
int cluster_find_pod(const struct cluster *c, struct arena *a, const struct cluster_wanted *w,
                     struct cluster_pod *out, struct err *e);

// User and password of MongoDB's administrator: of the secret `given`, else of "vision-secrets",
// else of the one whose name holds "credentials-internal-visualinspection". ERR_NOTFOUND.
int cluster_find_login(const struct cluster *c, const char *given, struct secret **user,
                       struct secret **password, struct err *e);
