// SPDX-License-Identifier: Apache-2.0
// The receiver's staging folder: ".mvimig-staging-NONCE" directly in the root, so that everything
// in it can be renamed into place. It lives as long as the session; its file "lock" is held with
// flock(2), by which the folders that dead receivers left are told from those of living ones.
#pragma once

#include <time.h>

#include "site/protocol.h"
#include "site/tree_name.h"

#define STAGE_NAME_MAX TREE_OWN_NAME_MAX

struct stage {
    int rootfd; // borrowed
    int fd, lock;
    bool locked; // file systems without locks: false
    char name[STAGE_NAME_MAX];
    struct keeps keeps; // what the file system was seen to keep
    uint32_t umask;     // permission bits that a new file does not get
    uint32_t uid, gid;  // of a new file
    bool unnamed;       // files can wait without a name (site/unnamed.h)
};
#define STAGE_INIT                                                                                 \
    { .rootfd = -1, .fd = -1, .lock = -1 }

// Makes it, removes those of the dead, and tries out what the file system keeps.
int stage_open(struct stage *s, int rootfd, const uint8_t nonce[PROTOCOL_NONCE], struct err *e);
// What can be said of a root that may only be read.
void stage_guess(struct keeps *keeps);
// Removes it with all that is in it.
void stage_close(struct stage *s);
void stage_name(const uint8_t nonce[PROTOCOL_NONCE], char out[STAGE_NAME_MAX]);

// An errno that says nothing of an item, but of the disk or of the system.
bool stage_errno_is_general(int errnum);
int stage_error_code(int errnum); // of such a one: whether it is worth to try again at once

// Each batch has a folder of its own in it, so that the batch that is put in place and the one that
// comes in do not wait for one another's directory. The folder's descriptor, or -1 with errno.
int stage_batch(const struct stage *s, uint64_t number);
void stage_batch_close(const struct stage *s, uint64_t number, int *fd); // empty by now, mostly
// The name of a member in its batch's folder.
#define STAGE_FILE_NAME 24
void stage_file_name(size_t member, char out[STAGE_FILE_NAME]);
// For utimensat: the time of last access as it is, and this time of change.
void stage_times(int64_t mtime_ns, struct timespec out[2]);
