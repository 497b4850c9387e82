// SPDX-License-Identifier: Apache-2.0
// The receiver's parts. Three threads share a session: the main one reads frames and stages what
// comes, the lister walks the destination for LIST, the committer puts one batch in place while the
// main thread stages the next.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/strtab.h"
#include "site/content.h"
#include "site/parts.h"
#include "site/protocol.h"
#include "site/stage.h"
#include "site/tar_reader.h"

struct receiver;

// One thing of a batch: a member of its archive, or a mend.
struct item {
    char kind;  // as in digest_item
    bool void_; // not to be put in place
    bool replace;
    bool refused;
    bool part;     // its content is the batch's part
    char was_type; // replace: what has to stand there
    uint8_t what;  // mend
    uint32_t mode, uid, gid;
    uint64_t size, was_size;
    int64_t mtime_ns, was_mtime_ns;
    uint64_t xattrs; // as digest_item has it
    char *path, *target;
    int unnamed; // a file's descriptor, when it waits without a name; else -1
    enum content_kind by;
    uint8_t digest[HASH_SIZE]; // of a file, as read back
};

struct batch {
    uint64_t number;
    int folder;         // in the staging folder
    struct item *items; // members first, then mends
    size_t n, cap, n_members;
    uint64_t bytes;
    uint64_t count;            // items that were put in place
    uint8_t digest[HASH_SIZE]; // over those
    struct buf refusals;       // as the receipt carries them
    uint32_t n_refusals;
    // A batch that is a range of r->part: no items, and `bytes` are those of the range.
    bool is_range, given_up;
    uint64_t from, to; // of the file
    // A batch whose first file is a part that is whole. It is locked until it is in place.
    struct part *part;
    bool part_taken; // by that file
};
struct batch *batch_new(uint64_t number);
void batch_free(struct receiver *r, struct batch *b);
void batch_digest(struct hash *h, const struct item *i);

struct lister {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t more;
    uint32_t credit;
    bool stop;
    struct buf page;
    uint64_t count;
    struct listed entry; // scratch
};

struct committer {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    struct batch *batch; // handed over; NULL when it is idle
    bool stop, failed;
    struct content content; // of this thread, once it was needed
};

struct receiver {
    int rootfd;
    struct wire wire;
    uint8_t nonce[PROTOCOL_NONCE];
    bool welcomed, writes;
    struct stage stage;
    struct parts parts;
    struct keeps keeps;
    // SELECT and NAMES
    bool selected, all;
    char under[PATH_REL_MAX + 1];
    struct {
        uint32_t mode, uid, gid;
    } * parents;
    size_t n_parents;
    bool parents_there;
    struct strtab *names;
    struct arena *arena;
    const char **except;
    size_t n_except, cap_except;
    size_t name_bytes;

    struct lister lister;
    struct committer committer;

    // The batch that is coming in.
    struct batch *batch;
    uint64_t next_number;
    struct tar_reader *tar;
    struct part *part;         // that comes in
    uint64_t part_next;        // where its next range begins
    int file;                  // the member that is being written
    bool file_unnamed;         // it has no name
    uint64_t written;          // its end so far
    struct tree_parent parent; // of the main thread
    struct hash *hash;
    struct content content; // of the main thread
};
#define RECEIVE_BUFFER (256u << 10)

// receive_list.c
int lister_start(struct receiver *r, uint32_t credit, struct err *e);
void lister_more(struct receiver *r, uint32_t credit);
void lister_stop(struct receiver *r);
int receive_digests(struct receiver *r, const struct frame *f, struct err *e);

// receive_remove.c
int receive_remove(struct receiver *r, const struct frame *f, struct err *e);

// receive_parents.c: the directories that lead to `under`
int receive_parents(struct receiver *r, struct err *e);

// receive_batch.c: staging
int receive_batch(struct receiver *r, const struct frame *f, struct err *e);
int receive_tar(struct receiver *r, const struct frame *f, struct err *e);
int receive_mend(struct receiver *r, const struct frame *f, struct err *e);
int receive_commit(struct receiver *r, const struct frame *f, struct err *e);
void receive_give_up_file(struct receiver *r); // the one that is being written, if any

// receive_part.c: large files
int receive_part(struct receiver *r, const struct frame *f, struct err *e);
int receive_range(struct receiver *r, const struct frame *f, struct err *e);
int receive_piece(struct receiver *r, const struct frame *f, struct err *e);
int receive_range_commit(struct receiver *r, uint64_t count, uint64_t bytes,
                         const uint8_t digest[HASH_SIZE], struct err *e);
int receive_whole(struct receiver *r, const struct frame *f, struct err *e);
int receive_drop(struct receiver *r, const struct frame *f, struct err *e);
// By the committer: syncs the range, reads it back, and moves the part's mark behind it.
int receive_keep_range(struct receiver *r, struct batch *b, struct err *e);

// receive_commit.c: the committer
int committer_start(struct receiver *r, struct err *e);
// Hands the batch over, after the one before is done.
int committer_give(struct receiver *r, struct batch *b, struct err *e);
// Waits until nothing is under way. ERR_RETRY when a batch failed (the sender was told).
int committer_wait(struct receiver *r, struct err *e);
void committer_stop(struct receiver *r);

// receive_place.c: one item at its place, below held descriptors
struct placer {
    struct receiver *r;
    struct batch *batch;
    struct tree_parent parent, other;
    struct strtab *touched; // directories
    struct arena *arena;
    const char **dirs;
    size_t n_dirs, cap_dirs;
    struct err failed;
};
// 0 also when the item was refused.
int place_member(struct placer *p, size_t i, struct err *e);
int place_mend(struct placer *p, size_t i, struct err *e);
void place_refuse(struct placer *p, size_t i, const char *class, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void place_touch(struct placer *p, const char *dir);
