// SPDX-License-Identifier: Apache-2.0
#include "site/mongo_counters.h"

#include <stdio.h>
#include <unistd.h>

void mongo_counters_forget(void) {
    char name[64];
    snprintf(name, sizeof name, "/dev/shm/mongoc-%d", (int)getpid());
    (void)unlink(name);
}
