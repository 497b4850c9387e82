// SPDX-License-Identifier: Apache-2.0
// Paths: one way to name things below a root, and no other.
//
// A root is a directory descriptor opened once and held. Everything below is reached component by
// component with openat(O_NOFOLLOW), or by openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
// RESOLVE_NO_MAGICLINKS) where the kernel has it (Linux 5.6; ENOSYS and EPERM fall back), so that
// no symlink in the middle and no ".." can lead outside, even while somebody renames directories.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define PATH_COMPONENT_MAX 255 // NAME_MAX of every file system MVI runs on
#define PATH_REL_MAX 4095      // PATH_MAX less its final zero

// True for one safe component: 1 to 255 bytes, no '/', no NUL, not "." or "..".
bool path_component_ok(const char *name, size_t len);
// True for a relative path of safe components joined by single slashes, at most PATH_REL_MAX.
bool path_relative_ok(const char *path);

// Opens a directory as a root. ERR_IO with the reason and the mend.
int path_open_root(const char *dir, int *fd, struct err *e);

// Opens `rel` below the root; "." or "" is the root itself. Flags as of open(2); O_NOFOLLOW and
// O_CLOEXEC are always added, and a FIFO never blocks (O_NONBLOCK until it is seen to be a regular
// file or directory). Returns a descriptor, or -1 with errno (ELOOP: a symlink stood in the way;
// EXDEV: outside; EINVAL: not a safe path).
int path_open(int rootfd, const char *rel, int flags, mode_t mode);
// The same without openat2, as path_open does it on older kernels; here for the tests.
int path_open_walk(int rootfd, const char *rel, int flags, mode_t mode);

// Opens the directory that holds `rel` and points *leaf at its last component.
// With `create`, missing directories are made with `mode`, and their names are on disk then.
// Returns a descriptor or -1 with errno.
int path_open_parent(int rootfd, const char *rel, bool create, mode_t mode, const char **leaf);

// Brings the names in a directory to disk. The directory is opened anew, so that AT_FDCWD and
// O_PATH descriptors serve, too. 0, or -1 with errno.
int path_sync_dir(int dirfd);

// False where syncfs(2) tells nothing of content that could not be written, before Linux 5.8: each
// file has to be asked by an fsync of its own then.
bool path_syncfs_tells(void);

// Removes what stands at `rel` (a whole tree, without following links). 0, or -1 with errno;
// nothing there is no error. It does not go into other file systems mounted below (EXDEV).
int path_remove_tree(int rootfd, const char *rel);
