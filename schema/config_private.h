// SPDX-License-Identifier: Apache-2.0
// Shared by the files of schema/config.h.
#pragma once

#include "schema/config.h"
#include "schema/fields.h"

// The keys that an end was given, for messages with lines.
struct config_given {
    const char *file;
    const struct ynode *map;
};

// Decides end->kind; ERR_USAGE when keys contradict each other or something is missing.
int config_check_end(struct end_config *end, const struct config_given *g, struct err *e);
// Both ends are one and the same: ERR_USAGE.
int config_check_pair(const struct config *c, const struct config_given *destination,
                      struct err *e);
// The user information of a URI ("user:password" of mongodb://user:password@host); NULL when it has
// none.
const char *config_uri_userinfo(const char *uri, size_t *len);
