// SPDX-License-Identifier: Apache-2.0
#include "state/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/must.h"
#include "base/stop.h"
#include "base/tempfile.h"
#include "state/host.h"

#define LOCK_NAME "lock"
#define LOCK_POLL_MS 100

struct lock {
    int fd;
};

static struct flock lock_whole_file(void) {
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

// 1: taken; 0: somebody else has it; otherwise -1 with errno.
static int lock_try(int fd) {
    struct flock whole = lock_whole_file();
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0) {
        return 1;
    }
    return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

static int lock_no_locks(int errnum, struct err *e) {
    return err_sys(e, ERR_IO, errnum,
                   "the work directory's file system does not lock files (put it on one that does, "
                   "with --work-dir, or mend its lock service)");
}

// The value of "KEY=..." in the lock file's text, escaped: others may have written the file.
static void lock_value(const char *text, const char *key, char *out, size_t size) {
    size_t key_len = strlen(key);
    out[0] = 0;
    for (const char *line = text; *line != 0; line += *line == '\n') {
        size_t len = strcspn(line, "\n");
        if (len > key_len && strncmp(line, key, key_len) == 0 && line[key_len] == '=') {
            escape_into(out, size, line + key_len + 1, len - key_len - 1);
        }
        line += len;
    }
}

static void lock_describe(int fd, char holder[LOCK_HOLDER_TEXT]) {
    char text[1024], command[64], host[128], process[24], since[48];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = 0;
    lock_value(text, "command", command, sizeof command);
    lock_value(text, "host", host, sizeof host);
    lock_value(text, "process", process, sizeof process);
    lock_value(text, "since", since, sizeof since);
    if (command[0] == 0) {
        snprintf(holder, LOCK_HOLDER_TEXT, "a run that has just begun");
        return;
    }
    snprintf(holder, LOCK_HOLDER_TEXT, "mvimig %s on %s (process %s) since %s", command, host,
             process, since);
}

// Who has the lock now, for people. Failure is no reason to give the lock back.
static void lock_sign(int fd, const char *command) {
    struct host host;
    char since[CLOCK_TEXT], text[768];
    host_read(&host);
    clock_format(clock_wall_ns(), since);
    int len = snprintf(text, sizeof text, "command=%s\nhost=%s\nprocess=%d\nboot=%s\nsince=%s\n",
                       command, host.name, (int)getpid(), host.boot_id, since);
    MUST(len > 0 && (size_t)len < sizeof text);
    if (pwrite(fd, text, (size_t)len, 0) == len) {
        (void)!ftruncate(fd, len);
    }
}

static int lock_wait(int fd, int64_t timeout_ms, struct err *e) {
    int64_t began = clock_mono_ns();
    for (;;) {
        int got = lock_try(fd);
        if (got == 1) {
            return 0;
        }
        if (got < 0) {
            return lock_no_locks(errno, e);
        }
        if (stop_asked()) {
            return err_set(e, stop_error(), "stopped while waiting for the lock");
        }
        if (timeout_ms >= 0 && clock_mono_ns() - began >= timeout_ms * 1000000) {
            char holder[LOCK_HOLDER_TEXT];
            lock_describe(fd, holder);
            return err_set(e, ERR_LOCKED,
                           "another run holds the lock: %s; wait for it to end, or stop it",
                           holder);
        }
        clock_sleep_ms(LOCK_POLL_MS);
    }
}

int lock_take(int workdir_fd, const char *command, int64_t timeout_ms, struct lock **out,
              struct err *e) {
    AUTO_CLOSE int fd =
        openat(workdir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        return err_sys(e, ERR_IO, errno, "the lock file cannot be made in the work directory");
    }
    if ((st.st_mode & 0777) != 0600 && st.st_uid == geteuid()) {
        (void)fchmod(fd, 0600); // the umask may have closed it to ourselves
    }
    int rc = lock_wait(fd, timeout_ms, e);
    if (rc == 0) {
        lock_sign(fd, command);
        *out = must_calloc(1, sizeof **out);
        (*out)->fd = steal_fd(&fd);
    }
    return rc;
}

int lock_break(int workdir_fd, struct err *e) {
    if (unlinkat(workdir_fd, LOCK_NAME, 0) != 0 && errno != ENOENT) {
        return err_sys(e, ERR_IO, errno, "the lock file cannot be removed");
    }
    return fsync(workdir_fd) == 0
               ? 0
               : err_sys(e, ERR_IO, errno, "the work directory cannot be synced");
}

void lock_release(struct lock *l) {
    if (l == NULL) {
        return;
    }
    // Emptied, never removed: a second run may hold the same file open already.
    (void)!ftruncate(l->fd, 0);
    auto_close(&l->fd);
    free(l);
}

int lock_holder(int workdir_fd, bool *held, char holder[LOCK_HOLDER_TEXT], struct err *e) {
    *held = false;
    holder[0] = 0;
    AUTO_CLOSE int fd = openat(workdir_fd, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : err_sys(e, ERR_IO, errno, "the lock file cannot be read");
    }
    struct flock whole = lock_whole_file();
    if (fcntl(fd, F_OFD_GETLK, &whole) != 0) {
        return lock_no_locks(errno, e);
    }
    *held = whole.l_type != F_UNLCK;
    if (*held) {
        lock_describe(fd, holder);
    }
    return 0;
}
