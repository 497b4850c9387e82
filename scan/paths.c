// SPDX-License-Identifier: Apache-2.0
// Files that documents name by their path. objects.c noted the paths; here they become those that
// are there and that no file set of the object holds.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "scan/internal.h"

static bool in_file_set(const struct scan_state *s, const struct inv_object *o, const char *path) {
    const struct model_collection *c = &s->m->collections[o->collection];
    AUTO_ARENA struct arena *scratch = arena_new();
    for (size_t k = 0; k < c->n_files && o->id_is_safe; k++) {
        const struct model_files *f = &c->files[k];
        const char *under = strstr(f->under, "{owner}") && !o->owner_is_safe
                                ? NULL
                                : model_under(f, o->owner, scratch);
        size_t n = under ? strlen(under) : 0;
        if (!under || strncmp(path, under, n) != 0 || path[n] != '/') {
            continue;
        }
        const char *name = path + n + 1;
        const char *first = arena_strndup(scratch, name, strcspn(name, "/"));
        if ((f->tree || !strchr(name, '/')) && model_name_matches(f, o->id, first)) {
            return true;
        }
    }
    return false;
}

// 1: there, and counted; 0: not there, or nothing that could go along.
static int look_at(const struct scan_state *s, struct inv_path *p) {
    struct stat st;
    const char *leaf;
    AUTO_CLOSE int dir = path_open_parent(s->o->source_root, p->path, false, 0, &leaf);
    if (dir < 0 || fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    p->count.files = 1;
    p->count.bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
}

static int look_at_paths(struct scan_state *s, size_t object, struct err *e) {
    struct inv_object *o = &s->inv->objects[object];
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->n_paths; i++) {
        struct inv_path *p = &o->paths[i];
        int there = look_at(s, p);
        if (there == 0 && s->reached[object]) {
            rc = scan_report(s, FINDING_MISSING_FILES, s->m->collections[o->collection].name, o->id,
                             p->path, e);
        } else if (there == 1 && !in_file_set(s, o, p->path)) {
            o->paths[kept++] = *p;
        }
    }
    o->n_paths = kept;
    return rc;
}

int scan_paths(struct scan_state *s, struct err *e) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->inv->n_objects; i++) {
        if (s->o->source_root < 0) {
            s->inv->objects[i].n_paths = 0;
        } else {
            rc = look_at_paths(s, i, e);
        }
    }
    return rc;
}
