// SPDX-License-Identifier: Apache-2.0
// A login to a cluster as a file of our own, so that the token is neither an argument nor in an
// environment, and no login of the person who calls is touched: kubectl and oc get KUBECONFIG=PATH.
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

struct kubeconfig {
    const char *label;          // "destination", for messages
    const char *url;            // of the cluster's API; https:// is added where no scheme stands
    const struct secret *token; // what `oc login` takes
    const char *ca_file;        // NULL: the system's certificates
    const char *project;
    bool insecure; // the server's certificate is not checked
};
// Writes it as `name` into a folder: mode 0600, whole or not at all. ERR_USAGE when the CA cannot
// be read or the token would go over the network in the clear.
int kubeconfig_write(const struct kubeconfig *k, int dirfd, const char *name, struct err *e);
