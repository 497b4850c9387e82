// SPDX-License-Identifier: Apache-2.0
// A large file goes in ranges, each of which is a batch: what the destination has synced, read back
// and compared stays there when the stream is cut or either side is killed (site/parts.h). The next
// attempt asks how far that goes, reads as much of the source, and goes on behind it where the
// digests agree; where they do not, the source is another one now, and it starts over. When all of
// it is there, an ordinary batch puts it in place.
//
// A file with holes is sent without the pieces that are all zeros.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "site/files_private.h"

#define RANGE_BYTES (64u << 20)
#define RANGE_BYTES_SMALL (256u << 10) // for tests

static uint64_t range_bytes(void) {
    return FAULT("ranges-small") != 0 ? RANGE_BYTES_SMALL : RANGE_BYTES;
}

bool ranges_fit(const struct sender *s, const struct item *i) {
    return (s->session.keeps.flags & KEEP_PARTS) != 0 && i->t.size >= 2 * range_bytes();
}

// In whole buffers: the rest of the size is told with the item.
static void progress(const struct sender *s, uint64_t at, uint64_t len) {
    uint64_t n = (at + len) / SOURCE_BUFFER - at / SOURCE_BUFFER;
    if (s->job->progress != NULL && n > 0) {
        s->job->progress(s->job->arg, 0, n * SOURCE_BUFFER);
    }
}

// As much as one piece holds, into the buffer and the hash. SOURCE_MOVED at an end that came early.
static int read_piece(struct sender *s, struct item *i, int fd, uint64_t at, uint64_t to,
                      size_t *len, struct err *e) {
    size_t most = rate_piece(s->job->rate, SOURCE_BUFFER);
    size_t want = to - at < most ? (size_t)(to - at) : most;
    for (*len = 0; *len < want;) {
        ssize_t got = pread(fd, s->buffer + *len, want - *len, (off_t)(at + *len));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            int rc = got == 0 ? 0 : tell_problem_errno(s, i->path, errno, e);
            return rc < 0 ? rc : got == 0 ? SOURCE_MOVED : SOURCE_LOST;
        }
        *len += (size_t)got;
    }
    hash_update(s->ranges, s->buffer, *len);
    progress(s, at, *len);
    return SOURCE_OK;
}

static void forget(struct sender *s) {
    uint8_t ignored[HASH_SIZE];
    hash_final(s->ranges, ignored);
}

// Reads what the destination has: *at is its end when it is the same, else 0.
static int compare_part(struct sender *s, struct item *i, int fd, uint64_t *at, struct err *e) {
    const struct far_part *part = &s->session.part;
    uint8_t digest[HASH_SIZE];
    int rc = part->len <= i->t.size ? SOURCE_OK : SOURCE_MOVED;
    for (*at = 0; rc == SOURCE_OK && *at < part->len;) {
        size_t len;
        rc = read_piece(s, i, fd, *at, part->len, &len, e);
        *at += len;
        rc = rc != SOURCE_OK ? rc : wire_alive(&s->session.wire, e);
        rc = rc != SOURCE_OK ? rc : sender_stopped(s, e);
    }
    hash_so_far(s->ranges, digest);
    if (rc == SOURCE_MOVED || (rc == SOURCE_OK && memcmp(digest, part->digest, HASH_SIZE) != 0)) {
        forget(s);
        *at = 0;
        return SOURCE_OK;
    }
    return rc;
}

static bool all_zero(const uint8_t *data, size_t len) {
    return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

static int say_alive(void *wire, struct err *e) {
    return wire_alive(wire, e);
}

static int send_piece(struct sender *s, uint64_t at, size_t len, struct err *e) {
    for (int k = 0; k < PIECE_HEAD; k++) {
        s->piece[k] = (uint8_t)(at >> (56 - 8 * k));
    }
    int rc = rate_wait(s->job->rate, len, say_alive, &s->session.wire, e);
    return rc < 0 ? rc : wire_send(&s->session.wire, FRAME_PIECE, s->piece, PIECE_HEAD + len, e);
}

static int send_pieces(struct sender *s, struct item *i, int fd, uint64_t at, uint64_t to,
                       struct err *e) {
    bool sparse = i->t.blocks * 512 < i->t.size;
    int rc = FAULT("ranges-read") != 0 ? SOURCE_MOVED : SOURCE_OK;
    while (rc == SOURCE_OK && at < to) {
        size_t len;
        rc = read_piece(s, i, fd, at, to, &len, e);
        if (rc == SOURCE_OK) {
            rc = sparse && all_zero(s->buffer, len) ? wire_alive(&s->session.wire, e)
                                                    : send_piece(s, at, len, e);
        }
        at += len;
    }
    return rc != SOURCE_OK ? rc : source_still(s, fd, i->t.size) ? SOURCE_OK : SOURCE_MOVED;
}

static int send_range(struct sender *s, struct item *i, int fd, uint64_t at, uint64_t to,
                      struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(16);
    uint8_t digest[HASH_SIZE] = {0};
    put_u64(&b, at);
    put_u64(&b, to);
    int rc = batch_bare(s, e);
    rc = rc < 0 ? rc : wire_send(&s->session.wire, FRAME_RANGE, b.data, b.len, e);
    rc = rc < 0 ? rc : send_pieces(s, i, fd, at, to, e);
    if (rc < 0) {
        return rc;
    }
    bool whole = rc == SOURCE_OK;
    if (whole) {
        hash_so_far(s->ranges, digest);
    }
    int sent = batch_complete(s, whole, whole ? to - at : 0, digest, e);
    (void)FAULT("ranges-sent");
    return sent < 0 ? sent : rc;
}

int ranges_send(struct sender *s, struct item *i, int fd, struct err *e) {
    uint64_t at = 0, step = range_bytes();
    uint8_t digest[HASH_SIZE];
    s->ranges = s->ranges == NULL ? hash_new() : s->ranges;
    int rc = batch_end(s, e);
    rc = rc < 0 ? rc : session_part(&s->session, i->path, e);
    if (rc < 0) {
        return rc;
    }
    if (!s->session.part.usable) {
        return SOURCE_WHOLE;
    }
    s->parts_made = true;
    rc = compare_part(s, i, fd, &at, e);
    while (rc == SOURCE_OK && at < i->t.size) {
        uint64_t to = i->t.size - at < step ? i->t.size : at + step;
        rc = sender_stopped(s, e);
        rc = rc < 0 ? rc : send_range(s, i, fd, at, to, e);
        at = to;
    }
    if (rc == SOURCE_OK && !source_still(s, fd, i->t.size)) {
        rc = SOURCE_MOVED;
    }
    hash_final(s->ranges, digest); // anew for the next one, in any case
    hash_hex(digest, i->digest);
    return rc;
}

int ranges_whole(struct sender *s, struct err *e) {
    return wire_send(&s->session.wire, FRAME_WHOLE, NULL, 0, e);
}

int ranges_drop(struct sender *s, struct err *e) {
    bool gone = true;
    if (s->job->dry_run || (s->session.keeps.flags & KEEP_PARTS) == 0 ||
        (!s->parts_made && (s->session.keeps.flags & KEEP_PARTED) == 0)) {
        return 0;
    }
    int rc = session_drop(&s->session, s->job->token, &gone, e);
    if (rc == 0 && !gone && s->job->note != NULL) {
        s->job->note(s->job->arg, "parts of large files could not be removed in the destination's "
                                  "data directory; remove .mvimig-parts-* there");
    }
    return rc;
}

int files_forget(struct file_end *destination, const uint8_t (*tokens)[FILES_TOKEN], size_t n,
                 struct err *e) {
    struct session *s = must_calloc(1, sizeof *s);
    struct err ignored = {0};
    bool gone = true, all = true;
    int rc = session_open(s, destination, true, NULL, e);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = session_drop(s, tokens[i], &gone, e);
        all = all && gone;
    }
    if (rc == 0) {
        session_bye(s, &ignored);
    }
    session_explain(s, rc, e);
    session_close(s);
    free(s);
    return rc == 0 && !all ? err_set(e, ERR_FAILED, "%s: parts of large files cannot be removed",
                                     destination->label)
                           : rc;
}
