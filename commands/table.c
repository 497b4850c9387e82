// SPDX-License-Identifier: Apache-2.0
#include "commands/command.h"

#include <string.h>

const struct command *const commands[] = {
    &command_plan,       &command_show,    &command_apply,      &command_resume,
    &command_status,     &command_verify,  &command_conflicts,  &command_run,
    &command_audit,      &command_unlock,  &command_clean,      &command_receive,
    &command_completion, &command_version, &command_collisions, NULL,
};

const struct command *command_find(const char *name) {
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}
