// SPDX-License-Identifier: Apache-2.0
// Sending files: from a mounted source to a receiver at the destination.
//
// One sender and one receiver for every kind of end. They speak a length-framed protocol over two
// descriptors (described at the top of site/protocol.h): the sender asks for the destination's
// manifest of the selection, sends only what differs as a pax tar stream in batches, and counts a
// batch as done only by a receipt: this attempt's nonce, count, bytes and SHA-256 as read back from
// the destination's disk after it was synced and renamed into place.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/rate.h"
#include "schema/scope.h"
#include "site/channel.h"
#include "site/tree.h"

// How a receiver is reached: each open gives a stream of its own, served by a receiver of its own.
struct file_stream {
    int to, from;            // descriptors to and from the receiver
    struct channel *channel; // side 0, instead of those: the receiver is a thread of this process
    void *state;             // of the transport
};
struct file_end {
    const char *label;
    int timeout_ms;     // without a byte from the other side; 0: PROTOCOL_TIMEOUT_MS
    _Atomic bool noted; // what it cannot keep was told
    char *remark;       // on how it is reached, told once to files_job.note; of the transport
    _Atomic bool remarked;
    int (*open)(struct file_end *end, struct file_stream *s, struct err *e);
    // Appends what the transport has said to an error of the stream; may be NULL.
    void (*explain)(struct file_end *end, struct file_stream *s, struct err *e);
    void (*close)(struct file_end *end, struct file_stream *s);
    void (*free)(struct file_end *end);
};
// A mounted directory: the receiver is a thread of this process.
int file_end_directory(const char *label, const char *dir, struct file_end **out, struct err *e);
// Commands that are run there: site/file_end_exec.h.
void file_end_free(struct file_end *end);

// The receiver: serves one stream until the sender says goodbye or the stream ends. Writes nothing
// but below `rootfd`, stages in ".mvimig-staging-NONCE" there and removes it at the end, and
// removes what dead receivers have left. What came of large files stays in ".mvimig-parts-TOKEN"
// until the step is done (site/parts.h). SIGPIPE must be ignored in the process.
int receive_serve(int rootfd, int from_sender, int to_sender, struct err *e);
// The same over side 1 of a channel.
int receive_serve_channel(int rootfd, struct channel *channel, struct err *e);

// True when a file laid at the destination is seen in the source's root: one and the same
// directory.
int files_same_root(struct file_end *destination, int source_root, bool *same, struct err *e);

struct files_counts {
    uint64_t files;      // entries of the selection (files, directories, links)
    uint64_t bytes;      // content of its files
    uint64_t sent;       // entries sent
    uint64_t sent_bytes; // content sent
    uint64_t present;    // entries that were there already, equal
    uint64_t mended;     // mode, owner or time put right without sending content
    uint64_t conflicts, problems;
    uint64_t unread; // verify by content: files without a digest, compared by size and time alone
};
struct files_batch {
    uint64_t number;            // 0, 1, ... of this attempt
    struct files_counts counts; // of this batch; of a range of a large file only `sent_bytes`
};
struct files_conflict {
    const char *path;
    const char *decision; // "kept", "replaced", "failed"
    bool updated;         // replaced because it stood there as the base left it, not by the policy
    char source_digest[HASH_HEX], destination_digest[HASH_HEX]; // "" when it is no regular file
};
#define FILES_TOKEN 16
struct files_job {
    int source_root;
    struct tree_selection selection;
    enum conflict_policy on_conflict;
    bool checksum;     // compare content by digest, not by size and time
    bool dry_run;      // compare only
    struct rate *rate; // of the content that is sent; NULL: no limit
    int manifest_fd;   // receives the manifest of the selection (site/manifest.h); -1: none
    const char *step;  // for messages
    // The same in each attempt at the step, and another one in every other step and migration: a
    // large file goes on behind what earlier attempts brought of it. Zeros: it is sent whole.
    uint8_t token[FILES_TOKEN];
    void *arg;
    int (*batch)(void *arg, const struct files_batch *b, struct err *e); // durable: record it
    int (*conflict)(void *arg, const struct files_conflict *c, struct err *e);
    int (*problem)(void *arg, const char *path, const char *class, const char *detail,
                   struct err *e);
    // *ours: what stands at the destination is what an earlier pass laid there. `digest`: of a
    // file's content or a symlink's target. May be NULL: nothing is known of earlier passes.
    int (*as_laid)(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE],
                   bool *ours, struct err *e);
    // Each entry that was put in place, before the batch it is of is told; as for as_laid, zeros
    // for a directory. May be NULL.
    void (*laid)(void *arg, char type, const char *path, const uint8_t digest[HASH_SIZE]);
    void (*progress)(void *arg, uint64_t files, uint64_t bytes); // small steps, any time
    void (*note)(void *arg, const char *text); // what the destination cannot keep, and the
                                               // transport's remark; once per end
    // Asked when there is so much to send that a further stream would do: true: there may be one
    // more beside that of this call, until stream_less gives it back. NULL: never.
    bool (*stream_more)(void *arg);
    void (*stream_less)(void *arg);
    // dry_run: what a real run would do; `what` is "missing" or as in struct files_verify.
    int (*difference)(void *arg, const char *path, const char *what, const char *detail,
                      struct err *e);
};
// Callbacks other than `problem` and `conflict` may be NULL. With stream_more some come from other
// threads, one at a time; stream_more and stream_less from the caller's. A conflict is told before
// anything at its path is touched; under CONFLICT_FAIL nothing at such paths is touched, all else
// is sent, and the call ends with ERR_CONFLICTS. A stop (base/stop.h) ends it with the code of the
// stop after the batches in flight are durable and told. ERR_RETRY when the stream broke (the same
// call may succeed on a new one).
int files_send(struct file_end *destination, const struct files_job *job,
               struct files_counts *counts, char manifest_digest[HASH_HEX], struct err *e);

// Removes what attempts at steps have left of large files; for steps that are not done any more.
int files_forget(struct file_end *destination, const uint8_t (*tokens)[FILES_TOKEN], size_t n,
                 struct err *e);

// Deleting what an earlier pass has laid, as long as it stands as it was laid.
struct files_delete_item {
    char type;                 // enum tree_type
    const char *path;          // relative to the root
    uint8_t digest[HASH_SIZE]; // of a file's content or a symlink's target
};
enum files_delete_outcome {
    FILES_DELETE_ABSENT,   // nothing stands there
    FILES_DELETE_AS_LAID,  // stands as described; with `really`: is gone now, durably
    FILES_DELETE_DIFFERS,  // something else stands there, or it cannot be read
    FILES_DELETE_OCCUPIED, // a directory that is not empty; told only with `really`
};
// Items in the order given: a directory behind what lies in it. Without `really` it only looks. The
// receiver compares and deletes each by itself, never through a symlink. ERR_RETRY as files_send.
int files_delete(struct file_end *destination, const struct files_delete_item *items, size_t n,
                 bool really,
                 int (*each)(void *arg, const struct files_delete_item *item,
                             enum files_delete_outcome outcome, struct err *e),
                 void *arg, struct err *e);

// verify: the destination against a manifest written by files_send. `difference` is called with
// "missing", "type", "size", "content", "mode", "owner", "time", "target", "unreadable". What was
// kept against another content (site/manifest.h) only has to be there still.
struct files_verify {
    int manifest_fd;
    bool checksum; // read every file again; otherwise size, time and metadata
    void *arg;
    int (*difference)(void *arg, const char *path, const char *what, const char *detail,
                      struct err *e);
    // Entries whose content is not compared: kept: somebody else's, that stays; otherwise a file of
    // which no digest is known, by `checksum`. May be NULL.
    void (*passed)(void *arg, const char *path, bool kept);
    void (*progress)(void *arg, uint64_t files, uint64_t bytes);
};
int files_verify(struct file_end *destination, const struct files_verify *v,
                 struct files_counts *counts, struct err *e);
