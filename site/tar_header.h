// SPDX-License-Identifier: Apache-2.0
// The two kinds of header of a tar stream, as site/tar_reader.h describes them.
#pragma once

#include "site/tar_reader.h"

struct tar_header {
    char flag;     // 'x', '0', '1', '2', '5'
    uint64_t size; // of the body that follows
    struct tar_member m;
};
// A block of 512 bytes that is not all zeros.
int tar_header_read(const uint8_t block[TAR_BLOCK], struct tar_header *h, struct err *e);

// What an extended header said, to be laid over the header that follows.
struct tar_pax {
    unsigned seen; // one bit for each keyword
    uint64_t size, uid, gid, realsize;
    int64_t mtime_ns;
    char path[PATH_REL_MAX + 1], linkpath[PATH_REL_MAX + 1], name[PATH_REL_MAX + 1];
    struct tar_xattr *xattrs; // point into the body and `names`
    size_t n_xattrs, cap_xattrs;
    struct buf body, names;
};
#define TAR_PAX_SPARSE 1 // of tar_pax_apply
void tar_pax_clear(struct tar_pax *p);
void tar_pax_free(struct tar_pax *p);
// Reads p->body.
int tar_pax_read(struct tar_pax *p, struct err *e);
// Lays it over a header and checks the whole. TAR_PAX_SPARSE when the body begins with a map.
int tar_pax_apply(const struct tar_pax *p, struct tar_header *h, struct err *e);
