// SPDX-License-Identifier: Apache-2.0
// Where this process runs, for people to read; nothing is decided by it.
#pragma once

struct host {
    char name[256];   // in a cluster the pod's
    char boot_id[64]; // "" when the kernel does not say
};
void host_read(struct host *out);
