// SPDX-License-Identifier: Apache-2.0
// Parts of large files: what a receiver has of a file that came in ranges, kept from one session to
// the next. A session that is cut, and a receiver or sender that is killed, leave what was received
// of a large file, and the next session of the same step goes on behind it.
//
// They lie in ".mvimig-parts-TOKEN" directly in the root, one folder for each step; the token is
// the sender's, the same in each attempt at the step and another one in any other step or
// migration. A part is named KEY-MARK: the key stands for the path, and the mark is how many bytes
// from the start were synced, read back and found to be the source's. What lies behind the mark is
// worth nothing and is cut off when the part is opened. Marks only move by a rename behind a sync
// that succeeded; a part that could not be written or synced is removed at once.
//
// A part is locked (flock) by the session that works on it: a receiver that lives on after its
// stream was cut keeps others away. The folder belongs to whom new files belong to and nobody else
// may enter it; one that is otherwise is not used. Sessions that sweep what the dead have left pass
// these folders by: the step that is done removes its own (parts_drop).
#pragma once

#include "base/hash.h"
#include "site/protocol.h"
#include "site/stage.h"

#define PART_KEY 32      // hex digits
#define PART_NAME_MAX 64 // key, '-', a number

struct parts {
    int rootfd; // borrowed
    char name[TREE_OWN_NAME_MAX];
    bool usable; // locks work, and what stands under the name is ours or nothing
    bool there;  // something of an earlier session
};
// Looks what is there; makes nothing. A token of zeros: no parts.
void parts_look(struct parts *p, const struct stage *s, const uint8_t token[PROTOCOL_TOKEN]);
// Removes the folder with all that is in it. -1 with errno.
int parts_drop(const struct parts *p);
// Removes it when nothing is in it.
void parts_tidy(const struct parts *p);

struct part {
    int folder, fd;
    char name[PART_NAME_MAX];
    char *path; // of the file that it will be
    uint64_t mark;
    struct hash *hash; // of what is before the mark, as read back
};
// Opens the part of a path, an empty one where there was none, up to its mark. NULL with errno;
// EBUSY: another session has it.
struct part *part_open(const struct parts *p, const struct stage *s, const char *path);
void part_close(struct part *p); // it stays for the next session
// Empties it. -1 with errno.
int part_restart(struct part *p);
// The mark goes to `to`, up to where all is synced and in the hash. -1 with errno.
int part_mark(struct part *p, uint64_t to);
// Removes it: what failed to be written or synced is not built upon.
void part_lose(struct part *p);
