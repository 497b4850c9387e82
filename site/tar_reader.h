// SPDX-License-Identifier: Apache-2.0
// Reads a tar stream as it comes, in pieces of any size: exactly what the sender writes
// (libarchive's pax format with hdrcharset=BINARY and xattrheader=SCHILY), and nothing else.
//
// Members: ustar headers (POSIX.1-1988) for regular files, directories, symlinks and hard links,
// each with one pax extended header (POSIX.1-2001) in front of it at most, of these records only:
// hdrcharset=BINARY, path, linkpath, size, uid, gid, mtime, SCHILY.xattr.NAME (percent-encoded),
// and GNU.sparse.major=1, minor=0, name, realsize (sparse files in GNU's format 1.0). A mtime
// before 1970 is "-S.F" for S seconds back and F forward again, as libarchive writes it. The
// archive ends with two blocks of zeros. Any other type, record, repetition, number, path that is
// not a safe relative one, checksum or order is ERR_DATA.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "site/tree.h"

#define TAR_BLOCK 512
#define TAR_PAX_MAX (1u << 20)
#define TAR_EXTENTS_MAX 8192

struct tar_xattr {
    const char *name; // "user.comment"
    const uint8_t *value;
    size_t len;
};

struct tar_member {
    char type; // TREE_FILE, TREE_DIR, TREE_LINK, or TAR_HARD
    uint32_t mode, uid, gid;
    uint64_t size; // of a file, holes included
    int64_t mtime_ns;
    char path[PATH_REL_MAX + 1];
    char target[PATH_REL_MAX + 1]; // of a symlink (anything) or a hard link (a safe path)
    const struct tar_xattr *xattrs;
    size_t n_xattrs;
};
#define TAR_HARD 'h'

struct tar_sink {
    void *arg;
    int (*member)(void *arg, const struct tar_member *m, struct err *e);
    // Content in rising order of offsets; what is skipped is a hole.
    int (*data)(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *e);
    int (*end)(void *arg, struct err *e); // of each member
};

struct tar_reader;
struct tar_reader *tar_reader_new(const struct tar_sink *sink);
void tar_reader_free(struct tar_reader *r);
int tar_reader_feed(struct tar_reader *r, const uint8_t *data, size_t len, struct err *e);
// The stream is over: ERR_DATA unless the archive is, too. Then the reader is as new.
int tar_reader_finish(struct tar_reader *r, struct err *e);
