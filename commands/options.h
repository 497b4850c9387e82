// SPDX-License-Identifier: Apache-2.0
// The command line: options from one table, read into one struct.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "schema/scope.h"

enum command_number {
#define COMMAND(bit, name) NUMBER_##bit,
#include "commands/commands.tbl.h"
#undef COMMAND
};

// Which commands know an option: one bit each.
enum command_bit {
#define COMMAND(bit, name) C_##bit = 1 << NUMBER_##bit,
#include "commands/commands.tbl.h"
#undef COMMAND
    C_ALL = ~0,
};

// What each kind of option is in struct options; what was not given is NULL, false, empty or 0.
#define OPTION_FLAG bool
#define OPTION_TEXT const char *
#define OPTION_MAYBE const char *
#define OPTION_LIST struct scope_list
#define OPTION_COUNT long
#define OPTION_SPAN long     // seconds
#define OPTION_RATE uint64_t // bytes a second

struct options { // NOLINT(clang-analyzer-optin.performance.Padding): there is one of them
#define OPTION(name, letter, kind, field, ...) OPTION_##kind field;
#include "commands/options.tbl.h"
#undef OPTION
    const char **words; // what is no option: PLAN, NAME
    size_t n_words, cap_words;
};

// Reads argv[1..] of a command. Values: `--name=V`, `--name V`, `-cV`, `-c V`; `--` ends options.
// ERR_USAGE names the option, and the nearest known one.
int options_parse(int argc, char *const *argv, unsigned command, struct arena *a,
                  struct options *out, struct err *e);

// The options that were given and that all of `commands` know, as words again: for a call of
// another command, elsewhere. --config is left out: what is a file here is none there.
const char **options_words(const struct options *o, unsigned commands, struct arena *a, size_t *n);

// The options of a command, a line or two each, for its help.
void options_help(unsigned command, struct buf *out);

// An option as others show it. `argument` is NULL when it takes none.
struct option_view {
    const char *name, *argument, *help;
    char letter; // 0: none
    bool needs_value, may_have_value, repeats;
};
// The next option of a command at or behind *i, which starts at 0; false when there is no more.
bool options_next(unsigned command, size_t *i, struct option_view *out);
