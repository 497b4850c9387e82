// SPDX-License-Identifier: Apache-2.0
// Shared by the files of site/reach.h.
#pragma once

#include "base/tempdir.h"
#include "site/reach.h"
#include "site/tunnel.h"

#define REACH_TUNNELS_MAX 16

struct reach_tunnel {
    struct reach *reach;
    const char *host;   // "HOST:PORT" as the URI has it
    const char *socket; // of SSH; NULL: a port-forward
    unsigned nth;       // of several pods: which is tried
    struct tunnel *tunnel;
};

struct reach {
    const struct end_config *end;
    bool insecure;
    void (*say)(void *arg, const char *text);
    void *say_arg;
    struct arena *arena;
    struct cluster *cluster; // NULL: none
    struct tempdir dir;      // of the sockets
    struct secret *uri, *user, *password;
    struct reach_tunnel tunnels[REACH_TUNNELS_MAX];
    size_t n_tunnels;
    bool files_found;
};
