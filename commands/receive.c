// SPDX-License-Identifier: Apache-2.0
#include "commands/receive.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "site/files.h"
#include "site/protocol.h"

static int say_protocol(struct err *e) {
    if (printf("%s %d\n", PROTOCOL_MAGIC, PROTOCOL_VERSION) < 0 || fflush(stdout) != 0) {
        return err_sys(e, ERR_IO, errno, "standard output");
    }
    return 0;
}

int receive_command(const char *what, struct err *e) {
    if (strcmp(what, "protocol") == 0) {
        return say_protocol(e);
    }
    if (what[0] != '/') {
        return err_set(e, ERR_USAGE,
                       "\"%s\" is no data directory: it has to begin with /; this command is "
                       "started by mvimig at the other end",
                       what);
    }
    AUTO_CLOSE int root = -1;
    int rc = path_open_root(what, &root, e);
    return rc < 0 ? rc : receive_serve(root, STDIN_FILENO, STDOUT_FILENO, e);
}

int receive_main(int argc, char *const *argv) {
    struct err e = {0};
    signal(SIGPIPE, SIG_IGN);
    int rc = argc == 2 ? receive_command(argv[1], &e)
                       : err_set(&e, ERR_USAGE, "usage: mvimig-receive DIRECTORY|protocol");
    if (rc < 0) {
        fprintf(stderr, "mvimig-receive: %s\n", e.text);
    }
    return rc < 0 ? err_exit_status(rc) : 0;
}
