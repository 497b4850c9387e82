// SPDX-License-Identifier: Apache-2.0
#include "executor/unsynced.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/must.h"
#include "base/path.h"

void unsynced_init(struct unsynced *u) {
    *u = (struct unsynced){.workdir_fd = -1};
    pthread_mutex_init(&u->lock, NULL);
    pthread_mutex_init(&u->syncing, NULL);
}

static void close_few(size_t n, int file[UNSYNCED_FEW], int folder[UNSYNCED_FEW]) {
    for (size_t i = 0; i < n && i < UNSYNCED_FEW; i++) {
        auto_close(&file[i]);
        auto_close(&folder[i]);
    }
}

void unsynced_free(struct unsynced *u) {
    close_few(u->n, u->file, u->folder);
    pthread_mutex_destroy(&u->lock);
    pthread_mutex_destroy(&u->syncing);
}

int unsynced_add(struct unsynced *u, int file, int folder, struct err *e) {
    pthread_mutex_lock(&u->lock);
    size_t n = u->n++;
    if (n < UNSYNCED_FEW) {
        u->file[n] = file;
        u->folder[n] = folder;
    }
    pthread_mutex_unlock(&u->lock);
    if (n < UNSYNCED_FEW) {
        return n + 1 == UNSYNCED_FEW && !path_syncfs_tells() ? unsynced_sync(u, e) : 0;
    }
    close(file);
    close(folder);
    return 0;
}

// Few are synced one by one: others may have much to write on the same file system.
static int sync_few(size_t n, const int file[UNSYNCED_FEW], const int folder[UNSYNCED_FEW]) {
    for (size_t i = 0; i < n; i++) {
        if (fsync(file[i]) != 0 || path_sync_dir(folder[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

static int sync_now(struct unsynced *u, struct err *e) {
    int file[UNSYNCED_FEW], folder[UNSYNCED_FEW];
    pthread_mutex_lock(&u->lock);
    size_t n = u->n;
    memcpy(file, u->file, sizeof file);
    memcpy(folder, u->folder, sizeof folder);
    u->n = 0;
    pthread_mutex_unlock(&u->lock);
    int fault = n > 0 ? FAULT("unsynced-sync") : 0;
    errno = fault;
    int rc = fault != 0          ? -1
             : n <= UNSYNCED_FEW ? sync_few(n, file, folder)
                                 : syncfs(u->workdir_fd);
    int errnum = errno;
    close_few(n, file, folder);
    return rc == 0 ? 0 : err_sys(e, ERR_IO, errnum, "the work directory cannot be synced to disk");
}

// Whoever comes while another syncs waits, since its own file may be among those.
int unsynced_sync(void *unsynced, struct err *e) {
    struct unsynced *u = unsynced;
    pthread_mutex_lock(&u->syncing);
    if (u->failed.code == 0) {
        sync_now(u, &u->failed);
    }
    int rc = u->failed.code;
    if (rc != 0) {
        *e = u->failed;
    }
    pthread_mutex_unlock(&u->syncing);
    return rc;
}
