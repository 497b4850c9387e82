// SPDX-License-Identifier: Apache-2.0
// Parts of the restore step. A batch of documents is read from the dump and prepared by a thread of
// its own (restore_feed.c, restore_batch.c) while the one before is at the server. The worker then
//
//     looks      what stands at the destination already (only when that was so for most of the
//                batch before, or when a reply was lost)                        restore_look.c
//     inserts    what is missing                                                restore_send.c
//     looks      at what the insert called duplicate, and compares              restore_look.c
//     resolves   what differs: replaced when it stands as the base left it (executor/base.h), else
//                kept, replaced or failed by the step's policy                  restore_conflict.c
//     mends      top-level zero Timestamps, which a server replaces on insert   restore_time.c
//     settles    when nothing was written: what was found may not be durable yet
//     records    what was laid, for later passes, and the batch with its conflicts and problems in
//                the journal                                                    restore_record.c
//
// and a document goes through the states of enum doc_state on its way.
#pragma once

#include "base/buf.h"
#include "base/checksum.h"
#include "executor/laid.h"
#include "executor/step.h"
#include "schema/fixup.h"
#include "site/segment.h"

#define RESTORE_BATCH_DOCUMENTS 1000
#define RESTORE_BATCH_BYTES (8u * 1024 * 1024)
#define RESTORE_LARGE (2u * 1024 * 1024) // from here on memory counts for more than speed

enum doc_state {
    DOC_MISSING,  // not known to be at the destination: to be inserted
    DOC_SENT,     // inserted by us, durable
    DOC_PRESENT,  // there already, byte for byte as expected
    DOC_CLAIMED,  // the server refused it, mostly as a duplicate: to be looked at
    DOC_UNFIXED,  // there as it is at the source, without the fix-ups: to be mended
    DOC_DIFFERS,  // there with other content: to be resolved
    DOC_KEPT,     // what is there stays
    DOC_REPLACED, // what was there is in the journal, ours is at the destination
    DOC_REJECTED, // the destination will not have it
};

struct restore_doc {
    uint64_t offset;         // in the dump
    const uint8_t *source;   // as it is in the dump
    const uint8_t *expected; // after the fix-ups; the same pointer when they changed nothing
    size_t source_len, expected_len;
    size_t source_at, expected_at; // where they are in the batch's buffers
    bool fixed;
    struct docid id;            // of `expected`; type 0: it has none
    bool zero_time;             // has a top-level Timestamp(0, 0)
    uint8_t sum[CHECKSUM_SIZE]; // restore_checksum of `expected`, where the source has `sums`
    enum doc_state state;
    bool updated;                     // differs, but is as the base left it: ours is newer
    const char *class;                // conflict: "different", "updated", "unfixed", "unique-clash"
    char there[HASH_HEX];             // digest of what stood at the destination
    uint8_t there_sum[CHECKSUM_SIZE]; // of the same; of DIFFERS only
    char *detail;                     // owned; of a conflict or rejection
    bool journaled;                   // its conflict row is in the journal already (journal_intent)
};

struct restore_batch {
    uint64_t position, end; // byte offsets in the dump
    struct buf source, fixed;
    struct restore_doc docs[RESTORE_BATCH_DOCUMENTS];
    size_t n;
};
struct restore_batch *restore_batch_new(void);
void restore_batch_free(struct restore_batch *b);

// What was recorded by earlier attempts, by position.
struct restore_done {
    struct batch_record *items;
    size_t n, cap;
};

struct restore_source {
    struct segment_reader *reader;
    const struct fixups *fixups;
    const struct restore_done *done; // skipped; NULL: none
    size_t next_done;
    bool sums; // are computed while the cache has the documents
};
// Fills the next batch that is not done. 1: it holds at least one document; 0: the dump is at its
// end; negative: ERR_DATA, ERR_IO.
int restore_batch_fill(struct restore_source *s, struct restore_batch *b, struct err *e);

// The same by hand, for documents that come from elsewhere (`s` has fix-ups and no reader): put
// until one does not fit (0; 1: taken), point once before the batch is used, then clear it.
int restore_batch_put(struct restore_source *s, struct restore_batch *b, const uint8_t *doc,
                      size_t len, struct err *e);
int restore_batch_point(struct restore_batch *b, struct err *e); // 1, or an error
void restore_batch_clear(struct restore_batch *b);

// The thread that fills batches. next: as restore_batch_fill; the batch stays the caller's until
// the next call.
struct restore_feed;
struct restore_feed *restore_feed_start(struct restore_source *s);
int restore_feed_next(struct restore_feed *f, struct restore_batch **b, struct err *e);
void restore_feed_cleanup(struct restore_feed **f);

// How a document at the destination compares with ours. That the server moved _id to the front is
// no difference.
enum restore_verdict {
    VERDICT_SAME,
    VERDICT_UNFIXED, // equal to the source, less the fix-ups
    VERDICT_TIME,    // equal but for top-level zero Timestamps, which a server replaces on insert
    VERDICT_DIFFERENT,
};
enum restore_verdict restore_compare(const struct restore_doc *d, const uint8_t *there, size_t len);
// SHA-256 of a document as a server stores it: _id first.
void restore_digest(const uint8_t *doc, size_t len, char out[HASH_HEX]);
void restore_digest_bytes(const uint8_t *doc, size_t len, uint8_t out[HASH_SIZE]);
// Its checksum for the base (executor/laid.h).
void restore_checksum(const uint8_t *doc, size_t len, uint8_t out[CHECKSUM_SIZE]);
// The key of a document in the base (executor/laid.h): type byte and value of its _id.
void restore_key(const struct docid *id, struct buf *out);

// Which top-level fields differ, with both values, for people: at most eight fields, long values
// cut, values of fields whose name tells of a secret never. Owned by the caller.
char *restore_differences(const uint8_t *ours, size_t len, const uint8_t *there, size_t there_len);

// Opens and checks the dump of a restore step and compiles its fix-ups. A file that is gone sends
// the dump back to pending (ERR_LEFTOVER), unless it is wanted for verify, which only reads.
int restore_open(struct run *r, const struct plan_step *s, bool verify,
                 struct segment_reader **reader, struct fixups **fixups, struct err *e);

// The fix-ups of a plan for one collection; fixups_free.
int restore_fixups(const struct plan *p, const char *collection, struct fixups **out,
                   struct err *e);

struct restore {
    struct step_run *s;
    struct mongo *destination;
    const char *collection;
    bool look_first;
    struct laid_writer *laid;
    uint64_t failed;             // documents that the policy "fail" stops at
    struct step_result recorded; // how much of the step's result the journal has, batch by batch
};

// Fetches those documents of the batch that are in state `from` by their _ids and sets their state:
// PRESENT, UNFIXED or DIFFERS; those that are not there keep it.
int restore_look(struct mongo *m, const char *collection, struct restore_batch *b,
                 enum doc_state from, struct err *e);
// One document whose _id is taken from the destination: 1 there (bytes in `out`), 0 not.
int restore_fetch(struct mongo *m, const char *collection, const struct docid *id, struct buf *out,
                  struct err *e);

int restore_send(struct restore *r, struct restore_batch *b, struct err *e);
// A unique index other than _id's refused the document.
int restore_unique_clash(struct restore *r, struct restore_doc *d,
                         const struct mongo_write_error *we, struct err *e);
// Decides about documents that are UNFIXED or DIFFERS.
int restore_resolve(struct restore *r, struct restore_batch *b, struct err *e);
// Puts right the zero Timestamps of documents that were inserted.
int restore_mend_time(struct restore *r, struct restore_batch *b, struct err *e);
// Writes the batch with its conflicts and problems into the journal.
int restore_record(struct restore *r, struct restore_batch *b, struct err *e);

// The _id for people and for the journal, cut at 1 kB.
#define RESTORE_ID_MAX 1024
const char *restore_id_text(const struct docid *id, char out[RESTORE_ID_MAX]);

int restore_verify(struct step_verify *v, struct err *e);
// The same with the source as it is now.
int restore_verify_live(struct step_verify *v, struct err *e);
// True when the journal says that a conflict left the document of this step as it was; *kept holds
// what was read for that, and is freed by the caller.
int restore_was_kept(const struct step_verify *v, struct strtab **kept, const char *id, bool *was,
                     struct err *e);
