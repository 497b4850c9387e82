// SPDX-License-Identifier: Apache-2.0
// The MongoDB driver keeps counters in shared memory, /dev/shm/mongoc-PID, for a tool of its own
// (mongoc-stat); 1.x makes it in a constructor, before main. A killed process leaves it, and the
// next one of that PID then prints a warning of the driver's. MONGOC_DISABLE_SHM in our own
// environment comes too late: what .preinit_array sets there the C library sets back.
#pragma once

// Takes away this process's name for them, ours or one that was left by a killed process; the
// memory itself stays as long as it is mapped. Uses nothing that needs the C library to be started.
void mongo_counters_forget(void);
