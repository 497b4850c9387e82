// SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"

#ifdef MVIMIG_FAULTS
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/must.h"

enum fault_action { FAULT_KILL, FAULT_FAIL, FAULT_SLEEP, FAULT_HOLD };

struct fault {
    char *name;
    enum fault_action action;
    int error;         // of FAULT_FAIL
    long sleep_ms;     // of FAULT_SLEEP
    const char *path;  // of FAULT_HOLD
    unsigned long nth; // the first hit that fires
    bool onwards;      // later hits fire, too
    atomic_ulong hits;
};

#define FAULTS_MAX 64

static struct fault faults[FAULTS_MAX];
static size_t faults_n;
static pthread_once_t faults_once = PTHREAD_ONCE_INIT;

static int fault_errno(const char *name) {
    static const struct {
        const char *name;
        int error;
    } known[] = {{"EIO", EIO},
                 {"ENOSPC", ENOSPC},
                 {"EDQUOT", EDQUOT},
                 {"EROFS", EROFS},
                 {"EACCES", EACCES},
                 {"EPERM", EPERM},
                 {"ENOENT", ENOENT},
                 {"ESTALE", ESTALE},
                 {"ECONNRESET", ECONNRESET},
                 {"EPIPE", EPIPE},
                 {"EAGAIN", EAGAIN},
                 {"ETIMEDOUT", ETIMEDOUT},
                 {"EINTR", EINTR},
                 {"EMFILE", EMFILE},
                 {"ENOMEM", ENOMEM},
                 {"EOPNOTSUPP", EOPNOTSUPP}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0) {
            return known[i].error;
        }
    }
    must_failed("MVIMIG_FAULT", 0, name);
}

static unsigned long fault_number(const char *text, char **end) {
    errno = 0;
    unsigned long n = strtoul(text, end, 10);
    MUST(*end != text && errno == 0);
    return n;
}

static void fault_parse_action(struct fault *f, const char *action) {
    char *end;
    if (strcmp(action, "kill") == 0) {
        f->action = FAULT_KILL;
    } else if (strcmp(action, "fail") == 0) {
        f->action = FAULT_FAIL;
        f->error = EIO;
    } else if (strncmp(action, "fail=", 5) == 0) {
        f->action = FAULT_FAIL;
        f->error = fault_errno(action + 5);
    } else if (strncmp(action, "sleep=", 6) == 0) {
        f->action = FAULT_SLEEP;
        f->sleep_ms = (long)fault_number(action + 6, &end);
        MUST(*end == 0);
    } else if (strncmp(action, "hold=", 5) == 0) {
        f->action = FAULT_HOLD;
        f->path = action + 5;
    } else {
        must_failed("MVIMIG_FAULT", 0, action);
    }
}

// One "NAME:ACTION[:NTH[+]]"; the text is cut up and kept.
static void fault_parse(struct fault *f, char *spec) {
    f->name = spec;
    char *action = strchr(spec, ':');
    MUST(action != NULL && action != spec);
    *action++ = 0;
    f->nth = 1;
    f->onwards = true;
    char *nth = strchr(action, ':');
    if (nth != NULL) {
        *nth++ = 0;
        char *end;
        f->nth = fault_number(nth, &end);
        f->onwards = *end == '+';
        MUST(f->nth > 0 && end[f->onwards ? 1 : 0] == 0);
    }
    fault_parse_action(f, action);
}

static void fault_load(void) {
    const char *env = getenv("MVIMIG_FAULT");
    if (env == NULL || *env == 0) {
        return;
    }
    char *rest = must_strdup(env); // lives as long as the process, as the table does
    for (char *spec; (spec = strsep(&rest, ",")) != NULL;) {
        MUST(faults_n < FAULTS_MAX);
        fault_parse(&faults[faults_n++], spec);
    }
}

static void fault_sleep(long ms) {
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR) {
    }
}

static void fault_hold(const char *path) {
    char met[PATH_MAX];
    MUST((size_t)snprintf(met, sizeof met, "%s.met", path) < sizeof met);
    if (access(path, F_OK) == 0) {
        int fd = open(met, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        MUST(fd >= 0 && close(fd) == 0);
    }
    while (access(path, F_OK) == 0) {
        fault_sleep(10);
    }
}

static int fault_fire(const struct fault *f) {
    if (f->action == FAULT_KILL) {
        kill(getpid(), SIGKILL);
        pause();
    }
    if (f->action == FAULT_SLEEP) {
        fault_sleep(f->sleep_ms);
    }
    if (f->action == FAULT_HOLD) {
        fault_hold(f->path);
    }
    return f->error;
}

int fault_hit(const char *name) {
    pthread_once(&faults_once, fault_load);
    int error = 0;
    for (size_t i = 0; i < faults_n; i++) {
        struct fault *f = &faults[i];
        if (strcmp(f->name, name) != 0) {
            continue;
        }
        unsigned long hit = atomic_fetch_add(&f->hits, 1) + 1;
        if (hit == f->nth || (f->onwards && hit > f->nth)) {
            int got = fault_fire(f);
            error = error != 0 ? error : got;
        }
    }
    return error;
}
#endif
