// SPDX-License-Identifier: Apache-2.0
// A command: one file (commands/cmd_NAME.c), one const struct, one line in commands/commands.tbl.h.
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "commands/options.h"
#include "commands/out.h"

struct command_context {
    const char *name; // of the command, as the lock and the journal name it
    struct out *out;
    const struct options *options;
    struct arena *arena; // lives as long as the command
    // Left by verify for `run`: differences, and those among them that are conflicts kept.
    uint64_t differ, kept;
    // Left by apply for `run`: steps that failed or were not reached, which a second try may do.
    uint64_t unfinished;
};

struct command {
    const char *name;
    unsigned bit;         // which options it knows
    const char *synopsis; // behind "mvimig NAME"
    const char *summary;  // one line
    size_t min_words, max_words;
    // Returns 0, or the code whose exit status the program ends with. An error text is printed by
    // the caller; codes that are outcomes rather than errors leave the text empty.
    int (*run)(struct command_context *c, struct err *e);
};

#define COMMAND(bit, name) extern const struct command command_##name;
#include "commands/commands.tbl.h"
#undef COMMAND

const struct command *command_find(const char *name);
// All of them, NULL at the end.
extern const struct command *const commands[];

// Finds the command in argv, runs it, prints its error. Returns the exit status.
int command_main(int argc, char *const *argv);
