// SPDX-License-Identifier: Apache-2.0
// Parts of site/far_tar.h: far_tar.c the session, far_tar_list.c what only looks, far_tar_batch.c
// what comes in, far_tar_place.c what it becomes.
#pragma once

#include <pthread.h>

#include "site/far_tar.h"
#include "site/receive_private.h"
#include "site/words.h"

#define FAR_BLOCK (64u << 10) // content goes out in multiples of it
#define FAR_PIECE (1u << 20)
#define FAR_GROUP 200 // lines between two answers, so that neither side waits for the other to read

struct far_entry { // of the destination's list
    char type;
    uint32_t mode, uid, gid;
    uint64_t size;
    int64_t mtime_ns;
    const char *path, *target;
};

struct far_tar {
    pthread_t thread;
    struct far_shell *sh;
    char *root;
    struct arena *arena;
    struct wire wire;
    struct keeps keeps;
    uint8_t nonce[PROTOCOL_NONCE], token[PROTOCOL_TOKEN];
    int fd; // the receiver's end
    bool welcomed, writes;
    bool fractions; // stat tells them there
    // SELECT and NAMES
    bool selected, all, parents_there;
    char under[PATH_REL_MAX + 1];
    struct {
        uint32_t mode, uid, gid;
    } * parents;
    size_t n_parents, name_bytes;
    const char **names;
    size_t n_names, cap_names;
    struct strtab *except;
    // The list
    struct far_entry *entries;
    size_t n_entries, cap_entries, at;
    uint32_t credit;
    bool listing, listed;
    // The batch
    struct batch *batch;
    uint64_t next_number, left; // bytes of the member that is coming in
    uint64_t offset;
    struct tar_reader *tar;
    struct buf piece, lines;
    size_t n_lines;
    char dir[PATH_REL_MAX + 1]; // the shell's, "" when it has to be told
    struct hash *hash;
};

// Errors of what is said there: "fail TEXT" and anything unexpected.
int far_said(const struct far_tar *t, const char *answer, struct err *e);
// Waits for an answer that is no sign of life.
int far_answer(struct far_tar *t, char answer[FAR_ANSWER_MAX], struct err *e);
// A time as touch takes it behind "@" and stat tells it there.
#define FAR_TIME_MAX 48
void far_time(const struct far_tar *t, int64_t ns, char out[FAR_TIME_MAX]);
int64_t far_time_read(const char *text);

// far_tar_list.c
int far_list(struct far_tar *t, struct err *e);
int far_list_turn(struct far_tar *t, struct err *e); // sends what there is credit for
int far_digests(struct far_tar *t, const struct frame *f, struct err *e);
int far_remove(struct far_tar *t, const struct frame *f, struct err *e);

// far_tar_batch.c
// Unpacks a trial file, for what the file system keeps.
int far_trial(struct far_tar *t, struct err *e);
int far_batch(struct far_tar *t, const struct frame *f, struct err *e);
int far_content(struct far_tar *t, const struct frame *f, struct err *e);
int far_mend(struct far_tar *t, const struct frame *f, struct err *e);
int far_commit(struct far_tar *t, const struct frame *f, struct err *e);
void far_batch_free(struct far_tar *t);

// far_tar_place.c
int far_lines(struct far_tar *t, bool all,
              struct err *e); // sends those gathered, when they are many
void far_cd(struct far_tar *t, const char *path, const char **leaf); // a line: to its directory
int far_parents(struct far_tar *t, struct err *e);
int far_place(struct far_tar *t, struct err *e);
int far_receipt(struct far_tar *t, struct err *e);
