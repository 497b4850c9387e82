// SPDX-License-Identifier: Apache-2.0
// mvimig version: of the program and of the libraries it was built with and runs with.
#include "commands/command.h"

#include <string.h>

#include "base/library.h"
#include "schema/library.h"
#include "site/library.h"
#include "state/library.h"

static void each_layer(library_each *each, void *arg) {
    base_libraries(each, arg);
    schema_libraries(each, arg);
    state_libraries(each, arg);
    site_libraries(each, arg);
}

static void one_line(void *arg, const char *name, const char *built, const char *running) {
    if (strcmp(built, running) == 0)
        out_result(arg, "  %-10s  %s\n", name, running);
    else
        out_result(arg, "  %-10s  %s (built with %s)\n", name, running, built);
}

static void one_object(void *arg, const char *name, const char *built, const char *running) {
    json_object_set_new(arg, name, json_pack("{s:s,s:s}", "built", built, "running", running));
}

static int run(struct command_context *c, struct err *e) {
    (void)e;
    if (c->options->json) {
        json_t *libraries = json_object();
        each_layer(one_object, libraries);
        out_json(c->out, json_pack("{s:s,s:o}", "mvimig", MVIMIG_VERSION, "libraries", libraries),
                 false);
        return 0;
    }
    out_result(c->out, "mvimig %s\n", MVIMIG_VERSION);
    each_layer(one_line, c->out);
    return 0;
}

const struct command command_version = {
    .name = "version",
    .bit = C_VERSION,
    .synopsis = "[--json]",
    .summary = "print the version, and those of the libraries it runs with",
    .max_words = 0,
    .run = run,
};
