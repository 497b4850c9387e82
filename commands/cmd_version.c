// SPDX-License-Identifier: Apache-2.0
// mvimig version: of the program and of the libraries it runs with.
#include "commands/command.h"

static int run(struct command_context *c, struct err *e) {
    (void)e;
    if (c->options->json)
        out_result(c->out, "{\"mvimig\":\"%s\"}\n", MVIMIG_VERSION);
    else
        out_result(c->out, "mvimig %s\n", MVIMIG_VERSION);
    return 0;
}

const struct command command_version = {
    .name = "version",
    .bit = C_VERSION,
    .synopsis = "[--json]",
    .summary = "print the version",
    .max_words = 0,
    .run = run,
};
