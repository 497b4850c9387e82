// SPDX-License-Identifier: Apache-2.0
#include "commands/command.h"

#include <string.h>

const struct command *const commands[] = {
#define COMMAND(bit, name) &command_##name,
#include "commands/commands.tbl.h"
#undef COMMAND
    NULL,
};

const struct command *command_find(const char *name) {
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}
