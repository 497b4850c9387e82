// SPDX-License-Identifier: Apache-2.0
// How a sender and a receiver of files talk: frames over two byte streams that may lie.
//
// A frame is a type (1 byte), the length of its payload (4 bytes, at most PROTOCOL_FRAME_MAX), a
// check of the payload (4 bytes, wire_check), a check of these nine bytes (4 bytes), the payload.
// Integers are big endian; a string is a length (2 bytes) and its bytes. No meaning hangs on the
// end of a stream: whoever is told nothing for the timeout gives up, and whoever is busy for long
// says ALIVE in between. Everything is strict: an unknown type, a field that is too long or left
// over ends the session.
//
//     sender                          receiver
//     HELLO  version nonce timeout ─►
//                                  ◄─ WELCOME  version, nonce, what the file system can keep
//     SELECT under, its parents    ─►
//     NAMES  ...                   ─►
//     LIST   credit                ─►
//                                  ◄─ PAGE ... PAGE, LISTED     as far as the credit goes
//     MORE   credit                ─►
//     DIGEST paths                 ─►           amid a batch only where WELCOME says so
//                                  ◄─ DIGESTS  in the same order
//     BATCH  number                ─►
//     TAR    bytes ... TAR         ─►           one pax archive for each batch
//     MEND   metadata              ─►
//     COMMIT count bytes digest    ─►
//                                  ◄─ RECEIPT  nonce number count bytes digest, what was refused
//     PART   path                  ─►           a large file, which goes in ranges (site/parts.h)
//                                  ◄─ PARTED   how much of it is there, and its digest
//     BATCH  number                ─►           one range of it
//     RANGE  from to               ─►
//     PIECE  offset bytes ...      ─►           what is passed over is zeros
//     COMMIT count bytes digest    ─►           of all of the file up to the range's end
//                                  ◄─ RECEIPT
//     BATCH  number                ─►
//     WHOLE                        ─►           the archive's first file, empty, is the part
//     TAR ... COMMIT               ─►
//                                  ◄─ RECEIPT
//     DROP   token                 ─►           the step is done: its parts are of no use
//                                  ◄─ DROPPED  how that went
//     REMOVE items                 ─►           of a session that does nothing else
//                                  ◄─ REMOVED  an outcome each, in the same order
//     BYE                          ─►
//                                  ◄─ BYE
//
// The answers to LIST come while batches are sent; a receiver works on one batch while the next
// one comes in, and receipts come in the order of the batches. FAILURE (code, escaped text) may
// come at any time, is the last frame of its side, and ends the session.
//
// The digest of a batch is SHA-256 over its items in order, metadata included (digest_item). It is
// what makes the bytes of TAR and PIECE frames sure, which have no check of their own. In it stands
// for a file's content its checksum; its SHA-256 where it went in ranges, and for a far end that
// has no more than sha256sum (WELCOME without KEEP_CHECKSUM). A range that
// the sender gives up, since the file did not hold still, has a COMMIT and a RECEIPT with a count
// of 0.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "site/channel.h"
#include "site/tree.h"

#define PROTOCOL_MAGIC "mvimig files"
#define PROTOCOL_RECEIVER "mvimig-receive" // the program
// 2: a check of its own for the head of a frame; REMOVE. 3: parts. 4: checksums.
#define PROTOCOL_VERSION 4
#define PROTOCOL_FRAME_MAX (1u << 20)
#define PROTOCOL_HEAD 13 // bytes of a frame before its payload
#define PROTOCOL_TIMEOUT_MS 120000
#define PROTOCOL_NONCE 16
#define PROTOCOL_TOKEN 16              // by which a step finds its parts again; zeros: none
#define PROTOCOL_PIECE (256u << 10)    // bytes of content in one PIECE
#define PROTOCOL_PAGE (64u << 10)      // a PAGE is about this long
#define PROTOCOL_CREDIT 4              // pages that may be under way
#define PROTOCOL_BATCH_ITEMS 4096      // a receiver takes no more in one batch
#define PROTOCOL_DIGESTS 1024          // paths in one DIGEST
#define PROTOCOL_REMOVALS 1024         // items in one REMOVE
#define PROTOCOL_NAMES_MAX (64u << 20) // bytes of names and excepted paths in one SELECT
#define PROTOCOL_LINK_MAX 4095         // target of a symlink

enum frame_type {
    FRAME_HELLO = 'H',
    FRAME_SELECT = 'S',
    FRAME_NAMES = 'N',
    FRAME_LIST = 'L',
    FRAME_MORE = 'M',
    FRAME_DIGEST = 'D',
    FRAME_BATCH = 'B',
    FRAME_TAR = 'T',
    FRAME_MEND = 'U',
    FRAME_COMMIT = 'C',
    FRAME_REMOVE = 'R',
    FRAME_PART = 'P',
    FRAME_RANGE = 'E',
    FRAME_PIECE = 'I',
    FRAME_WHOLE = 'W',
    FRAME_DROP = 'Q',
    FRAME_BYE = 'G', // both ways
    FRAME_WELCOME = 'h',
    FRAME_PAGE = 'p',
    FRAME_LISTED = 'l',
    FRAME_DIGESTS = 'd',
    FRAME_RECEIPT = 'r',
    FRAME_REMOVED = 'v',
    FRAME_PARTED = 'w',
    FRAME_DROPPED = 'q',
    FRAME_FAILURE = 'x', // both ways
    FRAME_ALIVE = 'A',   // both ways; never handed to the caller
};

// --- streams

struct wire {
    int in, out; // borrowed, made non-blocking
    // Within this process, instead of the descriptors; borrowed.
    struct channel *channel;
    int side;
    struct buf taken; // the frame that was handed out
    int timeout_ms;
    bool duplex;      // take in what comes while a frame waits to go out
    const char *peer; // "receiver at destination", for messages
    uint8_t *data;    // what came in
    size_t at, len, cap;
    pthread_mutex_t lock; // one frame goes out at a time
    int64_t sent_ns, came_ns;
    bool broken; // an earlier write stopped in the middle of a frame
};
struct frame {
    enum frame_type type;
    const uint8_t *data; // valid until the next wire_recv, on a duplex wire until wire_send
    size_t len;
};

int wire_open(struct wire *w, int in, int out, int timeout_ms, const char *peer, struct err *e);
void wire_open_channel(struct wire *w, struct channel *c, int side, int timeout_ms,
                       const char *peer);
void wire_close(struct wire *w); // the descriptors or the channel stay open
// Sends one frame; any thread. ERR_RETRY when the stream broke or nobody read for the timeout.
int wire_send(struct wire *w, enum frame_type type, const void *data, size_t len, struct err *e);
// The same with the content of `b`, which is empty afterwards and may have other memory.
int wire_send_buf(struct wire *w, enum frame_type type, struct buf *b, struct err *e);
// The next frame: 1, or 0 when the stream ended between two frames. ERR_RETRY as above, and for
// anything that is no frame. One thread.
int wire_recv(struct wire *w, struct frame *f, struct err *e);
// The same without waiting: 2 when no whole frame is there yet.
int wire_poll(struct wire *w, struct frame *f, struct err *e);
// For whoever works for long between frames: says ALIVE when it is time.
int wire_alive(struct wire *w, struct err *e);
// Sends FAILURE with the error's code and text. What goes wrong with that is of no interest.
void wire_fail(struct wire *w, const struct err *why);
// Turns a FAILURE frame into an error: the far side's code and text.
int wire_failure(struct wire *w, const struct frame *f, struct err *e);

// The head of a frame, as wire_send sends it.
void wire_head(enum frame_type type, const void *data, size_t len, uint8_t head[PROTOCOL_HEAD]);
uint32_t wire_check(enum frame_type type, const void *data, size_t len); // 0 for TAR and PIECE

// --- payloads

void put_u8(struct buf *b, uint8_t v);
void put_u16(struct buf *b, uint16_t v);
void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_text(struct buf *b, const char *s); // at most 65,535 bytes

// Reads a payload; the first thing that does not fit sets `bad` and everything after is 0.
struct take {
    const uint8_t *data;
    size_t len, at;
    bool bad;
};
uint8_t take_u8(struct take *t);
uint16_t take_u16(struct take *t);
uint32_t take_u32(struct take *t);
uint64_t take_u64(struct take *t);
void take_bytes(struct take *t, void *out, size_t len);
// A string without zero bytes into `out`; bad when it is longer than size - 1.
void take_text(struct take *t, char *out, size_t size);
bool take_done(const struct take *t); // all of it read, and nothing bad

// What a file system was seen to keep.
enum keep_flag {
    KEEP_OWNER = 1 << 0, // numeric uid and gid
    KEEP_MODE = 1 << 1,
    KEEP_XATTR = 1 << 2, // user.*
    KEEP_LINKS = 1 << 3, // hard links
    KEEP_SYMLINKS = 1 << 4,
    KEEP_PARTS = 1 << 5,    // not of files: parts of large ones, from one session to the next
    KEEP_PARTED = 1 << 6,   // and some of this step are there
    KEEP_CHECKSUM = 1 << 7, // content is compared by its checksum (base/checksum.h)
    KEEP_AMID = 1 << 8,     // DIGEST is answered amid a batch; else there must be none
};
struct keeps {
    uint32_t flags;
    uint64_t mtime_ns; // granularity
};

// One entry of a PAGE.
struct listed {
    char type; // enum tree_type, or LISTED_UNREADABLE with errno in `size`
    uint32_t mode, uid, gid;
    uint64_t size;
    int64_t mtime_ns;
    char path[PATH_REL_MAX + 1];
    char target[PROTOCOL_LINK_MAX + 1]; // of a symlink
};
#define LISTED_UNREADABLE 'u'
void put_listed(struct buf *b, const struct listed *l);
void take_listed(struct take *t, struct listed *l);

// Metadata to be put right at a path, without its content.
enum mend_what { MEND_MODE = 1 << 0, MEND_OWNER = 1 << 1, MEND_TIME = 1 << 2 };
struct mend {
    char type;    // enum tree_type: what stands there now
    uint8_t what; // enum mend_what
    uint32_t mode, uid, gid;
    int64_t mtime_ns;
    const char *path;
};
#define MEND_FIXED 22 // bytes in front of the path of a record
void put_mend(struct buf *b, const struct mend *m);
void take_mend(struct take *t, struct mend *m, char path[PATH_REL_MAX + 1]);

// What the sender says about a member of the batch after it has read its content.
enum remark_what {
    REMARK_VOID = 'v',    // it did not hold still: not to be put in place
    REMARK_REPLACE = 'r', // takes the place of what is described; otherwise nothing may stand there
};
struct remark {
    uint32_t member; // index among the archive's members
    char what;
    char type; // REMARK_REPLACE: what stands there, as listed
    uint64_t size;
    int64_t mtime_ns;
};
#define REMARK_SIZE 22

struct receipt {
    uint8_t nonce[PROTOCOL_NONCE];
    uint64_t number, count, bytes;
    uint8_t digest[HASH_SIZE];
};
// An item that was not put in place. Indexes count members first, then mends.
#define REFUSAL_THERE "there" // somebody else has brought the same meanwhile: there is no problem
struct refusal {
    uint32_t item;
    char class[32]; // what the journal calls it, or REFUSAL_THERE
    char detail[128];
};

// One item's share in the digest of a batch.
struct digest_item {
    char kind; // 'f' file, 'd' directory, 'l' symlink, 'h' hard link, 'm' mend
    const char *path;
    uint32_t mode, uid, gid; // as they are sent
    int64_t mtime_ns;
    uint64_t xattrs;  // digest_xattr of each, by exclusive or
    const void *data; // SHA-256 or checksum of a file's content, target of a link; else none
    size_t len;
};
void digest_item(struct hash *h, const struct digest_item *i);
uint64_t digest_xattr(const char *name, const void *value, size_t len);
