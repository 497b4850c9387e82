// SPDX-License-Identifier: Apache-2.0
// Both ends of a migration, opened as a configuration says.
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "commands/command.h"
#include "plans/plan.h"
#include "schema/config.h"
#include "schema/model.h"
#include "site/files.h"
#include "site/mongo.h"

struct reach;

struct ends {
    struct command_context *context;
    struct config *config;
    struct reach *source_reach, *destination_reach; // NULL when reached directly
    struct mongo_end *source_db, *destination_db;   // NULL when not needed
    int source_root;                                // -1 when not needed
    struct file_end *destination_files;
    const char *receiver; // --receiver, or NULL; borrowed
};
#define ENDS_INIT                                                                                  \
    { .source_root = -1 }
#define AUTO_ENDS AUTO(ends_close)

// Reads the configuration: -c, else $MVI_MIG_CONFIG, else `otherwise` (may be NULL). Its secrets go
// to the redactor before anything else is done.
int ends_configure(struct ends *ends, struct command_context *c, const char *otherwise,
                   struct err *e);
// Opens what is needed (ENDS_ flags of plans/plan.h) and not open yet.
int ends_open(struct ends *ends, unsigned need, struct err *e);
// The destination's cluster, prepared; nothing is asked yet.
int ends_reach_source(struct ends *ends, struct reach **out, struct err *e);
int ends_reach_destination(struct ends *ends, struct reach **out, struct err *e);
// What ssh needs beside what every child gets; the caller frees env[0].
const char *const *ends_ssh_environment(char *env[2]);
// Refuses a destination that is the source, whatever its address says.
int ends_check_distinct(struct ends *ends, struct err *e);
void ends_close(struct ends *ends);

// A patient session (site/mongo.h), for questions that belong to no step.
int ends_session(struct mongo_end *end, struct mongo **out, struct err *e);

// The schema: --schema, else the built-in one.
int read_schema(struct command_context *c, struct model **out, struct err *e);
