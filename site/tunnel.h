// SPDX-License-Identifier: Apache-2.0
// A supervised child that carries connections: `kubectl port-forward`, `ssh -L`. It is up when what
// lies behind it has answered; it is started again, with back-off, when it ends, when the port does
// not come, and when what lies behind it no longer answers (a forward that hangs holds its
// connections open for ever; ending it breaks them, and the driver's calls with them).
//
// Its local address may be another one after each start: it is asked for at each connection.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/err.h"

struct tunnel_address {
    struct sockaddr_storage sa;
    socklen_t len;
};

struct tunnel_command {
    const char *const *argv, *const *env; // as of struct child_options
    const char *socket; // the Unix socket it makes; NULL: it says "Forwarding from 127.0.0.1:PORT"
};

struct tunnel_options {
    const char *label; // "destination port-forward"
    // What to run; asked before each start, since the pod may be another one by then. All of it
    // lives in the arena. Before the first success its errors are final, but for ERR_RETRY.
    int (*command)(void *arg, struct arena *a, struct tunnel_command *out, struct err *e);
    // Has what lies behind this address answer within the timeout. ERR_RETRY; ERR_UNREACHABLE when
    // it answers but cannot be used yet, which is worth a longer wait.
    int (*probe)(void *arg, const struct tunnel_address *to, int timeout_ms, struct err *e);
    // What happened, for a log; from a thread of its own.
    void (*say)(void *arg, const char *text);
    void *arg;
};

struct tunnel;
// Starts it and waits until it is up. ERR_UNREACHABLE with the last reason after a few attempts.
int tunnel_open(const struct tunnel_options *o, struct tunnel **out, struct err *e);
// Where to connect; waits until it is up. False after the timeout or when a stop was asked for.
bool tunnel_address(struct tunnel *t, int timeout_ms, struct tunnel_address *out);
void tunnel_close(struct tunnel *t); // ends the child; connections break
