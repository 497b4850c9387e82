// SPDX-License-Identifier: Apache-2.0
#include "state/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/must.h"
#include "base/tempfile.h"

static void host_read_boot_id(char *out, size_t size) {
    AUTO_FREE char *text = NULL;
    size_t len;
    struct err ignored = {0};
    out[0] = 0;
    if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", size - 1, &text, &len, &ignored) ==
        0) {
        snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
    }
}

void host_read(struct host *out) {
    if (gethostname(out->name, sizeof out->name) != 0) {
        out->name[0] = 0;
    }
    out->name[sizeof out->name - 1] = 0;
    host_read_boot_id(out->boot_id, sizeof out->boot_id);
    if (FAULT("other-host") != 0) { // tests: as if this ran elsewhere
        snprintf(out->name, sizeof out->name, "elsewhere");
        snprintf(out->boot_id, sizeof out->boot_id, "another");
    }
}
