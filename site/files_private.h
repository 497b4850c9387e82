// SPDX-License-Identifier: Apache-2.0
// The sender's parts, in the order in which an entry passes them:
//
//     files.c          the walk over the source: an entry at a time
//     files_session.c  the far side: greeting, its list merged into the walk, digests
//     files_decide.c   what has to be done with an entry
//     files_queue.c    entries in walk order until all is known of them; the manifest
//     files_source.c   reading one entry's content
//     files_ranges.c   a large file, in ranges
//     files_batch.c    batches, and the receipts for them
//     files_streams.c  further streams for a step that has much to send; with files_carrier.c, a
//                      stream's thread, and files_voice.c, what all of them tell
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "site/content.h"
#include "site/files.h"
#include "site/manifest.h"
#include "site/protocol.h"

// --- files_session.c

// A walk's view of the destination: its entries come in the same order.
struct far_list {
    bool asked, ended;
    uint64_t count;         // of entries handed out, less what the end says
    struct listed slots[2]; // the entry, and the one read ahead
    int now;
    bool have, have_next;
    struct buf page; // what came and was not handed out yet
    size_t at;
    uint32_t pages; // taken since credit was given last
    char last[PATH_REL_MAX + 1];
};
// What the destination has of a large file.
struct far_part {
    bool usable;
    uint64_t len;
    uint8_t digest[HASH_SIZE];
};
struct session {
    struct file_end *end;
    struct file_stream stream;
    bool streaming, wired;
    struct wire wire;
    char peer[160];
    uint8_t nonce[PROTOCOL_NONCE];
    uint8_t token[PROTOCOL_TOKEN]; // zeros: none
    struct keeps keeps;
    struct far_list list;
    struct buf digests; // the answer to a DIGEST
    bool digests_came;
    struct far_part part; // the answer to a PART
    bool parted, dropped, drop_failed;
    // Receipts go here; NULL where none may come.
    int (*receipt)(void *arg, const struct frame *f, struct err *e);
    void *arg;
};
// `token` as in struct files_job; NULL: none.
int session_open(struct session *s, struct file_end *end, bool writes,
                 const uint8_t token[PROTOCOL_TOKEN], struct err *e);
// Lets the transport add what it knows to an error of the stream. Returns rc.
int session_explain(struct session *s, int rc, struct err *e);
void session_close(struct session *s);
// What LIST is about: everything below `under`, or the names in it, a zero byte behind each.
struct session_selection {
    const char *under;
    const struct buf *names; // NULL: all
    const char *const *except;
    size_t n_except;
};
// SELECT, NAMES and LIST. The parents of `under` are described as they are at the source; root -1:
// they are not.
int session_select(struct session *s, int source_root, const struct session_selection *x,
                   struct err *e);
// SELECT alone, for a session that only brings something.
int session_place(struct session *s, int source_root, const char *under, struct err *e);
// Moves the list up to `path`: 1 when session_entry is that path, 0 when the destination lacks it.
int session_seek(struct session *s, const char *path, struct err *e);
const struct listed *session_entry(const struct session *s);
// 1 when the destination has something below session_entry, after session_seek said 1.
int session_has_below(struct session *s, struct err *e);
// Content digests of files at the destination, in the order of `paths` (as put_text has them).
int session_digest_ask(struct session *s, const struct buf *paths, struct err *e);
struct far_digest {
    bool known;
    uint64_t size;
    char digest[HASH_HEX];
};
// Waits for the answer when *at is 0.
int session_digest_next(struct session *s, size_t *at, struct far_digest *d, struct err *e);
// Opens what is there of a large file: s->part.
int session_part(struct session *s, const char *path, struct err *e);
// Removes all parts of a step; *gone: none is left.
int session_drop(struct session *s, const uint8_t token[PROTOCOL_TOKEN], bool *gone, struct err *e);
// Takes in what has come; with `wait` at least one frame.
int session_turn(struct session *s, bool wait, struct err *e);
int session_bye(struct session *s, struct err *e);
// Equal as far as the destination can keep times.
bool session_same_time(const struct session *s, int64_t source_ns, int64_t destination_ns);

// --- the sender

struct amount {
    uint64_t files, bytes;
};

// A directory that the walk is in, or whose content is still in the queue.
struct dir {
    struct dir *up;
    bool blocked; // nothing can be laid below it: its entries are problems
    bool dirty;   // its entries changed, so that its own metadata have to be set again
    bool sent;
    bool spread;       // further streams send some of its files
    uint8_t need;      // enum mend_what
    uint64_t made_by;  // number of the batch that makes it; sent
    struct amount due; // what of it was to be sent, so far
    struct tree_entry t;
    char path[];
};

enum item_state {
    ITEM_DOUBT, // digests of both sides are needed
    ITEM_AGAIN, // was not still while it was read
    ITEM_AWAY,  // a further stream has it: nothing but this is looked at
    ITEM_DONE,  // `m` goes into the manifest
    ITEM_GONE,  // a problem: it does not
    ITEM_STAMP, // the end of `dir`: its metadata are set when all before it is done
};
struct item {
    struct item *next, *away_next;
    enum item_state state;
    struct dir *dir; // the directory it lies in; of ITEM_STAMP the directory itself
    struct tree_entry t;
    struct listed *far; // what stands at the destination; NULL: nothing
    bool far_owned;     // it is a copy
    bool replace;       // it takes the place of `far`
    bool in_ranges;     // its content went in ranges of its own
    bool theirs;        // by policy, so that it stays somebody else's for later passes
    char mark;
    int tries;
    int outcome; // of one that was away: enum source_result
    char digest[HASH_HEX];
    char *target; // of a symlink
    char path[];
};

struct member { // of a batch, as the receipt has to confirm it
    char kind;
    bool is_void, refused;
    bool theirs;  // as of struct item, or its content is not known
    bool counted; // a mend that is in the counts, not only the end of a changed directory
    uint32_t mode, uid, gid;
    uint64_t size, xattrs;
    uint64_t sent; // bytes that count as sent in this batch
    int64_t mtime_ns;
    uint8_t digest[HASH_SIZE]; // SHA-256
    enum content_kind by;      // what the receipt has to say of a file's content
    uint8_t checksum[CHECKSUM_SIZE];
    char *path, *target;
};
struct members {
    struct member *items;
    size_t n, cap;
};
struct out_batch {
    struct out_batch *next;
    uint64_t number, bytes;
    struct members members; // of the archive; the mends are appended when the batch is complete
    struct members mends;
    struct buf remarks, mend_records;
    uint32_t n_remarks;
    struct files_counts counts;
    // A range of a large file: what its receipt has to say.
    bool is_range;
    uint64_t range_count; // 0: given up
    uint8_t digest[HASH_SIZE];
};
#define BATCH_ITEMS 2000
#define BATCH_ITEMS_SOON 50 // for tests
#define BATCH_BYTES (64u << 20)
#define BATCHES_FLYING 2

struct streams;
// From where on further streams get files, and how many wait for each of them.
struct streams_limits {
    struct amount step, dir, waiting;
};

struct sender {
    const struct files_job *job;
    struct session session;
    struct files_counts *counts;
    struct manifest_writer *manifest; // NULL: none
    struct dir *dir;                  // innermost directory of the walk
    struct item *first, **last;       // the queue
    size_t queued, doubts;
    bool failed; // CONFLICT_FAIL met a conflict
    // files_streams.c
    struct streams *streams;          // further ones of this sender; NULL: none
    const struct streams *streams_of; // of the sender whose further stream this is
    struct streams_limits limits;     // of `streams`
    struct amount due, due_top;       // what was to be sent so far; of that, directly in `under`
    // files_source.c
    struct tree_parent parent;
    struct hash *hash;
    struct checksum *checksum;
    uint8_t checked[CHECKSUM_SIZE]; // of what was read last
    struct hash *ranges;            // of the file that goes in ranges
    uint8_t *buffer;                // SOURCE_BUFFER, behind the head of a PIECE
    uint8_t *piece;                 // that head
    struct stat before;             // of the file that is being read
    bool parts_made;
    bool no_noatime, no_xattr;
    struct strtab *links; // (dev, ino) -> struct first_link
    struct first_link *all_links;
    // files_batch.c
    struct out_batch *batch; // being filled
    struct out_batch *flying, **flying_last;
    size_t n_flying;
    uint64_t next_number;
    size_t batch_items; // at most
    struct archive *archive;
    struct archive_entry *entry;
    struct buf frame;
    struct err late; // of the archive's callback
};
#define SOURCE_BUFFER PROTOCOL_PIECE
#define PIECE_HEAD 8 // the offset

struct first_link {
    struct first_link *next;
    char digest[HASH_HEX];
    char path[];
};

// files.c
struct sender *sender_new(const struct files_job *job, struct files_counts *counts);
void sender_free(struct sender *s);
// An error when the sender has to end: at a stop, or since the step's other streams failed.
int sender_stopped(const struct sender *s, struct err *e);

// files_decide.c
// Does what has to be done with an entry, or leaves it in doubt; takes the item over. `inside` is
// the directory's own frame, when it is one.
int decide(struct sender *s, struct item *i, struct dir *inside, struct err *e);
int decide_doubts(struct sender *s, struct err *e); // until none is left
// What became of an item that was away is in i->outcome.
int decide_returned(struct sender *s, struct item *i, struct err *e);

// files_queue.c
struct item *item_new(const struct tree_entry *t, struct dir *dir);
void item_free(struct item *i);
int queue_add(struct sender *s, struct item *i, struct err *e);
int queue_flush(struct sender *s, struct err *e); // writes what is known at its head
void queue_free(struct sender *s);
struct dir *dir_new(struct sender *s, const struct tree_entry *t);
// Ends the directories that do not hold `path`; NULL: all.
int dir_leave_to(struct sender *s, const char *path, struct err *e);
int tell_problem(struct sender *s, const char *path, const char *class, const char *detail,
                 struct err *e);
int tell_problem_errno(struct sender *s, const char *path, int errnum, struct err *e);
int tell_difference(struct sender *s, const char *path, uint8_t mend_what, struct err *e);

// files_source.c
enum source_result {
    SOURCE_OK = 0,
    SOURCE_MOVED = 1,
    SOURCE_LOST = 2, // told as a problem
    SOURCE_WHOLE = 3,
};
// Opens and looks at it again: i->t becomes what it is now.
int source_open(struct sender *s, struct item *i, int *fd, struct err *e);
int source_digest(struct sender *s, struct item *i, struct err *e);
// Reads it into the archive, whose header was written; sets i->digest.
int source_copy(struct sender *s, struct item *i, int fd, struct err *e);
int source_target(struct sender *s, struct item *i, struct err *e);
// Adds extended attributes and holes to s->entry; the attributes' share in the digest.
uint64_t source_describe(struct sender *s, int fd, const struct item *i);
// False when the file that s->before tells of has changed since.
bool source_still(const struct sender *s, int fd, uint64_t size);
const struct first_link *source_first(struct sender *s, const struct item *i);
void source_remember(struct sender *s, const struct item *i);
void source_free(struct sender *s);

// files_ranges.c
bool ranges_fit(const struct sender *s, const struct item *i);
// Sends its content, of which the destination may have a part; sets i->digest. SOURCE_WHOLE: it
// has to be sent whole.
int ranges_send(struct sender *s, struct item *i, int fd, struct err *e);
// The next file of the batch is the one that was sent in ranges.
int ranges_whole(struct sender *s, struct err *e);
int ranges_drop(struct sender *s, struct err *e); // what is left of the step's, at its end

// files_batch.c
// Sends an entry; i->replace: in the place of i->far. SOURCE_MOVED: it is void.
int batch_send(struct sender *s, struct item *i, struct err *e);
int batch_mend(struct sender *s, const struct tree_entry *t, uint8_t what, bool counted,
               struct err *e);
int batch_end(struct sender *s, struct err *e); // nothing when there is none
// A batch that is no archive: what it begins with is the caller's, who completes it.
int batch_bare(struct sender *s, struct err *e);
int batch_complete(struct sender *s, uint64_t count, uint64_t bytes,
                   const uint8_t digest[HASH_SIZE], struct err *e);
int batch_wait_all(struct sender *s, struct err *e);
int archive_failed(struct sender *s, struct err *e); // why the archive did not take something
int batch_receipt(void *sender, const struct frame *f, struct err *e);
void batches_free(struct sender *s);

// files_streams.c. The functions may be called where there are no further streams.
void streams_new(struct sender *s); // s->job becomes one that all streams may use
void streams_free(struct streams *x);
// Hands a file over, which is to be sent to where nothing stands: `taken`; otherwise the sender
// sends it itself. Must see each item that is to be sent.
int streams_offer(struct sender *s, struct item *i, bool *taken, struct err *e);
// Takes back what was read meanwhile. An error: one of the streams has failed.
int streams_collect(struct sender *s, struct err *e);
int streams_wait_first(struct sender *s, struct err *e); // until the head of the queue is back
// Until all that was handed over is back and has its receipt.
int streams_settle(struct sender *s, struct err *e);
// Ends them, with rc at once, and adds what they have counted. Returns rc, or their error.
int streams_end(struct sender *s, int rc, struct err *e);
bool streams_given_up(const struct streams *x);
