// SPDX-License-Identifier: Apache-2.0
// mvimig receive: the far side of a transfer of files, started by mvimig at the other end.
#include "commands/command.h"
#include "commands/receive.h"

static int run(struct command_context *c, struct err *e) {
    return receive_command(c->options->words[0], e);
}

const struct command command_receive = {
    .name = "receive",
    .bit = C_RECEIVE,
    .synopsis = "DIRECTORY",
    .summary = "the far side of a transfer of files; started by mvimig at the other end",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
