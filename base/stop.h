// SPDX-License-Identifier: Apache-2.0
// The signal flag. First SIGINT or SIGTERM: finish the batches in flight, checkpoint, exit. Second:
// stop now (the process exits at once, which any state survives).
#pragma once

#include <stdbool.h>

// Handlers for INT and TERM; PIPE is ignored, CHLD is not; SIGUSR1 asks for a line.
void stop_install(void);
int stop_signal(void); // 0, SIGINT or SIGTERM; SIGALRM when the time is up
static inline bool stop_asked(void) {
    return stop_signal() != 0;
}
// Asks for a stop as a first signal would, because the time is up; stop_error is ERR_LEFTOVER then.
void stop_time_is_up(void);
bool stop_is_time_up(void);
int stop_error(void);      // ERR_INTERRUPTED or ERR_TERMINATED by the signal seen
bool stop_take_usr1(void); // true once after each SIGUSR1
