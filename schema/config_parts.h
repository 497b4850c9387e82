// SPDX-License-Identifier: Apache-2.0
// The network configuration as files for a folder elsewhere, as a Kubernetes Secret mounts them:
// network.json, and beside it each password, token, key and certificate in a file of its own.
#pragma once

#include "base/arena.h"
#include "schema/config.h"

#define CONFIG_PARTS_MAIN "network.json"

struct config_part {
    const char *name; // of the file: letters, digits, '-' and '.'
    const char *data; // not for showing: it may be a secret
    size_t len;
};

// Reads the files that the configuration names. `data_dir` is where the source's files are to be
// found there, taken when the source is reached directly; the other kinds know it themselves.
// network.json comes first. ERR_USAGE when a file cannot be read or is over 1 MiB.
int config_parts(const struct config *c, const char *data_dir, struct arena *a,
                 struct config_part **out, size_t *n, struct err *e);
