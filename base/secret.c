// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tempfile.h"

#define SECRET_FILE_MAX 4096

struct secret {
    size_t len;
    char value[];
};

struct secret *secret_new(const char *value, size_t len) {
    struct secret *s = must_calloc(1, sizeof *s + len + 1);
    s->len = len;
    memcpy(s->value, value, len);
    return s;
}

const char *secret_value(const struct secret *s) {
    return s == NULL ? NULL : s->value;
}

void secret_free(struct secret *s) {
    if (s != NULL) {
        explicit_bzero(s->value, s->len);
        free(s);
    }
}

// Secrets mounted by Kubernetes are symlinks to regular files, so that links are followed here.
static int secret_open(const char *path, size_t *size, struct err *e) {
    struct stat st;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_sys(e, ERR_USAGE, errno, "%s: the secret cannot be read", path);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(e, ERR_USAGE, "%s: not a regular file; a secret is read from one", path);
        return -1;
    }
    if (st.st_size > SECRET_FILE_MAX) {
        err_set(e, ERR_USAGE, "%s: longer than a secret may be (%d bytes)", path, SECRET_FILE_MAX);
        return -1;
    }
    *size = (size_t)st.st_size;
    return steal_fd(&fd);
}

static int secret_check(const char *path, const char *value, size_t len, struct err *e) {
    if (len == 0) {
        return err_set(e, ERR_USAGE, "%s: empty; put the secret in it", path);
    }
    if (memchr(value, 0, len) != NULL || memchr(value, '\n', len) != NULL) {
        return err_set(e, ERR_USAGE, "%s: holds more than one line of text", path);
    }
    return 0;
}

int secret_from_file(const char *path, struct secret **out, struct err *e) {
    char value[SECRET_FILE_MAX];
    size_t len = 0;
    AUTO_CLOSE int fd = secret_open(path, &len, e);
    if (fd < 0) {
        return e->code;
    }
    int rc = 0;
    if (fd_read_all(fd, value, len) != 0) {
        rc = err_sys(e, ERR_USAGE, errno != 0 ? errno : EIO, "%s: the secret cannot be read", path);
    } else {
        len -= len > 0 && value[len - 1] == '\n' ? 1 : 0;
        len -= len > 0 && value[len - 1] == '\r' ? 1 : 0;
        rc = secret_check(path, value, len, e);
    }
    if (rc == 0) {
        *out = secret_new(value, len);
    }
    explicit_bzero(value, sizeof value);
    return rc;
}

void secret_harden_process(void) {
    struct rlimit none = {0, 0};
    MUST(setrlimit(RLIMIT_CORE, &none) == 0);
    MUST(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}
