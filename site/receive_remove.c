// SPDX-License-Identifier: Apache-2.0
// REMOVE: things go that an earlier pass has laid here, each only while it stands as it was laid.
//
//     REMOVE   really (1 byte); per item: type (1), SHA-256 of content or target (32), path
//     REMOVED  per item: enum files_delete_outcome (1)
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "site/files.h"
#include "site/receive_private.h"

struct removal {
    char type;
    uint8_t digest[HASH_SIZE];
    char path[PATH_REL_MAX + 1];
};

static int failed(int errnum, const struct removal *x, struct err *e) {
    char shown[300];
    return err_sys(e, stage_error_code(errnum), errnum, "%s: cannot be deleted",
                   escape_into(shown, sizeof shown, x->path, strlen(x->path)));
}

static int file_is(struct receiver *r, int dir, const char *leaf, const struct removal *x,
                   bool *same, struct err *e) {
    struct stat st;
    uint8_t digest[HASH_SIZE];
    uint64_t size;
    *same = false;
    AUTO_CLOSE int fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && stage_errno_is_general(errno)) {
        return failed(errno, x, e);
    }
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return 0;
    }
    struct err unread = {0};
    int rc = content_read(&r->content, &r->wire, fd, CONTENT_SHA256, digest, &size, &unread);
    if (rc == ERR_RETRY) {
        *e = unread;
        return rc;
    }
    *same = rc == 0 && memcmp(digest, x->digest, sizeof digest) == 0;
    return 0;
}

static bool link_is(int dir, const char *leaf, const struct removal *x) {
    char target[PROTOCOL_LINK_MAX + 1];
    uint8_t digest[HASH_SIZE];
    ssize_t n = readlinkat(dir, leaf, target, sizeof target);
    if (n < 0 || n == (ssize_t)sizeof target) {
        return false;
    }
    hash_bytes(target, (size_t)n, digest);
    return memcmp(digest, x->digest, sizeof digest) == 0;
}

static enum files_delete_outcome outcome_of(int errnum) {
    return errnum == ENOENT || errnum == ENOTDIR     ? FILES_DELETE_ABSENT
           : errnum == ENOTEMPTY || errnum == EEXIST ? FILES_DELETE_OCCUPIED
                                                     : FILES_DELETE_DIFFERS;
}

// Deletes it; the directory that held it is synced before anything is told.
static int delete_leaf(int dir, const char *leaf, const struct removal *x,
                       enum files_delete_outcome *out, struct err *e) {
    if (unlinkat(dir, leaf, x->type == TREE_DIR ? AT_REMOVEDIR : 0) != 0) {
        *out = outcome_of(errno);
        return stage_errno_is_general(errno) ? failed(errno, x, e) : 0;
    }
    return fsync(dir) == 0 ? 0 : failed(errno, x, e);
}

static int remove_one(struct receiver *r, const struct removal *x, bool really,
                      enum files_delete_outcome *out, struct err *e) {
    const char *leaf;
    struct stat st;
    struct tree_entry t;
    int dir = tree_parent_of(&r->parent, x->path, &leaf);
    if (dir < 0 || fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        *out = outcome_of(errno);
        return stage_errno_is_general(errno) ? failed(errno, x, e) : 0;
    }
    tree_entry_of(x->path, &st, &t);
    bool same = (char)t.type == x->type;
    int rc = 0;
    if (same && x->type == TREE_FILE) {
        rc = file_is(r, dir, leaf, x, &same, e);
    } else if (same && x->type == TREE_LINK) {
        same = link_is(dir, leaf, x);
    }
    *out = same ? FILES_DELETE_AS_LAID : FILES_DELETE_DIFFERS;
    if (rc == 0 && same && really) {
        rc = delete_leaf(dir, leaf, x, out, e);
        if (x->type == TREE_DIR) {
            tree_parent_close(&r->parent); // it may be the one that is held
        }
    }
    return rc;
}

int receive_remove(struct receiver *r, const struct frame *f, struct err *e) {
    struct take t = {.data = f->data, .len = f->len};
    AUTO_BUF struct buf answer = BUF_INIT(PROTOCOL_REMOVALS);
    struct removal x;
    bool really = take_u8(&t) == 1;
    int rc = 0;
    tree_parent_close(&r->parent); // what stood there last time may have been replaced
    for (size_t n = 0; rc == 0 && t.at < t.len; n++) {
        enum files_delete_outcome outcome = FILES_DELETE_DIFFERS;
        x.type = (char)take_u8(&t);
        take_bytes(&t, x.digest, sizeof x.digest);
        take_text(&t, x.path, sizeof x.path);
        if (t.bad || n == PROTOCOL_REMOVALS || !path_relative_ok(x.path) || r->selected ||
            (really && !r->writes)) {
            return err_set(e, ERR_DATA, "a list of what to remove that is not well formed");
        }
        rc = remove_one(r, &x, really, &outcome, e);
        put_u8(&answer, (uint8_t)outcome);
    }
    return rc == 0 ? wire_send(&r->wire, FRAME_REMOVED, answer.data, answer.len, e) : rc;
}
