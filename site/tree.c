// SPDX-License-Identifier: Apache-2.0
#include "site/tree.h"

#include "base/escape.h"

static int is_excluded(void *arg, const char *path, size_t len, struct err *e) {
    const struct tree_selection *s = arg;
    for (size_t i = 0; i < s->n_excludes; i++) {
        int rc = pattern_match(s->excludes[i], path, len, e);
        if (rc < 0) {
            char shown[256];
            return err_wrap(e, "%s", escape_into(shown, sizeof shown, path, len));
        }
        if (rc > 0) {
            return 1;
        }
    }
    return 0;
}

int tree_walk(int rootfd, const struct tree_selection *s, const struct tree_walker *w,
              struct err *e) {
    return tree_walk_skip(rootfd, s, w, s->n_excludes > 0 ? is_excluded : NULL, (void *)s, e);
}
