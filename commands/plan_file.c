// SPDX-License-Identifier: Apache-2.0
#include "commands/plan_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/tempfile.h"
#include "compiler/compile.h"

int plan_file_read(struct command_context *c, const struct model *m, const char *path,
                   struct plan **out, struct err *e) {
    struct problems problems = {.arena = c->arena};
    struct plan *p = NULL;
    int rc = plan_read_file(path, &p, e);
    if (rc != 0)
        return rc;
    rc = plan_validate(p, compile_rules(m, c->arena), &problems, e);
    if (rc != 0) {
        plan_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

int plan_file_write(const char *path, const void *text, size_t len, struct err *e) {
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *dir = slash == NULL   ? must_strdup(".")
                          : slash == path ? must_strdup("/")
                                          : must_strndup(path, (size_t)(slash - path));
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_USAGE, errno, "%s cannot be written: its folder %s", path, dir);
    int rc = tempfile_put(fd, slash != NULL ? slash + 1 : path, 0600, text, len, e);
    return rc == 0 ? 0 : err_wrap(e, "%s", path);
}

int plan_file_check_digest(const struct plan *p, const char *wanted, struct err *e) {
    if (wanted == NULL)
        return 0;
    if (strncmp(wanted, "sha256:", 7) == 0)
        wanted += 7;
    if (strcasecmp(wanted, p->digest) == 0)
        return 0;
    return err_set(e, ERR_PLAN,
                   "the plan is not the one asked for: its digest is sha256:%s; have the change "
                   "approved, or apply the plan that was",
                   p->digest);
}
