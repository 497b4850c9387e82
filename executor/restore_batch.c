// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "executor/restore.h"
#include "site/bson_frame.h"

// A batch takes documents until one more would exceed its bytes, so one document of any size fits.
#define SOURCE_MAX (RESTORE_BATCH_BYTES + DOC_MAX)
// Fix-ups replace strings: what they make is capped document by document by the server's limit.
#define FIXED_MAX (4u * SOURCE_MAX)

struct restore_batch *restore_batch_new(void) {
    struct restore_batch *b = must_calloc(1, sizeof *b);
    b->source = (struct buf)BUF_INIT(SOURCE_MAX);
    b->fixed = (struct buf)BUF_INIT(FIXED_MAX);
    return b;
}

void restore_batch_clear(struct restore_batch *b) {
    for (size_t i = 0; i < b->n; i++) {
        free(b->docs[i].detail);
    }
    b->n = 0;
    b->position = b->end = 0;
    buf_clear(&b->source); // and keep the memory, which the next document as large needs again
    if (b->fixed.cap > RESTORE_LARGE) {
        buf_free(&b->fixed);
    }
    buf_clear(&b->fixed);
}

void restore_batch_free(struct restore_batch *b) {
    if (b) {
        restore_batch_clear(b);
        buf_free(&b->source);
        buf_free(&b->fixed);
        free(b);
    }
}

static const struct batch_record *next_done(struct restore_source *s, uint64_t position) {
    const struct restore_done *done = s->done;
    while (done && s->next_done < done->n && done->items[s->next_done].position < position) {
        s->next_done++;
    }
    return done && s->next_done < done->n ? &done->items[s->next_done] : NULL;
}

// Passes over recorded batches, to the next document, of *len bytes. As restore_batch_fill.
static int skip_done(struct restore_source *s, struct buf *ignored, size_t *len, struct err *e) {
    int rc;
    while ((rc = segment_peek(s->reader, len, e)) > 0) {
        uint64_t position = segment_offset(s->reader);
        const struct batch_record *done = next_done(s, position);
        if (!done || done->position != position) {
            return 1;
        }
        while (rc > 0 && segment_offset(s->reader) < done->end) {
            buf_clear(ignored);
            rc = segment_next(s->reader, ignored, e);
        }
        buf_clear(ignored);
        if (rc <= 0) {
            return rc;
        }
    }
    return rc;
}

// What of the document counts later: its first _id, and whether any other element at the top is
// Timestamp(0, 0). Negative: it is damaged.
static int examine(struct restore_doc *d) {
    static const uint8_t zero[8];
    struct doc_iter it;
    struct doc_element el;
    int rc;
    d->id = (struct docid){0};
    d->zero_time = false;
    doc_iter_init(&it, d->expected, d->expected_len);
    while ((rc = doc_next(&it, &el)) > 0) {
        if (strcmp(el.name, "_id") == 0) {
            if (d->id.type == 0) {
                d->id = (struct docid){.type = el.type, .value = el.value, .len = el.value_len};
            }
        } else if (el.type == BSON_TYPE_TIMESTAMP && memcmp(el.value, zero, sizeof zero) == 0) {
            d->zero_time = true;
        }
    }
    return rc;
}

// The document is what the batch's buffer has from `at` on.
static int add(struct restore_source *s, struct restore_batch *b, uint64_t offset, size_t at,
               struct err *e) {
    struct restore_doc *d = &b->docs[b->n];
    AUTO_BUF struct buf fixed = BUF_INIT(2u * DOC_MAX);
    const uint8_t *doc = b->source.data + at;
    *d = (struct restore_doc){.offset = offset, .source_at = at, .source_len = b->source.len - at};
    // Without fix-ups it would only look at the elements, as examine() does.
    int rc = fixups_empty(s->fixups) ? 0 : fixups_apply(s->fixups, doc, d->source_len, &fixed, e);
    if (rc < 0) {
        return err_wrap(e, "document at byte %llu of the dump", (unsigned long long)offset);
    }
    d->fixed = rc == 1;
    d->expected_len = d->fixed ? fixed.len : d->source_len;
    d->expected_at = b->fixed.len;
    rc = d->fixed ? buf_append(&b->fixed, fixed.data, fixed.len, e) : 0;
    b->n += rc == 0;
    return rc;
}

static bool has_room(const struct restore_batch *b, size_t len) {
    return b->n < RESTORE_BATCH_DOCUMENTS &&
           (b->n == 0 || (b->source.len + len <= RESTORE_BATCH_BYTES &&
                          b->fixed.len + len <= RESTORE_BATCH_BYTES));
}

static bool begins_done(struct restore_source *s, uint64_t position) {
    const struct batch_record *done = next_done(s, position);
    return done && done->position == position;
}

// The buffers hold still now.
int restore_batch_point(struct restore_batch *b, struct err *e) {
    for (size_t i = 0; i < b->n; i++) {
        struct restore_doc *d = &b->docs[i];
        d->source = b->source.data + d->source_at;
        d->expected = d->fixed ? b->fixed.data + d->expected_at : d->source;
        if (examine(d) < 0) {
            return err_set(e, ERR_DATA, "document at byte %llu of the dump is damaged",
                           (unsigned long long)d->offset);
        }
    }
    return 1;
}

static void sum_up(struct restore_batch *b) {
    for (size_t i = 0; i < b->n; i++) {
        restore_checksum(b->docs[i].expected, b->docs[i].expected_len, b->docs[i].sum);
    }
}

int restore_batch_put(struct restore_source *s, struct restore_batch *b, const uint8_t *doc,
                      size_t len, struct err *e) {
    size_t at = b->source.len;
    if (!has_room(b, len)) {
        return 0;
    }
    int rc = buf_append(&b->source, doc, len, e);
    rc = rc == 0 ? add(s, b, 0, at, e) : rc;
    return rc == 0 ? 1 : rc;
}

static int add_next(struct restore_source *s, struct restore_batch *b, struct err *e) {
    uint64_t offset = segment_offset(s->reader);
    size_t at = b->source.len;
    int rc = segment_next(s->reader, &b->source, e);
    MUST(rc != 0); // there is one: it was looked at
    if (rc == ERR_DATA) {
        return err_append(e, "; no document from there on was restored: remove the file, and "
                             "resume dumps it again");
    }
    rc = rc > 0 ? add(s, b, offset, at, e) : rc;
    b->end = segment_offset(s->reader);
    return rc;
}

int restore_batch_fill(struct restore_source *s, struct restore_batch *b, struct err *e) {
    size_t len;
    restore_batch_clear(b);
    int rc = skip_done(s, &b->source, &len, e);
    if (rc <= 0) {
        return rc;
    }
    b->position = segment_offset(s->reader);
    while (rc > 0 && has_room(b, len) &&
           (b->n == 0 || !begins_done(s, segment_offset(s->reader)))) {
        rc = add_next(s, b, e);
        rc = rc == 0 ? segment_peek(s->reader, &len, e) : rc;
    }
    rc = rc < 0 ? rc : restore_batch_point(b, e);
    if (rc > 0 && s->sums) {
        sum_up(b);
    }
    return rc;
}
