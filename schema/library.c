// SPDX-License-Identifier: Apache-2.0
#include "schema/library.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"

void schema_libraries(library_each *each, void *arg) {
    char built[24], running[64] = "";
    snprintf(built, sizeof built, "%d.%02d", PCRE2_MAJOR, PCRE2_MINOR);
    MUST(pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof running);
    pcre2_config(PCRE2_CONFIG_VERSION, running);
    running[strcspn(running, " ")] = 0; // the date behind it
    each(arg, "libpcre2", built, running);
}
