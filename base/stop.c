// SPDX-License-Identifier: Apache-2.0
#include "base/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/must.h"

static atomic_int stop_seen;  // the first of SIGINT and SIGTERM, or 0
static atomic_bool stop_usr1; // a SIGUSR1 not yet taken

static void stop_handle(int sig) {
    int none = 0;
    int up = SIGALRM; // the first signal after that is still a first one
    if (!atomic_compare_exchange_strong(&stop_seen, &none, sig) &&
        !atomic_compare_exchange_strong(&stop_seen, &up, sig)) {
        _exit(128 + sig);
    }
}

void stop_time_is_up(void) {
    int none = 0;
    (void)atomic_compare_exchange_strong(&stop_seen, &none, SIGALRM);
}

bool stop_is_time_up(void) {
    return stop_signal() == SIGALRM;
}

static void stop_handle_usr1(int sig) {
    (void)sig;
    atomic_store(&stop_usr1, true);
}

static void stop_set(int sig, void (*handler)(int)) {
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = handler;
    sa.sa_flags = SA_RESTART; // libraries that do not expect EINTR are spared it
    sigemptyset(&sa.sa_mask);
    MUST(sigaction(sig, &sa, NULL) == 0);
}

void stop_install(void) {
    stop_set(SIGINT, stop_handle);
    stop_set(SIGTERM, stop_handle);
    stop_set(SIGUSR1, stop_handle_usr1);
    stop_set(SIGPIPE, SIG_IGN);
    stop_set(SIGCHLD, SIG_DFL); // ignored by some parents; then no child could be waited for
}

int stop_signal(void) {
    return atomic_load(&stop_seen);
}

int stop_error(void) {
    if (stop_is_time_up()) {
        return ERR_LEFTOVER;
    }
    return stop_signal() == SIGTERM ? ERR_TERMINATED : ERR_INTERRUPTED;
}

bool stop_take_usr1(void) {
    return atomic_exchange(&stop_usr1, false);
}
