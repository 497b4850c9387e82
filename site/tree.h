// SPDX-License-Identifier: Apache-2.0
// A file tree below an opened root: what is there, without ever following a symlink or leaving the
// root.
//
// The order of a walk is that of tree_compare: by path, component by component, each by its bytes.
// That is the byte order of the paths with '/' counted below every other byte, so that a
// directory's content follows it directly ("a", "a/x", "a.txt"). Both ends of a migration walk in
// this order, which is what lets their lists be merged as they come.
//
// Memory: the names of one directory for each level of depth. Descriptors: at most
// TREE_HELD_LEVELS; deeper trees have their upper directories opened again, and checked to be the
// same ones.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/path.h"
#include "base/strtab.h"
#include "schema/pattern.h"

#define TREE_HELD_LEVELS 32

enum tree_type { TREE_FILE = 'f', TREE_DIR = 'd', TREE_LINK = 'l', TREE_OTHER = 'o' };

struct tree_entry {
    const char *path; // relative to the root
    enum tree_type type;
    mode_t mode; // permission bits
    uid_t uid;
    gid_t gid;
    uint64_t size;
    int64_t mtime_ns;
    uint64_t dev, ino, nlink; // hard links: same dev and ino
    uint64_t blocks;          // of 512 bytes: fewer than size says sparse
};

// What a step moves: the trees at `under`/ID for each ID, or the entries of `under` that the name
// template finds, or all of `under`; less `except` and the excluded paths. What the tool itself may
// have left in the root (one of its prefixes and 32 hex digits) is never part of it.
struct tree_selection {
    const char *under;         // "." for the root
    const struct strtab *ids;  // NULL: everything below `under`
    const char *name;          // NULL: the ID itself; "{id}*"; "{id}.zip"
    const char *const *except; // relative to the root
    size_t n_except;
    struct pattern *const *excludes; // on relative paths
    size_t n_excludes;
};
#define TREE_OWN_PREFIX ".mvimig-staging-"
#define TREE_PARTS_PREFIX ".mvimig-parts-"

struct tree_walker {
    // Each entry, a directory before its content. A negative result ends the walk.
    int (*entry)(void *arg, const struct tree_entry *t, struct err *e);
    // Something that could not be read (errnum), or vanished while it was looked at (ENOENT).
    // `under` itself is reported only when everything below it was asked for: an ID that has no
    // files here is nothing unusual.
    int (*unreadable)(void *arg, const char *path, int errnum, struct err *e);
    void *arg;
};
// The selection's own parents (under, and what leads to it) are not entries.
int tree_walk(int rootfd, const struct tree_selection *s, const struct tree_walker *w,
              struct err *e);
// The same for a receiver, which knows no patterns: s->excludes is not looked at; `skip` (may be
// NULL) returns 1 for a path that is left out with all below it, 0, or a negative error.
int tree_walk_skip(int rootfd, const struct tree_selection *s, const struct tree_walker *w,
                   int (*skip)(void *arg, const char *path, size_t len, struct err *e),
                   void *skip_arg, struct err *e);
// The names directly in `under` that the selection's IDs (never NULL) and template find, in order.
// A missing `under` has none.
int tree_names(int rootfd, const struct tree_selection *s,
               int (*each)(void *arg, const char *name, struct err *e), void *arg, struct err *e);

// Every name directly in an opened directory, in order, none left out.
int tree_each_name(int dirfd, int (*each)(void *arg, const char *name, struct err *e), void *arg,
                   struct err *e);

// True when `name` is the ID, or begins with it and goes on with neither a letter nor a digit. A
// byte of 0x80 and above belongs to a letter of some script and counts as one.
bool tree_name_of_id(const char *name, const char *id);

// The order of walks: negative, 0 or positive.
int tree_compare(const char *a, const char *b);
// True when `path` lies below the directory `dir` ("." holds everything).
bool tree_is_below(const char *path, const char *dir);
// True for an errno that says nothing of the path it was met at: descriptors or memory ran out.
// What it is said of may well be read or written a little later.
bool tree_errno_is_general(int errnum);
// From fstat's view of something.
struct stat;
void tree_entry_of(const char *path, const struct stat *st, struct tree_entry *out);

// The directory of the path that was asked for last, held open: neighbours in walk order share it.
struct tree_parent {
    int rootfd; // borrowed
    int fd;     // -1: none held
    char dir[PATH_REL_MAX + 1];
};
#define TREE_PARENT_INIT(root)                                                                     \
    { .rootfd = (root), .fd = -1 }
// The directory that holds `path` (a safe relative one) and its last component. Borrowed until the
// next call. -1 with errno: ELOOP when a symlink stands in the way.
int tree_parent_of(struct tree_parent *p, const char *path, const char **leaf);
void tree_parent_close(struct tree_parent *p);
